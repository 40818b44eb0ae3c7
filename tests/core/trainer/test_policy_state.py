"""The state of a policy: reset where an episode begins, of one environment each, kept by collector, evaluator and player."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core.trainer.course import Course, CourseOptions, Stacked, evaluation
from unified.core.base.rng import Streams, derive
from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import EpisodeFailed
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.core.learn.actions import Action
from unified.core.learn.memory import first_batch, reset_rows
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Transitions
from unified.core.trainer.evaluation import EpisodeEvaluator
from unified.core.trainer.inference import InferencePolicy
from unified.core.trainer.sources import EnvCollector

SEED = 5


class Summing(torch.nn.Module):
    """An agent that acts on the sum of all observations of the episode so far, in whole numbers: exact in any batch.

    Its initial state is 1 and not 0, so that a state that was never set shows.
    """

    view, device, extra_columns = Stacked(1), torch.device("cpu"), {"state.total": Space((), "int64"), "first": Space((), "bool")}

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec, self.streams = spec, Streams(0)

    def receive(self, batch: Batch) -> Batch:
        return batch

    def initial_state(self, count: int) -> dict[str, torch.Tensor]:
        return {"total": torch.ones(count, dtype=torch.int64)}

    def act(self, batch: Batch, *, explore: bool) -> Action:
        total = batch.state["total"] + (batch.obs.flatten(1).double() * 1024).round().long().sum(1)
        action = (total % 201 - 100).float()[:, None].expand(-1, *self.spec.action.shape) / 100
        return Action(action, action, {"state.total": batch.state["total"], "first": batch.is_first}, state={"total": total})


def reference(agent: Summing) -> Any:
    """The agent in one environment, its state in a variable."""
    state: dict[str, torch.Tensor] = {}

    def act(observation: np.ndarray, first: bool) -> np.ndarray:
        before = agent.initial_state(1) if first else state
        batch = Batch(
            {"obs": torch.from_numpy(observation[None].copy()), "is_first": torch.tensor([first]), "state.total": before["total"]}
        )
        action = agent.act(batch, explore=False)
        state.update(action.state)
        numbers: np.ndarray = action.env_action[0].numpy()
        return numbers

    return act


def environments(count: int, stream: str = "environment", **options: Any) -> WorkerVectorEnv:
    reference = SuiteReference("core.trainer.course:Course", "", options, "core.trainer.course:CourseOptions")
    return WorkerVectorEnv(reference, count, SEED, stream, "inline")


def collector_of(count: int, **options: Any) -> EnvCollector:
    vector = environments(count, **options)
    agent: Any = Summing(vector.spec)
    view = Transitions(batch_size=4, n_step=1)
    return EnvCollector(vector, agent, Replay(vector.spec, view, 1000, count, Streams(1), extra=agent.extra_columns))


def step(collector: EnvCollector, times: int) -> None:
    for _ in range(times):
        collector.step_async()
        collector.step_wait()


def looped(env_id: int, transitions: int, **options: Any) -> list[tuple[int, bool]]:
    """The state before each step and whether it is the first of its episode, of the episodes that did not fail: one after the other."""
    environment = Course("", CourseOptions(**options)).environment()
    agent, number, rows = Summing(environment.spec), -1, []
    while len(rows) < transitions:
        number += 1
        episode: list[tuple[int, bool]] = []
        try:
            observation, first, over = environment.reset(derive(SEED, "environment", env_id, number, bits=31)), True, False
            act, total = reference(agent), 1
            while not over:
                episode.append((total, first))
                total += int((observation.astype(np.float64) * 1024).round().sum())
                taken = environment.step(act(observation, first))
                observation, first, over = taken.observation, False, taken.terminated or taken.truncated
        except EpisodeFailed:
            continue
        rows += episode
    return rows


@pytest.mark.parametrize("fails", [0, 3])
@pytest.mark.parametrize("count", [1, 3])
def test_the_replay_stores_the_state_before_each_step(count: int, fails: int) -> None:
    collector = collector_of(count, length=6, fails=fails)
    collector.start()
    step(collector, 60)
    store = collector.replay.store
    for env_id in range(count):
        index = store.index(env_id, np.arange(store.tail[env_id], store.head[env_id]))
        index = index[~store.data["last"][index]]
        finished = looped(env_id, len(index), length=6, fails=fails)
        found = list(zip(store.data["state.total"][index].tolist(), store.data["first"][index].tolist(), strict=True))
        whole = len(found) - 6  # the newest episode goes on, and may fail later
        assert whole > 20
        assert found[:whole] == finished[:whole]


@pytest.mark.parametrize("before", [0, 1, 4, 7])
def test_a_collector_goes_on_from_a_state_in_the_middle_of_an_episode(before: int) -> None:
    whole, rest = (collector_of(3, length=6, fails=3) for _ in range(2))
    whole.start()
    step(whole, before)
    state = whole.state_dict()
    total = whole.inputs.state["total"].clone()
    step(whole, 10)
    rest.load_state_dict(state)
    assert torch.equal(rest.inputs.state["total"], total)
    for env_id, observation in enumerate(rest.environments.observations):
        rest.replay.begin(env_id, observation)
    step(rest, 10)
    assert torch.equal(rest.inputs.state["total"], whole.inputs.state["total"])
    assert np.array_equal(rest.inputs.is_first, whole.inputs.is_first)


def test_an_episode_that_is_not_rebuilt_starts_from_the_initial_state() -> None:
    whole, rest = (collector_of(3, length=40) for _ in range(2))
    whole.start()
    step(whole, 1)
    state = whole.state_dict()
    state["environments"]["lanes"][1]["observation"] += 1  # the actions lead to another observation
    for env_id in range(3):
        rest.replay.begin(env_id, np.zeros(3, np.float32))
    rest.load_state_dict(state)
    batch = rest.inputs.batch()
    assert batch.is_first.tolist() == [False, True, False]
    assert batch.state["total"].tolist() == [int(whole.inputs.state["total"][0]), 1, int(whole.inputs.state["total"][2])]


@pytest.mark.parametrize("fails", [0, 3])
@pytest.mark.parametrize("count", [1, 3])
def test_an_evaluation_is_a_loop_over_episodes(count: int, fails: int) -> None:
    suite = Course("", CourseOptions(length=6, fails=fails))
    agent: Any = Summing(suite.environment().spec)
    evaluator = EpisodeEvaluator(suite, lambda: environments(count, "evaluation", length=6, fails=fails), 7)
    found = evaluator.play_episodes(agent, "0")
    assert found is not None
    wanted = evaluation(suite.environment(), SEED, "evaluation 0", 7, [reference(agent) for _ in range(count)])
    assert [(episode.return_, episode.length) for episode in found] == [tuple(played) for played in wanted]


def test_an_evaluation_leaves_the_state_of_training_alone() -> None:
    collector = collector_of(2, length=40)
    collector.start()
    step(collector, 3)
    before = collector.inputs.state["total"].clone()
    suite = Course("", CourseOptions())
    EpisodeEvaluator(suite, lambda: environments(2, "evaluation"), 3).play_episodes(collector.agent, "0")
    assert torch.equal(collector.inputs.state["total"], before)


def test_a_player_keeps_its_state_until_it_is_reset() -> None:
    spec = Course("", CourseOptions()).environment().spec
    agent: Any = Summing(spec)
    player, one = InferencePolicy(agent, spec), np.array([1 / 1024, 0, 0], np.float32)
    totals = []
    for begins in (True, False, False, True, False):
        if begins:
            player.reset()
        player.act(one)
        totals.append(int(player._inputs.state["total"]))
    assert totals == [2, 3, 4, 2, 3]


def test_two_players_of_one_agent_share_no_state() -> None:
    spec = Course("", CourseOptions()).environment().spec
    agent: Any = Summing(spec)
    one, other = InferencePolicy(agent, spec), InferencePolicy(agent, spec)
    observation = np.array([1 / 1024, 0, 0], np.float32)
    for _ in range(3):
        one.act(observation)
    other.act(observation)
    assert (int(one._inputs.state["total"]), int(other._inputs.state["total"])) == (4, 2)


def test_another_state_than_the_initial_one_is_refused() -> None:
    collector = collector_of(1)
    collector.start()
    act = collector.agent.act
    collector.agent.act = lambda batch, explore: Action(*[act(batch, explore=explore).action] * 2)  # type: ignore[method-assign, assignment]
    with pytest.raises(TypeError, match="act must return the next state, with the names of initial_state: total; it returned none"):
        collector.step_async()


def test_rows_are_reset_where_an_episode_begins() -> None:
    state = {"h": torch.arange(6.0).view(3, 2), "steps": torch.tensor([4, 5, 6])}
    initial = {"h": torch.full((1, 2), -1.0), "steps": torch.tensor([0])}
    found = reset_rows(state, torch.tensor([False, True, False]), initial)
    assert found["h"].tolist() == [[0, 1], [-1, -1], [4, 5]]
    assert found["steps"].tolist() == [4, 0, 6]


def test_the_first_batch_of_an_agent_has_its_initial_state() -> None:
    agent: Any = Summing(Course("", CourseOptions()).environment().spec)
    batch = first_batch(agent, torch.zeros(2, 3))
    assert list(batch) == ["obs", "is_first", "reward", "state.total"]
    assert batch.is_first.tolist() == [True, True]
    assert batch.state["total"].tolist() == [1, 1]
