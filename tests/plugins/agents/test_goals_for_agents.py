"""What a goal chooser asks of agents: the value of a state, and actions without any preference."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from unified import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.schema import Selection
from unified.core.learn.agent import Agent
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.trainer.build import make_agent
from unified.core.trainer.evaluation import evaluation_mode
from unified.testing.workshop import TINY

CHOICES, NUMBERS = Space((), "int64", 0, 2, 3), Space((2,), "float32", -1.0, 1.0)
ROWS = 6


def build(name: str, spec: Spec, **changes: Any) -> Agent:
    component = registry().get("agents", name)
    model: Any = component.options_model()
    options = model(**{key: value for key, value in {**TINY, **changes}.items() if key in model.model_fields})
    selection = Selection("agents", name, None, component, options)
    config: Any = SimpleNamespace(device="cpu", precision="fp32", objectives=(), seed=1, agent=selection, registry=registry())
    return make_agent(config, spec, Streams(1))


AGENTS = [
    ("dqn", CHOICES, {}),
    ("dqn", CHOICES, {"critic": {"noisy": True, "hidden_dim": 8}, "epsilon": None}),
    ("dqn", NUMBERS, {}),
    ("ddpg", NUMBERS, {}),
    ("td3", NUMBERS, {}),
    ("sac", NUMBERS, {}),
    ("sac", CHOICES, {}),
]


@pytest.mark.parametrize(("name", "action", "changes"), AGENTS)
def test_a_state_is_worth_its_greedy_action_and_asking_changes_nothing(name: str, action: Space, changes: dict[str, Any]) -> None:
    agent: Any = build(name, Spec(Space((5,), "float32"), action), **changes)
    batch = Batch(obs=torch.randn(ROWS, 5, generator=torch.Generator().manual_seed(3)))
    streams, before = agent.streams.state_dict(), {name: tensor.clone() for name, tensor in agent.state_dict().items()}
    with evaluation_mode(agent):
        value = agent.expected_return(batch)
        greedy = agent.act(batch, explore=False).action
        expected = torch.stack([agent.critic(agent.encode(batch.obs)[i : i + 1], greedy[i : i + 1]).mean.mean() for i in range(ROWS)])
    torch.testing.assert_close(value, expected)
    assert agent.training
    assert agent.streams.state_dict() == streams
    assert all(torch.equal(tensor, before[name]) for name, tensor in agent.state_dict().items())


@pytest.mark.parametrize(("name", "action", "changes"), AGENTS)
def test_random_actions_are_uniform(name: str, action: Space, changes: dict[str, Any]) -> None:
    agent = build(name, Spec(Space((5,), "float32"), action), **changes)
    drawn = agent.random_action(Batch(obs=torch.zeros(3000, 5)))
    assert drawn.action.shape == (3000, *agent.action_space.shape)
    env_action = drawn.env_action.double()
    if action.discrete:
        assert (torch.bincount(drawn.env_action) / 3000 - 1 / 3).abs().max() < 0.04
    else:
        assert env_action.mean(dim=0).abs().max() < 0.05
        assert env_action.abs().max() <= 1


@pytest.mark.parametrize("name", ["dqn", "sac"])
def test_random_actions_and_values_are_of_valid_choices(name: str) -> None:
    spec = Spec({"vector": Space((5,), "float32"), "action_mask": Space((3,), "float32", 0, 1)}, CHOICES)
    agent: Any = build(name, spec)
    mask = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]).repeat(50, 1)
    batch = Batch({"obs.vector": torch.randn(100, 5), "obs.action_mask": mask})
    drawn = agent.random_action(batch).action
    assert mask.gather(1, drawn[:, None]).all()
    assert set(drawn[::2].tolist()) == {0, 2}
    with evaluation_mode(agent):
        value, greedy = agent.expected_return(batch), agent.act(batch, explore=False).action
        features = agent.encode_batch(Batch({**batch, **{f"next_{key}": rows for key, rows in batch.items()}})).features
        torch.testing.assert_close(value, agent.critic(features, greedy).mean.mean(dim=0))
    assert mask.gather(1, greedy[:, None]).all()


def test_agents_without_either_say_so() -> None:
    agent = build("ppo", Spec(Space((5,), "float32"), CHOICES))
    with pytest.raises(UsageError, match="PPO cannot learn from random actions"):
        agent.random_action(Batch(obs=torch.zeros(1, 5)))
    with pytest.raises(UsageError, match="PPO estimates no returns of states"):
        agent.expected_return(Batch(obs=torch.zeros(1, 5)))
