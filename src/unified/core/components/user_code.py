"""What becomes of somebody's class, function or object: a component with options, or the reason why it is none. Torch-free.

A class takes its options from an attribute ``Options`` of its own (a subclass of `unified.Options`), else from the registered component
that it inherits from. An architecture takes them from its signature.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from unified.core.base.errors import Problem, UsageError
from unified.core.components.descriptors import (
    COMPONENTS,
    ArchitectureComponent,
    CallbackComponent,
    Component,
    LauncherComponent,
    SuiteComponent,
)
from unified.core.components.hookspecs import LIFECYCLE, PROJECT
from unified.core.components.importing import OBJECT, import_object
from unified.core.envs.suite import Environment, Suite

#: What can be each kind.
WANTED = {
    "agents": "a subclass of unified.Agent",
    "suites": "a subclass of unified.Suite or unified.Environment, or what a suite adapts (a gymnasium.Env, a torch.utils.data.Dataset), "
    "or a function that makes one",
    "architectures": "a class or function that returns an nn.Module, or an nn.Module",
    "objectives": "a subclass of unified.Objective, or a function (agent, batch) -> Loss",
    "samplers": "a subclass of unified.replay.Sampler",
    "callbacks": "a class with lifecycle hooks, each marked @unified.hookimpl",
    "launchers": "a class with a method launch(config, run)",
}


@dataclass(frozen=True)
class _Made(Component):
    """`load` gives what is called with the options, whatever the class or function takes, also where there is an object already."""

    def load(self) -> Callable[[Any], Any]:
        return partial(_make, super().load())


@dataclass(frozen=True)
class AdoptedCallback(_Made, CallbackComponent):
    """A callback that nobody registered."""


@dataclass(frozen=True)
class AdoptedLauncher(_Made, LauncherComponent):
    """A launcher that nobody registered."""


@dataclass(frozen=True)
class AdoptedSuite(SuiteComponent):
    """A suite that nobody registered, or something that a registered one adapts: then `adapter` makes it a suite."""

    task_needed: ClassVar[bool] = False

    def load(self) -> Callable[[str, Any], Suite]:
        thing = super().load()
        if self.adapter:
            return partial(import_object(self.adapter), thing)
        made: Callable[[str, Any], Suite] = (lambda task, options: thing) if isinstance(thing, Suite) else thing
        return made

    def load_tasks(self) -> tuple[str, ...] | None:
        """What the class says: ``tasks = ("easy", "hard")``."""
        thing = SuiteComponent.load(self)
        if isinstance(thing, Suite):
            return ()  # it was made for its task
        tasks = getattr(thing, "tasks", None)
        return tuple(tasks) if isinstance(tasks, list | tuple) else super().load_tasks()


def adopt(kind: str, thing: Any, target: str, typed: str, known: Iterable[Component] = ()) -> Component:
    """The component that something is.

    Args:
        kind: ``"agents"``, ``"suites"``, …
        thing: A class, a function or an object.
        target: Its reference, as it is kept.
        typed: Its reference, as it was said.
        known: The registered components of this kind.

    Raises:
        UsageError: If it is none of this kind.
    """
    known = list(known)
    if kind not in WANTED:
        raise UsageError(Problem(f"{typed} cannot be a {kind.removesuffix('s')}", "these need a package: unified plugins new"))
    if not _fits(kind, thing, known):
        raise UsageError(Problem(f"{typed} is no {kind.removesuffix('s')} but {_described(thing)}", f"wanted: {_hint(kind, thing)}"))
    if isinstance(thing, type) and (missing := sorted(getattr(thing, "__abstractmethods__", ()))) and kind != "architectures":
        raise UsageError(Problem(f"{typed} does not define {', '.join(missing)}", f"what {WANTED[kind].split(',')[0]} has to say"))
    basis = _registered_basis(thing, known)
    said: dict[str, Any] = {"name": target, "target": target, "config": _config(thing, target, basis), "summary": _summary(thing)}
    said["held"] = thing if target.startswith(f"{OBJECT}:") else None
    if kind == "suites":
        return _suite(thing, said, typed, known, basis)
    if kind == "architectures":
        return ArchitectureComponent(**said | {"config": _config(thing, target, None)})
    adopted = {"callbacks": AdoptedCallback, "launchers": AdoptedLauncher}.get(kind, COMPONENTS[kind])
    if kind == "agents" and basis is not None and _shares_options(thing, basis):
        said |= {"parts": getattr(basis, "parts", ()), "presets": getattr(basis, "presets", None)}
    return adopted(**said)


def kind_of(thing: Any, known: Iterable[Component] = ()) -> str | None:
    """The kind of component that something most probably is."""
    kind = thing if isinstance(thing, type) else type(thing)
    if inspect.isroutine(thing):
        from unified.core.components.signature import inferred

        if inferred(thing):
            return "architectures"
        made = _returned(thing)
        if made is not None and (issubclass(made, Suite | Environment) or _adapter(made, known)):
            return "suites"
        return "objectives" if list(_parameters(thing))[:2] == ["agent", "batch"] else "architectures"
    for name in ("agents", "objectives", "samplers", "suites", "architectures", "callbacks", "launchers"):
        if name != "suites" and _fits(name, thing, ()):
            return name
        if name == "suites" and (issubclass(kind, Suite | Environment) or _adapter(kind, known)):
            return name
    return None


def _fits(kind: str, thing: Any, known: Iterable[Component]) -> bool:
    is_class, function = isinstance(thing, type), inspect.isroutine(thing) or isinstance(thing, partial)
    own = thing if is_class else type(thing)
    if kind == "agents":
        return is_class and _is(own, "unified.core.learn.agent:Agent")
    if kind == "suites":
        return function or issubclass(own, Suite | Environment) or _adapter(own, known) is not None
    if kind == "architectures":
        return function or (_is(own, "torch.nn:Module") and not _is(own, "unified.core.learn.agent:Agent"))
    if kind == "objectives":
        return function or _is(own, "unified.core.learn.objective:Objective")
    if kind == "samplers":
        return _is(own, "unified.core.replay.samplers:Sampler")
    if kind == "callbacks":
        return any(getattr(getattr(own, name, None), f"{PROJECT}_impl", None) is not None for name in dir(own))
    return callable(getattr(own, "launch", None))


def _is(kind: type, reference: str) -> bool:
    """Whether a class is a subclass of ``"module:Class"``, by the names in its MRO: nothing is imported to know.

    A library may define a class elsewhere than where it exports it: the package and the name of the class count.
    """
    module, _, name = reference.partition(":")
    package = module.partition(".")[0]
    return any(base.__qualname__ == name and base.__module__.partition(".")[0] == package for base in inspect.getmro(kind))


def _described(thing: Any) -> str:
    if inspect.isroutine(thing):
        return "a function"
    if isinstance(thing, type):
        kind = kind_of(thing)
        return f"a class, {_article(kind)}" if kind else "a class of another kind"
    return f"an object of type {type(thing).__name__}" if not inspect.ismodule(thing) else "a module"


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'ao' else 'a'} {kind.removesuffix('s')}"


def _hint(kind: str, thing: Any) -> str:
    unmarked = [name for name in LIFECYCLE if callable(getattr(thing, name, None))]
    if kind == "callbacks" and unmarked:
        return f"put @unified.hookimpl above {', '.join(unmarked)}"
    if kind == "agents" and not isinstance(thing, type) and _is(type(thing), "unified.core.learn.agent:Agent"):
        return "the class itself: it is sized and made for the task"
    return WANTED[kind]


# Options ------------------------------------------------------------------------------------------------------------------------


def _registered_basis(thing: Any, known: Iterable[Component]) -> Component | None:
    """The registered component that a class is or inherits from, the nearest one."""
    targets = {component.target: component for component in known}
    bases = inspect.getmro(thing) if isinstance(thing, type) else ()
    return next((targets[text] for base in bases if (text := f"{base.__module__}:{base.__qualname__}") in targets), None)


def _config(thing: Any, target: str, basis: Component | None) -> str | None:
    """Where the options of a class are declared; an object is finished and has none."""
    if not isinstance(thing, type):
        return None
    if isinstance(getattr(thing, "Options", None), type):
        return f"{target}.Options"
    return basis.config if basis is not None else None


def _shares_options(thing: type, basis: Component) -> bool:
    """Whether everything that can be set of the registered component can be set of this class."""
    own = getattr(thing, "Options", None)
    return own is None or issubclass(own, basis.options_model())


def _summary(thing: Any) -> str:
    """The first line of its own documentation."""
    documented = thing if isinstance(thing, type) or inspect.isroutine(thing) else type(thing)
    text = inspect.cleandoc(documented.__dict__.get("__doc__") or "") if isinstance(documented, type) else inspect.getdoc(documented) or ""
    return text.partition("\n")[0]


# Suites -------------------------------------------------------------------------------------------------------------------------


def _suite(thing: Any, said: dict[str, Any], typed: str, known: Iterable[Component], basis: Component | None) -> Component:
    own = thing if isinstance(thing, type) else type(thing)
    if issubclass(own, Suite):
        shared = ("tasks", "example", *(["presets"] if basis is not None and _shares_options(own, basis) else []))
        inherited = {name: getattr(basis, name) for name in shared} if basis is not None else {}
        return AdoptedSuite(**said, **inherited, data=_is(own, "unified.core.envs.dataset:DataSuite"))
    made = _makes(thing, typed) if inspect.isroutine(thing) or isinstance(thing, partial) else own
    if issubclass(made, Environment):
        return AdoptedSuite(**said | {"config": None}, adapter="unified.core.envs.adapters:EnvironmentAdapter")
    adapting = _adapter(made, known)
    if adapting is None:
        raise UsageError(Problem(f"{typed} makes {made.__name__}, which is no environment and no data set", f"wanted: {WANTED['suites']}"))
    kept = {name: getattr(adapting, name) for name in ("adapter", "agent", "data")}
    return AdoptedSuite(**said | {"config": adapting.config}, **kept)


def _adapter(kind: type, known: Iterable[Component]) -> SuiteComponent | None:
    """The registered suite that adapts things of this class."""
    suites = (component for component in known if isinstance(component, SuiteComponent) and component.adapter)
    return next((suite for suite in suites if any(_is(kind, base) for base in suite.adapts)), None)


def _makes(function: Callable[..., Any], typed: str) -> type:
    """The class of what a function returns, by its annotation: it is not called before a run needs it.

    Raises:
        UsageError: If it has no such annotation.
    """
    if (found := _returned(function)) is not None:
        return found
    arguments = ", ".join(name for name, parameter in _parameters(function).items() if _is_needed(parameter))
    name = getattr(function, "__name__", "")
    if not name.isidentifier():
        hint = f"pass the environment itself, or a function: def make({arguments}) -> gymnasium.Env: …"
    else:
        hint = f"annotate it: def {name}({arguments}) -> gymnasium.Env: …   (or the class of the data set)"
    raise UsageError(Problem(f"{typed} has no return annotation, so it is not known what it returns", hint))


def _returned(function: Any) -> type | None:
    if isinstance(function, partial):
        return function.func if isinstance(function.func, type) else _returned(function.func)
    with suppress(Exception):  # annotations may name what is not there
        found = typing.get_type_hints(function).get("return")
        found = typing.get_origin(found) or found  # gymnasium.Env[Any, Any]
        return found if isinstance(found, type) and found not in (type(None), object) else None
    return None


# Making -------------------------------------------------------------------------------------------------------------------------


def _make(thing: Any, options: Any) -> Any:
    """An object of a class, made with its options where it takes something; an object as it is."""
    if not isinstance(thing, type):
        return thing
    takes = [parameter for parameter in _parameters(thing).values() if parameter.kind is not parameter.KEYWORD_ONLY]
    return thing(options) if takes else thing()


def _parameters(thing: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(thing).parameters)
    except (TypeError, ValueError):  # written in C
        return {}


def _is_needed(parameter: inspect.Parameter) -> bool:
    variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and not variadic
