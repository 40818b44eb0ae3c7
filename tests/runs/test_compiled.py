"""Compiled runs with a real compiler: killed at random updates and resumed with the cache warm, emptied and without a compiler."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from runs.commands import assert_same, command, environment, events, newest, run_directory, unified
from unified.core.base.toolchain import missing_compiler

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing_compiler()), reason=missing_compiler() or "there is a compiler")]

COMMON = ("compile=true", "device=cpu", "precision=fp32", "train.env_backend=inline", "evaluate.every=0", "evaluate.episodes=1")
SMALL = ("train.log_every=50", "checkpoint.every=100", "replay.capacity=2000")
#: Agent -> words of a run of a few hundred updates.
RUNS = {
    "ppo": ("-a", "ppo", "-s", "gym:CartPole-v1", "train.num_envs=4", "agent.n_steps=32", "agent.epochs=10", "train.frames=640"),
    "sac": ("-a", "sac", "-s", "gym:Pendulum-v1", "agent.learning_starts=50", "agent.batch_size=32", "train.frames=300"),
    "dqn": ("-a", "dqn", "-s", "gym:CartPole-v1", "agent.learning_starts=50", "agent.batch_size=32", "train.frames=300"),
}
#: Kills its process in an update whose number is in the environment.
KILLER = """
import os, signal
from unified import hookimpl

class Kill:
    @hookimpl
    def after_update(self, trainer):
        if str(trainer.clock.updates) == os.environ.get("KILL_AT"):
            os.kill(os.getpid(), signal.SIGKILL)
"""


def train(words: Sequence[str], root: Path, cache: Path, expect: int = 0, **variables: str) -> Path:
    """The run below a directory, trained to its end or to where it is killed."""
    root.mkdir(exist_ok=True)
    (root / "kill.py").write_text(KILLER)
    line = command("train", *words, *COMMON, *SMALL, "callbacks=[./kill.py:Kill]")
    variables = environment() | {"XDG_CACHE_HOME": str(cache), "UNIFIED_TRUST": "1", **variables}
    done = subprocess.run(line, cwd=root, env=variables, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return run_directory(root)


def exact(run: Path) -> bool:
    return bool(json.loads((newest(run) / "manifest.json").read_text())["exact"])


@pytest.mark.parametrize("agent", list(RUNS))
def test_a_compiled_run_is_the_same_with_a_cold_and_a_warm_cache_and_killed(agent: str, tmp_path: Path) -> None:
    words, empty = RUNS[agent], tmp_path / "empty"
    straight = train(words, tmp_path / "straight", tmp_path / "cache")
    assert [event["from_update"] for event in events(straight, "engine")] == [1]
    assert exact(straight)
    updates = json.loads((straight / "metrics.jsonl").read_text().splitlines()[-1])["updates"]
    draw = random.Random(agent)
    for number, place in enumerate([tmp_path / "cache", empty]):
        root = tmp_path / f"killed{number}"
        train(words, root, place, expect=-signal.SIGKILL, KILL_AT=str(draw.randrange(updates // 3, updates)))
        shutil.rmtree(empty, ignore_errors=True)
        killed = train(words, root, place)
        assert_same(straight, killed, ("metrics", "tensors", "agent"))
        assert exact(killed)
        assert events(killed, "restored")


def test_without_a_compiler_a_resume_says_that_it_is_not_exact(tmp_path: Path) -> None:
    words = RUNS["ppo"]
    train(words, tmp_path / "run", tmp_path / "cache", expect=-signal.SIGKILL, KILL_AT="150")
    run = train(words, tmp_path / "run", tmp_path / "cache", CXX="/bin/false")
    assert not exact(run)
    (warning,) = events(run, "warning")
    assert "there is no C++ compiler /bin/false" in warning["message"]
    assert "exact: false" in warning["message"]
    assert unified("evaluate", "CartPole", "--episodes", "1", cwd=tmp_path / "run")
