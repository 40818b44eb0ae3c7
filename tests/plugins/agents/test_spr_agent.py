"""SPR as an agent: its parts, resets of networks and optimisers, and the horizons that are annealed after each of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from runs.commands import killed_and_the_same
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.compose import compose
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.trainer.build import make_agent

VECTOR, CHOICES = Space((4,), "float32"), Space((), "int64", 0, 1, 2)
TINY = [
    "encoder.hidden_dim=8",
    "critic.hidden_dim=8",
    "agent.batch_size=8",
    "agent.jumps=2",
    "agent.projection=8",
    "agent.learning_starts=0",
]


def make(*words: str, name: str = "spr") -> Any:
    config = compose([f"agent={name}", "suite=gym:CartPole-v1", "device=cpu", *TINY, *words])
    return make_agent(config, Spec(VECTOR, CHOICES), Streams(config.seed))


def filled(agent: Any, lengths: tuple[int, ...] = (7, 12, 30)) -> Replay:
    """Episodes of these lengths whose step t has the observation and the reward of its number since the start of all."""
    replay, number = Replay(agent.spec, agent.view, 400, 1, Streams(1), action=agent.action_space), 0
    for length in lengths:
        replay.begin(0, np.full(4, number, np.float32))
        for step in range(1, length + 1):
            replay.add(0, np.int64(number % 2), float(number), step == length, False, np.full(4, number + 1, np.float32))
            number += 1
    return replay


def numbers_of(module: Any) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def learned(agent: Any, updates: int) -> None:
    replay = filled(agent)
    for _ in range(updates):
        agent.before_update()
        agent.learn(replay.sample())


# The parts ----------------------------------------------------------------------------------------------------------------------


def test_it_has_every_part_of_the_paper() -> None:
    agent = make()
    (phase,) = agent.phase_list
    assert [objective.label for objective in phase.objectives] == ["td", "spr"]
    assert phase.objectives[1].weight == 5.0  # of 2 - 2 cos: the strength of the paper
    assert type(agent.critic.head).__name__ == "CategoricalHead"
    assert type(agent.critic.advantages).__name__ == "NoisyEnsembleMLP"
    assert agent.critic.state is not None
    config = compose(["agent=spr", "suite=atari:pong"])
    assert config.replay.sampler.name == "prioritised"
    assert (config.agent.options.n_step, config.agent.options.updates_per_step, config.agent.options.tau) == (10, 2.0, 1.0)


def test_priorities_are_of_rows_and_of_temporal_differences_alone() -> None:
    agent = make()
    batch = filled(agent).sample()
    plain = make("agent.spr_weight=0")
    found, wanted = agent.learn(batch).priority, plain.learn(batch).priority
    assert found.shape == (8,)
    torch.testing.assert_close(found, wanted)


# Resets -------------------------------------------------------------------------------------------------------------------------

RESETS = ["agent.reset_every=4", "agent.tau=0.5", "agent.shrink=0.75"]


def test_a_reset_makes_heads_anew_and_moves_encoder_and_dynamics_towards_fresh_weights() -> None:
    agent = make(*RESETS)
    learned(agent, 4)
    before = {name: numbers_of(module).clone() for name, module in agent.named_children()}
    fresh, other = agent._fresh("online"), agent._fresh("target")
    agent.before_update()
    for part in ("critic", "projector", "predictor"):
        assert torch.equal(numbers_of(getattr(agent, part)), numbers_of(getattr(fresh, part)))
    for part in ("encoder", "dynamics"):
        wanted = 0.75 * before[part] + 0.25 * numbers_of(getattr(fresh, part))
        torch.testing.assert_close(numbers_of(getattr(agent, part)), wanted)
    # target networks: fresh weights of their own
    assert torch.equal(numbers_of(agent.critic_target), numbers_of(other.critic))
    assert not torch.equal(numbers_of(agent.critic_target), numbers_of(agent.critic))
    torch.testing.assert_close(numbers_of(agent.encoder_target), 0.75 * before["encoder_target"] + 0.25 * numbers_of(other.encoder))


def test_a_reset_reaches_the_moments_of_the_optimisers() -> None:
    """BBF: with old moments, the first steps of fresh weights follow gradients of the old ones."""
    agent = make(*RESETS)
    learned(agent, 4)
    assert all(state["step"] == 4 for optimizer in agent.updater.optimizers.values() for state in optimizer.state.values())
    agent.before_update()
    assert set(agent.updater.optimizers) == {"encoder", "critic", "dynamics", "projector", "predictor"}
    for optimizer in agent.updater.optimizers.values():
        for state in optimizer.state.values():
            assert not any(moment.any() for moment in state.values())
    agent.learn(filled(agent).sample())
    assert all(state["step"] == 1 for optimizer in agent.updater.optimizers.values() for state in optimizer.state.values())


def test_a_reset_happens_once_and_counts_updates() -> None:
    agent = make(*RESETS)
    learned(agent, 3)
    before = numbers_of(agent.critic).clone()
    agent.steps = 4000  # environment steps are no updates
    agent.before_update()
    assert torch.equal(numbers_of(agent.critic), before)
    learned(agent, 1)
    agent.before_update()
    once = numbers_of(agent.critic).clone()
    agent.before_update()
    assert torch.equal(numbers_of(agent.critic), once)


@pytest.mark.parametrize(("end", "resets"), [(None, [4, 8, 12, 16]), (12, [4, 8]), (15, [4, 8]), (16, [4, 8, 12]), (7, [])])
def test_no_reset_without_a_whole_cycle_behind_it(end: int | None, resets: list[int]) -> None:
    """BBF: a reset inside the last cycle leaves an agent that has not learned."""
    agent = make("agent.reset_every=4", *([] if end is None else [f"agent.no_resets_after={end}"]))
    found = []
    for agent.updates in range(20):
        found.append(agent.last_reset)
    assert sorted({number for number in found if number}) == resets


def test_a_reset_draws_from_no_stream_and_is_a_function_of_the_seed() -> None:
    one, other, apart = make(*RESETS), make(*RESETS), make(*RESETS, "seed=2")
    for agent in (one, other, apart):
        agent.updates = 4
        before = agent.streams.state_dict()
        torch.manual_seed(int(agent is one))
        agent.before_update()
        assert agent.streams.state_dict() == before
    assert torch.equal(numbers_of(one.critic), numbers_of(other.critic))
    assert not torch.equal(numbers_of(one.critic), numbers_of(apart.critic))


def test_a_copy_stays_a_copy() -> None:
    agent = make("agent.reset_every=4")
    agent.updates = 4
    agent.before_update()
    assert torch.equal(numbers_of(agent.critic_target), numbers_of(agent.critic))
    assert torch.equal(numbers_of(agent.encoder_target), numbers_of(agent.encoder))


# Horizons -----------------------------------------------------------------------------------------------------------------------

ANNEALED = ["agent.n_step=3", "agent.n_step_start=10", "agent.discount=0.997", "agent.discount_start=0.97", "agent.anneal_updates=100"]


def test_horizons_go_exponentially_from_the_last_reset_on() -> None:
    agent = make(*ANNEALED, "agent.reset_every=400")
    for agent.updates in (0, 1, 37, 50, 99, 100, 250, 400, 450, 900):
        since = agent.updates % 400
        share = min(since / 100, 1.0)
        n_step = math.exp((1 - share) * math.log(10) + share * math.log(3))
        discount = 1 - math.exp((1 - share) * math.log(0.03) + share * math.log(0.003))
        assert agent.horizon() == (round(n_step), pytest.approx(discount))


@pytest.mark.parametrize("updates", [0, 50, 100])
def test_rows_have_the_horizon_of_the_update_they_are_drawn_for(updates: int) -> None:
    """Also where n shrank since a row was stored: it ends, terminates and bootstraps by the present n."""
    agent = make(*ANNEALED)
    replay = filled(agent)
    agent.updates = updates
    n_step, gamma = agent.horizon()
    ends = np.cumsum([7, 12, 30])
    seen = set()
    for row in _rows(replay.sample() for _ in range(20)):
        start = int(row.obs[0])
        end = int(ends[ends > start][0])
        taken = min(n_step, end - start)
        assert row.reward.item() == pytest.approx(sum(gamma**k * (start + k) for k in range(taken)), rel=1e-4)
        assert int(row.next_obs[0]) == start + taken
        assert row.discount.item() == pytest.approx(0.0 if start + taken == end else gamma**n_step, rel=1e-5)
        seen.add(start + taken == end)
    assert seen == {True, False}


def _rows(batches: Any) -> Any:
    for batch in batches:
        for row in range(batch.size):
            yield Batch({name: column[row] for name, column in batch.items()})


# Acting -------------------------------------------------------------------------------------------------------------------------


def test_the_target_network_may_act() -> None:
    agent = make("agent.target_acts=true", "agent.tau=0.01", "agent.critic.noisy=false")
    with torch.no_grad():
        for parameter in agent.critic_target.parameters():
            parameter.add_(torch.randn_like(parameter))
    obs = torch.randn(64, 4)
    wanted = agent.critic_target(agent.encoder_target(obs)).greedy
    assert torch.equal(agent.act(Batch(obs=obs), explore=False).action, wanted)
    assert not torch.equal(agent.critic(agent.encoder(obs)).greedy, wanted)


@pytest.mark.parametrize("name", ["sr_spr", "bbf"])
def test_its_successors_are_the_same_agent_with_resets(name: str) -> None:
    options = compose([f"agent={name}", "suite=atari:pong"]).agent.options
    assert (options.reset_every, options.target_acts, options.critic.noisy, options.tau) == (40_000, True, False, 0.005)
    assert (options.updates_per_step, options.shrink) == {"sr_spr": (8.0, 0.8), "bbf": (2.0, 0.5)}[name]
    assert options.encoder.name == {"sr_spr": "nature_cnn", "bbf": "impala_cnn"}[name]
    assert (options.n_step_start, options.discount_start) == {"sr_spr": (None, None), "bbf": (10, 0.97)}[name]


def test_options_that_nothing_reads_are_refused() -> None:
    from unified.core.base.errors import UsageError

    with pytest.raises(UsageError, match="no_resets_after ends the resets"):
        make("agent.no_resets_after=100")
    with pytest.raises(UsageError, match="annealed on 1 - γ"):
        make("agent.discount=1.0", "agent.discount_start=0.9")


# In a run -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_in_a_cycle_of_resets_and_resumed_it_is_the_same_run(tmp_path: Path) -> None:
    words = ["train", "--agent", "spr", "--suite", "gym:CartPole-v1", *TINY[:-1], "agent.learning_starts=40", "agent.updates_per_step=1"]
    words += [*ANNEALED, "agent.reset_every=70", "agent.tau=0.1", "agent.target_acts=true", "agent.critic.noisy=false", "device=cpu"]
    words += ["train.frames=480", "train.env_backend=inline", "train.log_every=160", "evaluate.every=160", "evaluate.episodes=2"]
    words += ["checkpoint.every=80", "callbacks=[]", "replay.capacity=2000"]
    killed_and_the_same(words, tmp_path)
