"""Descriptors of components, as plugins register them. Imports no torch.

A descriptor refers to code by import strings ``"module:Attribute"``; `Component.load` imports the implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from unified.core.base.errors import Problem, UnifiedError, UsageError, error_text
from unified.core.components.importing import import_object, stdout_to_stderr
from unified.core.components.packages import advice

if TYPE_CHECKING:
    from unified.core.base.spec import Spec
    from unified.core.components.options import Options
    from unified.logged.episodes import Units


@dataclass(frozen=True)
class Preset:
    """Values that a component sets on certain tasks. They override defaults, and are overridden by recipes, Python and the command line.

    Args:
        name: Short name, shown as the source of the values.
        match: Patterns (`fnmatch`) of ``suite:task``, separated by spaces: ``"dmc:walker_* dmc:hopper_hop"``; ``data`` for all data sets.
        values: Values by dotted key of the run: ``{"agent.n_step": 1, "train.frames": 3_100_000}``.
        reason: Justification, with its source.
    """

    name: str
    match: str
    values: Mapping[str, Any]
    reason: str

    def matches(self, task: str) -> bool:
        """Whether the preset applies to this ``suite:task``."""
        return any(fnmatchcase(task, pattern) for pattern in self.match.split())


@dataclass(frozen=True)
class Origin:
    """The plugin that provides a component.

    Args:
        provider: Name of the entry point; it qualifies names: ``provider/name``.
        distribution: Name of the package for pip.
        version: Version of the package.
    """

    provider: str = ""
    distribution: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.distribution or self.provider} {self.version}".strip()


@dataclass(frozen=True)
class Component:
    """Base class of descriptors.

    Args:
        name: Name on the command line: letters (lower-case by convention), digits, ``_`` and ``-``; the first is a letter or a digit.
        target: Import string of the implementation, ``"module:Attribute"``.
        config: Import string of the options, a subclass of `Options` in a module without torch; ``None`` for no options. For
            architectures and objectives, ``None`` means the arguments of the signature.
        summary: One line of description.
        extra: Extra of the package that installs the requirements: ``pip install 'unified-plugin-xyz[extra]'``.
        answers: Other names, in lower case, under which people look for what it does, and what to type for each:
            ``{"ddpg": "--agent td3 agent.policy_delay=1"}``.
        held: The implementation itself, if it is an object of this process.
        origin: The plugin that provides it; set by the registry.
    """

    kind: ClassVar[str]
    name: str
    target: str = ""
    config: str | None = None
    summary: str = ""
    extra: str = field(default="", kw_only=True)
    answers: Mapping[str, str] = field(default_factory=dict, kw_only=True, hash=False, repr=False)
    held: Any = field(default=None, kw_only=True, compare=False, repr=False)
    origin: Origin = field(default=Origin(), kw_only=True, compare=False, repr=False)

    @property
    def qualified(self) -> str:
        """``provider/name``, which is unique among plugins."""
        return f"{self.origin.provider}/{self.name}" if self.origin.provider else self.name

    def load(self) -> Any:
        """Import the implementation.

        Raises:
            UnifiedError: If it cannot be imported.
        """
        return self._import(self.target) if self.held is None else self.held

    def options_model(self) -> type[Options]:
        """The model of its options; the implementation is not imported.

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
        except BaseException as error:  # importing a plugin may raise anything, SystemExit included
            origin = f" of {self.origin}" if self.origin.distribution else ""
            kind = UsageError if self.extra and isinstance(error, ModuleNotFoundError) else UnifiedError
            raise kind(Problem(f"{self}{origin} cannot be loaded from {reference}: {error_text(error)}", self._remedy(error))) from error

    def _remedy(self, error: BaseException) -> str:
        """A hint for a component that cannot be imported."""
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
    """A component with presets."""

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
        parts: Names of its options that select architectures; ``encoder`` is short for ``agent.encoder``.
        presets: Import string of a tuple of `Preset`.
        task_types: Types of tasks that it can learn (`Spec.task_type`); others are refused during composition; empty for all.
        modules: Names of the modules that objectives may use, where they are the same on every task: an objective that uses another one is
            refused during composition; empty if unknown.
        example: Arguments after ``unified train --agent NAME`` that work, for the documentation.
        small: Options with which tests train it within a second: ``{"batch_size": 8, "critic.hidden_dim": 16}``.
        base: The agent that it is a variant of (`variant`).
        values: Values by dotted key of the run, by which a variant differs from its base.
        about: Of a variant, the paragraph that the docstring of a class has: what its values make, with the equation and its source.
    """

    kind: ClassVar[str] = "agents"
    parts: tuple[str, ...] = ()
    task_types: tuple[str, ...] = field(default=(), kw_only=True)
    example: str = field(default="--suite gym:Pendulum-v1", kw_only=True)
    small: Mapping[str, Any] = field(default_factory=dict, kw_only=True, hash=False)
    modules: tuple[str, ...] = field(default=(), kw_only=True)
    base: AgentComponent | None = field(default=None, kw_only=True, repr=False)
    values: Mapping[str, Any] = field(default_factory=dict, kw_only=True, hash=False)
    about: str = field(default="", kw_only=True, repr=False)

    def variant(self, name: str, values: Mapping[str, Any], summary: str, **changes: Any) -> AgentComponent:
        """The same class with other values on every task, under a name of its own: an algorithm with no code of its own.

        The values override the presets of this agent, and the presets of the variant override both.

        >>> sac = AgentComponent("sac", "unified_plugin_xyz.agent:SAC")
        >>> redq = sac.variant("redq", {"agent.critic.members": 10}, "SAC with ten critics", example="--suite gym:Hopper-v4")
        >>> redq.target, [preset.name for preset in redq.load_presets()]
        ('unified_plugin_xyz.agent:SAC', ['redq'])
        """
        own = {"name": name, "values": values, "summary": summary, "base": self, "presets": None, "answers": {}, "about": ""}
        return replace(self, **{**own, **changes})

    def load_presets(self) -> tuple[Preset, ...]:
        own = super().load_presets()
        return own if self.base is None else (*self.base.load_presets(), Preset(self.name, "*", self.values, self.summary), *own)


@dataclass(frozen=True)
class SuiteComponent(_WithPresets):
    """A family of tasks.

    Args:
        tasks: Import string of the names of its tasks (a tuple, or a function without arguments that returns one); an empty tuple for
            a suite without tasks, ``None`` if the suite checks the name of a task itself.
        presets: Import string of a tuple of `Preset`.
        example: A task, for hints.
        adapts: Classes of other libraries, ``"library:Class"``, whose objects `adapter` turns into suites.
        agent: Default agent of the suite.
        data: Whether it is a data set (`DataSuite`), for which budgets may count epochs.
        ids: Pattern of the ids that other libraries give its tasks. Its first group is the task, and hints suggest ``suite:task``.
        check: Import string of a function (task, options) that raises a `UsageError` if a task cannot start on this machine: an unknown id,
            a missing file or package. It is called before a run starts and by ``--dry-run``, without torch.
        adapter: Import string of a `unified.SuiteAdapter`, which is called with the object, the task and the options of this suite.
        converters: Import string of a function of ``Spec.interface`` that returns two functions: from an observation of the environment to
            one of the spec, and from an action of the spec to one of the environment.
        units: Import string of a `unified.logged.episodes.Units`, which is called with a spec: how logged data in the environment's own
            spaces becomes that of the spec, and back; by default it is as the spec says.
    """

    kind: ClassVar[str] = "suites"
    #: Whether a task has to be named if the suite has no list of tasks.
    task_needed: ClassVar[bool] = True
    tasks: str | None = None
    example: str = ""
    adapts: tuple[str, ...] = field(default=(), kw_only=True)
    adapter: str = field(default="", kw_only=True)
    agent: str = field(default="", kw_only=True)
    data: bool = field(default=False, kw_only=True)
    ids: str = field(default="", kw_only=True)
    check: str = field(default="", kw_only=True)
    converters: str = field(default="", kw_only=True)
    units: str = field(default="", kw_only=True)

    def refuse_missing(self, task: str | None, options: Any) -> None:
        """Call the `check` of a suite that has one.

        Raises:
            UsageError: If the task cannot start on this machine.
        """
        if self.check:
            self._import(self.check)(task, options)

    def load_converters(self, spec: Spec) -> tuple[Callable[[Any], Any], Callable[[Any], Any]] | None:
        """The two functions for a spec; ``None`` if the environment takes and gives what the spec says."""
        if not self.converters or not spec.interface:
            return None
        made: tuple[Callable[[Any], Any], Callable[[Any], Any]] = self._import(self.converters)(spec.interface)
        return made

    def load_units(self, spec: Spec) -> Units:
        """How logged data becomes that of a spec, and back."""
        reference = self.units if spec.interface else ""
        made: Units = self._import(reference or "unified.logged.episodes:Units")(spec)
        return made

    def load_tasks(self) -> tuple[str, ...] | None:
        if self.tasks is None:
            return None
        tasks: tuple[str, ...] | Callable[[], tuple[str, ...]] = self._import(self.tasks)
        try:
            with stdout_to_stderr():
                return tuple(tasks() if callable(tasks) else tasks)
        except Exception as error:
            raise UnifiedError(
                Problem(f"{self}: {self.tasks} failed to list its tasks: {error_text(error)}", self._remedy(error))
            ) from error


@dataclass(frozen=True)
class ArchitectureComponent(Component):
    """A function or class returning an `nn.Module`; its options are passed as keyword arguments.

    Without `config` its options are its arguments: types and limits from the annotations (``Annotated[int, Ge(1)]``), help from the
    section ``Args:`` of its docstring. They are read from the source, so that listing them does not import torch.

    Args:
        example: Arguments after ``unified train`` that work: ``"critic=norm_mlp --suite gym:Pendulum-v1"``; empty for ``encoder=NAME``.
        places: Ends of the keys that completion offers it for: ``("critic.head",)``.
    """

    kind: ClassVar[str] = "architectures"
    example: str = field(default="", kw_only=True)
    places: tuple[str, ...] = field(default=("encoder",), kw_only=True)

    def options_model(self) -> type[Options]:
        return super().options_model() if self.config is not None else _by_signature(self)


@dataclass(frozen=True)
class ObjectiveComponent(_WithPresets):
    """An objective: a term of the loss.

    Its class declares the columns that it needs, the parts that it trains and the methods of the agent that it calls (`unified.Objective`).
    They are read from its source, without importing torch. Without `config`, its options are the keyword arguments of its class.

    Args:
        presets: Import string of a tuple of `Preset`.
        example: Arguments after ``unified train`` that work; empty for ``-o +NAME``.
    """

    kind: ClassVar[str] = "objectives"
    example: str = field(default="", kw_only=True)

    def options_model(self) -> type[Options]:
        return super().options_model() if self.config is not None else _by_signature(self, functions=False)

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns of the batch that it needs."""
        return tuple(self._declared("needs", ()))

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts of the agent that it uses."""
        return tuple(self._declared("parts", ()))

    @property
    def trains(self) -> tuple[str, ...]:
        """Parts of the agent that it trains if it replaces the agent's own objectives."""
        return tuple(self._declared("trains", ())) or self.parts

    @property
    def task_types(self) -> tuple[str, ...]:
        """Types of tasks that it is for; empty for all."""
        return tuple(self._declared("task_types", ()))

    @property
    def asks(self) -> Mapping[str, str]:
        """Methods of the agent that it calls: name to signature."""
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
    """A callback: a subclass of `unified.Callback`, constructed with its options."""

    kind: ClassVar[str] = "callbacks"


@dataclass(frozen=True)
class LauncherComponent(Component):
    """A launcher, which executes a run."""

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
