"""All hooks of plugins: registration of components, and the lifecycle of a run.

A plugin is a module that an entry point of the group ``unified`` names. It implements *registration* hooks, which are called once per
process and must not import heavy libraries. `Callback` has the *lifecycle* hooks of a run.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pluggy

if TYPE_CHECKING:  # types of the arguments of hooks; nothing of these modules is imported at run time
    import numpy as np
    from torch import Tensor

    from unified.core.components.descriptors import (
        AgentComponent,
        ArchitectureComponent,
        CallbackComponent,
        CommandComponent,
        LauncherComponent,
        ObjectiveComponent,
        RecipeComponent,
        SamplerComponent,
        SuiteComponent,
    )
    from unified.core.envs.step_batch import StepBatch
    from unified.core.replay.batch import Batch
    from unified.core.runs.run import Run
    from unified.core.trainer.eval_result import EvalResult
    from unified.core.trainer.evaluation import Episode
    from unified.core.trainer.trainer import Trainer

PROJECT = "unified"
#: Version of the hooks and of the public names of `unified`, `unified.agents`, `unified.heads`, `unified.nets`, `unified.replay` and
#: `unified.testing`. It is raised by one if a plugin written for the old version would no longer work. A plugin states the version that it
#: was written for as its own ``API_VERSION``.
API_VERSION = 2

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Registration:
    """Called once per process, when names are needed. The hooks yield descriptors; the implementations are imported when they are used."""

    @hookspec
    def register_agents(self) -> Iterable[AgentComponent]:
        """Agents.

        >>> @hookimpl
        ... def register_agents():
        ...     yield AgentComponent("xyz", "unified_plugin_xyz.agent:XYZ", "unified_plugin_xyz.config:XYZConfig", "One line.")
        """
        raise NotImplementedError

    @hookspec
    def register_suites(self) -> Iterable[SuiteComponent]:
        """Suites: families of tasks.

        >>> @hookimpl
        ... def register_suites():
        ...     yield SuiteComponent("mazes", "unified_plugin_xyz.suite:Mazes", tasks="unified_plugin_xyz.tasks:TASKS")
        """
        raise NotImplementedError

    @hookspec
    def register_architectures(self) -> Iterable[ArchitectureComponent]:
        """Architectures: networks whose sizes follow from the names of their arguments.

        >>> @hookimpl
        ... def register_architectures():
        ...     yield ArchitectureComponent("resnet6", "unified_plugin_xyz.nets:ResNet6", summary="Six residual blocks.")
        """
        raise NotImplementedError

    @hookspec
    def register_objectives(self) -> Iterable[ObjectiveComponent]:
        """Objectives: terms of the loss.

        >>> @hookimpl
        ... def register_objectives():
        ...     yield ObjectiveComponent("cosine", "unified_plugin_xyz.loss:Cosine", summary="One line.")
        """
        raise NotImplementedError

    @hookspec
    def register_samplers(self) -> Iterable[SamplerComponent]:
        """Which rows of the replay an agent learns from, relabelled or not (`unified.replay.Sampler`).

        >>> @hookimpl
        ... def register_samplers():
        ...     yield SamplerComponent("recent", "unified_plugin_xyz.sampler:Recent", summary="The newest rows.")
        """
        raise NotImplementedError

    @hookspec
    def register_callbacks(self) -> Iterable[CallbackComponent]:
        """Callbacks: loggers, videos, early stopping.

        >>> @hookimpl
        ... def register_callbacks():
        ...     yield CallbackComponent("mail", "unified_plugin_xyz.mail:Mail", "unified_plugin_xyz.config:MailConfig")
        """
        raise NotImplementedError

    @hookspec
    def register_launchers(self) -> Iterable[LauncherComponent]:
        """Launchers: where runs are executed.

        >>> @hookimpl
        ... def register_launchers():
        ...     yield LauncherComponent("cluster", "unified_plugin_xyz.launcher:Cluster", summary="One job per run.")
        """
        raise NotImplementedError

    @hookspec
    def register_recipes(self) -> Iterable[RecipeComponent]:
        """Recipes: named files of values.

        >>> @hookimpl
        ... def register_recipes():
        ...     yield RecipeComponent("xyz_small", path=Path(__file__).parent / "small.yaml", summary="For a laptop.")
        """
        raise NotImplementedError

    @hookspec
    def register_commands(self) -> Iterable[CommandComponent]:
        """Further commands of ``unified``: `typer.Typer` objects or functions.

        >>> @hookimpl
        ... def register_commands():
        ...     yield CommandComponent("xyz", "unified_plugin_xyz.cli:app", summary="Says hello.")
        """
        raise NotImplementedError


class Callback:
    """Base class of callbacks: override the lifecycle hooks that the callback needs.

    A run calls the hooks of its agent, its objectives, its suite and its callbacks, in this order; `teardown` in the reverse order. Agents,
    objectives and suites inherit from their own base class and mark each hook with ``@hookimpl`` instead. A hook may leave out arguments
    that it does not use; arguments are passed by name.

    A callback that raises is reported. After three failures in a row it is left out for the rest of the run. Raising `UnifiedError` ends
    the run on purpose: it is saved and can be resumed.
    """

    #: Whether a failure ends the run, for a callback that changes what is learned (one that chooses the goals of episodes, for example).
    critical: ClassVar[bool] = False

    def setup(self, run: Run, trainer: Trainer) -> None:
        """Called before the first step of a new or resumed run. A `UsageError` refuses the run.

        >>> class Notes(Callback):
        ...     def setup(self, run, trainer):
        ...         self.file = open(run.path / "notes.txt", "a")
        """

    def on_experience(self, run: Run, trainer: Trainer, steps: StepBatch) -> None:
        """Called after each step of all environments.

        Args:
            run: The run.
            trainer: Its trainer.
            steps: Arrays with one row for each environment.

        >>> class Failures(Callback):
        ...     def on_experience(self, run, trainer, steps):
        ...         self.failures += int(steps.failed.sum())
        """

    def choose_goals(self, run: Run, trainer: Trainer, env_ids: np.ndarray, observation: np.ndarray) -> np.ndarray | None:
        """Called where episodes begin in training, once for all that begin at the same step: choose the goals that they pursue.

        The task needs observations named ``achieved_goal`` and ``desired_goal``, and `Suite.compute_reward`. The goal of an episode does
        not change; its rows have the rewards and ends of this goal, and the task's own one as the column ``actual_goal``. Evaluations
        have the task's goals. `on_experience` of the step that ended the episodes before comes after this call.

        Args:
            run: The run.
            trainer: Its trainer.
            env_ids: Numbers of the environments, ``(m,)``.
            observation: First observations, ``(m,)`` records; ``observation["desired_goal"]`` are the task's own goals.

        Returns:
            Goals ``(m, *goal)``, for some environments the task's own; ``None`` keeps all of them. Of several callbacks the last counts.

        >>> class Near(Callback):
        ...     critical = True
        ...     def choose_goals(self, run, trainer, env_ids, observation):
        ...         return (observation["achieved_goal"] + observation["desired_goal"]) / 2
        """
        return None

    def before_update(self, run: Run, trainer: Trainer, batch: Batch) -> None:
        """Called before the agent learns from `batch`.

        >>> class Largest(Callback):
        ...     def before_update(self, run, trainer, batch):
        ...         self.largest = max(self.largest, len(batch["reward"]))
        """

    def after_update(self, run: Run, trainer: Trainer, batch: Batch, metrics: Mapping[str, Tensor]) -> None:
        """Called after each update.

        Args:
            run: The run.
            trainer: Its trainer.
            batch: What the agent learned from.
            metrics: Scalars on the device. Reading one waits for the device.

        >>> class Losses(Callback):
        ...     def after_update(self, run, trainer, batch, metrics):
        ...         self.losses.append(metrics["td_loss"])
        """

    def on_log(self, run: Run, trainer: Trainer, row: Mapping[str, Any], speed: Mapping[str, Any]) -> None:
        """Called every ``train.log_every`` frames.

        Args:
            run: The run.
            trainer: Its trainer.
            row: The row written to ``metrics.jsonl``.
            speed: Frames and updates per second, remaining time, shares of the time, size of the replay.

        >>> class Print(Callback):
        ...     def on_log(self, run, trainer, row, speed):
        ...         print(row["frames"], speed["frames_per_s"])
        """

    def before_evaluation(self, run: Run, trainer: Trainer) -> None:
        """Called before an evaluation. Setting ``trainer.evaluator.record = (height, width)`` records its first episode.

        >>> class Record(Callback):
        ...     def before_evaluation(self, run, trainer):
        ...         trainer.evaluator.record = (240, 320)
        """

    def on_evaluation_end(
        self, run: Run, trainer: Trainer, row: Mapping[str, Any], episodes: Sequence[Episode] | None, result: EvalResult
    ) -> None:
        """Called after an evaluation.

        Args:
            run: The run.
            trainer: Its trainer.
            row: The row written to ``metrics.jsonl``.
            episodes: Episodes with ``return_``, ``length`` and ``pictures``; ``None`` for a data set.
            result: The complete result; ``result.score`` and ``result.metric`` exist for every type of task.

        >>> class Best(Callback):
        ...     def on_evaluation_end(self, run, trainer, row, episodes, result):
        ...         self.best = max(self.best, result.score)
        """

    def checkpoint_save(self, run: Run, trainer: Trainer) -> dict[str, Any] | None:
        """Return the state to store in a checkpoint: plain values, arrays and tensors; ``None`` stores nothing.

        >>> class Best(Callback):
        ...     def checkpoint_save(self, run, trainer):
        ...         return {"best": self.best}
        """
        return None

    def checkpoint_load(self, run: Run, trainer: Trainer, state: dict[str, Any]) -> None:
        """Restore the state that `checkpoint_save` returned. Called after `setup` in a resumed run.

        >>> class Best(Callback):
        ...     def checkpoint_load(self, run, trainer, state):
        ...         self.best = state["best"]
        """

    def teardown(self, run: Run, trainer: Trainer, error: BaseException | None) -> None:
        """Called at the end of every run, also after an error.

        Args:
            run: The run.
            trainer: Its trainer.
            error: The exception that ended the run; ``None`` if its budget was used up.

        >>> class Notes(Callback):
        ...     def teardown(self, run, trainer, error):
        ...         self.file.close()
        """


def _names(group: type) -> tuple[str, ...]:
    return tuple(name for name, value in vars(group).items() if inspect.isfunction(value))


#: Names of the hooks of each group.
REGISTRATION, LIFECYCLE = _names(Registration), _names(Callback)
