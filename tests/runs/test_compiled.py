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

from runs.commands import assert_same, command, environment, events, newest, run_directory
from unified.core.base.toolchain import missing_compiler

pytestmark = [
    *(pytest.mark.slow, pytest.mark.timeout(1800)),
    pytest.mark.skipif(bool(missing_compiler()), reason=missing_compiler() or "there is a compiler"),
]

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
def test_a_compiled_run_that_is_killed_has_the_same_bits_or_is_not_exact(agent: str, tmp_path: Path) -> None:
    """Killed at random updates; resumed with the cache as it is, with an empty one, and without a compiler."""
    words, cache, draw = RUNS[agent], tmp_path / "cache", random.Random(agent)
    straight = train(words, tmp_path / "straight", cache)
    assert [event["from_update"] for event in events(straight, "engine")] == [1]
    assert exact(straight)
    updates = json.loads((straight / "metrics.jsonl").read_text().splitlines()[-1])["updates"]
    for case in ("warm", "no compiler", "empty"):
        root = tmp_path / case.replace(" ", "-")
        train(words, root, cache, expect=-signal.SIGKILL, KILL_AT=str(draw.randrange(updates // 2, updates)))
        if case == "empty":
            shutil.rmtree(cache)
        resumed = train(words, root, cache, **({"CXX": "/bin/false"} if case == "no compiler" else {}))
        assert events(resumed, "restored")
        if case == "no compiler":
            assert not exact(resumed)
            (warning,) = events(resumed, "warning")
            assert "there is no C++ compiler /bin/false" in warning["message"]
            assert "exact: false" in warning["message"]
        else:
            assert_same(straight, resumed, ("metrics", "tensors", "agent"))
            assert exact(resumed)
