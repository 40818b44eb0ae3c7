"""Sources and evaluators of several tasks as one."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from unified.core.base.spec import Spec
from unified.core.trainer.eval_result import EvalResult
from unified.core.trainer.evaluation import Evaluator
from unified.core.trainer.sources import ExperienceSource

if TYPE_CHECKING:
    from unified.core.envs.step_batch import StepBatch


@dataclass(frozen=True)
class MultiTaskSpec:
    """The specs of several tasks, by name."""

    tasks: Mapping[str, Spec]

    @property
    def deterministic(self) -> bool:
        """Whether all tasks are."""
        return all(spec.deterministic for spec in self.tasks.values())

    def to_json(self) -> dict[str, Any]:
        """Plain data for the manifest of a checkpoint."""
        return {"tasks": {name: spec.to_json() for name, spec in self.tasks.items()}}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> MultiTaskSpec:
        """The specs of a manifest."""
        return cls({name: Spec.from_json(spec) for name, spec in tree["tasks"].items()})


class MultiTaskSource(ExperienceSource):
    """The sources of several tasks: each step of the run is a step of one of them, in turn. Data sets take no step.

    Args:
        spec: The specs of all tasks.
        sources: The sources of the tasks that have environments, by the name of the task.
    """

    def __init__(self, spec: MultiTaskSpec, sources: Mapping[str, ExperienceSource]) -> None:
        self.spec: Any = spec
        self.names, self.sources = list(sources), list(sources.values())
        counts = [source.num_envs for source in self.sources]
        self.num_envs = max(1, sum(counts))
        self._first = [sum(counts[:number]) for number in range(len(counts))]  # number of each task's first environment
        self._turn = 0
        self.env_failures = deque(maxlen=100)

    exact = property(lambda self: all(source.exact for source in self.sources))
    restarts = property(lambda self: sum(source.restarts for source in self.sources))
    failed_episodes = property(lambda self: sum(source.failed_episodes for source in self.sources))

    def notes(self) -> list[str]:
        return list(dict.fromkeys(note for source in self.sources for note in source.notes()))

    def start(self) -> None:
        for source in self.sources:
            source.start()

    def step_async(self) -> None:
        if self.sources:
            self.sources[self._turn].step_async()

    def step_wait(self) -> StepBatch | None:
        if not self.sources:
            return None
        number, source = self._turn, self.sources[self._turn]
        steps = source.step_wait()
        self._turn = (number + 1) % len(self.sources)
        self._report(number)
        return None if steps is None else replace(steps, env_ids=self._first[number] + steps.ids, task=self.names[number])

    def set_reset_options(self, env_id: int, options: Mapping[str, Any] | None) -> None:
        if not self.sources:
            super().set_reset_options(env_id, options)
        number = bisect_right(self._first, env_id) - 1
        self.sources[number].set_reset_options(env_id - self._first[number], options)

    def _report(self, number: int) -> None:
        failures = self.sources[number].env_failures
        while failures:
            self.env_failures.append(f"{self.names[number]}: {failures.popleft()}")

    def state_dict(self) -> dict[str, Any]:
        return {"tasks": [source.state_dict() for source in self.sources], "turn": self._turn}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for number, (source, each) in enumerate(zip(self.sources, state["tasks"], strict=True)):
            source.load_state_dict(each)
            self._report(number)
        self._turn = state["turn"]

    def close(self) -> None:
        for source in self.sources:
            source.close()


class MultiTaskEvaluator(Evaluator):
    """Evaluates the agent of every task. Figures are called ``NAME/TASK``.

    ``score`` compares checkpoints: the mean over tasks of sign(x) log(1 + |x|), x being the metric of the task. It rises with each
    of them, and a task whose figures are large does not outweigh the others.

    Args:
        evaluators: The evaluators, by the name of their task.
    """

    def __init__(self, evaluators: Mapping[str, Evaluator]) -> None:
        self._evaluators = evaluators

    def evaluate(self, agent: Any, number: int | str, stopping: Callable[[], bool] = lambda: False) -> EvalResult | None:
        """Evaluate a `MultiTaskAgent`; ``None`` if `stopping` returned true before the end."""
        return self._evaluate(agent, number, stopping)

    def _evaluate(self, agent: Any, number: int | str, stopping: Callable[[], bool]) -> EvalResult | None:
        row: dict[str, Any] = {}
        report: list[str] = []
        scores: list[float] = []
        for name, evaluator in self._evaluators.items():
            evaluator.whole = self.whole
            result = evaluator.evaluate(agent.of(name), number, stopping)
            if result is None:
                return None
            scores.append(math.copysign(math.log1p(abs(result.score)), result.score))
            row |= {f"{key}/{name}": value for key, value in result.row.items() if key != "metric"}
            report += [f"{result.metric}/{name}  {result.score:.4g}", *(f"  {line}" for line in result.report)]
        return EvalResult({"score": float(np.mean(scores)), **row}, metric="score", report=report)

    def is_whole(self, row: Mapping[str, Any]) -> bool:
        def of(name: str) -> dict[str, Any]:
            return {key.removesuffix(f"/{name}"): value for key, value in row.items() if key.endswith(f"/{name}")}

        return all(evaluator.is_whole(of(name)) for name, evaluator in self._evaluators.items())

    def take_env_failures(self) -> list[str]:
        return [f"{name}: {line}" for name, evaluator in self._evaluators.items() for line in evaluator.take_env_failures()]

    def close(self) -> None:
        for evaluator in self._evaluators.values():
            evaluator.close()
