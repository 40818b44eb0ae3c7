"""How mistakes are printed."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from unified.cli.main import app
from unified.cli.mistakes import WIDEST, report
from unified.core.base.errors import Problem, UnifiedError, UsageError


def printed(capsys: pytest.CaptureFixture[str], *problems: Problem) -> list[str]:
    report(UsageError(*problems))
    return capsys.readouterr().err.splitlines()


def test_columns(capsys):
    lines = printed(
        capsys,
        Problem("a is wrong", "type b", "the command line"),
        Problem("something else is wrong", "", "the command line"),
        Problem("c", "type something longer", "recipe r, line 3"),
        Problem("d was not checked"),
    )
    assert lines == [
        "error: a is wrong                type b                  (from the command line)",
        "error: something else is wrong",
        "error: c                         type something longer   (from recipe r, line 3)",
        "error: d was not checked",
    ]


def test_one_long_line_does_not_push_the_others_away(capsys):
    lines = printed(capsys, Problem("x" * (WIDEST + 1), "hint"), Problem("short", "y" * (WIDEST + 1), "here"), Problem("also", "hint"))
    assert lines[1] == f"error: short   {'y' * (WIDEST + 1)}   (from here)"
    assert lines[2] == "error: also    hint"


def test_on_a_terminal_hints_stay_whole(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    lines = printed(capsys, Problem("a message of some length", "and a hint that does not fit beside it", "here"))
    assert lines == ["error: a message of some length", "       and a hint that does not fit", "       beside it   (from here)"]


def test_a_group_of_commands_alone_prints_its_help():
    result = CliRunner().invoke(app, ["runs"])
    assert result.exit_code == 2
    assert not isinstance(result.exception, UnifiedError)
    assert "show" in result.output


def test_the_parsers_errors_become_ours():
    for words, says in {
        ("train", "--agent"): "--agent needs a value    for example  --agent drqv2",
        ("evaluate", "x", "-n", "0"): "--episodes: must be at least 1",
        ("plugins", "list", "agents", "more"): "unified plugins list takes no 'more'    usage: unified plugins list [OPTIONS] [KIND]",
    }.items():
        result = CliRunner().invoke(app, list(words), prog_name="unified")
        assert isinstance(result.exception, UsageError)
        assert str(result.exception) == says
