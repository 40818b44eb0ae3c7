"""The table of contents: everything a plugin can say, and every moment at which it is asked.

A plugin is a light module named by an entry point of the group ``unified``. It answers *registration* hooks once per process; the
callbacks that a run selects answer *lifecycle* hooks, and take only the arguments they name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
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

PROJECT = "unified"
#: Of the hooks, and of what `unified`, `unified.heads` and `unified.testing` export. Raised by one where a plugin written for the old one
#: would no longer work. A plugin's module may say its own ``API_VERSION``.
API_VERSION = 1

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Registration:
    """Asked once per process, when names are needed. Answers are descriptors: importing what they name comes later."""

    @hookspec
    def register_agents(self) -> Iterable[AgentComponent]:
        """What acts and learns.

        >>> @hookimpl
        ... def register_agents():
        ...     yield AgentComponent("xyz", "unified_plugin_xyz.agent:XYZ", "unified_plugin_xyz.config:XYZConfig", "One line.")
        """
        raise NotImplementedError

    @hookspec
    def register_suites(self) -> Iterable[SuiteComponent]:
        """Families of tasks.

        >>> @hookimpl
        ... def register_suites():
        ...     yield SuiteComponent("mazes", "unified_plugin_xyz.suite:Mazes", tasks="unified_plugin_xyz.tasks:TASKS")
        """
        raise NotImplementedError

    @hookspec
    def register_architectures(self) -> Iterable[ArchitectureComponent]:
        """Networks, sized from the names of their arguments.

        >>> @hookimpl
        ... def register_architectures():
        ...     yield ArchitectureComponent("resnet6", "unified_plugin_xyz.nets:ResNet6", summary="Six residual blocks.")
        """
        raise NotImplementedError

    @hookspec
    def register_objectives(self) -> Iterable[ObjectiveComponent]:
        """Terms of what is minimised.

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
        """Observers of a run: loggers, pictures, early stopping.

        >>> @hookimpl
        ... def register_callbacks():
        ...     yield CallbackComponent("mail", "unified_plugin_xyz.mail:Mail", "unified_plugin_xyz.config:MailConfig")
        """
        raise NotImplementedError

    @hookspec
    def register_launchers(self) -> Iterable[LauncherComponent]:
        """Where runs are carried out.

        >>> @hookimpl
        ... def register_launchers():
        ...     yield LauncherComponent("cluster", "unified_plugin_xyz.launcher:Cluster", summary="One job per run.")
        """
        raise NotImplementedError

    @hookspec
    def register_recipes(self) -> Iterable[RecipeComponent]:
        """Files of values with a name.

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


class Lifecycle:
    """Asked during one run, only of what the run selected. An observer that raises three times is left out and named."""

    @hookspec
    def setup(self, run: Any, trainer: Any) -> None:
        """Before the first step, of a new or a resumed run.

        >>> @hookimpl
        ... def setup(self, run):
        ...     self.file = open(run.path / "notes.txt", "a")
        """

    @hookspec
    def on_experience(self, run: Any, trainer: Any, steps: Any) -> None:
        """After each step of all environments; `steps` holds arrays over the environments.

        >>> @hookimpl
        ... def on_experience(self, steps):
        ...     self.failures += int(steps.failed.sum())
        """

    @hookspec
    def before_update(self, run: Any, trainer: Any, batch: Any) -> None:
        """Before the agent learns from `batch`.

        >>> @hookimpl
        ... def before_update(self, batch):
        ...     self.largest = max(self.largest, len(batch["reward"]))
        """

    @hookspec
    def after_update(self, run: Any, trainer: Any, batch: Any, metrics: Any) -> None:
        """After an update; `metrics` are scalars on the device: reading one waits for it.

        >>> @hookimpl
        ... def after_update(self, metrics):
        ...     self.losses.append(metrics["critic_loss"])
        """

    @hookspec
    def on_log(self, run: Any, trainer: Any, row: Any, speed: Any) -> None:
        """Every ``train.log_every`` frames: the row that went to ``metrics.jsonl``, and how fast it goes.

        >>> @hookimpl
        ... def on_log(self, row, speed):
        ...     print(row["frames"], speed["frames_per_s"])
        """

    @hookspec
    def before_evaluation(self, run: Any, trainer: Any) -> None:
        """Before the agent is judged. Set ``trainer.evaluator.record = (height, width)`` for pictures of the first episode.

        >>> @hookimpl
        ... def before_evaluation(self, trainer):
        ...     trainer.evaluator.record = (240, 320)
        """

    @hookspec
    def on_evaluation_end(self, run: Any, trainer: Any, row: Any, episodes: Any, judged: Any) -> None:
        """After the agent was judged: the row, the episodes (``.ret``, ``.length``, ``.frames``), and all of it (`EvalResult`).

        A data set has no episodes: ``judged.score`` and ``judged.metric`` are there for every kind of task.

        >>> @hookimpl
        ... def on_evaluation_end(self, row):
        ...     self.best = max(self.best, row["return"])
        """

    @hookspec
    def checkpoint_save(self, run: Any, trainer: Any) -> dict[str, Any] | None:
        """State that has to survive: plain values, arrays and tensors.

        >>> @hookimpl
        ... def checkpoint_save(self):
        ...     return {"best": self.best}
        """

    @hookspec
    def checkpoint_load(self, run: Any, trainer: Any, state: Any) -> None:
        """The state that this callback saved, when a run is resumed; called after `setup`.

        >>> @hookimpl
        ... def checkpoint_load(self, state):
        ...     self.best = state["best"]
        """

    @hookspec
    def teardown(self, run: Any, trainer: Any, error: Any) -> None:
        """At the end, whatever it was: `error` is the exception that ended the run, or ``None``.

        >>> @hookimpl
        ... def teardown(self, error):
        ...     self.file.close()
        """


def _names(group: type) -> tuple[str, ...]:
    return tuple(name for name in vars(group) if not name.startswith("_"))


#: Names of the hooks of each group.
REGISTRATION, LIFECYCLE = _names(Registration), _names(Lifecycle)
