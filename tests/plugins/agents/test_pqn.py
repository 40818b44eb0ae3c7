"""PQN: λ-returns against a double loop, with ends and time limits inside, and what its relatives got wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.compose import compose
from unified.core.learn.builder import Builder
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.plugins.agents.pqn.agent import PQN

GAMMA = 0.9
CHOICES, NUMBERS = Space((), "int64", 0, 2, 3), Space((2,), "float32", -1.0, 1.0)


def make_agent(action: Space = CHOICES, objectives: tuple[Any, ...] = (), **changes: Any) -> PQN:
    given = {"n_steps": 6, "epochs": 1, "discount": GAMMA, "critic": {"hidden_dim": 8}, **changes}
    options = registry().get("agents", "pqn").options_model()(**given)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        agent = PQN(Spec(Space((4,), "float32"), action), options, Builder(torch.device("cpu"), "fp32", Streams(3), registry(), objectives))
    agent.configure()
    return agent


#: Steps of each environment until its episode ends, and whether it is a time limit; the rollout ends inside the last one.
EPISODES = [[(3, False), (2, True), (9, False)], [(1, False), (4, True), (9, False)]]


def lived(agent: PQN, steps: int = 9) -> tuple[Batch, list[list[dict[str, Any]]]]:
    """The rollout of two environments as the replay gives it, and the same steps in a list for each environment."""
    generator = np.random.default_rng(1)
    replay = Replay(agent.spec, agent.view, 100, 2, Streams(1), action=agent.action_space, extra=agent.extra_columns)
    told: list[list[dict[str, Any]]] = []
    for env, episodes in enumerate(EPISODES):
        told.append([])
        lengths = iter(episodes)
        left, limited = next(lengths)
        obs = generator.normal(size=4).astype(np.float32)
        replay.begin(env, obs)
        for _ in range(steps):
            left -= 1
            action, reward, after = int(generator.integers(3)), float(generator.normal()), generator.normal(size=4).astype(np.float32)
            terminated, truncated = left == 0 and not limited, left == 0 and limited
            replay.add(env, np.int64(action), reward, terminated, truncated, after)
            told[-1].append({"obs": obs, "reward": reward, "after": after, "terminated": terminated, "over": left == 0})
            obs = after
            if left == 0:
                left, limited = next(lengths)
                obs = generator.normal(size=4).astype(np.float32)
                replay.begin(env, obs)
    found: list[Batch] = []

    def prepare(batch: Batch) -> Batch:
        found.append(agent.process_rollout(batch))
        return found[-1]

    list(replay.batches(1, prepare))
    return found[0], told


def greatest(agent: PQN, obs: np.ndarray) -> float:
    with torch.no_grad():
        return float(agent.critic(torch.from_numpy(obs)[None]).mean[0, 0].max())


def by_loops(agent: PQN, told: list[list[dict[str, Any]]], q_lambda: float) -> list[float]:
    """Σ over n of (1 - λ) λⁿ⁻¹ (n-step return), the last one with all the weight that is left: the definition of a λ-return."""
    found = []
    for steps in told:
        for start in range(len(steps)):
            total, left, discounted = 0.0, 1.0, 0.0
            for n, step in enumerate(steps[start:]):
                discounted += GAMMA**n * step["reward"]
                bootstrap = 0.0 if step["terminated"] else GAMMA ** (n + 1) * greatest(agent, step["after"])
                last = step["over"] or step is steps[-1]
                total += (left if last else (1 - q_lambda) * left) * (discounted + bootstrap)
                left *= q_lambda
                if last:
                    break
            found.append(total)
    return found


@pytest.mark.parametrize("q_lambda", [0.0, 0.5, 1.0])
def test_lambda_returns_are_those_of_the_definition(q_lambda: float) -> None:
    """purejaxql#12 takes Q(s_T) where Q(s_{T-1}) belongs, rejax#34 the value of the wrong state; a time limit is no end (all of them)."""
    agent = make_agent(q_lambda=q_lambda)
    rollout, told = lived(agent)
    torch.testing.assert_close(rollout["return"], torch.tensor(by_loops(agent, told, q_lambda)), rtol=1e-5, atol=1e-5)


