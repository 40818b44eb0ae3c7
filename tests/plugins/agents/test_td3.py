"""TD3: one update by a slow reference, its delays, and what its relatives got wrong."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.learn.builder import Builder
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.plugins.agents.td3.agent import TD3

NUMBERS, CHOICES = Space((2,), "float32", -1.0, 1.0), Space((), "int64", 0, 3, 4)


def make_agent(action: Space = NUMBERS, **changes: Any) -> TD3:
    sizes = {"actor": {"hidden_dim": 16}, "critic": {"hidden_dim": 16}, "batch_size": 6}
    options = registry().get("agents", "td3").options_model()(**{**sizes, **changes})
    with torch.random.fork_rng():
        torch.manual_seed(3)
        agent = TD3(Spec(Space((3,), "float32"), action), options, Builder(torch.device("cpu"), "fp32", Streams(3), registry()))
    agent.configure()
    return agent


def make_batch(rows: int = 6, actions: int = 2) -> Batch:
    g = torch.Generator().manual_seed(1)
    obs, next_obs = torch.randn(2, rows, 3, generator=g)
    return Batch(
        obs=obs,
        next_obs=next_obs,
        action=torch.rand(rows, actions, generator=g) * 2 - 1,
        reward=torch.rand(rows, generator=g),
        discount=torch.tensor([0.99] * (rows - 1) + [0.0]),
        weight=torch.ones(rows),
    )


def q(agent: TD3, obs: torch.Tensor, action: torch.Tensor, target: bool = False) -> list[torch.Tensor]:
    """Both critics by plain linear algebra, ``(B,)`` each."""
    critic = (agent.critic_target if target else agent.critic).values
    found = []
    for member in range(2):
        hidden = torch.cat([obs, action], dim=1)
        for index, (weight, bias) in enumerate(zip(critic.weights, critic.biases, strict=True)):
            hidden = hidden @ weight[member] + bias[member, 0]
            if index < len(critic.weights) - 1:
                hidden = hidden.clamp(min=0)
        found.append(hidden[:, 0])
    return found


def mode(agent: TD3, obs: torch.Tensor, target: bool = False) -> torch.Tensor:
    hidden, layers = obs, list((agent.actor_target if target else agent.actor).numbers)
    for layer in layers:
        hidden = hidden @ layer.weight.T + layer.bias if isinstance(layer, torch.nn.Linear) else hidden.clamp(min=0)
    return hidden.tanh()


def test_updates_are_the_papers_by_a_slow_reference() -> None:
    """Four updates: targets, both losses, the parameters that Adam moves, and copies that follow in every second one."""
    agent = make_agent(lr=1e-2, tau=0.1)
    reference, batch = make_agent(), make_batch()
    streams = Streams(3)
    critics = torch.optim.Adam(reference.critic.parameters(), 1e-2)
    actors = torch.optim.Adam(reference.actor.parameters(), 1e-2)
    for update in range(1, 5):
        noise = torch.randn(6, 2, generator=streams["target"].torch()) * 0.2
        action = (mode(reference, batch.next_obs, target=True) + noise.clamp(-0.5, 0.5)).clamp(-1 + 1e-6, 1 - 1e-6)
        y = (batch.reward + batch.discount * torch.minimum(*q(reference, batch.next_obs, action, target=True))).detach()
        critic_loss = sum(((value - y) ** 2).mean() for value in q(reference, batch.obs, batch.action))
        critics.zero_grad()
        critic_loss.backward()
        critics.step()
        metrics = agent.learn(batch).metrics
        assert metrics["critic_loss"].item() == pytest.approx(critic_loss.item(), rel=1e-4)
        assert metrics["target"].item() == pytest.approx(y.mean().item(), rel=1e-4)
        assert ("actor_loss" in metrics) == (update % 2 == 0)
        if update % 2 == 0:
            actor_loss = -torch.minimum(*q(reference, batch.obs, mode(reference, batch.obs))).mean()
            actors.zero_grad()
            actor_loss.backward()
            actors.step()
            assert metrics["actor_loss"].item() == pytest.approx(actor_loss.item(), rel=1e-4)
            with torch.no_grad():
                for part in ("actor", "critic"):
                    copies, parts = getattr(reference, f"{part}_target").parameters(), getattr(reference, part).parameters()
                    for theirs, ours in zip(copies, parts, strict=True):
                        theirs.mul_(0.9).add_(0.1 * ours)
        for name, value in reference.state_dict().items():
            torch.testing.assert_close(agent.state_dict()[name], value, rtol=1e-3, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_actor_and_all_targets_wait_for_the_delay_also_after_a_resume() -> None:
    agent = make_agent(policy_delay=3)
    batch, other = make_batch(), make_agent(policy_delay=3)
    agent.learn(batch)
    other.load_training_state(copy.deepcopy(agent.training_state()))
    moved = []
    for _ in range(5):
        before = {name: value.clone() for name, value in other.state_dict().items()}
        other.learn(batch)
        changed = {name.split(".")[0] for name, value in other.state_dict().items() if not torch.equal(value, before[name])}
        moved.append(changed)
    assert moved == [{"critic"}, {"critic", "actor", "actor_target", "critic_target"}] + [{"critic"}] * 2 + [moved[1]]


def test_target_noise_is_clipped_and_within_the_bounds() -> None:
    agent = make_agent(target_noise=100.0, target_noise_clip=0.25)
    batch, seen = make_batch(rows=512), []
    agent.critic_target.register_forward_pre_hook(lambda module, given: seen.append(given[1]))
    agent.bootstrap(agent.encode_batch(batch))
    distance = (seen[0] - mode(agent, batch.next_obs, target=True)).abs()
    assert distance.max().item() <= 0.25 + 1e-6
    assert distance.max().item() > 0.2
    assert seen[0].abs().max() <= 1


def test_the_target_is_by_the_target_actor_and_not_the_online_one() -> None:
    agent, batch = make_agent(), make_batch()
    rows = agent.encode_batch(batch)
    expected = make_agent().bootstrap(rows).mean
    with torch.no_grad():
        for parameter in agent.actor.parameters():
            parameter.add_(1.0)
    torch.testing.assert_close(agent.bootstrap(rows).mean, expected)


def test_it_explores_by_noise_around_its_mode_and_starts_uniformly() -> None:
    agent = make_agent(learning_starts=10, noise={"std": "0.1"})
    obs = torch.zeros(4000, 3)
    start = agent.act(Batch(obs=obs), explore=True).action
    assert abs(start.std().item() - 3**-0.5) < 0.02
    agent.steps = 10
    noise = agent.act(Batch(obs=obs), explore=True).action - agent.act(Batch(obs=obs), explore=False).action
    assert abs(noise.std().item() - 0.1) < 0.01


def test_choices_are_numbers_of_which_the_greatest_is_played_and_a_head_of_choices_is_refused() -> None:
    agent = make_agent(CHOICES)
    action = agent.act(Batch(obs=torch.randn(5, 3)), explore=False)
    assert action.action.shape == (5, 4)
    assert torch.equal(action.env_action, action.action.argmax(dim=-1))
    with pytest.raises(UsageError, match="over choices"):
        make_agent(CHOICES, actor={"head": "categorical"})


def test_it_is_sixty_lines() -> None:
    import inspect

    from unified.plugins.agents.td3 import agent

    assert len(inspect.getsource(agent).splitlines()) <= 60
