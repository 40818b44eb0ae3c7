"""The collector against a loop that steps one environment at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from core.trainer.course import Course, CourseOptions, Linear
from unified.core.base.errors import UsageError
from unified.core.base.rng import derive
from unified.core.base.spec import Space, Spec
from unified.core.envs.step_batch import StepBatch
from unified.core.envs.suite import EpisodeFailed
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.core.learn.actions import Action
from unified.core.replay.batch import Batch
from unified.core.trainer.multitask import MultiTaskSource, MultiTaskSpec
from unified.core.trainer.sources import DatasetSource, EnvCollector, FrameStack

SEED = 4
FORMS = [{}, {"discrete": True}, {"pixels": True}]
NAMES = ["state", "discrete", "pixels"]


class Row(NamedTuple):
    """What one step of one environment leaves behind. Numbers as nested lists, to be compared."""

    stacked: Any
    stored: Any = None
    log_prob: Any = None
    reward: Any = None
    ended: tuple[bool, bool] = (False, False)
    next_observation: Any = None


class Notes:
    """As much of a replay as a collector uses; it notes what it is given."""

    extra = ("log_prob",)

    def __init__(self) -> None:
        self.begun: dict[int, list[Any]] = defaultdict(list)
        self.failed_episodes: list[int] = []
        self.rows: list[list[Row]] = []

    def begin(self, env_id: int, observation: np.ndarray) -> None:
        self.begun[env_id].append(observation.tolist())

    def discard(self, env_id: int) -> None:
        self.failed_episodes.append(env_id)

    def extend(self, actions: np.ndarray, steps: StepBatch, extra: dict[str, np.ndarray]) -> None:
        assert set(extra) == {"log_prob"}  # and not what the replay has no column for
        self.rows.append(
            [
                Row(None)
                if steps.failed[env_id]
                else Row(
                    None,
                    actions[env_id].tolist(),
                    extra["log_prob"][env_id].tolist(),
                    steps.reward[env_id].tolist(),
                    (bool(steps.terminated[env_id]), bool(steps.truncated[env_id])),
                    steps.observation[env_id].tolist(),
                )
                for env_id in range(len(actions))
            ]
        )


def collector_of(count: int, stack: int, **options: Any) -> tuple[EnvCollector, Linear, Notes]:
    suite = Course("", CourseOptions(**options))
    environments = WorkerVectorEnv(suite, count, SEED, placement="inline")
    agent: Any = Linear(environments.spec, stack)
    notes: Any = Notes()
    return EnvCollector(environments, agent, notes), agent, notes


def step(collector: EnvCollector, times: int = 1) -> None:
    for _ in range(times):
        collector.step_async()
        collector.step_wait()


def rows_of(agent: Linear, notes: Notes) -> list[list[Row]]:
    """Rows by step and environment, with what the agent acted on."""
    return [
        [row._replace(stacked=seen[env_id].tolist()) for env_id, row in enumerate(rows)]
        for seen, rows in zip(agent.seen, notes.rows, strict=True)
    ]


def looped(env_id: int, stack: int, **options: Any) -> Iterator[Row]:
    """The slow reference: one environment, one step after the other; a failed step is a row with nothing but its observation."""
    environment = Course("", CourseOptions(**options)).environment()
    agent, number = Linear(environment.spec, stack), -1
    while True:
        number += 1
        try:
            history = [environment.reset(derive(SEED, "environment", env_id, number, bits=31))] * stack
        except EpisodeFailed:
            continue
        over = False
        while not over:
            stacked = np.concatenate(history[-stack:])
            action = agent.act(Batch(obs=torch.from_numpy(stacked[None])), explore=True)
            try:
                answer = environment.step(action.env_action[0].numpy())
            except EpisodeFailed:
                yield Row(stacked.tolist())
                break
            over = answer.terminated or answer.truncated
            history.append(answer.observation)
            yield Row(
                stacked.tolist(),
                action.action[0].tolist(),
                action.extra["log_prob"][0].item(),
                np.float32(answer.reward).item(),
                (answer.terminated, answer.truncated),
                answer.observation.tolist(),
            )


@pytest.mark.parametrize("stack", [1, 3])
@pytest.mark.parametrize("form", FORMS, ids=NAMES)
@pytest.mark.parametrize(("length", "fails"), [(1, 0), (6, 0), (1, 3), (6, 3)])
@pytest.mark.parametrize("count", [1, 3])
def test_rows_are_those_of_the_loop(count: int, length: int, fails: int, form: Any, stack: int) -> None:
    collector, agent, notes = collector_of(count, stack, length=length, fails=fails, **form)
    collector.start()
    step(collector, 30)
    num_envs = [looped(env_id, stack, length=length, fails=fails, **form) for env_id in range(count)]
    assert rows_of(agent, notes) == [[next(env_id) for env_id in num_envs] for _ in range(30)]
    assert (collector.failed_episodes > 0) == (fails > 0)
    collector.close()


def test_the_first_episodes_are_opened_in_the_replay() -> None:
    collector, _, notes = collector_of(2, 1)
    collector.start()
    assert notes.begun == {env_id: [collector.environments.observations[env_id].tolist()] for env_id in range(2)}


def test_what_happened_to_the_environments_is_read_from_them() -> None:
    collector, _, _ = collector_of(2, 1, fails=2)
    collector.start()
    step(collector, 20)
    environments = collector.environments
    assert collector.failed_episodes == environments.failed_episodes > 0
    assert collector.env_failures is environments.env_failures
    assert (collector.restarts, collector.exact, collector.spec) == (0, True, environments.spec)


def test_an_agent_that_does_not_answer_with_an_action_is_refused() -> None:
    collector, agent, _ = collector_of(1, 1)
    collector.start()
    agent.act = lambda batch, explore: batch  # type: ignore[method-assign, assignment]
    with pytest.raises(TypeError, match=r"act must return a unified.Action\(action, env_action\), not Batch"):
        collector.step_async()


# State --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS, ids=NAMES)
@pytest.mark.parametrize("before", [0, 1, 4, 7])
def test_a_collector_goes_on_from_its_state(before: int, form: Any) -> None:
    whole, agent, notes = collector_of(3, 3, fails=3, **form)
    whole.start()
    step(whole, before)
    state = whole.state_dict()
    step(whole, 10)
    rest, again, fresh = collector_of(3, 3, fails=3, **form)
    rest.load_state_dict(state)
    step(rest, 10)
    assert rows_of(again, fresh) == rows_of(agent, notes)[before:]
    assert (rest.exact, fresh.failed_episodes, dict(fresh.begun)) == (True, [], {})


def test_an_episode_that_is_not_rebuilt_is_truncated_and_the_next_one_begins() -> None:
    whole, _, _ = collector_of(3, 2)
    whole.start()
    step(whole, 2)
    state = whole.state_dict()
    state["environments"]["lanes"][1]["observation"] += 1  # not where its actions lead
    rest, _, notes = collector_of(3, 2)
    rest.load_state_dict(state)
    first = rest.environments.observations[1]
    assert not rest.exact
    assert notes.failed_episodes == []  # its rows stay
    assert notes.begun == {1: [first.tolist()]}
    assert rest.inputs.stack.frames[1].tolist() == [first.tolist()] * 2
    assert np.array_equal(rest.inputs.stack.frames[[0, 2]], whole.inputs.stack.frames[[0, 2]])


def test_its_state_is_not_changed_by_what_follows() -> None:
    collector, _, _ = collector_of(1, 3)
    collector.start()
    state = collector.state_dict()
    frames = state["inputs"]["frames"].copy()
    step(collector, 3)
    assert np.array_equal(state["inputs"]["frames"], frames)


def test_rows_that_are_there_already_take_no_step() -> None:
    spec = Spec(Space((1,), "float32"), Space((1,), "float32"))
    reader = DatasetSource(spec)
    reader.start()
    reader.step_async()
    assert reader.step_wait() is None
    reader.load_state_dict(reader.state_dict())
    assert (reader.state_dict(), reader.spec, reader.exact) == ({}, spec, True)


# Frames -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (2, 4, 5)])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_frames_are_those_since_the_episode_began(shape: tuple[int, ...], count: int, size: int) -> None:
    random = np.random.default_rng(0)

    def observations() -> np.ndarray:
        return random.integers(0, 256, (count, *shape)).astype(np.uint8)

    stack = FrameStack(Spec(Space(shape, "uint8"), Space((1,), "float32")), count, size)
    first = observations()
    for index in range(count):
        stack.begin(index, first[index])
    episodes = [[first[index]] for index in range(count)]
    for _ in range(40):
        ends = random.integers(0, 6, count)  # terminated, truncated, failed, or none of them
        steps = StepBatch(
            observations(), np.zeros(count), ends == 0, ends == 1, ends == 2, observations(), np.zeros(count), np.zeros(count)
        )
        stack.update(steps)
        for index in range(count):
            if ends[index] < 3:
                episodes[index] = [steps.reset_observation[index]]
            else:
                episodes[index].append(steps.observation[index])
        expected = [np.concatenate(([episode[0]] * size + episode[1:])[-size:]) for episode in episodes]
        assert np.array_equal(stack.batch().obs.numpy(), np.stack(expected))


def test_what_was_stacked_is_a_copy() -> None:
    stack = FrameStack(Spec(Space((2,), "float32"), Space((1,), "float32")), 1, 2)
    stack.begin(0, np.ones(2, np.float32))
    stacked = stack.batch().obs
    stack.push(0, np.zeros(2, np.float32))
    assert stacked.tolist() == [[1.0] * 4]


class WithOptions(DatasetSource):
    """A source of some environments that notes their reset options."""

    def __init__(self, num_envs: int) -> None:
        super().__init__(Spec(Space((2,), "float32"), Space((), "int64", 0, 1, 2)))
        self.num_envs = num_envs
        self.options: dict[int, Any] = {}

    def set_reset_options(self, env_id: int, options: Any) -> None:
        self.options[env_id] = options


def test_reset_options_of_several_tasks_reach_the_environment_of_that_number() -> None:
    sources = [WithOptions(count) for count in (2, 1, 3)]
    source = MultiTaskSource(MultiTaskSpec({}), dict(zip("abc", sources, strict=True)))
    for env_id in range(source.num_envs):
        source.set_reset_options(env_id, {"goal": env_id})
    assert [each.options for each in sources] == [
        {0: {"goal": 0}, 1: {"goal": 1}},
        {0: {"goal": 2}},
        {0: {"goal": 3}, 1: {"goal": 4}, 2: {"goal": 5}},
    ]


def test_a_source_without_environments_refuses_reset_options() -> None:
    spec = Spec(Space((2,), "float32"), Space((), "int64", 0, 1, 2))
    with pytest.raises(UsageError, match="DatasetSource does not support reset options"):
        DatasetSource(spec).set_reset_options(0, {})
    with pytest.raises(UsageError, match="MultiTaskSource does not support reset options"):
        MultiTaskSource(MultiTaskSpec({}), {}).set_reset_options(0, {})


@pytest.mark.parametrize("discrete", [False, True])
def test_random_shares_replace_actions_with_their_probabilities_in_replay_and_environment_alike(discrete: bool) -> None:
    """The agent always acts 0: what else is stored is random, and the environment took it (a vector shows the last action)."""

    class Still(Linear):
        def act(self, batch: Batch, *, explore: bool) -> Action:
            zero = torch.zeros(batch.size, dtype=torch.int64) if discrete else torch.zeros(batch.size, 2)
            return Action(zero, zero, {"log_prob": torch.zeros(batch.size)})

        def random_action(self, batch: Batch) -> Action:
            generator = self.generator("random_action")
            drawn = torch.randint(1, 3, (batch.size,), generator=generator) if discrete else torch.rand(batch.size, 2, generator=generator)
            return Action(drawn, drawn)

        def generator(self, stream: str) -> torch.Generator:
            return self.streams[stream].torch()

    environments = WorkerVectorEnv(Course("", CourseOptions(discrete=discrete, length=1000)), 3, SEED, placement="inline")
    agent: Any = Still(environments.spec, 1)
    stored: list[np.ndarray] = []
    shown: list[np.ndarray] = []

    class Kept(Notes):
        def extend(self, actions: np.ndarray, steps: StepBatch, extra: dict[str, np.ndarray]) -> None:
            stored.append(actions.reshape(3, -1).mean(axis=1))
            shown.append(steps.observation[:, 2])

    source = EnvCollector(environments, agent, Kept())  # type: ignore[arg-type]
    source.start()
    for shares in (None, [0.0, 0.0, 0.0], [0.0, 0.3, 1.0]):
        source.set_random_shares(None if shares is None else np.array(shares))
        stored.clear()
        shown.clear()
        for _ in range(200):
            source.step_async()
            source.step_wait()
        np.testing.assert_allclose(np.stack(stored), np.stack(shown), rtol=1e-6)
        random = (np.stack(stored) != 0).mean(axis=0)
        for found, share in zip(random, shares or [0.0] * 3, strict=True):
            assert abs(found - share) <= 4 * np.sqrt(share * (1 - share) / 200)
        if shares in (None, [0.0, 0.0, 0.0]):
            assert not agent.streams.state_dict()  # nothing is drawn where nothing is random
