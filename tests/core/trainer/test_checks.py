"""What is right by itself and does not go together is refused before anything is trained, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import unified
from unified.core.base.errors import UsageError
from unified.core.components.descriptors import AgentComponent
from unified.core.trainer.checks import check_task_type

SHORT: dict[str, Any] = {"callbacks": [], "evaluate.every": 0, "evaluate.episodes": 1, "checkpoint.every": 0}
OFFLINE = {"train.offline": True, "replay.load": "poles", "train.updates": 3}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root of runs in which a replay of CartPole is kept."""
    root = tmp_path_factory.mktemp("runs")
    collected = {"train.frames": 200, "train.learn": False, "replay.save": "poles", "root": str(root)}
    unified.train(agent="random", suite="gym:CartPole-v1", config={**SHORT, **collected})
    return root


@pytest.mark.parametrize(
    ("agent", "suite", "values", "says"),
    [
        ("ac2", ["digits", "wine"], {"train.learn": False}, "train.learn=false only collects experience, and agent ac2 .* of digits"),
        ("ppo", "gym:CartPole-v1", OFFLINE, "agent ppo is on-policy and cannot train offline from replay.load"),
        (
            "dqn",
            "gym:Acrobot-v1",
            OFFLINE,
            r"observations are \(4,\) float32 there and \(6,\) float32 here; actions are one of 2 there and one of 3 here",
        ),
        ("sac", "gym:Pendulum-v1", OFFLINE, r"actions are one of 2 there and \(1,\) float32 here"),
        (
            "dqn",
            "gym:CartPole-v1",
            {**OFFLINE, "train.learn": False},
            "train.learn=false only collects experience, and agent dqn steps no environment of gym:CartPole-v1",
        ),
        ("dqn", "gym:CartPole-v1", {**OFFLINE, "agent.normalize_rewards": True}, "new rows of environments move the statistics"),
        ("ac2", "digits", {"train.learn": False}, "train.learn=false only collects"),
        ("ac2", "digits", {"replay.save": "digits"}, "a data set is not saved as a replay"),
        ("dqn", "gym:CartPole-v1", {"train.epochs": 3}, "counts rows of a data set"),
        ("dqn", "gym:CartPole-v1", {"encoder": "resnet18"}, r"resnet18 cannot take \(4,\).*a vector is taken by identity or mlp"),
        ("dqn", "gym:CartPole-v1", {"encoder": "cnn"}, r"CNN cannot take \(4,\)"),
        ("dqn", "gym:CartPole-v1", {"encoder": "vit"}, r"(?i)vit cannot take \(4,\)"),
    ],
)
def test_it_is_refused(root: Path, agent: str, suite: str | list[str], values: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        unified.train(agent=agent, suite=suite, config={**SHORT, **values, "experiment": "refused", "root": str(root)})
    assert not (root / "refused").exists()


def test_the_type_of_a_task_that_a_suite_chooses_itself() -> None:
    config: Any = SimpleNamespace(
        agent=SimpleNamespace(label="mine", component=AgentComponent("mine", "m:A", task_types=("control",))),
        suite=SimpleNamespace(text="digits"),
    )
    spec: Any = SimpleNamespace(task_type="classify")
    with pytest.raises(UsageError, match="agent mine can control, and not classify, the type of digits"):
        check_task_type(config, spec)
    spec.task_type = "control"
    check_task_type(config, spec)


def test_of_the_same_task_it_is_learned_from(root: Path) -> None:
    small = {"agent.batch_size": 8, "agent.critic.hidden_dim": 16}
    run = unified.train(
        agent="dqn", suite="gym:CartPole-v1", config={**SHORT, **OFFLINE, **small, "experiment": "learned", "root": str(root)}
    )
    assert run.metrics()[-1]["updates"] == 3
