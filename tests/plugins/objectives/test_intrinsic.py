"""Intrinsic rewards: normalised, added and learned as their definitions say, on agents of every kind; and what others got wrong."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from runs.commands import STATE, killed_and_the_same
from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.compose import compose
from unified.core.learn.agent import Agent
from unified.core.learn.traced import trace
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.trainer.build import make_agent
from unified.plugins.objectives.icm.objective import Curiosity
from unified.plugins.objectives.intrinsic import LIMIT, Novelty
from unified.plugins.objectives.rnd.objective import RND, Distillation

VECTOR, PIXELS = Space((4,), "float32"), Space((3, 40, 40), "uint8", 0, 255)
CHOICES, NUMBERS = Space((), "int64", 0, 2, 3), Space((2,), "float32", -1.0, 1.0)
SMALL = ["hidden_dim=8"]
TINY = {
    "ppo": ["agent.hidden_dim=8", "agent.n_steps=8", "agent.batch_size=8"],
    "trpo": ["agent.hidden_dim=8", "agent.n_steps=8"],
    "pqn": ["critic.hidden_dim=8", "agent.n_steps=8"],
    "dqn": ["critic.hidden_dim=8", "agent.batch_size=8", "agent.learning_starts=0"],
    "sac": ["critic.hidden_dim=8", "actor.hidden_dim=8", "agent.batch_size=8", "agent.learning_starts=0"],
}


def make(name: str, objective: str = "rnd", observation: Space = VECTOR, action: Space = CHOICES, *words: str) -> Any:
    small = [f"objective.{objective}.{each}" for each in SMALL] if objective else []
    chosen = [f"objective=[+{objective}]"] if objective else []
    config = compose([f"agent={name}", "suite=gym:CartPole-v1", "device=cpu", *chosen, *small, *TINY[name], *words])
    return make_agent(config, Spec(observation, action), Streams(1))


def lived(agent: Agent, ends: tuple[int, ...] = (3, 7), steps: int = 10, envs: int = 2) -> tuple[Replay, list[list[dict[str, Any]]]]:
    """A replay of environments whose episodes end after these steps, the first in a terminal state; and the same steps in lists."""
    generator = np.random.default_rng(1)
    replay = Replay(agent.spec, agent.view, 400, envs, Streams(1), action=agent.action_space, extra=agent.extra_columns)

    def seen() -> Any:
        drawn = generator.normal(size=agent.spec.space.shape)
        return drawn.astype(np.float32) if agent.spec.space.dtype == "float32" else (128 + 40 * drawn).clip(0, 255).astype(np.uint8)

    told: list[list[dict[str, Any]]] = []
    for env in range(envs):
        told.append([])
        obs = seen()
        replay.begin(env, obs)
        for step in range(1, steps + 1):
            acted = agent.act(Batch(obs=torch.from_numpy(obs)[None]), explore=True)
            after, over = seen(), step in ends
            terminated = over and step == ends[0]
            extra = {name: value[0].numpy() for name, value in acted.extra.items()}
            reward = float(generator.normal())
            replay.add(env, acted.action[0].numpy(), reward, terminated, over and not terminated, after, extra)
            told[-1].append(
                {"obs": obs, "after": after, "reward": reward, "terminated": terminated, "over": over, "action": acted.action[0]}
            )
            obs = after
            if over:
                obs = seen()
                replay.begin(env, obs)
    return replay, told


def processed(agent: Agent) -> tuple[Batch, Batch, list[list[dict[str, Any]]]]:
    """A rollout as it was gathered and as it is learned from."""
    replay, told = lived(agent)
    found: list[Batch] = []

    def prepare(batch: Batch) -> Batch:
        found.extend([batch, agent.prepare_rollout(batch)])
        return found[1]

    list(replay.batches(1, prepare))
    return found[0], found[1], told


# Normalisation ------------------------------------------------------------------------------------------------------------------


def test_the_discounted_sum_of_intrinsic_rewards_runs_over_the_ends_of_episodes() -> None:
    """RND: a sum that begins anew in each episode leaks how long episodes are. It begins anew with another environment only."""
    novelty, gamma = Novelty(VECTOR), 0.9
    reward, lane = torch.rand(12, generator=torch.Generator().manual_seed(1)), torch.tensor([0] * 7 + [1] * 5)
    found = novelty.normalised(reward, gamma, lane)
    sums, start = [], reward.mean().item() / (1 - gamma)
    for env in (0, 1):
        running = start
        for number in reward[lane == env].tolist():
            running = gamma * running + number
            sums.append(running)
    torch.testing.assert_close(found, reward / np.std(sums), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rollout", [1, 4, 40])
def test_the_sum_goes_on_from_rollout_to_rollout(rollout: int) -> None:
    """RND: a sum that begins anew with each rollout varies less the shorter rollouts are, and rewards are then the greater."""
    gamma, steps, envs = 0.9, 40, 3
    reward = torch.rand(steps, envs, generator=torch.Generator().manual_seed(1))
    novelty, found = Novelty(VECTOR), []
    for begin in range(0, steps, rollout):
        piece = reward[begin : begin + rollout]
        found.append(novelty.normalised(piece.T.flatten(), gamma, torch.arange(envs).repeat_interleave(len(piece))))
        novelty.load_state_dict(novelty.state_dict())
    slow, sums = reward[:rollout].mean().item() / (1 - gamma), []
    for env in range(envs):
        running = slow
        for number in reward[:, env].tolist():
            running = gamma * running + number
            sums.append(running)
    last = reward[-rollout:].T.flatten() / np.std(sums)
    torch.testing.assert_close(found[-1], last, rtol=1e-4, atol=1e-5)
    other = Novelty(VECTOR)
    other.load_state_dict(novelty.state_dict())
    assert torch.equal(other.sums, novelty.sums)


def test_the_first_rewards_do_not_explode() -> None:
    """RND: statistics that begin at 0 and 1 make the first observations, and so the first rewards, as large as the task's numbers."""
    agent = make("ppo")
    with torch.no_grad():
        rollout, rows, _ = processed(agent)
    far = Batch({**rollout, "next_obs": rollout.next_obs * 1000 + 5000, "obs": rollout.obs * 1000 + 5000})
    other = make("ppo")
    shifted = other.prepare_rollout(far)
    assert other.novelty.standardised(far.next_obs).abs().max() <= LIMIT
    torch.testing.assert_close(shifted.intrinsic_return, rows.intrinsic_return, rtol=0.02, atol=0.02)


