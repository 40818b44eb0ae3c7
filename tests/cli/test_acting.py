from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
import typer
from seeded import write_run
from typer.testing import CliRunner

from unified.cli import evaluate, play, resume
from unified.core.base.errors import UsageError
from unified.core.runs.run import Run
from unified.core.trainer.eval_result import EvalResult

app = typer.Typer()
app.command()(evaluate.evaluate)
app.command()(play.play)
app.command()(resume.resume)


@pytest.fixture
def builder(monkeypatch):
    """Takes the place of what needs torch; `asked` is what it was called with."""
    module: Any = ModuleType("unified.core.trainer.build")
    module.asked, module.pictures, module.made = [], True, None

    def judge(run, episodes=10, checkpoint="best", record=None, features=None):
        module.asked.append((run.path, episodes, checkpoint, record, *([features] if features else [])))
        if module.made is not None:
            return 20_000, module.made
        frames = [np.zeros((*record, 3), np.uint8)] * 30 if record and module.pictures else None
        row = {"return": 953.7, "return_sd": 20.2, "return_min": 920.0, "return_max": 990.0, "length": 500.0}
        return 20_000, EvalResult(row, [SimpleNamespace(return_=950.0 + index, length=500, pictures=frames) for index in range(episodes)])

    module.evaluate, module.launch = judge, lambda config, run, make_source=None: module.asked.append(("resume", run.path))
    monkeypatch.setitem(sys.modules, "unified.core.trainer.build", module)
    return module


@pytest.fixture
def path(tmp_path):
    path = write_run(tmp_path / "runs")
    (path / "checkpoints" / "000020000").mkdir(parents=True)
    return path


def invoke(tmp_path, *words: str, fails: bool = False):
    result = CliRunner().invoke(app, [*words, "--root", str(tmp_path / "runs")])
    if not fails:
        assert result.exception is None, result.output
    return result


def test_evaluate_reports_the_return_with_its_spread(builder, path, tmp_path):
    output = invoke(tmp_path, "evaluate", "cartpole_balance", "-n", "3", "-c", "newest").output
    assert builder.asked == [(path, 3, "newest", None)]
    for said in ("20,000 frames (newest)", "954 ± 20", "3 episodes, 920 to 990", "unified play"):
        assert said in output


def test_evaluate_as_json(builder, path, tmp_path):
    report = json.loads(invoke(tmp_path, "evaluate", "cartpole_balance", "-n", "2", "--json").output)
    assert (report["return"], report["returns"], report["run"]) == (953.7, [950.0, 951.0], str(path))


def test_play_writes_a_video_and_prints_where(builder, path, tmp_path):
    output = invoke(tmp_path, "play", "cartpole_balance").output
    assert builder.asked == [(path, 1, "best", (480, 640))]
    video = path / "videos" / "play-000020000.mp4"
    assert str(video) in output
    about = next(imageio_ffmpeg.read_frames(str(video)))
    assert (about["size"], about["duration"]) == ((640, 480), pytest.approx(1.0, abs=0.05))
    invoke(tmp_path, "play", "cartpole_balance", "-o", str(tmp_path / "mine.mp4"), "--height", "96", "--width", "128")
    assert builder.asked[-1][-1] == (96, 128)
    assert (tmp_path / "mine.mp4").exists()


def test_further_figures_follow_the_return(builder, path, tmp_path):
    builder.made = EvalResult(
        {"return": 9.0, "return_sd": 1.0, "return_min": 8.0, "return_max": 10.0, "length": 50.0}, [SimpleNamespace(return_=9.0)]
    )
    builder.made = builder.made.beside({"human_normalised": 0.25})
    said = [line.split() for line in invoke(tmp_path, "evaluate", "cartpole_balance").output.splitlines()]
    assert ["human_normalised", "0.25"] in said
    assert [words[0] for words in said[1:]] == ["return", "length", "human_normalised", "watch"]
    assert json.loads(invoke(tmp_path, "evaluate", "cartpole_balance", "--json").output)["human_normalised"] == 0.25


def test_what_is_made_is_compared_in_the_features_that_are_asked_for(builder, path, tmp_path):
    builder.made = EvalResult({"coverage": 0.5}, metric="coverage", report=["coverage 0.5"])
    output = invoke(tmp_path, "evaluate", "cartpole_balance", "--features", "cartpole_balance").output
    assert builder.asked == [(path, 10, "best", None, "cartpole_balance")]
    assert "coverage 0.5" in output
    assert "see it" not in output


