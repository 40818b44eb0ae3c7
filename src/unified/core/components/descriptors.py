"""What a plugin yields: frozen descriptors that name things without importing them. Torch-free.

A descriptor holds texts of the form ``"module:Attribute"``; nothing heavy is imported before `Component.load`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from unified.core.base.errors import Problem, UnifiedError, error_text
from unified.core.components.importing import import_object, stdout_to_stderr
from unified.core.components.packages import advice

if TYPE_CHECKING:
    from unified.core.components.options import Options


@dataclass(frozen=True)
class Preset:
    """Values that a component asks for on certain tasks. They win over defaults and yield to recipes and to whoever types.

    Args:
        name: Short, shown as the source of the values.
        match: Patterns (`fnmatch`) of ``suite:task``, separated by spaces: ``"dmc:walker_* dmc:hopper_hop"``.
        values: Values by dotted key of the run: ``{"agent.n_step": 1, "train.frames": 3_100_000}``.
        reason: Why, with the source.
    """

    name: str
    match: str
    values: Mapping[str, Any]
    reason: str

    def matches(self, task: str) -> bool:
        """Whether it is for this ``suite:task``."""
        return any(fnmatchcase(task, pattern) for pattern in self.match.split())


@dataclass(frozen=True)
class Origin:
    """Who provides a component.

    Args:
        provider: Name of the entry point; it qualifies names: ``provider/name``.
        distribution: The package it came in, as pip knows it.
        version: Of the package.
    """

    provider: str = ""
    distribution: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.distribution or self.provider} {self.version}".strip()


@dataclass(frozen=True)
class Component:
    """A thing with a name.

    Args:
        name: What a person types: letters (by custom lower-case), digits, ``_`` and ``-``, the first a letter or a digit.
        target: Where the thing itself is, ``"module:Attribute"``.
        config: Where its options are declared, a torch-free ``"module:Model"`` (a subclass of `Options`); ``None`` for none. Of
            architectures and objectives ``None`` means the arguments of its signature.
        summary: One line.
        extra: Of its package, the one that brings what it needs: ``pip install 'unified-plugin-xyz[extra]'``.
        held: The thing itself, where it is an object of this process and no other one of its name will do.
        origin: Who provides it; the registry fills it in.
    """

    kind: ClassVar[str]
    name: str
    target: str = ""
    config: str | None = None
    summary: str = ""
    extra: str = field(default="", kw_only=True)
    held: Any = field(default=None, kw_only=True, compare=False, repr=False)
    origin: Origin = field(default=Origin(), kw_only=True, compare=False, repr=False)

    @property
    def qualified(self) -> str:
        """``provider/name``: means this component whoever else has the name."""
        return f"{self.origin.provider}/{self.name}" if self.origin.provider else self.name

    def load(self) -> Any:
        """Import the thing itself.

        Raises:
            UnifiedError: If it cannot be imported.
        """
        return self._import(self.target) if self.held is None else self.held

    def options_model(self) -> type[Options]:
        """The model of its options, without importing the thing itself.

        Raises:
            UnifiedError: If it cannot be imported.
        """
        from unified.core.components.options import Options

        if self.config is None:
            return Options
        model = self._import(self.config)
        if not (isinstance(model, type) and issubclass(model, Options)):
            raise UnifiedError(Problem(f"{self}: {self.config} is not a subclass of unified.Options"))
        return model

    def _import(self, reference: str) -> Any:
        try:
            return import_object(reference)
        except (UnifiedError, KeyboardInterrupt):
            raise
        except BaseException as error:  # whatever a plugin's module does when it is imported, sys.exit included
            whose = f" of {self.origin}" if self.origin.distribution else ""
            raise UnifiedError(
                Problem(f"{self}{whose} cannot be loaded from {reference}: {error_text(error)}", self._remedy(error))
            ) from error

    def _remedy(self, error: BaseException) -> str:
        """What to type where a component cannot be imported."""
        distribution = self.origin.distribution
        if isinstance(error, ModuleNotFoundError) and error.name and error.name.partition(".")[0] != self.target.partition(".")[0]:
            return advice(error, distribution or self.origin.provider, self.extra)
        if not distribution:
            return "see: unified doctor"
        return f"where it happened: unified plugins show {self.qualified}   a newer version: pip install -U {distribution}"

    def __str__(self) -> str:
        return f"{self.kind.removesuffix('s')} {self.name!r}"


@dataclass(frozen=True)
class _WithPresets(Component):
    """A component that may ask for values on certain tasks."""

    presets: str | None = field(default=None, kw_only=True)

    def load_presets(self) -> tuple[Preset, ...]:
        """Its presets; later ones win.

        Raises:
            UnifiedError: If they cannot be imported.
        """
        return tuple(self._import(self.presets)) if self.presets else ()


@dataclass(frozen=True)
class AgentComponent(_WithPresets):
    """An agent.

    Args:
        parts: Names of its options that choose architectures; a bare part name is short for ``agent.<part>``.
        presets: Where its presets are, ``"module:ATTRIBUTE"`` (a tuple of `Preset`).
        task_types: Of tasks that it takes (`Spec.view`), others are refused when a run is composed; empty for all.
        example: What follows ``unified train --agent NAME`` where it works, for whoever looks it up.
        small: Options with which it trains within a second, for tests: ``{"batch_size": 8, "critic.hidden_dim": 16}``.
    """

    kind: ClassVar[str] = "agents"
    parts: tuple[str, ...] = ()
    task_types: tuple[str, ...] = field(default=(), kw_only=True)
    example: str = field(default="--suite gym:Pendulum-v1", kw_only=True)
    small: Mapping[str, Any] = field(default_factory=dict, kw_only=True, hash=False)


@dataclass(frozen=True)
class SuiteComponent(_WithPresets):
    """A family of tasks.

    Args:
        tasks: Where the names of its tasks are, ``"module:ATTRIBUTE"`` (a tuple, or a callable without arguments returning one);
            an empty tuple for a suite without tasks, ``None`` where any name may be a task (the suite itself checks it later).
        presets: Where its presets are.
        example: A task, for hints.
        adapts: Classes of another library, ``"library:Class"``: what is of one of them, or makes one, can be a suite as it is.
        agent: That learns it where nobody names one.
        data: Whether it is a data set (`DataSuite`), whose rows can be counted in epochs.
        adapter: What makes it a suite, ``"module:Class"``: called with the thing, the task and this suite's options
            (`unified.Adapted`).
    """

    kind: ClassVar[str] = "suites"
    #: Whether a suite whose tasks have no list has to be given one.
    task_needed: ClassVar[bool] = True
    tasks: str | None = None
    example: str = ""
    adapts: tuple[str, ...] = field(default=(), kw_only=True)
    adapter: str = field(default="", kw_only=True)
    agent: str = field(default="", kw_only=True)
    data: bool = field(default=False, kw_only=True)

    def load_tasks(self) -> tuple[str, ...] | None:
        if self.tasks is None:
            return None
        tasks: tuple[str, ...] | Callable[[], tuple[str, ...]] = self._import(self.tasks)
        try:
            with stdout_to_stderr():
                return tuple(tasks() if callable(tasks) else tasks)
        except Exception as error:
            raise UnifiedError(
                Problem(f"{self}: {self.tasks} does not give its tasks: {error_text(error)}", self._remedy(error))
            ) from error


@dataclass(frozen=True)
class ArchitectureComponent(Component):
    """A function or class returning an `nn.Module`; its options are passed as keyword arguments.

    Without `config` its options are its arguments: types and limits from the annotations (``Annotated[int, Ge(1)]``), help from the
    section ``Args:`` of its docstring. They are read from the source, so that listing them does not import torch.

    Args:
        example: What follows ``unified train`` where it works: ``"critic=norm_mlp --suite gym:Pendulum-v1"``; empty for ``encoder=NAME``.
    """

    kind: ClassVar[str] = "architectures"
    example: str = field(default="", kw_only=True)

    def options_model(self) -> type[Options]:
        return super().options_model() if self.config is not None else _by_signature(self)


@dataclass(frozen=True)
class ObjectiveComponent(_WithPresets):
    """One term of what is minimised.

    Its class declares what it needs, trains and asks of an agent (`unified.Objective`); that is read from the source, without torch.
    Without `config` its options are the keyword arguments of its class, as for an architecture.

    Args:
        presets: Where its presets are: what it asks of agent and suite.
        example: What follows ``unified train`` where it works; empty for ``-o +NAME``.
    """

    kind: ClassVar[str] = "objectives"
    example: str = field(default="", kw_only=True)

    def options_model(self) -> type[Options]:
        return super().options_model() if self.config is not None else _by_signature(self, functions=False)

    def make(self, options: Any) -> Any:
        """The objective with these options: passed as keyword arguments, or as one object where `config` declares their model."""
        thing = self.load()
        if not isinstance(thing, type):
            from unified.core.learn.objective import FunctionObjective, Objective

            return thing if isinstance(thing, Objective) else FunctionObjective(thing)
        return thing(**dict(options)) if self.config is None else thing(options)

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns of the batch that it reads."""
        return tuple(self._declared("needs", ()))

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts of the agent that it uses."""
        return tuple(self._declared("parts", ()))

    @property
    def trains(self) -> tuple[str, ...]:
        """Parts that it trains where it replaces an agent's own objectives."""
        return tuple(self._declared("trains", ())) or self.parts

    @property
    def asks(self) -> Mapping[str, str]:
        """What it calls on the agent: name to signature."""
        return dict(self._declared("asks", {}))

    def _declared(self, name: str, default: Any) -> Any:
        from unified.core.components import static

        if self.held is None:
            with suppress(static.Unreadable):
                return static.attribute(self.target, name, default)
        return getattr(self.load(), name, default)


