"""What the core says of how parameters move holds for every agent: averages answer, pieces are the whole."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.schema import Selection
from unified.core.learn.agent import Agent
from unified.core.learn.options import LearningOptions
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.trainer.build import make_agent
from unified.testing.workshop import TINY, differences

ROWS = 8
CONTROL = Spec(Space((5,), "float32"), Space((), "int64", 0, 2, 3))
MADE = Spec(Space((0,), "float32"), Space((4,), "float32", -1.0, 1.0), task_type="generate")
CLASSES = Spec(Space((5,), "float32"), Space((), "int64", 0, 2, 3), task_type="classify")


EVERY = pytest.mark.parametrize(
    ("name", "spec"),
    [("dqn", CONTROL), ("drqv2", CONTROL), ("sac", CONTROL), ("ppo", CONTROL), ("ac2", CONTROL), ("ac2", CLASSES), ("ac2", MADE)],
    ids=["dqn", "drqv2", "sac", "ppo", "ac2", "ac2-classes", "ac2-made"],
)


def build(name: str, spec: Spec = CONTROL, seed: int = 1, **changes: Any) -> Agent:
    component = registry().get("agents", name)
    model: Any = component.options_model()
    assert issubclass(model, LearningOptions)
    options = model(**{key: value for key, value in TINY.items() if key in model.model_fields}, **changes)
    selection = Selection("agents", name, None, component, options)
    config: Any = SimpleNamespace(device="cpu", precision="fp32", objectives=(), seed=seed, agent=selection, registry=registry())
    return make_agent(config, spec, Streams(1))


def randomised(module: nn.Module) -> None:
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))


@EVERY
def test_every_part_that_acts_is_trained(name: str, spec: Spec) -> None:
    assert build(name, spec).notes() == []


@EVERY
def test_averages_answer_in_judging_and_nowhere_else(name: str, spec: Spec) -> None:
    agent, plain = build(name, spec, ema=True), build(name, spec)
    followed = sorted(average.removesuffix("_average") for average in agent.target_parts if average.endswith("_average"))
    expected = {"dqn": ["critic", "encoder"]}.get(name, ["actor"] if spec is MADE else ["actor", "encoder"])
    assert followed == expected
    other = build(name, spec)
    for part in followed:
        randomised(getattr(agent, f"{part}_average"))
        randomised(getattr(other, part))
    obs = torch.randn(16, *spec.observation.shape, generator=torch.Generator().manual_seed(0))

    def judged(which: Agent) -> torch.Tensor:
        state = which.streams.state_dict()
        which.train(False)
        answer = which.act(Batch(obs=obs), explore=False).env_action
        which.train()
        which.streams.rewind(state)
        return answer

    assert torch.equal(judged(agent), judged(other))
    assert not torch.equal(judged(agent), judged(plain))
    assert torch.equal(agent.act(Batch(obs=obs), explore=True).action, plain.act(Batch(obs=obs), explore=True).action)


def test_a_classifier_learns_alike_from_pieces() -> None:
    batch = Batch(
        obs=torch.randn(ROWS, 5, generator=torch.Generator().manual_seed(0)),
        label=torch.arange(ROWS) % 3,
        index=torch.arange(ROWS),
        weight=torch.ones(ROWS),
    )
    sgd = {"name": "sgd", "momentum": 0.9}
    whole, cut = build("ac2", CLASSES, optimizer=sgd), build("ac2", CLASSES, optimizer={**sgd, "gradient_accumulation": 4})
    for _ in range(3):
        theirs, ours = whole.learn(batch), cut.learn(batch)
        torch.testing.assert_close(ours.metrics, theirs.metrics)
        torch.testing.assert_close(ours.priority, theirs.priority)
    for (key, one), (_, other) in zip(cut.named_parameters(), whole.named_parameters(), strict=True):
        torch.testing.assert_close(one, other, msg=lambda text, key=key: f"{key}: {text}")


@pytest.mark.parametrize("name", ["dqn", "drqv2", "sac"])
def test_values_are_learned_alike_from_pieces(name: str) -> None:
    """Without noise in the targets: γ = 0. Priorities come in the order of the rows."""
    generator = torch.Generator().manual_seed(0)
    agents = [build(name, optimizer={"name": "sgd", "gradient_accumulation": pieces}) for pieces in (1, 4)]
    for agent in agents:
        agent.phase_list = agent.phase_list[:1]
    stored = agents[0].action_space
    drawn = torch.rand(ROWS, *stored.shape, generator=generator)
    obs, next_obs = torch.randn(2, ROWS, 5, generator=generator)
    batch = Batch(
        obs=obs,
        next_obs=next_obs,
        action=(drawn * stored.n).long() if stored.n else drawn * 2 - 1,
        reward=torch.randn(ROWS, generator=generator),
        discount=torch.zeros(ROWS),
        weight=torch.rand(ROWS, generator=generator),
    )
    whole, cut = (agent.learn(batch) for agent in agents)
    torch.testing.assert_close(cut.metrics["critic_loss"], whole.metrics["critic_loss"])
    torch.testing.assert_close(cut.priority, whole.priority)
    for (key, one), (_, other) in zip(agents[0].named_parameters(), agents[1].named_parameters(), strict=True):
        torch.testing.assert_close(one, other, msg=lambda text, key=key: f"{key}: {text}")


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
@EVERY
def test_matrices_may_move_by_muon(name: str, spec: Spec) -> None:
    """Every parameter that is trained has exactly one optimiser: Muon if it is a matrix, otherwise AdamW."""
    agent = build(name, spec, optimizer={"name": "torch.optim:Muon", "vectors": {"name": "adamw"}, "no_decay": True, "weight_decay": 0.1})
    found = [
        (parameter, type(optimizer), group["weight_decay"])
        for made in agent.updater.optimizers.values()
        for optimizer in getattr(made, "members", [made])
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]
    assert len(found) == len(agent.updater.moved) == len({parameter for parameter, _, _ in found})
    for parameter, optimizer, weight_decay in found:
        assert optimizer is (torch.optim.Muon if parameter.dim() == 2 else torch.optim.AdamW)
        assert weight_decay == (0.1 if parameter.dim() > 1 else 0.0)


def test_a_game_of_two_has_betas_of_its_own_until_somebody_says_others() -> None:
    def betas(**optimizer: Any) -> Any:
        return build("ac2", MADE, optimizer=optimizer).updater.optimizers["actor"].param_groups[0].get("betas")

    assert betas() == (0.5, 0.999)
    assert betas(betas=(0.8, 0.9)) == (0.8, 0.9)
    assert betas(name="rmsprop") is None
    assert build("ac2", CLASSES).updater.optimizers["actor"].param_groups[0]["betas"] == (0.9, 0.999)


def test_averages_are_saved_and_taken_up() -> None:
    agent, other = build("ac2", CLASSES, ema=True), build("ac2", CLASSES, ema=True, seed=2)
    randomised(agent.actor_average)
    assert differences(agent.state_dict(), other.state_dict())
    other.load_training_state(agent.training_state())
    assert not differences(dict(agent.state_dict()), dict(other.state_dict()))