def made(columns=None):
    pictures = np.arange(6, dtype=np.uint8)[:, None, None, None].repeat(8, 2).repeat(8, 3) * 40
    return EvalResult({"coverage": 0.5}, pictures=pictures, captions=list("aabbcc"), columns=columns, metric="coverage")


def test_play_of_pictures_writes_them_side_by_side(builder, path, tmp_path):
    from matplotlib.image import imread

    builder.made = made(columns=2)
    output = invoke(tmp_path, "play", "cartpole_balance").output
    found = path / "images" / "play-000020000.png"
    assert str(found) in output
    assert "coverage 0.50 at 20,000 frames, 6 pictures" in output.replace("0.500", "0.50").replace("0.5 at", "0.50 at")
    height, width = imread(found).shape[:2]
    assert height > width  # three rows of two, one for each class
    builder.made = made()
    invoke(tmp_path, "play", "cartpole_balance", "-o", str(tmp_path / "grid.png"))
    height, width = imread(tmp_path / "grid.png").shape[:2]
    assert width > 5 * height


@pytest.mark.parametrize(
    ("pictures", "name", "says"),
    [(True, "a.mp4", "-o a.png"), (False, "a.png", "-o a.mp4"), (True, "a.txt", "-o a.mp4"), (False, "a", "-o a.mp4")],
)
def test_play_writes_what_the_suffix_says_or_nothing(builder, path, tmp_path, pictures, name, says):
    builder.made = made() if pictures else None
    result = invoke(tmp_path, "play", "cartpole_balance", "-o", str(tmp_path / name), fails=True)
    assert isinstance(result.exception, UsageError)
    assert says in str(result.exception)
    assert not (tmp_path / name).exists()
    assert bool(builder.asked) == (name in ("a.mp4", "a.png"))  # what could be neither is refused at once


def test_play_of_a_task_without_a_picture_says_so(builder, path, tmp_path):
    builder.pictures = False
    result = invoke(tmp_path, "play", "cartpole_balance", fails=True)
    assert isinstance(result.exception, UsageError)  # exit code 2
    assert "no picture" in str(result.exception)


def test_resume_says_where_it_goes_on_and_goes_on(builder, path, tmp_path):
    (path / "checkpoints" / "000020000").rmdir()
    assert "from the start" in invoke(tmp_path, "resume", "cartpole_balance").output
    for frames in (10_000, 15_000):
        (path / "checkpoints" / f"{frames:09d}").mkdir(parents=True)
    assert resume.announcement(Run(path)) == (
        f"resuming {path} at 15,000 frames (its newest checkpoint; 5,000 frames after it are repeated)"
    )
    assert builder.asked == [("resume", path)]


def test_resume_of_a_run_that_has_ended_says_so(builder, path):
    (path / "checkpoints" / "000020000").mkdir(parents=True, exist_ok=True)
    run = Run(path)
    run.event("finish", frames=20_000)
    assert "is finished at 20,000 frames, nothing to resume" in resume.announcement(run)
    assert f"unified evaluate {run.name}" in resume.announcement(run)
    run.event("resume")
    assert resume.announcement(run).startswith("resuming")


@pytest.mark.parametrize("command", ["evaluate", "play", "resume"])
def test_a_wrong_name_starts_nothing_and_is_answered_with_a_suggestion(builder, path, tmp_path, command):
    result = invoke(tmp_path, command, "cartpole_balanse", fails=True)
    assert isinstance(result.exception, UsageError)
    assert "cartpole_balance" in str(result.exception)
    assert builder.asked == []


@pytest.mark.parametrize("command", ["evaluate", "play"])
@pytest.mark.parametrize(
    ("which", "says"),
    [("newst", "did you mean  newest ?"), ("20001", "there is best, newest, 20000"), ("", "there is best, newest, 20000")],
)
def test_a_checkpoint_that_is_not_there_is_told_at_once(builder, path, tmp_path, command, which, says):
    result = invoke(tmp_path, command, "cartpole", "-c", which, fails=True)
    assert isinstance(result.exception, UsageError)
    assert says in str(result.exception)
    assert builder.asked == []


def test_a_run_without_a_checkpoint_can_be_gone_on_with(builder, path, tmp_path):
    (path / "checkpoints" / "000020000").rmdir()
    result = invoke(tmp_path, "evaluate", "cartpole", fails=True)
    assert "has no checkpoint yet    resume it: unified resume" in str(result.exception)
