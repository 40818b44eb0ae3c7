"""Policies learn the labels of a data set with -o nll, whatever their agent; what cannot is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import unified
from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.config.compose import compose
from unified.core.replay.batch import Batch
from unified.core.replay.views import Labelled
from unified.core.trainer.build import built_suite, make_agent

AGENTS = ("ac2", "ddpg", "sac", "td3", "drqv2", "ppo", "trpo")


def built(*words: str) -> unified.Agent:
    config = compose(list(words))
    return make_agent(config, built_suite(config).spec(), Streams(1))


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("suite", ["digits", "diabetes"])
def test_every_policy_learns_from_labels(agent: str, suite: str) -> None:
    made = built(f"agent={agent}", f"suite={suite}", "objective=[nll]")
    assert isinstance(made.view, Labelled)
    label = torch.tensor([1, 0]) if suite == "digits" else torch.tensor([[0.5], [-0.5]])
    shape = made.spec.observation.shape
    batch = Batch({"obs": torch.zeros(2, *shape), "label": label, "weight": torch.ones(2), "index": torch.arange(2)})
    assert torch.equal(made.encode_batch(batch).action, made.actions.encode_target(label))
    assert made.learn(batch).metrics["nll"].isfinite()


@pytest.mark.parametrize("agent", AGENTS[1:])
def test_other_objectives_still_learn_from_experience(agent: str) -> None:
    assert not built(f"agent={agent}", "suite=digits").view.from_dataset


@pytest.mark.slow
@pytest.mark.parametrize("agent", AGENTS)
def test_accuracy_of_labels(agent: str, tmp_path: Path) -> None:
    batch = {} if agent == "trpo" else {"agent.batch_size": 64}
    values = {
        "suite": "digits",
        "agent": agent,
        "objective": ["nll"],
        "train.updates": 300,
        "callbacks": [],
        "root": str(tmp_path),
        **batch,
    }
    run = unified.train(config={**values, "root": str(tmp_path)})
    assert run.metrics()[-1]["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["agent=dqn", "suite=digits", "objective=[nll]"], "objective nll needs actor, and agent dqn has encoder, critic    --agent ac2"),
        (["agent=sac", "suite=digits", "objective=[+nll]"], "would learn the actions that the agent took itself"),
        (["agent=ac2", "suite=atari:breakout", "objective=[adversarial]"], "objective adversarial can generate, and not control"),
        (["agent=ac2", "suite=dmc:cartpole_balance", "objective=[adversarial]"], "adversarial can generate, and not control"),
        (["agent=ac2", "suite=digits", "suite.task_type=classify", "objective=[adversarial]"], "suite.task_type=generate"),
        (["agent=sac", "suite=digits", "objective=[vae]"], "objective vae needs posterior, and agent sac has"),
        (["agent=sac", "suite=digits", "aug=random_crop", "objective=[nll]", "suite.task_type=classify"], ""),
        (["agent=sac", "suite=iris", "aug=random_crop"], "agent.aug augments pictures, and this task shows none"),
    ],
)
def test_what_cannot_learn_is_refused_with_what_to_type(words: list[str], says: str) -> None:
    if not says:  # it can
        assert built(*words).aug is not None
        return
    with pytest.raises(UsageError) as error:
        built(*words)
    assert says in "\n".join(map(str, error.value.problems))


def test_a_head_that_always_acts_the_same_is_refused_where_nothing_explores() -> None:
    environment = unified.Spec(unified.Space((3,), "float32"), unified.Space((1,), "float32", -1.0, 1.0))
    with pytest.raises(UsageError, match=r"actor.head=deterministic always acts the same.*--agent td3"):
        make_agent(compose(["agent=sac", "suite=gym:Pendulum-v1", "actor.head=deterministic"]), environment, Streams(1))
    assert make_agent(compose(["agent=td3", "suite=gym:Pendulum-v1", "actor.head=deterministic"]), environment, Streams(1))


@pytest.mark.parametrize("agent", ["dqn", "sac", "td3", "drqv2", "ac2"])
def test_aug_is_an_option_of_every_agent_that_sees_pictures(agent: str) -> None:
    spec = unified.Spec(unified.Space((1, 36, 36), "uint8", 0, 255), unified.Space((1,), "float32", -1.0, 1.0))
    words = [f"agent={agent}", "suite=gym:Pendulum-v1", "aug=[random_crop,random_horizontal_flip]"]
    made = make_agent(compose(words), spec, Streams(1))
    assert [type(step).__name__ for step in made.aug] == ["RandomCrop", "RandomHorizontalFlip"]