def test_the_next_value_is_that_of_the_best_choice_and_not_of_the_one_that_was_taken() -> None:
    agent = make_agent(q_lambda=0.0)
    rollout, told = lived(agent)
    with torch.no_grad():
        agent.critic.advantages.biases[-1][..., 2] += 10.0  # choice 2 is worth 10 more, and most rows took another one
    raised, _ = lived(agent)
    gained = (raised["return"] - rollout["return"]).tolist()
    wanted = [0.0 if step["terminated"] else GAMMA * 10.0 for steps in told for step in steps]
    assert gained == pytest.approx(wanted, abs=5.0)  # 10 above the choice before it, which may have been another
    assert min(gain for gain, want in zip(gained, wanted, strict=True) if want) > 2.0


def test_a_loss_is_the_squared_distance_of_the_choice_that_was_made() -> None:
    agent = make_agent()
    rollout, _ = lived(agent)
    (objective,) = agent.phase_list[0].objectives
    batch = agent.encode_batch(rollout)
    with torch.no_grad():
        value = agent.critic(rollout.obs).mean[0]
    rows = zip(value.tolist(), rollout.action.tolist(), rollout["return"].tolist(), strict=True)
    wanted = sum((row[action] - target) ** 2 for row, action, target in rows) / len(value)
    assert objective(agent, batch).value.item() == pytest.approx(wanted, rel=1e-5)


def test_every_hidden_layer_is_normalised() -> None:
    """The theory needs it, and without it values diverge: inputs a thousand times larger give nearly the same values."""
    obs = torch.randn(16, 4)
    for norm, bounded in (("layer", True), (None, False)):
        agent = make_agent(critic={"hidden_dim": 32, "norm": norm})
        with torch.no_grad():
            before, after = (agent.critic(scale * obs).mean.abs().max() for scale in (1.0, 1000.0))
        assert (after < 3 * before) == bounded
    agent = make_agent()
    assert [tuple(scale.shape) for scale in agent.critic.advantages.scales] == [(1, 1, 8)] * 2


def test_there_is_neither_a_target_network_nor_a_bias_of_random_actions_in_evaluation() -> None:
    agent = make_agent(epsilon="1.0")
    assert not agent.targets
    obs = torch.randn(64, 4)
    greedy = agent.critic(obs).greedy
    assert torch.equal(agent.act(Batch(obs=obs), explore=False).action, greedy)
    explored = agent.act(Batch(obs=obs), explore=True).action
    assert len(explored.unique()) == 3
    assert not torch.equal(explored, greedy)


def test_its_optimiser_is_radam_and_another_can_be_chosen() -> None:
    assert isinstance(make_agent().updater.optimizers["critic"], torch.optim.RAdam)
    config = compose(["agent=pqn", "suite=gym:CartPole-v1", "agent.optimizer=adam"])
    assert config.agent.options.optimizer.name == "adam"


@pytest.mark.parametrize(
    "changes",
    [
        {"critic": {"hidden_dim": 8, "head": "categorical", "v_min": -3.0, "v_max": 3.0}},
        {"critic": {"hidden_dim": 8, "head": "quantile", "dueling": True}},
        {"critic": {"hidden_dim": 8, "noisy": True}},
        {"critic": {"hidden_dim": 8, "members": 2}},
    ],
)
@pytest.mark.parametrize("action", [CHOICES, NUMBERS])
def test_it_learns_returns_with_every_critic(changes: dict[str, Any], action: Space) -> None:
    agent = make_agent(action, lr=1e-2, **changes)
    generator = torch.Generator().manual_seed(1)
    obs = torch.randn(12, 4, generator=generator)
    chosen = agent.act(Batch(obs=obs), explore=True).action
    batch = Batch(**{"obs": obs, "action": chosen, "return": obs[:, 0].clamp(-1, 1)}, weight=torch.ones(12))
    agent.eval()  # without noise in weights, for the comparison
    before = loss(agent, batch)
    agent.train()
    for _ in range(80):
        agent.learn(batch)
    agent.eval()
    assert loss(agent, batch) < before


@torch.no_grad()
def loss(agent: PQN, batch: Batch) -> float:
    return float(agent.phase_list[0].objectives[0](agent, agent.encode_batch(batch)).value)


def test_a_critic_with_a_memory_starts_from_the_state_that_was_stored() -> None:
    agent = make_agent(memory="gru", sequence_length=3)
    assert set(agent.extra_columns) == {f"state.{name}" for name in agent.initial_state(1)}
    assert agent.phase_list[0].trains == ("encoder", "memory", "critic")
