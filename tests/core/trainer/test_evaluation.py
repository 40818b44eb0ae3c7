"""The evaluator against a loop that plays one episode at a time."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.trainer.course import Course, CourseOptions, Linear, Played, episode, evaluation, stacking
from unified.core.base.errors import EnvironmentFailed, PluginFailed, UnifiedError
from unified.core.base.rng import derive
from unified.core.base.spec import Space, Spec
from unified.core.envs.adapters import EnvironmentAdapter
from unified.core.envs.step_batch import StepBatch
from unified.core.envs.suite import Environment, Step, UnsupportedRender
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.core.replay.batch import Batch
from unified.core.trainer.evaluation import Episode, EpisodeEvaluator, evaluation_mode, summarise

SEED = 6


def evaluator_of(suite: Course, count: int, episodes: int, seed: int = SEED) -> EpisodeEvaluator:
    return EpisodeEvaluator(suite, lambda: WorkerVectorEnv(suite, count, seed, "evaluation", "inline"), episodes)


def played(episodes: list[Episode] | None) -> list[Played]:
    assert episodes is not None
    return [Played(episode.return_, episode.length) for episode in episodes]


def reference(suite: Course, count: int, episodes: int, stack: int, number: int | str = 0, seed: int = SEED) -> list[Played]:
    environment = suite.environment()
    acts = [stacking(Linear(environment.spec, stack), stack) for _ in range(count)]
    return evaluation(environment, seed, f"evaluation {number}", episodes, acts)


def course(**options: Any) -> Course:
    return Course("", CourseOptions(**options))


# Episodes -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", [1, 3])
@pytest.mark.parametrize("fails", [0, 4])
@pytest.mark.parametrize("form", [{}, {"discrete": True}, {"pixels": True}], ids=["state", "discrete", "pixels"])
@pytest.mark.parametrize("length", [1, 2, 6])
@pytest.mark.parametrize(("count", "episodes"), [(1, 1), (1, 4), (2, 4), (3, 4), (3, 7), (3, 2)])
def test_episodes_are_those_of_the_loop(count: int, episodes: int, length: int, form: Any, fails: int, stack: int) -> None:
    suite = course(length=length, fails=fails, **form)
    evaluator, agent = evaluator_of(suite, count, episodes), Linear(suite.environment().spec, stack)
    for number in (0, 1):  # the second in environments that are in the middle of episodes
        assert played(evaluator.play_episodes(agent, number)) == reference(suite, count, episodes, stack, number)
    evaluator.close()


def test_the_seeds_are_a_function_of_the_run_and_the_number_alone() -> None:
    suite, agent = course(), Linear(course().environment().spec, 1)
    evaluator = evaluator_of(suite, 2, 4)
    first, second, again = (played(evaluator.play_episodes(agent, number)) for number in ("a", "b", "a"))
    assert first == again != second
    assert played(evaluator_of(suite, 2, 4, seed=SEED + 1).play_episodes(agent, "a")) != first


def test_environments_are_made_at_the_first_evaluation_and_used_again() -> None:
    suite, made = course(), []

    def make() -> WorkerVectorEnv:
        made.append(WorkerVectorEnv(suite, 1, SEED, "evaluation", "inline"))
        return made[-1]

    evaluator, agent = EpisodeEvaluator(suite, make, 1), Linear(suite.environment().spec, 1)
    assert made == []
    evaluator.close()
    evaluator.play_episodes(agent, 0)
    evaluator.play_episodes(agent, 1)
    assert len(made) == 1
    evaluator.close()
    evaluator.close()
    evaluator.play_episodes(agent, 2)
    assert len(made) == 2
    evaluator.close()


# Stopping -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 1, 5])
def test_a_stopped_evaluation_is_none_and_the_next_one_is_not_changed_by_it(after: int) -> None:
    suite = course(fails=3)
    evaluator, agent = evaluator_of(suite, 2, 8), Linear(suite.environment().spec, 1)
    asked: list[int] = []

    def stopping() -> bool:
        asked.append(len(agent.seen))
        return len(asked) > after

    assert evaluator.play_episodes(agent, 0, stopping) is None
    assert asked == list(range(after + 1))  # before each step
    assert evaluator.evaluate(agent, 0, lambda: True) is None
    assert played(evaluator.play_episodes(agent, 0)) == reference(suite, 2, 8, 1)


# Failing ------------------------------------------------------------------------------------------------------------------------


def test_more_failed_episodes_than_were_asked_for_end_the_evaluation() -> None:
    suite = course(fails=1, length=4)
    evaluator = evaluator_of(suite, 1, 3)
    with pytest.raises(UnifiedError, match=r"evaluation 7: 4 episodes failed: environment 0, episode \d+ was discarded"):
        evaluator.play_episodes(Linear(suite.environment().spec, 1), 7)
    env_failures = evaluator.take_env_failures()
    assert len(env_failures) >= 4
    assert evaluator.take_env_failures() == []


class Endless(Environment):
    spec = Spec(Space((1,), "float32"), Space((1,), "float32", -1.0, 1.0))

    def reset(self, seed: int) -> np.ndarray:
        return np.zeros(1, np.float32)

    def step(self, action: np.ndarray) -> Step:
        return Step(np.zeros(1, np.float32), 1.0, False, False)


@pytest.mark.parametrize(("limit", "length"), [(7, 7), (None, 10)])
def test_an_endless_episode_is_truncated(limit: int | None, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unified.core.trainer.evaluation.ENDLESS", 10)
    suite = EnvironmentAdapter(Endless, "", None)
    evaluator = EpisodeEvaluator(suite, lambda: WorkerVectorEnv(suite, 1, 1, "evaluation", "inline"), 3, limit)
    judged = evaluator.evaluate(Linear(Endless.spec, 1), 0)  # type: ignore[arg-type]
    assert judged is not None
    assert (judged.row["length"], judged.row["return"], judged.row["truncated"]) == (length, length, 3)
    assert f"3 episodes were truncated after {length} steps (evaluate.max_steps)" in evaluator.take_env_failures()[-1]
    again = evaluator.evaluate(Linear(Endless.spec, 1), 1)  # type: ignore[arg-type]
    assert again is not None
    assert again.row["truncated"] == 3
    assert not evaluator.take_env_failures()  # it is reported once, not at each evaluation
    evaluator.close()


class Limited(Endless):
    """Ends at a limit of its own, after 3 steps of 2 frames."""

    spec = replace(Endless.spec, episode_frames=6, action_repeat=2)

    def reset(self, seed: int) -> np.ndarray:
        self.steps = 0
        return super().reset(seed)

    def step(self, action: np.ndarray) -> Step:
        self.steps += 1
        return Step(np.zeros(1, np.float32), 1.0, False, self.steps % 3 == 0)


@pytest.mark.parametrize(("limit", "truncated"), [(2, 4), (3, 0), (4, 0)])
def test_the_time_limit_of_the_task_is_no_truncated_evaluation(limit: int, truncated: int) -> None:
    suite = EnvironmentAdapter(Limited, "", None)
    evaluator = EpisodeEvaluator(suite, lambda: WorkerVectorEnv(suite, 1, 1, "evaluation", "inline"), 4, limit)
    judged = evaluator.evaluate(Linear(Limited.spec, 1), 0)  # type: ignore[arg-type]
    assert judged is not None
    assert judged.row.get("truncated", 0) == truncated
    assert len(evaluator.take_env_failures()) == bool(truncated)
    evaluator.close()


def test_environments_that_cannot_be_started_are_no_evaluation() -> None:
    def fail() -> Any:
        raise PluginFailed("no licence")

    with pytest.raises(EnvironmentFailed, match="no licence"):
        EpisodeEvaluator(course(), fail, 1).play_episodes(Linear(Endless.spec, 1), 0)  # type: ignore[arg-type]


class Scripted:
    """Environments whose answers are written down: for each step and environment ``"."``, ``"T"`` (terminated) or ``"F"`` (failed)."""

    def __init__(self, *steps: str) -> None:
        self.steps, self.num_envs = deque(steps), len(steps[0])
        self.spec = Spec(Space((1,), "float32"), Space((1,), "float32", -1.0, 1.0))
        self.env_failures: deque[str] = deque()
        self.failed_episodes = 0

    def limit_episodes(self, steps: int) -> None: ...

    def reset(self, stream: str) -> np.ndarray:
        return np.zeros((self.num_envs, 1), np.float32)

    def step_async(self, actions: np.ndarray) -> None:
        assert actions.shape == (self.num_envs, 1)

    def step_wait(self) -> StepBatch:
        answers = np.array(list(self.steps.popleft()))
        failed, zeros = answers == "F", np.zeros(self.num_envs)
        self.failed_episodes += int(failed.sum())
        self.env_failures.extend(["failed"] * int(failed.sum()))
        observation = np.zeros((self.num_envs, 1), np.float32)
        return StepBatch(observation, zeros, answers == "T", failed & False, failed, observation, zeros, np.ones(self.num_envs, int))


def scripted(episodes: int, *steps: str) -> tuple[EpisodeEvaluator, Linear]:
    environments: Any = Scripted(*steps)
    return EpisodeEvaluator(course(), lambda: environments, episodes), Linear(environments.spec, 1)


def test_an_environment_that_has_played_its_episodes_may_fail() -> None:
    evaluator, agent = scripted(2, ".T", ".F", ".F", ".F", "T.")
    assert len(played(evaluator.play_episodes(agent, 0))) == 2
    evaluator, agent = scripted(2, ".T", "F.", "F.", "F.", "T.")
    with pytest.raises(UnifiedError, match="3 episodes failed"):
        evaluator.play_episodes(agent, 0)


# Without a trace ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_the_agent_is_in_evaluation_mode_and_then_as_it_was(training: bool) -> None:
    suite = course(fails=3)
    agent = Linear(suite.environment().spec, 1)
    agent.train(training)
    agent.streams["explore"].torch()
    before = agent.streams.state_dict()
    evaluator_of(suite, 2, 4).play_episodes(agent, 0)
    assert agent.modes
    assert not any(agent.modes)
    assert agent.training == training

    def fail(agent: Any) -> None:
        with evaluation_mode(agent):
            agent.streams["explore"].torch()
            agent.streams["another"].torch()
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail(agent)
    assert agent.training == training
    assert agent.streams.state_dict() == before


def test_it_acts_without_exploring() -> None:
    explored: list[bool] = []

    class Noted(Linear):
        def act(self, batch: Batch, *, explore: bool) -> Any:
            explored.append(explore)
            return super().act(batch, explore=explore)

    suite = course()
    evaluator_of(suite, 1, 2).play_episodes(Noted(suite.environment().spec, 1), 0)
    assert set(explored) == {False}


# Pictures -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3])
def test_pictures_are_those_of_the_first_episode_that_does_not_fail(count: int) -> None:
    suite = course(fails=4)
    environment, agent = suite.environment(), Linear(suite.environment().spec, 1)
    failed = 0
    for seed in range(12):
        first = derive(seed, "evaluation 0", 0, 0, bits=31)
        failed += episode(environment, first, stacking(Linear(environment.spec, 1), 1)) is None
        evaluator = evaluator_of(suite, count, 6, seed)
        evaluator.record = (2, 5)
        episodes = evaluator.play_episodes(agent, 0)
        assert played(episodes) == reference(suite, count, 6, 1, seed=seed)
        assert episodes is not None
        assert [picture[0, 0, 0] for picture in episodes[0].pictures or ()] == list(range(episodes[0].length))  # the step it was drawn at
        assert {picture.shape for picture in episodes[0].pictures or ()} == {(2, 5, 3)}
        assert [episode.pictures for episode in episodes[1:]] == [None] * 5
    assert 0 < failed < 12


def test_pictures_are_taken_where_they_are_asked_for_and_there_are_some() -> None:
    class Hidden(Course):
        def environment(self) -> Any:
            environment: Any = super().environment()

            def render(height: int, width: int) -> np.ndarray:
                raise UnsupportedRender("hidden_dim")

            environment.render = render
            return environment

    agent = Linear(course().environment().spec, 1)
    for suite, record in ((course(), None), (Hidden("", CourseOptions()), (4, 4))):
        evaluator = evaluator_of(suite, 1, 2)
        evaluator.record = record
        episodes = evaluator.play_episodes(agent, 0)
        assert played(episodes) == reference(course(), 1, 2, 1)
        assert episodes is not None
        assert [episode.pictures for episode in episodes] == [None, None]


# The row ------------------------------------------------------------------------------------------------------------------------


def test_a_row_has_the_mean_and_the_spread() -> None:
    returns = [1.0, 4.0, -2.0]
    row = summarise([Episode(ret, length) for ret, length in zip(returns, (1, 2, 6), strict=True)])
    assert row == {
        "return": pytest.approx(sum(returns) / 3),
        "return_sd": pytest.approx((sum((ret - sum(returns) / 3) ** 2 for ret in returns) / 2) ** 0.5),
        "return_min": min(returns),
        "return_max": max(returns),
        "length": 3.0,
        "episodes": 3,
    }
    assert summarise([Episode(2.0, 1)])["return_sd"] == 0.0


def test_a_judgement_has_the_row_and_the_episodes() -> None:
    suite = course()
    judged = evaluator_of(suite, 2, 3).evaluate(Linear(suite.environment().spec, 1), 0)
    assert judged is not None
    assert played(judged.episodes) == reference(suite, 2, 3, 1)
    assert judged.score == judged.row["return"] == pytest.approx(np.mean([episode.return_ for episode in judged.episodes or ()]))


def test_nothing_happened_before_the_first_evaluation() -> None:
    evaluator = EpisodeEvaluator(course(), lambda: SimpleNamespace(), 1)  # type: ignore[arg-type, return-value]
    assert evaluator.take_env_failures() == []
