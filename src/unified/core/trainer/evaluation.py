"""Judges an agent in environments of its own, with random streams of its own: training never notices."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from unified.core.base.errors import EnvironmentFailed, PluginFailed, plugin_errors
from unified.core.envs.suite import UnsupportedRender
from unified.core.trainer.eval_result import EvalResult
from unified.core.trainer.sources import PolicyInput

if TYPE_CHECKING:
    from unified.core.envs.suite import Suite
    from unified.core.envs.vector_protocol import VectorEnv
    from unified.core.learn.agent import Agent
    from unified.core.learn.multitask import MultiTaskAgent

#: Steps after which an episode of an evaluation is truncated, if the task has no time limit.
ENDLESS = 10_000


@dataclass
class Episode:
    """One played episode.

    Args:
        return_: Sum of its raw rewards.
        length: In agent steps.
        pictures: ``(H, W, 3)`` each, if they were asked for.
        success: The column ``success`` at its last step, if the task has it.
    """

    return_: float
    length: int
    pictures: list[np.ndarray] | None = field(default=None, repr=False)
    success: float | None = None


class Evaluator(ABC):
    """Measures how well an agent performs, without an effect on training.

    Args:
        suite: Of the task; its metrics are added (`Suite.extra_metrics`).
    """

    #: ``(height, width)`` makes the next evaluation record pictures of its first episode, where there are episodes.
    record: tuple[int, int] | None = None
    #: Whether the next evaluation compares all rows of a generation task, or at most ``evaluate.samples``.
    whole = True

    def __init__(self, suite: Suite) -> None:
        self._suite = suite

    def evaluate(self, agent: Agent | MultiTaskAgent, number: int | str, stopping: Callable[[], bool] = lambda: False) -> EvalResult | None:
        """Evaluation `number`, with the metrics of the suite; ``None`` if `stopping` returned true before its end."""
        result = self._evaluate(agent, number, stopping)
        if result is None:
            return None
        with plugin_errors(f"suite {type(self._suite).__name__}", "in its metrics"):
            return result.beside(self._suite.extra_metrics(result.row))

    @abstractmethod
    def _evaluate(self, agent: Any, number: int | str, stopping: Callable[[], bool]) -> EvalResult | None:
        """The evaluation, without the metrics of the suite."""

    def is_whole(self, row: Mapping[str, Any]) -> bool:
        """Whether the evaluation with this row was a whole one."""
        return True

    def take_env_failures(self) -> list[str]:
        """Failures of environments since the last call."""
        return []

    def close(self) -> None:  # noqa: B027  # nothing to release
        """Release everything. Closing twice does no harm."""


class EpisodeEvaluator(Evaluator):
    """Plays episodes without exploration.

    Args:
        suite: Of the task.
        make: Makes the environments; called once, at the first evaluation.
        episodes: Played at each evaluation.
        max_steps: Steps after which an episode is truncated; ``None`` for the time limit of the task, or `ENDLESS` if it has none.
    """

    def __init__(self, suite: Suite, make: Callable[[], VectorEnv], episodes: int, max_steps: int | None = None) -> None:
        super().__init__(suite)
        self._make, self.episodes, self.max_steps = make, episodes, max_steps
        self._truncated = 0  # episodes that reached `max_steps`, of the last evaluation
        self._reported = False  # later evaluations truncate as many; their rows have the number
        self._environments: VectorEnv | None = None

    def take_env_failures(self) -> list[str]:
        """Failures of environments since the last call."""
        if self._environments is None:
            return []
        env_failures = list(self._environments.env_failures)
        self._environments.env_failures.clear()
        if self._truncated and not self._reported:
            self._reported = True
            env_failures.append(f"{self._truncated} episodes were truncated after {self.max_steps:,} steps (evaluate.max_steps)")
        return env_failures

    def play_episodes(self, agent: Agent, number: int | str, stopping: Callable[[], bool] = lambda: False) -> list[Episode] | None:
        """Play the episodes of evaluation `number`: their seeds are a function of the run's seed and this number.

        Returns:
            The episodes in the order of their seeds, or ``None`` if `stopping` returned true before the end.

        A failed episode is played again, with the next seed. An episode that reaches ``evaluate.max_steps`` is truncated.

        Raises:
            EnvironmentFailed: If more episodes fail than were asked for, or the environments cannot be started.
        """
        if self._environments is None:
            try:
                self._environments = self._make()
            except PluginFailed as failed:
                raise EnvironmentFailed(*failed.problems) from failed
            if self.max_steps is None and self._environments.spec.episode_frames is None:
                self.max_steps = ENDLESS
            if self.max_steps is not None:
                self._environments.limit_episodes(self.max_steps)
        with evaluation_mode(agent):
            return self._play(agent, self._environments, number, stopping)

    def _evaluate(self, agent: Agent, number: int | str, stopping: Callable[[], bool]) -> EvalResult | None:
        episodes = self.play_episodes(agent, number, stopping)
        if episodes is None:
            return None
        assert self._environments is not None
        spec = self._environments.spec
        own = math.inf if spec.episode_frames is None else spec.episode_frames / spec.action_repeat  # the time limit of the task
        limit = own if self.max_steps is None else self.max_steps
        self._truncated = sum(episode.length == limit < own for episode in episodes)
        row = summarise(episodes)
        return EvalResult(row | ({"truncated": self._truncated} if self._truncated else {}), episodes=episodes)

    def _play(self, agent: Agent, environments: VectorEnv, number: int | str, stopping: Callable[[], bool]) -> list[Episode] | None:
        count = environments.num_envs
        wanted = [len(range(index, self.episodes, count)) for index in range(count)]  # episodes of each environment
        played: list[list[Episode]] = [[] for _ in range(count)]
        inputs = PolicyInput(agent, environments.spec, count)
        for index, observation in enumerate(environments.reset(f"evaluation {number}")):
            inputs.begin(index, observation)
        first = self._picture(environments)
        frames = None if first is None else [first]
        failed = 0
        while any(unfinished := [len(done) < want for done, want in zip(played, wanted, strict=True)]):
            if stopping():
                return None
            environments.step_async(inputs.act(explore=False).env_action.cpu().numpy())
            steps = environments.step_wait()
            failed += int((steps.failed & unfinished).sum())  # idle environments step along, and do not count
            if failed > self.episodes:
                raise EnvironmentFailed(f"evaluation {number}: {failed} episodes failed: {environments.env_failures[-1]}")
            inputs.update(steps)
            for index in map(int, np.flatnonzero(steps.ended & unfinished)):
                pictures = frames if index == 0 and not played[0] else None
                success = float(steps.extra["success"][index]) if "success" in steps.extra else None
                played[index].append(Episode(float(steps.returns[index]), int(steps.lengths[index]), pictures, success))
            if steps.failed[0] and frames is not None and not played[0]:
                frames.clear()  # the first episode is played again, with another seed
            if frames is not None and not played[0]:
                if (picture := self._picture(environments)) is None:
                    frames = None
                else:
                    frames.append(picture)
        return [played[number % count][number // count] for number in range(self.episodes)]

    def _picture(self, environments: VectorEnv) -> np.ndarray | None:
        if self.record is None:
            return None
        try:
            return environments.render(0, *self.record)
        except UnsupportedRender:
            return None

    def close(self) -> None:
        if self._environments is not None:
            self._environments.close()
            self._environments = None


@contextmanager
def evaluation_mode(agent: Agent) -> Iterator[None]:
    """Put the agent into evaluation mode; restore its mode and its random streams afterwards, so that training does not change."""
    training, streams = agent.training, agent.streams.state_dict()
    agent.train(False)
    try:
        yield
    finally:
        agent.train(training)
        agent.streams.rewind(streams)


def summarise(episodes: list[Episode]) -> dict[str, Any]:
    """The row of an evaluation: mean return with its spread over episodes, and the share of successful ones if the task says."""
    returns = np.array([episode.return_ for episode in episodes])
    succeeded = [episode.success for episode in episodes if episode.success is not None]
    return {
        "return": float(returns.mean()),
        "return_sd": float(returns.std(ddof=1)) if len(returns) > 1 else 0.0,
        "return_min": float(returns.min()),
        "return_max": float(returns.max()),
        "length": float(np.mean([episode.length for episode in episodes])),
        "episodes": len(episodes),
        **({"success": float(np.mean(succeeded))} if succeeded else {}),
    }
