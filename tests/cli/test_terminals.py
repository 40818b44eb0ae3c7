"""Terminals without Unicode, and readers that go away."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from unified.terminal import Output, encodable, tolerate_encodings

TRAIN = (
    *("train", "--agent", "random", "--suite", "gym:CartPole-v1", "train.frames=600", "train.learn=false", "train.log_every=20"),
    *("evaluate.every=0", "evaluate.episodes=1", "checkpoint.every=200", "callbacks=[console]"),
)


def command(*words: str, **more: Any) -> subprocess.Popen[str]:
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "replace"}
    return subprocess.Popen([sys.executable, "-m", "unified", *words], **pipes | more)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_every_character_has_a_replacement(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    text = "950 ± 4 · … ≥ é 日本 \N{PILE OF POO}"
    Output().write(text)
    tolerate_encodings()
    print(text, end="")
    stream.flush()
    assert stream.buffer.getvalue() == 2 * encodable(text, encoding).encode(encoding)  # type: ignore[attr-defined]


def test_what_ascii_shows() -> None:
    assert encodable("950 ± 4 · wait … é", "ascii") == "950 +- 4 | wait ... ?"


@pytest.mark.parametrize("words", [("plugins", "show", "ac2"), ("runs", "list"), ("train", "nothing=1"), ("--help",)])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_commands_print_in_every_encoding(words: tuple[str, ...], encoding: str, tmp_path: Path) -> None:
    ended = command(*words, cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": encoding})
    out, err = ended.communicate()
    assert "Traceback" not in err
    assert "UnicodeEncodeError" not in err
    assert ended.returncode == (2 if words[0] == "train" else 0)
    assert (out + err).strip()


@pytest.mark.slow
def test_a_run_prints_in_ascii(tmp_path: Path) -> None:
    ended = command(*TRAIN, cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    out, err = ended.communicate()
    assert (ended.returncode, err) == (0, "")
    assert "finished" in out


@pytest.mark.slow
@pytest.mark.parametrize("stderr", [subprocess.PIPE, subprocess.STDOUT])
@pytest.mark.parametrize("lines", [1, 8])
def test_a_run_goes_on_without_its_reader(lines: int, stderr: int, tmp_path: Path) -> None:
    training = command(*TRAIN, cwd=tmp_path, stderr=stderr)
    assert training.stdout is not None
    for _ in range(lines):
        training.stdout.readline()
    training.stdout.close()
    assert training.wait() == 0
    run = tmp_path / "runs/default/random/gym/CartPole-v1/seed-1"
    events = [json.loads(line)["event"] for line in (run / "events.jsonl").read_text().splitlines()]
    assert events[-1] == "finish"
    assert "warning" not in events
