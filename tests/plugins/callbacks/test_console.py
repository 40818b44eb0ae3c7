from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console as Screen
from watched import at, rows, speed, watched

from unified.core.base.errors import UsageError
from unified.plugins.callbacks.console.callback import Console

OPTIONS = SimpleNamespace(plain=False)


def screen(*, terminal: bool, width: int = 110) -> Screen:
    return Screen(file=io.StringIO(), force_terminal=terminal, width=width, highlight=False, color_system=None, legacy_windows=False)


def play(console: Console, run: Any, trainer: Any, metrics: list[dict[str, Any]], error: BaseException | None = None) -> str:
    console.setup(run=run, trainer=trainer)
    for row in metrics:
        at(trainer, row)
        if row["kind"] == "train":
            console.on_log(run=run, trainer=trainer, row=row, speed=speed(row["frames"]))
        else:
            console.before_evaluation(run=None, trainer=trainer)
            console.on_evaluation_end(run=None, result=None, trainer=trainer, row=row, episodes=[None] * 10)
    console.teardown(run=run, trainer=trainer, error=error)
    return console.screen.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("terminal", [True, False])
def test_the_first_screen_says_what_runs_where_and_what_differs(tmp_path, terminal):
    run, trainer = watched(tmp_path)
    text = play(Console(OPTIONS, screen(terminal=terminal)), run, trainer, [])
    assert "unified 0." in text
    for said in ("agent drqv2", "suite dmc:cartpole_balance", "unified resume drqv2/dmc/cartpole_balance/seed-1", "render OSMesa, fast"):
        assert said in text
    assert str(run.path) in text
    assert "agent.batch_size=64  (recipe laptop)" in text
    assert "agent=drqv2" not in text  # said in the first line already


def test_elsewhere_than_on_a_terminal_there_is_one_plain_line_per_interval(tmp_path):
    run, trainer = watched(tmp_path)
    metrics = rows()
    text = play(Console(OPTIONS, screen(terminal=False)), run, trainer, metrics)
    assert "\x1b" not in text
    lines = [line for line in text.splitlines() if "frames/s" in line]
    assert len(lines) == sum(row["kind"] == "train" for row in metrics)
    assert "21,000 / 36,000 frames" in lines[20]
    assert all(unit in lines[20] for unit in ("58.2 frames/s", "14.6 updates/s", "env 22%", "update 67%", "3:40 left", " ± "))
    assert sum(line.startswith("evaluation at ") for line in text.splitlines()) == sum(row["kind"] == "evaluate" for row in metrics)


def test_the_live_display_has_progress_returns_speed_and_replay(tmp_path):
    run, trainer = watched(tmp_path)
    console = Console(OPTIONS, screen(terminal=True))
    text = play(console, run, trainer, rows()[:30])
    for said in ("━", "/ 36,000 frames", "elapsed · 3:40 left", "train ", "(10 episodes,", "best ", "58.2 frames/s · 14.6 updates/s"):
        assert said in text
    assert "126 MB · checkpoint 40 s ago" in text


def test_the_live_display_fits_a_narrow_terminal(tmp_path):
    _run, trainer = watched(tmp_path)
    console = Console(OPTIONS, screen(terminal=True, width=80))
    console.trainer = trainer
    for row in rows()[:30]:
        at(trainer, row)
    console.row, console.speed = row, speed(row["frames"])
    with console.screen.capture() as capture:
        console.screen.print(console.render())
    bar = capture.get().splitlines()[0]
    assert len(bar) <= 80
    assert "elapsed" in bar


def test_plain_can_be_asked_for_on_a_terminal(tmp_path):
    run, trainer = watched(tmp_path)
    text = play(Console(SimpleNamespace(plain=True), screen(terminal=True)), run, trainer, rows()[:5])
    assert "━" not in text


def test_the_last_screen_says_where_to_look_and_how_to_run_it_again(tmp_path):
    run, trainer = watched(tmp_path)
    (run.path / "curve.png").touch()
    (run.path / "videos").mkdir()
    for frames in (3_000, 36_000):
        (run.path / "videos" / f"eval-{frames:09d}.mp4").touch()
    text = play(Console(OPTIONS, screen(terminal=False)), run, trainer, rows())
    end = text[text.index("finished") :]
    assert end.startswith("finished: eval return 954 ± 20 at 36,000 frames in 10:20")
    for said in ("curve.png", "eval-000036000.mp4", "unified train -r", "config.json"):
        assert said in end


def test_a_stopped_run_and_a_failed_one_say_how_to_go_on(tmp_path):
    stop = KeyboardInterrupt()
    for index, (error, word) in enumerate([(stop, "stopped"), (RuntimeError("no"), "failed with an error")]):
        run, trainer = watched(tmp_path / str(index))
        text = play(Console(OPTIONS, screen(terminal=False)), run, trainer, rows()[:10], error)
        assert word in text.splitlines()[-1]
        assert f"unified resume {run.lasting_name}" in text.splitlines()[-1]
        assert "finished" not in text


def test_a_run_that_another_callback_refuses_has_no_last_line(tmp_path):
    run, trainer = watched(tmp_path)
    text = play(Console(OPTIONS, screen(terminal=False)), run, trainer, [], UsageError("no goals here"))
    assert "failed" not in text


def test_warnings_are_shown_once(tmp_path):
    run, trainer = watched(tmp_path)
    events = run.path / "events.jsonl"
    warning = '{"event": "warning", "message": "TEXT"}\n'
    earlier, mine = (warning.replace("TEXT", text) for text in ("of an earlier process", "a checkpoint is damaged"))
    events.write_text('{"event": "start"}\n' + earlier + '{"event": "resume"}\n' + mine)
    console = Console(OPTIONS, screen(terminal=False))
    console.setup(run=run, trainer=trainer)
    with events.open("a") as file:
        file.write('{"event": "speed"}\n{"event": "warning", "message": "an episode was discarded: 1 so far"}\n{"event": "warn')
    for row in rows()[:4]:
        at(trainer, row)
        if row["kind"] == "train":
            console.on_log(run=run, trainer=trainer, row=row, speed=speed(row["frames"]))
    text = console.screen.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("warning  an episode was discarded: 1 so far") == 1
    assert text.count("warning  a checkpoint is damaged") == 1
    assert "earlier process" not in text


def test_a_resumed_run_says_where_it_goes_on(tmp_path):
    run, trainer = watched(tmp_path)
    at(trainer, rows()[25])
    console = Console(OPTIONS, screen(terminal=False))
    console.setup(run=run, trainer=trainer)
    assert f"resumed at {trainer.clock.frames:,} frames" in console.screen.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("budget", [None, 36_000])
def test_other_budgets_are_shown_in_their_unit(tmp_path, budget):
    _run, trainer = watched(tmp_path, budget=budget)
    trainer.clock.budget_updates = 1000
    console = Console(OPTIONS, screen(terminal=False))
    console.trainer = trainer
    trainer.clock.updates, trainer.clock.frames = 500, 2000
    assert console._budget() == (0.5, "500 / 1,000 updates")
    trainer.clock.budget_updates, trainer.clock.budget_hours, trainer.clock.elapsed = None, 1.0, 1800.0
    assert console._budget() == (0.5, "2,000 frames in 0.50 / 1 h")
    trainer.clock.budget_hours = None
    assert console._budget()[0] == (None if budget is None else 2000 / 36_000)