def test_judging_moves_no_statistics() -> None:
    agent = make("ppo")
    processed(agent)
    before = {name: value.clone() for name, value in agent.state_dict().items()}
    agent.eval()
    agent.act(Batch(obs=torch.randn(5, 4) * 100), explore=False)
    assert all(torch.equal(value, before[name]) for name, value in agent.state_dict().items())


# Random network distillation ----------------------------------------------------------------------------------------------------


def test_novelty_of_what_is_seen_again_falls_and_that_of_something_new_stays() -> None:
    torch.manual_seed(1)
    net = Distillation(VECTOR, 16, 32)
    known = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    new = known.flip(0).roll(1, 1) * -2
    net.observations.update(torch.randn(1000, 4, generator=torch.Generator().manual_seed(2)))
    optimizer = torch.optim.Adam(net.predictor.parameters(), lr=1e-3)
    errors = []
    for _ in range(300):
        loss = net.error(known).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(loss.item())
    marks = errors[::50]
    assert marks == sorted(marks, reverse=True)
    assert net.error(new).mean().item() > 5 * errors[-1]


def test_the_fixed_network_stays_and_the_predictor_moves() -> None:
    agent = make("ppo")
    _, rows, _ = processed(agent)
    before = {name: value.clone() for name, value in agent.novelty.named_parameters()}
    assert agent.learn(rows).metrics["nonfinite"] == 0
    moved = {name.partition(".")[0] for name, value in agent.novelty.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {"predictor"}


def test_the_reward_is_that_of_the_observation_an_action_led_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """RND: novelty of o_t instead of o_{t+1} rewards where the agent was already."""
    agent = make("ppo")
    seen = []
    monkeypatch.setattr(RND, "bonus", lambda self, agent, obs, action, next_obs: seen.append(next_obs) or next_obs[:, 0])
    _, rows, told = processed(agent)
    wanted = torch.from_numpy(np.stack([step["after"] for steps in told for step in steps]))
    assert torch.equal(seen[0], wanted)
    assert torch.equal(rows.future_obs[:, 0], wanted)  # what the predictor learns from: true last observations too


def test_intrinsic_returns_are_not_cut_where_an_episode_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """RND: cut at ends, dying is a way out of what is known already. The definition, row by row: Â = Σ (γλ)^k δ up to the rollout's end."""
    agent = make("ppo", "rnd", VECTOR, CHOICES, "objective.rnd.discount=0.9", "agent.gae_lambda=0.7")
    agent.phase_list[0].objectives[-1].coef = 0.25
    monkeypatch.setattr(Novelty, "normalised", lambda self, reward, discount, lane=None: reward)
    monkeypatch.setattr(RND, "bonus", lambda self, agent, obs, action, next_obs: next_obs[:, 0])
    rollout, rows, told = processed(agent)
    plain = agent.process_rollout(rollout)
    wanted = []
    for steps in told:
        shown = [step["obs"] for step in steps] + [steps[-1]["after"]]  # after an end, the first observation of the next episode
        value = [agent.phase_list[0].objectives[-1].value(agent, torch.from_numpy(obs)[None]).item() for obs in shown]
        deltas = [float(step["after"][0]) + 0.9 * value[t + 1] - value[t] for t, step in enumerate(steps)]
        wanted += [sum((0.9 * 0.7) ** k * delta for k, delta in enumerate(deltas[t:])) for t in range(len(steps))]
    gained = rows.advantage - plain.advantage
    torch.testing.assert_close(gained, 0.25 * torch.tensor(wanted), rtol=1e-4, atol=1e-5)
    assert torch.equal(rows["return"], plain["return"])  # the stream of the task is as it was


def test_a_replay_gives_one_stream_of_rewards_along_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """n-step rows have the novelty of every step of theirs, discounted, up to the end of the episode."""
    agent = make("dqn", "rnd", VECTOR, CHOICES, "agent.n_step=3", "agent.discount=0.9", "objective.rnd.coef=0.5")
    monkeypatch.setattr(Novelty, "normalised", lambda self, reward, discount, lane=None: reward)
    monkeypatch.setattr(RND, "bonus", lambda self, agent, obs, action, next_obs: next_obs[:, 0])
    replay, told = lived(agent)
    rows = replay.sample()
    relabelled = agent.phase_list[0].objectives[-1].relabel(agent, rows)
    for row in range(rows.size):
        (steps, start) = next(
            (steps, t) for steps in told for t, step in enumerate(steps) if np.array_equal(step["obs"], rows.obs[row].numpy())
        )
        gained = 0.0
        for k, step in enumerate(steps[start : start + 3]):
            gained += 0.9**k * float(step["after"][0])
            if step["over"]:
                break
        assert (relabelled.reward - rows.reward)[row].item() == pytest.approx(0.5 * gained, rel=1e-4, abs=1e-5)


def test_a_critic_without_an_actor_gets_the_rewards_in_its_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    """PQN: the same as rewards r + c r_i from the start."""
    agent = make("pqn", "rnd", VECTOR, CHOICES, "objective.rnd.coef=0.5")
    monkeypatch.setattr(Novelty, "normalised", lambda self, reward, discount, lane=None: reward)
    monkeypatch.setattr(RND, "bonus", lambda self, agent, obs, action, next_obs: next_obs[:, 0])
    rollout, rows, _ = processed(agent)
    summed = rollout.with_columns(reward=rollout.reward + 0.5 * rollout.next_obs[:, 0])
    torch.testing.assert_close(rows["return"], agent.process_rollout(summed)["return"], rtol=1e-4, atol=1e-5)


def test_rewards_of_a_replay_have_the_deviation_of_a_discounted_sum_of_one() -> None:
    novelty, reward = Novelty(VECTOR), torch.rand(4000, generator=torch.Generator().manual_seed(1))
    scaled = novelty.normalised(reward, 0.9)
    running, sums = scaled.mean().item() / 0.1, []
    for number in scaled.tolist():
        running = 0.9 * running + number
        sums.append(running)
    assert np.std(sums) == pytest.approx(1.0, abs=0.1)


# Curiosity ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [CHOICES, NUMBERS], ids=["choices", "numbers"])
def test_curiosity_is_that_of_explicit_loops(action: Space) -> None:
    torch.manual_seed(1)
    net = Curiosity(VECTOR, action, 5, 8)
    before, after = torch.randn(2, 6, 5)
    chosen = torch.tensor([0, 2, 1, 1, 0, 2]) if action.n else torch.randn(6, 2)
    found, inverse = net.error(before, chosen, after), []
    for row in range(6):
        told = torch.eye(3)[chosen[row]] if action.n else chosen[row]
        guess = net.forward_model(torch.cat([before[row], told])[None])[0]
        assert found[row].item() == pytest.approx(0.5 * sum((a - b) ** 2 for a, b in zip(guess.tolist(), after[row].tolist(), strict=True)))
        answer = net.inverse(torch.cat([before[row], after[row]])[None])[0]
        if action.n:
            inverse.append(math.log(sum(math.exp(x) for x in answer.tolist())) - answer[chosen[row]].item())
        else:
            inverse.append(sum((a - b) ** 2 for a, b in zip(answer.tolist(), chosen[row].tolist(), strict=True)) / 2)
    assert net.inverse_loss(before, chosen, after).item() == pytest.approx(sum(inverse) / 6, rel=1e-4)


def test_features_learn_from_the_inverse_model_alone() -> None:
    """ICM: with a gradient from the forward loss, constant features are the easiest to predict."""
    agent = make("ppo", "icm", VECTOR, CHOICES, "objective.icm.beta=1.0")
    _, rows, _ = processed(agent)
    objective = agent.phase_list[0].objectives[-1]
    loss = objective(agent, agent.encode_batch(rows)).value
    named = dict(agent.novelty.named_parameters())
    gradients = dict(zip(named, torch.autograd.grad(loss, list(named.values()), allow_unused=True), strict=True))
    reached = {name.partition(".")[0] for name, gradient in gradients.items() if gradient is not None and gradient.any()}
    assert reached == {"forward_model"}


# On agents ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("observation", [VECTOR, PIXELS], ids=["vectors", "pixels"])
@pytest.mark.parametrize("objective", ["rnd", "icm"])
@pytest.mark.parametrize(("name", "action"), [("ppo", CHOICES), ("ppo", NUMBERS), ("pqn", CHOICES), ("dqn", CHOICES), ("sac", NUMBERS)])
def test_it_is_added_to_any_agent_of_control(name: str, action: Space, objective: str, observation: Space) -> None:
    if observation is PIXELS and name == "sac":
        pytest.skip("as ppo and dqn")
    words = ["agent.stack=2"] if observation is PIXELS else []
    agent = make(name, objective, observation, action, *words)
    before = {key: value.clone() for key, value in agent.named_parameters()}
    if name in ("dqn", "sac"):
        replay, _ = lived(agent) if observation is VECTOR else stacked(agent)
        metrics = agent.learn(replay.sample()).metrics
    else:
        replay, _ = lived(agent) if observation is VECTOR else stacked(agent)
        for batch in replay.batches(1, agent.prepare_rollout):
            metrics = agent.learn(batch).metrics
    assert metrics["nonfinite"] == 0
    assert metrics["novelty"] > 0
    moved = {key.partition(".")[0] for key, value in agent.named_parameters() if not torch.equal(value, before[key])}
    assert moved >= {"critic", "novelty"}
    assert hasattr(agent, "intrinsic_critic") == ("intrinsic_critic" in moved) == (name == "ppo")


def stacked(agent: Agent) -> tuple[Replay, None]:
    """As `lived`, of an agent that sees two frames."""
    generator = np.random.default_rng(1)
    replay = Replay(agent.spec, agent.view, 100, 1, Streams(1), action=agent.action_space, extra=agent.extra_columns)
    frames = generator.integers(0, 255, (12, *PIXELS.shape), np.uint8)
    replay.begin(0, frames[0])
    for step in range(1, 12):
        acted = agent.act(Batch(obs=torch.from_numpy(np.concatenate(frames[[max(step - 2, 0), step - 1]]))[None]), explore=True)
        extra = {name: value[0].numpy() for name, value in acted.extra.items()}
        replay.add(0, acted.action[0].numpy(), 1.0, step == 11, False, frames[step], extra)
    return replay, None


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["rnd", "icm"])
def test_an_update_with_it_is_one_graph(objective: str) -> None:
    agent, other = make("dqn", objective), make("dqn", objective)
    replay, _ = lived(agent)
    batches = [replay.sample() for _ in range(3)]
    traced = trace(agent, batches[0])
    for batch in batches:
        assert torch.equal(traced(batch).metrics["critic_loss"], other.learn(batch).metrics["critic_loss"])
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in agent.state_dict().items())


def test_two_of_them_rows_of_a_data_set_and_other_steps_are_refused() -> None:
    with pytest.raises(UsageError, match="has a part novelty already"):
        make_agent(compose(["agent=ppo", "suite=gym:CartPole-v1", "objective=[+rnd,+icm]"]), Spec(VECTOR, CHOICES), Streams(1))
    with pytest.raises(UsageError, match="rnd"):
        make_agent(compose(["agent=ppo", "suite=digits", "objective=[+rnd]"]), Spec(VECTOR, CHOICES, task_type="classify"), Streams(1))
    with pytest.raises(UsageError, match="phase policy of TRPO moves its parts otherwise"):
        make("trpo")


# In a run -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["rnd", "icm"])
def test_killed_in_mid_episode_and_resumed_it_is_the_same_run(tmp_path: Path, objective: str) -> None:
    killed = killed_and_the_same([*STATE, "-o", f"+{objective}", f"objective.{objective}.hidden_dim=16"], tmp_path)
    assert '"novelty"' in (killed / "metrics.jsonl").read_text()
