"""Typing errors and the whole answer to each, as wrong_commands.txt has them: cause, suggestion, exit code 2, no traceback, no torch."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location("wrong_commands", Path(__file__).with_name("wrong_commands.py"))
assert _spec is not None
assert _spec.loader is not None
table = importlib.util.module_from_spec(_spec)
sys.modules["wrong_commands"] = table
_spec.loader.exec_module(table)

ENTRIES = table.read()
COMMANDS = table.commands(ENTRIES)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What is answered today, by command."""
    found = table.answers(ENTRIES, tmp_path_factory.mktemp("typed"))
    return {entry.command: answer for entry, answer in zip(COMMANDS, found, strict=True)}


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.command)
def test_the_answer(entry: Any, answers: dict[str, dict[str, Any]]) -> None:
    answer = answers[entry.command]
    # If today's answer is the better one, write the table anew: python tests/cli/wrong_commands.py
    assert answer["err"].splitlines() == entry.answer.splitlines()
    assert (answer["code"], answer["out"], answer["heavy"]) == (2, "", [])


def test_the_table() -> None:
    assert len({entry.command for entry in COMMANDS}) == len(COMMANDS) >= 40
    for entry in COMMANDS:
        assert entry.answer, f"{entry.command} has no answer yet: python tests/cli/wrong_commands.py"
        assert all(line.startswith("error: ") for line in entry.answer.splitlines()), entry.command


def test_writing_what_was_read_changes_nothing(tmp_path: Path) -> None:
    copy = tmp_path / "copy.txt"
    table.write(ENTRIES, copy)
    assert copy.read_text() == table.TABLE.read_text()


def test_the_columns_line_up() -> None:
    several = [entry.answer.splitlines() for entry in COMMANDS if entry.answer.count("\n") > 2 and "did you mean" in entry.answer]
    assert len(several) >= 3
    for lines in several:
        assert len({line.index("did you mean") for line in lines if "did you mean" in line}) == 1
        assert len({line.index("(from") for line in lines if "(from" in line}) <= 1
