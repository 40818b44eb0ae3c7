"""The shells themselves: what is typed with tabs, and what arrives at the command."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import shutil
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from seeded import write_run

from unified.cli.completion import INSTALL, SHOW, VARIABLE, shells
from unified.core.base.errors import UnifiedError, UsageError


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home of its own, and a `unified` that completes in earnest but only prints what it is called with."""
    home, programs = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    program = programs / "unified"
    program.write_text(f'#!/bin/sh\n[ -n "${VARIABLE}" ] && exec {sys.executable} -m unified "$@"\nprintf "<%s>" "$@"; echo\n')
    program.chmod(0o755)
    write_run(home / "runs", task="walker_walk")
    return {**os.environ, "HOME": str(home), "PATH": f"{programs}:{os.environ['PATH']}", "TERM": "dumb", "PS1": "$ "}


def typed(shell: list[str], text: str, environment: dict[str, str]) -> list[str]:
    """Type a text at a shell in a terminal; returns the commands that it ran."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        shell,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        cwd=environment["HOME"],
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    os.write(ours, f"{text}\nexit\n".encode())
    printed = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError as error:  # how Linux says that the other side is closed
            if error.errno != errno.EIO:
                raise
            break
        if not piece:
            break
        printed += piece
    process.wait()
    os.close(ours)
    return re.findall(r"^(<.*>)\r?$", printed.decode(errors="replace"), re.MULTILINE)


LINES = {
    "unified plug\tli\t": "<plugins><list>",
    "unified train --suite dmc:cheet\t": "<train><--suite><dmc:cheetah_run>",
    "unified train agent.batch\t64 encoder=ml\tx": "<train><agent.batch_size=64><encoder=mlp><x>",
    "unified train 'callbacks=[+tens\t]'": "<train><callbacks=[+tensorboard]>",
    "unified resume walk\t": "<resume><walker_walk>",
}


def test_bash(environment: dict[str, str]) -> None:
    shells.install("bash", Path(environment["HOME"]))
    begin = "bind 'set enable-bracketed-paste off'\nsource ~/.bashrc\n"
    found = typed(["bash", "--noprofile", "--norc", "-i"], begin + "\n".join(LINES), environment)
    assert found == list(LINES.values())


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
def test_zsh(environment: dict[str, str]) -> None:
    shells.install("zsh", Path(environment["HOME"]))
    begin = "fpath+=(~/.zfunc); autoload -Uz compinit; compinit -u -D\nzstyle ':completion:*' insert-tab false\n"
    found = typed(["zsh", "-f", "-i"], begin + "\n".join(LINES), environment)
    assert found == list(LINES.values())


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
def test_fish(environment: dict[str, str]) -> None:
    shells.install("fish", Path(environment["HOME"]))
    for line, expected in {
        "unified plug": ["plugins"],
        "unified train --suite dmc:cheet": ["dmc:cheetah_run"],
        "unified train agent.batch": ["agent.batch_size="],
        "unified train encoder=ml": ["encoder=mlp"],
        "unified resume walk": ["walker_walk"],
    }.items():
        script = f'source ~/.config/fish/completions/unified.fish; complete -C "{line}"'
        run = subprocess.run(
            ["fish", "--no-config", "-c", script], env=environment, cwd=environment["HOME"], capture_output=True, text=True, check=True
        )
        assert [found.partition("\t")[0] for found in run.stdout.splitlines()] == expected


BREAKS = " \t\n\"'@><=;|&(:"


@pytest.mark.parametrize(
    ("line", "words", "kept"),
    [
        ("unified train --suite dmc:hum", ["unified", "train", "--suite", "dmc:hum"], 4),
        ("unified train suite=dmc:hum", ["unified", "train", "suite=dmc:hum"], 10),
        ("unified train ", ["unified", "train", ""], 0),
        ("unified train 'callbacks=[+", ["unified", "train", "callbacks=[+"], 0),
        ('unified train "a b', ["unified", "train", "a b"], 0),
        ("X=1 unified tr", ["unified", "tr"], 0),
        ("unified", ["unified"], 0),
        ("", [], 0),
    ],
)
def test_the_line_of_bash(line: str, words: list[str], kept: int) -> None:
    assert shells.from_bash(line, BREAKS) == (words, kept)


def test_answers() -> None:
    line = {VARIABLE: "bash", "_UNIFIED_LINE": "unified train suite=dmc:cheet", "_UNIFIED_BREAKS": BREAKS}
    assert shells.answer([], line) == "cheetah_run\n"
    assert shells.answer(["unified", "train", "agent.bat"], {VARIABLE: "fish"}) == "agent.batch_size=\tint ≥ 1: Transitions of an update.\n"
    assert shells.answer(["unified", "train", "'encoder=ml"], {VARIABLE: "zsh"}).startswith("encoder=mlp\t")
    assert shells.answer([], {VARIABLE: "bash"}) == ""


def test_a_person_who_types_never_sees_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a plugin does this")

    monkeypatch.setattr(shells, "complete", fail)
    assert shells.answer(["unified", "tr"], {VARIABLE: "fish"}) == ""


@pytest.mark.parametrize("shell", shells.SCRIPTS)
def test_setting_it_up_twice_changes_nothing(shell: str, tmp_path: Path) -> None:
    start = tmp_path / {"bash": ".bashrc", "zsh": ".zshrc", "fish": "none"}[shell]
    if shell != "fish":
        start.write_text("alias ll='ls -l'")  # no newline at its end
    said = shells.setup([INSTALL, shell], tmp_path)
    assert str(tmp_path) in said
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert shells.SCRIPTS[shell].encode() in files.values()
    if shell != "fish":
        assert start.read_text().startswith("alias ll='ls -l'\n")
    assert "added" not in shells.setup([INSTALL, shell], tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files


def test_showing_and_refusing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shells.setup([SHOW, "zsh"]) == shells.setup([f"{SHOW}=zsh"]) == shells.ZSH
    with pytest.raises(UsageError, match="did you mean  bash"):
        shells.setup([SHOW, "bsh"])
    with pytest.raises(UsageError, match="one of bash, zsh, fish"):
        shells.setup([INSTALL, "nu"])
    (tmp_path / ".bash_completions").write_text("a file where a directory is needed")
    with pytest.raises(UnifiedError, match="unified --show-completion bash"):
        shells.setup([INSTALL, "bash"], tmp_path)
