"""The page on robots and goals to the letter: its commands compose, and each trains, with a short budget."""

from __future__ import annotations

import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from runs.commands import command
from unified.core.config.compose import compose

PAGE = Path(__file__).parents[2] / "docs" / "robots-and-goals.md"
COMMANDS = re.findall(r"^\$ unified train (.*)$", PAGE.read_text(), re.M)
SHORT = [
    *("train.frames=90", "evaluate.every=0", "evaluate.episodes=1", "callbacks=[]", "device=cpu", "train.num_envs=1", "train.log_every=60"),
    *("agent.batch_size=8", "agent.learning_starts=60", "agent.critic.hidden_dim=8", "replay.capacity=2000"),
]


def words(typed: str) -> list[str]:
    """A command as it is run, with a short budget."""
    small = SHORT if "--agent dqn" in typed else [*SHORT, "agent.actor.hidden_dim=8"]
    if "callbacks=" in typed:
        small.remove("callbacks=[]")
    return command("train", *typed.split(), *small)


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 10
    assert {command.split()[1] for command in COMMANDS} == {"dqn", "ddpg", "td3", "sac", "tqc"}


@pytest.mark.parametrize("typed", COMMANDS)
def test_a_command_composes_with_hindsight_or_is_the_one_without(typed: str) -> None:
    arguments = re.sub(r"--(agent|suite) ", r"\1=", re.sub(r" -e \S+", "", typed)).split()
    config = compose(arguments)
    assert config.replay.sampler.label == ("uniform" if "-e alone" in typed else "hindsight")


@pytest.mark.slow
@pytest.mark.parametrize("typed", COMMANDS)
def test_a_command_trains(typed: str, tmp_path: Path) -> None:
    if "robotics:" in typed and find_spec("gymnasium_robotics") is None:
        pytest.skip("pip install 'unified-ml[robotics]'")
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words(typed), cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.rglob("metrics.jsonl"))
