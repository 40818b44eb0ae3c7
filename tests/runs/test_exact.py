"""Same seed, same bits: straight or stopped and resumed, at an episode's end or in the middle, with and without an idle callback."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
from pathlib import Path

import pytest

from runs.commands import (
    PIXELS,
    STATE,
    assert_same,
    events,
    kill_and_resume,
    killed_and_the_same,
    newest,
    rows,
    run_directory,
    saved,
    start,
    unified,
    wait_for,
)


def test_the_same_seed_gives_the_same_bits(straight: Path, tmp_path: Path) -> None:
    unified(*STATE, cwd=tmp_path)
    assert_same(straight, run_directory(tmp_path))


@pytest.mark.slow
def test_another_seed_gives_others(straight: Path, tmp_path: Path) -> None:
    unified(*STATE, "seed=2", cwd=tmp_path)
    assert rows(straight) != rows(run_directory(tmp_path))


def test_an_idle_callback_changes_nothing(straight: Path, tmp_path: Path) -> None:
    unified(*(word for word in STATE if word != "callbacks=[]"), "callbacks=[console]", cwd=tmp_path)
    assert_same(straight, run_directory(tmp_path))


@pytest.mark.parametrize(
    "fault",
    [
        saved(2),
        pytest.param("rename:*/checkpoints/[0-9]*@3:kill", marks=pytest.mark.slow),
        pytest.param("fsync:*/checkpoints/*/manifest.json@4:tear", marks=pytest.mark.slow),
    ],
)
def test_killed_in_mid_episode_and_resumed(straight: Path, tmp_path: Path, fault: str) -> None:
    assert_same(straight, kill_and_resume(STATE, tmp_path, fault))


@pytest.mark.parametrize("memory", ["lstm", pytest.param("gru", marks=pytest.mark.slow)])
def test_killed_in_the_middle_of_a_recurrent_rollout_and_of_an_episode(tmp_path: Path, memory: str) -> None:
    """Rollouts have 48 steps of each of two environments; checkpoints lie at 80, 160 and 240 steps of both together."""
    words = [
        *(
            "train",
            "--agent",
            "ppo",
            "--suite",
            "gym:Pendulum-v1",
            f"agent.memory={memory}",
            "agent.memory.hidden_dim=8",
            "agent.hidden_dim=8",
        ),
        *("agent.n_steps=48", "agent.epochs=2", "agent.batch_size=32", "agent.sequence_length=10", "train.num_envs=2", "train.frames=288"),
        *("checkpoint.every=80", "evaluate.every=100", "evaluate.episodes=1", "train.log_every=50", "callbacks=[]", "device=cpu"),
    ]
    restored = events(killed_and_the_same(words, tmp_path), "restored")[-1]
    assert restored["exact"]
    assert restored["frames"] % (2 * 48)  # in the middle of a rollout
    assert restored["frames"] % (2 * 200)  # and of episodes, which have 200 steps


@pytest.mark.slow
def test_killed_from_pixels_and_resumed(straight_pixels: Path, tmp_path: Path) -> None:
    assert_same(straight_pixels, kill_and_resume(PIXELS, tmp_path, saved(2)))


@pytest.mark.slow
def test_a_checkpoint_at_an_episodes_end(tmp_path: Path) -> None:
    words = [word for word in STATE if not word.startswith("checkpoint.every")] + ["checkpoint.every=200"]
    assert events(killed_and_the_same(words, tmp_path), "restored")[-1]["frames"] % 200 == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)])
def test_asked_to_stop_it_saves_says_so_and_goes_on(straight: Path, tmp_path: Path, number: int, code: int) -> None:
    process = start(*STATE, cwd=tmp_path)
    wait_for(tmp_path, 80)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code, output
    assert "unified resume" in output
    assert "Traceback" not in output
    directory = run_directory(tmp_path)
    assert events(directory, "stop")
    unified("resume", "Pendulum", cwd=tmp_path)
    assert_same(straight, directory)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_kill_9_at_random_times(straight_pixels: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(3):
        process = start(*PIXELS, cwd=tmp_path)
        with contextlib.suppress(subprocess.TimeoutExpired):  # on a quick machine it may be done before
            process.wait(timeout=rng.uniform(1.5, 7.0))
        process.kill()
        process.communicate()
    unified(*PIXELS, cwd=tmp_path)
    assert_same(straight_pixels, run_directory(tmp_path))


@pytest.mark.slow
def test_four_environments_do_the_same_number_of_updates_per_step(straight: Path, tmp_path: Path) -> None:
    unified(*STATE, "train.num_envs=4", cwd=tmp_path)
    one, four = rows(straight)[-1], rows(run_directory(tmp_path))[-1]
    assert one["frames"] == four["frames"] == 480
    assert abs(one["updates"] - four["updates"]) <= 2  # seed steps end between two steps of four


@pytest.mark.slow
def test_processes_and_inline_are_the_same(straight: Path, tmp_path: Path) -> None:
    unified(*STATE, "train.env_backend=process", cwd=tmp_path)
    assert (run_directory(tmp_path) / "metrics.jsonl").read_bytes() == (straight / "metrics.jsonl").read_bytes()


@pytest.mark.slow
def test_rows_written_after_the_checkpoint_are_not_trained_on(tmp_path: Path) -> None:
    directory = kill_and_resume(STATE, tmp_path, "rename:*/checkpoints/[0-9]*@3:kill")
    frames = [row["frames"] for row in rows(directory) if row["kind"] == "train"]
    assert frames == sorted(set(frames))
    assert newest(directory).name == "000000480"
