"""The commands and the Python side on runs that were really trained."""

from __future__ import annotations

import json
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

import unified as package
from runs.commands import TINY, events, newest, rows, run_directory, unified


@pytest.mark.slow
def test_evaluate_plays_without_exploration_and_the_same_again(straight_pixels: Path) -> None:
    first = unified("evaluate", str(straight_pixels), "--episodes", "2", "--json", cwd=straight_pixels)
    again = unified("evaluate", str(straight_pixels), "--episodes", "2", "--json", cwd=straight_pixels)
    assert first == again
    row = json.loads(first)
    assert row["episodes"] == 2
    assert 0 <= row["return_min"] <= row["return"] <= row["return_max"] <= 1000


@pytest.mark.slow
def test_play_makes_a_film_of_a_whole_episode(straight_pixels: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    unified("play", str(straight_pixels), "-o", str(film), "--height", "96", "--width", "128", cwd=tmp_path)
    frames, _ = imageio_ffmpeg.count_frames_and_secs(str(film))
    assert frames == 500  # what was seen before each of the 500 steps


def test_plot_and_list_and_show(straight: Path, tmp_path: Path) -> None:
    picture = tmp_path / "curves.png"
    unified("plot", str(straight), "-o", str(picture), cwd=tmp_path)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "finished" in unified("runs", "list", cwd=straight.parents[5])
    assert "critic_loss" in unified("runs", "show", str(straight), cwd=tmp_path)


def test_a_loaded_agent_acts(straight_pixels: Path) -> None:
    agent = package.load(straight_pixels)
    frame = np.zeros((3, 24, 24), np.uint8)
    action = agent.act(frame)
    assert action.shape == (1,)
    agent.reset()
    assert np.array_equal(agent.act(frame), action)
    with pytest.raises(package.UsageError, match="takes"):
        agent.act(np.zeros((84, 84, 3), np.uint8))


@pytest.mark.slow
def test_the_video_and_the_curve_of_a_run(tmp_path: Path) -> None:
    words = [word for word in TINY if word != "callbacks=[]"]
    unified("train", "--suite", "dmc:cartpole_balance", "suite.pixels=false", "train.frames=200", *words, cwd=tmp_path)
    directory = run_directory(tmp_path)
    assert (directory / "curve.png").exists()
    assert [path.name for path in (directory / "videos").iterdir()] == ["eval-000000200.mp4"]


@pytest.mark.parametrize("agent", ["random", "drqv2"])
def test_discrete_tasks_are_trained_by_the_same_loop(tmp_path: Path, agent: str) -> None:
    words = [word for word in TINY if not word.startswith("agent.")] if agent == "random" else TINY
    unified("train", "--agent", agent, "--suite", "gym:CartPole-v1", "train.frames=200", *words, cwd=tmp_path)
    directory = run_directory(tmp_path)
    last = rows(directory)[-1]
    assert last["kind"] == "evaluate"
    assert last["return"] > 0
    assert last["updates"] == (
        0 if agent == "random" else 89
    )  # one for every second step after the 20 of exploration, the last one still owed
    assert events(directory, "finish")
    assert newest(directory).name == "000000200"


@pytest.mark.slow
def test_a_replay_is_saved_by_name_and_begun_with(tmp_path: Path) -> None:
    base = ["train", "--agent", "drqv2", "--suite", "gym:Pendulum-v1", *TINY, "train.frames=200"]
    unified(*base, "experiment=one", "replay.save=swings", cwd=tmp_path)
    unified(*base, "experiment=two", "replay.load=swings", cwd=tmp_path)
    other = next((tmp_path / "runs" / "two").rglob("events.jsonl")).parent
    assert events(other, "speed")[0]["replay_steps"] > 200