def _by_signature(component: Component, functions: bool = True) -> type[Options]:
    from unified.core.components.signature import options_by_signature

    return options_by_signature(component, functions)


@dataclass(frozen=True)
class SamplerComponent(Component):
    """A class that chooses the rows of a batch (`unified.replay.Sampler`).

    Without `config` its options are the keyword arguments of its class, as for an objective.

    Args:
        example: What follows ``unified train`` where it works; empty for ``--agent dqn --suite gym:CartPole-v1 replay.sampler=NAME``.
    """

    kind: ClassVar[str] = "samplers"
    example: str = field(default="", kw_only=True)

    def options_model(self) -> type[Options]:
        return super().options_model() if self.config is not None else _by_signature(self, functions=False)

    def make(self, options: Any) -> Any:
        """The sampler with these options: passed as keyword arguments, or as one object where `config` declares their model."""
        thing = self.load()
        if not isinstance(thing, type):
            return thing
        return thing(**dict(options)) if self.config is None else thing(options)


@dataclass(frozen=True)
class CallbackComponent(Component):
    """An observer of a run: an object with lifecycle hooks, made with its options."""

    kind: ClassVar[str] = "callbacks"


@dataclass(frozen=True)
class LauncherComponent(Component):
    """Where a run is carried out."""

    kind: ClassVar[str] = "launchers"


@dataclass(frozen=True)
class RecipeComponent(Component):
    """A YAML or JSON file of values.

    Args:
        path: The file.
    """

    kind: ClassVar[str] = "recipes"
    path: str | Path = ""


@dataclass(frozen=True)
class CommandComponent(Component):
    """A command of the command line; `target` is a `typer.Typer` or a function for one."""

    kind: ClassVar[str] = "commands"


COMPONENTS: Mapping[str, type[Component]] = {
    cls.kind: cls
    for cls in (
        AgentComponent,
        SuiteComponent,
        ArchitectureComponent,
        ObjectiveComponent,
        SamplerComponent,
        CallbackComponent,
        LauncherComponent,
        RecipeComponent,
        CommandComponent,
    )
}
#: All kinds, as ``plugins list`` shows them.
KINDS = tuple(COMPONENTS)
