"""No control character of a name, a key, an exception or an event reaches the terminal."""

from __future__ import annotations

import io
import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from unified import terminal
from unified.cli import main as command
from unified.cli.completion.shells import answer
from unified.core.base.errors import Notice, Problem, UnifiedError
from unified.plugins.callbacks.console.callback import Console

#: Escape, bell, carriage return, backspace, delete, a control character of eight bits, an override of direction, half a character.
BAD = "a\x1b[31mb\x07c\rd\x08e\x7ff\x9bg\u202eh\udc80i"
#: As an argument or in a file, which have no half characters.
WHOLE = BAD.replace("\udc80", "")


def check(text: str) -> str:
    assert text == terminal.plain(text)
    assert "\r" not in text
    return text


def typed(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit):
        command.main(words)
    output = capfd.readouterr()
    return check(output.out + output.err)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a run and a recipe that are full of control characters."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / WHOLE / f"[bold]{WHOLE}" / "gym" / f":smile:{WHOLE}" / "seed-1"
    run.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"experiment": WHOLE, "agent": {"name": WHOLE, WHOLE: 1}, WHOLE: WHOLE}))
    rows = [
        {"kind": "train", "frames": 10, WHOLE: 1.0},
        {"kind": "evaluate", "frames": 10, "return": 1.0, "episodes": 1, "metric": "return"},
    ]
    (run / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (run / "events.jsonl").write_text(json.dumps({"event": "warning", "message": WHOLE, "time": WHOLE}) + "\n")
    (run / f"file {WHOLE}").touch()
    (tmp_path / "r.json").write_text(json.dumps({WHOLE: 1, "agent": WHOLE, "callbacks": [f"./{WHOLE}.py:A"]}))
    (tmp_path / f"{WHOLE}.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--agent", WHOLE),
        ("train", f"{WHOLE}=1"),
        ("train", f"--{WHOLE}"),
        ("train", "-r", f"./{WHOLE}.yaml"),
        ("train", "-r", "r.json", "--dry-run"),
        (WHOLE,),
        ("runs", "list"),
        ("runs", "list", "--json"),
        ("runs", "show", "smile"),
        ("resume", "smile"),
        ("evaluate", WHOLE),
        ("plugins", "show", WHOLE),
    ],
    ids=ascii,
)
def test_commands(place: Path, words: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    assert r"1b[31mb" in typed(capfd, *words)


def test_a_curve_of_a_run(place: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder) -> None:
    """No character lacks a glyph, and no name is read as a formula."""
    (run,) = Path("runs").glob("*/*/*/*/seed-1")
    run.parents[1].rename(run.parents[2] / "$x_{$")
    typed(capfd, "plot", "seed-1")
    assert list(Path().rglob("*.png"))
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


def test_a_dry_run_is_still_the_same_recipe(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (place / f"x{WHOLE}\nseed: 5\n.yaml").write_text("seed: 3\n")
    text = typed(capfd, "train", "-r", f"./x{WHOLE}\nseed: 5\n.yaml", f"root={WHOLE}", "--dry-run")
    tree = yaml.safe_load(text)
    assert (tree["root"], tree["seed"]) == (WHOLE, 3)


def test_errors_warnings_and_tracebacks(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        for kind in (Notice, UserWarning):
            print(warnings.formatwarning(kind(BAD), kind, "file.py", 1))
        try:
            raise ValueError(BAD)
        except ValueError as error:
            sys.excepthook(ValueError, error, error.__traceback__)
        raise UnifiedError(Problem(BAD, BAD, BAD))

    monkeypatch.setattr(command, "app", fail)
    monkeypatch.setattr(sys, "excepthook", None)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    assert typed(capfd, "train").count(r"\udc80") == 6


def test_the_display_of_a_run(tmp_path: Path) -> None:
    screen = terminal.screen()
    screen.file = io.StringIO()
    (tmp_path / "events.jsonl").write_text(json.dumps({"event": "warning", "message": BAD}) + "\n")
    console = Console(SimpleNamespace(plain=True), screen)
    console._warnings(SimpleNamespace(path=tmp_path))
    assert r"\x1b[31mb" in check(screen.file.getvalue())


def test_styles_are_no_text() -> None:
    """A terminal still gets the colours of the display."""
    screen = terminal.screen()
    screen.file, screen._force_terminal, screen._color_system = io.StringIO(), True, None
    screen.print("a", style="bold")
    assert "a" in screen.file.getvalue()


def test_completion_offers_no_such_name(place: Path) -> None:
    environment = {"_UNIFIED_COMPLETE": "zsh"}
    for words in (["unified", "resume", ""], ["unified", "train", "-r", "./"], ["unified", "train", "--agent", "./"]):
        check(answer(words, environment))
