"""Several suites in one run: composed, learned with shared parts, resumed exactly, evaluated; and what is refused."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from runs.commands import assert_same, newest, rows, run_directory, saved
from runs.commands import unified as command
from unified.core.base.errors import UsageError
from unified.core.config.compose import compose
from unified.core.config.schema import Suites
from unified.core.replay.multitask import TaskBatch
from unified.core.runs.run import Run
from unified.core.trainer.build import assemble

SUITES = ["--suite", "gym:CartPole-v1", "--suite", "digits"]
TINY = [
    *("precision=fp32", "agent.trunk=16", "actor.hidden_dim=16", "critic.hidden_dim=16", "agent.batch_size=8", "agent.learning_starts=20"),
    *("train.frames=240", "train.log_every=40", "evaluate.every=120", "evaluate.episodes=1", "checkpoint.every=80", "callbacks=[]"),
    *("replay.capacity=2000", "device=cpu"),
]
TWO = "suite=[gym:CartPole-v1,digits]"


# Configuration ------------------------------------------------------------------------------------------------------------------


def test_repeated_options_a_list_and_a_recipe_select_the_same_suites(tmp_path: Path) -> None:
    from unified.cli.train import words

    typed = compose(words(["gym:CartPole-v1", "digits"], []))
    listed = compose([], values={"suite": ["gym:CartPole-v1", "digits"]})
    (tmp_path / "two.yaml").write_text("suite: [gym:CartPole-v1, digits]\n")
    recipe = compose([], [str(tmp_path / "two.yaml")])
    (tmp_path / "config.json").write_text(json.dumps(typed.tree))
    again = compose([], [str(tmp_path / "config.json")])
    assert typed.tree == listed.tree == recipe.tree == again.tree
    assert typed.digest() == again.digest()
    assert isinstance(typed.suite, Suites)
    assert [member.text for member in typed.suite.members] == ["gym:CartPole-v1", "digits"]
    assert typed.agent.name == "ac2"
    assert list(typed.tasks) == ["CartPole-v1", "digits"]
    assert [task.suite.text for task in typed.tasks.values()] == ["gym:CartPole-v1", "digits"]


def test_a_list_of_one_suite_is_that_suite() -> None:
    assert compose(["suite=[digits]"]).tree == compose(["suite=digits"]).tree
    assert not compose(["suite=[digits]"]).several_suites


def test_options_of_each_suite_stand_below_its_number() -> None:
    config = compose([TWO, "suite.1.task_type=regress"])
    first, second = config.suite.members  # type: ignore[attr-defined]
    assert second.options.task_type == "regress"
    assert config.tree["suite"]["1"]["task_type"] == "regress"
    assert not hasattr(first.options, "task_type")


def test_tasks_of_the_same_name_are_told_apart() -> None:
    assert list(compose(["suite=[gym:CartPole-v1,gym:CartPole-v1]"]).tasks) == ["gym:CartPole-v1#0", "gym:CartPole-v1#1"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["agent=dqn", TWO], "agent dqn learns one task, and there are 2 suites"),
        ([TWO, "train.epochs=3"], "train.epochs is of one task, and there are 2 suites"),
        ([TWO, "replay.save=mine"], "replay.save is of one task"),
        ([TWO, "suite.2.task=CartPole-v1"], "suite.2.task does not exist: suite is"),
        ([TWO, "suite.task=CartPole-v1"], "suite.task"),
        (["suite=[gym:CartPole-v1,digit]"], "digits"),
        (["suite=[gym,digits]"], "gym"),
    ],
)
def test_what_cannot_be_composed_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        compose(words)
    assert message in str(refused.value)


# Runs ---------------------------------------------------------------------------------------------------------------------------


def test_the_tasks_share_the_trunk_and_nothing_else(tmp_path: Path) -> None:
    config = compose([TWO, *TINY, f"root={tmp_path}"])
    trainer: Any = assemble(Run.create_or_open(config), config)
    try:
        one, two = trainer.agent.of("CartPole-v1"), trainer.agent.of("digits")
        assert one.trunk is two.trunk
        assert one.encoder is not two.encoder
        assert one.actor is not two.actor
        trunk, head = [p.clone() for p in one.trunk.parameters()], [p.clone() for p in one.actor.parameters()]
        trainer.agent.learn(TaskBatch(trainer.replay.replays[1].sample(), 1))
        assert not all(map(torch.equal, trunk, one.trunk.parameters()))  # moved by an update of the other task
        assert all(map(torch.equal, head, one.actor.parameters()))
        state = trainer.agent.state_dict()
        assert sum(name.endswith("trunk.0.weight") and "average" not in name for name in state) == 1
    finally:
        trainer.source.close()


@pytest.mark.slow
def test_a_killed_run_of_two_suites_goes_on_exactly(tmp_path: Path) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    straight.mkdir()
    killed.mkdir()
    command("train", *SUITES, *TINY, cwd=straight)
    command("train", *SUITES, *TINY, cwd=killed, fault=saved(2), expect=-signal.SIGKILL)
    command("resume", "CartPole", cwd=killed)
    one, other = run_directory(straight), run_directory(killed)
    assert_same(one, other)
    assert json.loads((newest(other) / "manifest.json").read_text())["exact"] is True
    judged = [row for row in rows(one) if row["kind"] == "evaluate"][-1]
    assert {"score", "return/CartPole-v1", "accuracy/digits"} <= set(judged)
    assert any("return/CartPole-v1" in row for row in rows(one) if row["kind"] == "train")
    printed = json.loads(command("evaluate", "CartPole", "-n", "1", "--json", cwd=straight))
    assert printed["accuracy/digits"] == judged["accuracy/digits"]
    command("plot", "CartPole", cwd=straight)
    assert "learns several tasks" in command("play", "CartPole", cwd=straight, expect=2)


def test_rollouts_are_refused_before_the_start(tmp_path: Path) -> None:
    """An agent with shared parts whose view is whole."""
    (tmp_path / "mine.py").write_text(ON_POLICY)
    output = command("train", *SUITES, "--agent", "./mine.py:Mine", "callbacks=[]", cwd=tmp_path, expect=2)
    assert "learns from whole rollouts" in output
    assert not (tmp_path / "runs").exists()


ON_POLICY = '''
from unified import Options
from unified.plugins.agents.ppo.agent import PPO
from unified.plugins.agents.ppo.config import PPOOptions


class MineOptions(PPOOptions):
    shared: list[str] = []
    """Parts that tasks share."""


class Mine(PPO):
    Options = MineOptions
'''
