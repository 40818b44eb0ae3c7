"""HIRO against its equations, one row and one step at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unified
from unified import Batch, UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.components.descriptors import ArchitectureComponent
from unified.core.components.options import Options
from unified.core.envs.suite import Environment, Step, Suite
from unified.core.learn.builder import Builder
from unified.core.registry import registry
from unified.core.replay.buffer import Replay
from unified.plugins import builtins
from unified.plugins.agents.hiro.agent import HIRO
from unified.plugins.agents.hiro.config import HIROOptions
from unified.plugins.agents.hiro.view import Decisions
from unified.testing.workshop import differences

D, A, G, C, GAMMA = 3, 2, 2, 4, 0.9
SPEC = Spec(Space((D,), "float32"), Space((A,), "float32", -1, 1))


def made(spec: Spec = SPEC, agent_class: type[HIRO] = HIRO, **options: Any) -> HIRO:
    small = {"batch_size": 16, "actor": {"hidden_dim": 8}, "critic": {"hidden_dim": 8}, "interval": C, "goal_dims": G, "discount": GAMMA}
    torch.manual_seed(1)
    agent = agent_class(
        spec, HIROOptions(**{**small, "learning_starts": 0, **options}), Builder(torch.device("cpu"), "fp32", Streams(3), registry())
    )
    agent.configure()
    return agent


def filled(agent: HIRO, lengths: list[int], ends: str = "truncated", capacity: int = 1000, spec: Spec = SPEC) -> Replay:
    """Episodes as the agent acts in them; the observation is (episode, step, noise), the reward 100 · episode + step."""
    replay = Replay(spec, agent.view, capacity, 1, Streams(2), action=agent.action_space, extra=agent.extra_columns)
    noise = np.random.default_rng(0)
    for episode, length in enumerate(lengths):
        seen = np.array([episode, 0, 0], np.float32)
        replay.begin(0, seen)
        state = agent.initial_state(1)
        for step in range(length):
            columns = {f"state.{name}": rows for name, rows in state.items()}
            action = agent.act(Batch({"obs": torch.from_numpy(seen)[None], **columns}), explore=True)
            state = action.state
            seen = np.array([episode, step + 1, noise.normal()], np.float32)
            last, extra = step + 1 == length, {name: rows[0].numpy() for name, rows in action.extra.items()}
            over = (last and ends == "terminated", last and ends == "truncated")
            replay.add(0, action.action[0].numpy(), 100 * episode + step, *over, seen, extra)
    return replay


class Unmoved(HIRO):
    """Wrong: between two decisions the goal stays the same change, wherever the observation has gone."""

    def act(self, batch: Batch, *, explore: bool) -> Any:
        moved = batch.with_columns(**{"state.target": batch["state.target"] + self.place(batch.obs)})
        action = super().act(moved, explore=explore)
        return replace(action, state={**action.state, "target": action.extra["subgoal"]})


@pytest.mark.parametrize(("agent_class", "right"), [(HIRO, True), (Unmoved, False)])
def test_a_goal_stays_where_it_is_for_c_steps_and_then_another_is_chosen(agent_class: type[HIRO], right: bool) -> None:
    agent = made(agent_class=agent_class)
    store = filled(agent, [10]).store
    places, goals = store.data["obs"][:10, :G], store.data["subgoal"][:10]
    assert store.data["clock"][:10].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    moved = places[:-1] + goals[:-1] - places[1:]  # h(s, g, s')
    same = [bool(np.allclose(one, other, atol=1e-6)) for one, other in zip(goals[1:], moved, strict=True)]
    assert (same == [step % C != 0 for step in range(1, 10)]) == right


def test_goals_lie_within_their_range_and_without_exploring_nothing_is_drawn() -> None:
    agent = made(goal_range=3.0, goal_noise=5.0)
    obs = torch.randn(50, D)
    first = agent.act(Batch(obs=obs), explore=True).extra["subgoal"]
    assert 1.0 < first.abs().max() <= 3.0
    before = agent.streams.state_dict()
    one, other = (agent.act(Batch(obs=obs), explore=False) for _ in range(2))
    assert torch.equal(one.action, other.action)
    assert agent.streams.state_dict() == before
    assert not one.extra


@pytest.mark.parametrize("ends", ["truncated", "terminated"])
@pytest.mark.parametrize("lengths", [[1], [1, 1, 2], [10, 3, 4, 5, 9]])
def test_a_row_is_a_step_with_the_decision_that_it_belongs_to(ends: str, lengths: list[int]) -> None:
    agent = made(batch_size=400)
    replay = filled(agent, lengths, ends)
    batch, store, seen = replay.sample(), replay.store, set()
    starts = np.cumsum([0] + [length + 1 for length in lengths])
    for row in range(batch.size):
        episode, step = int(batch.obs[row, 0]), int(batch.obs[row, 1])
        seen.add((episode, step))
        length = lengths[episode]
        begins = step - step % C
        stops = min(begins + C, length)
        ended = stops == length and ends == "terminated"
        at = [starts[episode] + min(begins + k, stops) for k in range(C + 1)]
        np.testing.assert_array_equal(batch["path"][row], store.data["obs"][at])
        taken = [1.0 if begins + k < length else 0.0 for k in range(C)]
        assert batch["path_mask"][row].tolist() == taken
        np.testing.assert_array_equal(batch["path_action"][row], store.data["action"][at[:-1]] * np.array(taken)[:, None])
        np.testing.assert_array_equal(batch["path_goal"][row], store.data["subgoal"][at[0]])
        assert batch["path_reward"][row] == sum(100 * episode + k for k in range(begins, stops))
        assert batch["path_discount"][row] == pytest.approx(0.0 if ended else GAMMA)
        assert batch.discount[row] == pytest.approx(0.0 if step + 1 == length and ends == "terminated" else GAMMA)
        assert batch.next_obs[row, 1] == step + 1
    assert seen == {(episode, step) for episode, length in enumerate(lengths) for step in range(length)}


def test_a_first_step_whose_decision_is_not_complete_cannot_be_learned_from() -> None:
    assert not filled(made(), [1], "").ready


def test_decisions_that_are_not_complete_or_partly_overwritten_are_not_drawn() -> None:
    agent = made(batch_size=300)
    replay = filled(agent, [9, 6, 7], "", capacity=16)  # each begins the next; the last goes on
    held = range(int(replay.store.tail[0]), int(replay.store.head[0]))
    assert len(held) == 16
    found = {(int(row[0]), int(row[1])) for row in replay.sample().obs}
    # Of episode 1 the slots from step 0 on are held, or fewer; of episode 2 the decision of steps 4 … 7 lacks its end.
    expected = set()
    for slot in held:
        episode, step = (int(number) for number in replay.store.data["obs"][slot % 16, :2])
        begins = slot - step % C
        complete = episode < 2 or step - step % C + C <= 7
        if begins >= held[0] and complete and not replay.store.data["last"][slot % 16]:
            expected.add((episode, step))
    assert found == expected
    assert replay.view.count(replay.store) == len(expected)


def test_the_low_level_learns_from_the_distance_that_is_left() -> None:
    agent = made()
    batch = filled(agent, [10, 7]).sample()
    rows = agent.steps_of(batch)
    for row in range(batch.size):
        left = batch.obs[row, :G] + batch["subgoal"][row] - batch.next_obs[row, :G]
        assert rows.reward[row] == pytest.approx(-float((left**2).sum().sqrt()), rel=1e-5)
        torch.testing.assert_close(rows.features[row], torch.cat([batch.obs[row], batch["subgoal"][row]]))
        torch.testing.assert_close(rows.next_features[row], torch.cat([batch.next_obs[row], left]))


def test_a_goal_that_the_present_low_level_follows_is_left_as_it_is() -> None:
    """The low level has not changed since it acted, without noise: nothing explains its actions better than the goal that it had."""
    agent = made(noise=0.0, goal_noise=0.3, candidates=30)
    batch = filled(agent, [12, 12]).sample()
    torch.testing.assert_close(agent.corrected(batch), batch["path_goal"])


class ByFirstStep(HIRO):
    """Wrong: only the first action of a decision counts."""

    def corrected(self, batch: Batch) -> torch.Tensor:
        mask = torch.zeros_like(batch["path_mask"])
        mask[:, 0] = 1
        return super().corrected(batch.with_columns(path_mask=mask))


@pytest.mark.parametrize(("agent_class", "right"), [(HIRO, True), (ByFirstStep, False)])
def test_the_correction_takes_the_goal_of_least_squared_error_over_the_path(agent_class: type[HIRO], right: bool) -> None:
    """Equation 5, one candidate and one step at a time; among them the original and the change that came about."""
    agent = made(agent_class=agent_class, candidates=5, noise=0.5)
    batch = filled(agent, [10, 3, 4]).sample()
    for parameter in agent.low_actor.parameters():  # the low level has changed since
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(int(parameter.numel())))
    before = agent.streams.state_dict()
    found = agent.corrected(batch)
    agent.streams.rewind(before)
    drawn = torch.randn(batch.size, 5, G, generator=agent.generator("correction"))
    kinds, same = set(), []
    for row in range(batch.size):
        path, steps = batch["path"][row], int(batch["path_mask"][row].sum())
        change = (path[-1] - path[0])[:G]
        candidates = [batch["path_goal"][row], change, *(change + 0.5 * noise for noise in drawn[row])]
        candidates = [candidate.clamp(-1, 1) for candidate in candidates]
        misfits = []
        for candidate in candidates:
            goal, total = candidate, 0.0
            for step in range(steps):
                action = agent.low.policy(torch.cat([path[step], goal])[None]).mode[0].detach()
                total += float(((batch["path_action"][row, step] - action) ** 2).sum())
                goal = path[step, :G] + goal - path[step + 1, :G]
            misfits.append(total)
        best = int(np.argmin(misfits))
        kinds.add(min(best, 2))
        same.append(torch.allclose(found[row], candidates[best]))
    assert all(same) == right
    assert len(kinds) > 1


def test_the_high_level_learns_from_goals_that_were_corrected() -> None:
    agent = made(goal_range=2.0, reward_scale=0.5)
    batch = filled(agent, [10, 7]).sample()
    before = agent.streams.state_dict()
    rows = agent.decisions_of(batch)
    agent.streams.rewind(before)
    torch.testing.assert_close(rows.action, agent.corrected(batch) / 2)
    torch.testing.assert_close(rows.reward, 0.5 * batch["path_reward"])
    torch.testing.assert_close(rows.features, batch["path"][:, 0])
    torch.testing.assert_close(rows.next_features, batch["path"][:, -1])


def test_targets_are_those_of_td3_in_both_levels() -> None:
    agent = made()
    batch = filled(agent, [10, 7]).sample()
    for level, rows in ((agent.low, agent.steps_of(batch)), (agent.high, agent.decisions_of(batch))):
        before = agent.streams.state_dict()
        found = level.bootstrap(rows).mean
        agent.streams.rewind(before)
        name = level.name
        mode = agent.get_submodule(f"{name}_actor_target")(rows.next_features).mode
        noise = 0.2 * torch.randn(mode.shape, generator=agent.generator(f"{name}_target"))
        action = (mode + noise.clamp(-0.5, 0.5)).clamp(-1, 1)
        both = agent.get_submodule(f"{name}_critic_target")(rows.next_features, action).mean
        torch.testing.assert_close(found[0], both.min(dim=0).values)


def test_which_parts_move_when() -> None:
    agent = made(interval=3, policy_delay=2)
    replay = filled(agent, [12, 12])
    names = ("low_critic", "low_actor", "high_critic", "high_actor", "low_critic_target", "high_critic_target", "high_actor_target")

    def numbers(part: str) -> torch.Tensor:
        return torch.cat([parameter.detach().flatten().clone() for parameter in agent.get_submodule(part).parameters()])

    moved: dict[str, list[int]] = {name: [] for name in names}
    for update in range(1, 13):
        before = {name: numbers(name) for name in names}
        agent.learn(replay.sample())
        for name in names:
            if not torch.equal(before[name], numbers(name)):
                moved[name].append(update)
    assert moved["low_critic"] == list(range(1, 13))
    assert moved["low_actor"] == moved["low_critic_target"] == [2, 4, 6, 8, 10, 12]
    assert moved["high_critic"] == [3, 6, 9, 12]
    assert moved["high_actor"] == moved["high_critic_target"] == moved["high_actor_target"] == [6, 12]


# Runs ------------------------------------------------------------------------------------------------------------------------------


class Far(Suite):
    """A point on a line ought to be at 0.7, up to 14 steps away; the reward is minus the distance."""

    Options = Options
    placement = "inline"

    def environment(self) -> Environment:
        return FarEnvironment()


class FarEnvironment(Environment):
    spec = Spec(Space((1,), "float32", -1, 1), Space((1,), "float32", -1, 1), reward_range=(-2, 0), episode_frames=20)

    def reset(self, seed: int) -> np.ndarray:
        self.place, self.steps = np.random.default_rng(seed).uniform(-1, 1, 1).astype(np.float32), 0
        return self.place.copy()

    def step(self, action: np.ndarray) -> Step:
        self.steps += 1
        self.place = np.clip(self.place + 0.12 * np.clip(action, -1, 1), -1, 1).astype(np.float32)
        return Step(self.place.copy(), -abs(float(self.place[0]) - 0.7), False, self.steps == 20)


QUIET: dict[str, Any] = {"callbacks": [], "device": "cpu", "train.env_backend": "inline", "precision": "fp32", "agent": "hiro"}
SMALL = {"agent.batch_size": 16, "agent.actor.hidden_dim": 16, "agent.critic.hidden_dim": 16, "agent.learning_starts": 20}


def test_a_run_of_three_environments_goes_on_exactly_in_the_middle_of_a_decision(tmp_path: Path) -> None:
    values = {**QUIET, **SMALL, "suite": Far, "agent.interval": 7, "train.num_envs": 3, "evaluate.episodes": 1, "evaluate.every": 0}

    def train(where: str, frames: int) -> unified.Run:
        return unified.train(config={**values, "root": str(tmp_path / where), "train.frames": frames})

    straight = train("straight", 195)
    train("twice", 99)  # 33 steps of each, 13 in their episodes
    twice = train("twice", 195)
    groups = []
    for run in (straight, twice):
        checkpoint = run.checkpoints.newest()
        assert checkpoint is not None
        assert checkpoint.manifest["exact"]
        groups.append({name: checkpoint.load(name) for name in ("parameters", "optimizer", "replay", "collector")})
    assert not differences(*groups)


@pytest.mark.slow
def test_both_levels_together_reach_a_place(tmp_path: Path) -> None:
    """Standing still earns -14.9 on average, and the best that can be about -4."""
    values = {
        "agent.actor.hidden_dim": 32,
        "agent.critic.hidden_dim": 32,
        "agent.learning_starts": 200,
        "agent.lr": 3e-3,
        "agent.tau": 0.02,
    }
    values |= {"agent.batch_size": 64, "agent.interval": 4, "agent.discount": 0.9, "agent.reward_scale": 1.0, "train.num_envs": 4}
    budget = {"train.frames": 2400, "evaluate.every": 0, "evaluate.episodes": 20, "evaluate.num_envs": 10}
    run = unified.train(config={**QUIET, **values, **budget, "suite": Far, "root": str(tmp_path)})
    assert run.metrics()[-1]["return"] > -7


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"suite": "gym:CartPole-v1"}, "acts by numbers"),
        ({"suite": Far, "agent.normalize_observations": True}, "goals are differences of observations as they are"),
        ({"suite": Far, "agent.critic.reduce": "mixture"}, "critic.reduce=least or average"),
    ],
)
def test_what_it_cannot_do_is_refused(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        unified.train(config={**QUIET, "root": str(tmp_path), "train.frames": 50, **values})


def test_a_view_of_decisions_reads_so_many_slots() -> None:
    assert Decisions(interval=7).window == 8


HEADS = [each.name for each in builtins() if isinstance(each, ArchitectureComponent) and "critic.head" in each.places]


@pytest.mark.parametrize("head", HEADS)
def test_every_value_head_works_on_both_levels(head: str) -> None:
    agent = made(critic={"hidden_dim": 8, "head": head})
    replay = filled(agent, [9, 7])
    for _ in range(C):  # the high level learns in the last of them
        metrics = agent.learn(replay.sample()).metrics
        assert metrics["nonfinite"] == 0
        assert all(torch.isfinite(value) for value in metrics.values())
