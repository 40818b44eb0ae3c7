"""Runs the commands of wrong_commands.txt, all in one process that cannot import torch, and reads and writes that file.

The process has the components of the toy registry, so that a new built-in changes no answer.

``python tests/cli/wrong_commands.py`` writes the answers of today beside the commands: read the difference before you commit it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

TABLE = Path(__file__).with_suffix(".txt")
#: Nothing may be waited for, and nothing be started, because of a typing error.
HEAVY = ("torch", "torchvision", "numpy", "gymnasium", "dm_control", "mujoco", "matplotlib")


class Entry(NamedTuple):
    """A command and its answer; a file of the directory in which all are typed, where the command is ``cat NAME``; else a heading."""

    command: str
    answer: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.command)[1:]


def read(table: Path = TABLE) -> list[Entry]:
    entries: list[Entry] = []
    for line in table.read_text(encoding="utf-8").splitlines():
        if line.startswith(("$ ", "#")):
            entries.append(Entry(line.removeprefix("$ "), ""))
        elif entries and line:
            entries[-1] = entries[-1]._replace(answer=f"{entries[-1].answer}{line}\n")
    return entries


def write(entries: Sequence[Entry], table: Path = TABLE) -> None:
    lines = []
    for index, (command, answer) in enumerate(entries):
        if command.startswith("#"):
            lines.append(("\n" if index and not entries[index - 1].command.startswith("#") else "") + f"{command}\n")
        else:
            lines.append(f"\n$ {command}\n{answer}")
    table.write_text("".join(lines), encoding="utf-8")


def commands(entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.command.startswith("unified")]


def answers(entries: Sequence[Entry], place: Path) -> list[dict[str, Any]]:
    """Exit code, stdout, stderr, and what heavy was imported, of each command; typed in an empty directory with a few files and runs."""
    for entry in entries:
        if entry.command.startswith("cat "):
            path = place / entry.words[0]
            path.parent.mkdir(exist_ok=True)
            path.write_text(entry.answer)
    asked = json.dumps([entry.words for entry in commands(entries)])
    environment = {**os.environ, "UNIFIED_PLUGINS": "", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, __file__, "--answer"], input=asked, capture_output=True, text=True, cwd=place, env=environment, check=False
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


class _Forbidden:
    """Refuses to import what is heavy, and notes who tried."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] in HEAVY:
            self.tried.append(name)
            raise ImportError(f"{name} was imported to answer a wrong command")


def _answer_all() -> None:
    forbidden = _Forbidden()
    sys.meta_path.insert(0, forbidden)
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import toy
    from unified.cli.main import main
    from unified.core import registry

    registry._current[:] = [toy.registry()]
    found = []
    _write_runs(Path("runs"))
    before = dict(os.environ)
    for words in json.load(sys.stdin):
        out, err, code = io.StringIO(), io.StringIO(), None
        forbidden.tried.clear()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main(words)
            except SystemExit as exit_:
                code = exit_.code
            except Exception as error:
                err.write(f"Traceback: {error!r}\n")
        os.environ.clear()
        os.environ.update(before)
        found.append({"code": code, "out": out.getvalue(), "err": err.getvalue(), "heavy": list(forbidden.tried)})
    json.dump(found, sys.stdout)


def _write_runs(root: Path) -> None:
    spec = importlib.util.spec_from_file_location("seeded", Path(__file__).with_name("seeded.py"))
    assert spec is not None
    assert spec.loader is not None
    seeded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seeded)
    seeded.write_run(root)
    seeded.write_run(root, seed=2)
    path = seeded.write_run(root, task="walker_walk")
    (path / "checkpoints" / "000020000").mkdir(parents=True)


def _record() -> None:
    entries = read()
    with tempfile.TemporaryDirectory() as place:
        found = iter(answers(entries, Path(place)))
    write([entry._replace(answer=_recorded(next(found))) if entry.command.startswith("unified") else entry for entry in entries])


def _recorded(answer: dict[str, Any]) -> str:
    lines = f"{answer['out']}{answer['err']}".splitlines()
    return "".join(f"{line}\n" for line in lines if line.strip())


if __name__ == "__main__":
    _answer_all() if "--answer" in sys.argv else _record()
