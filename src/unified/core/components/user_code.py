"""Turn a user's class, function or object into a component, or explain why it cannot be one. Imports no torch.

The options of a class are its attribute ``Options`` (a subclass of `unified.Options`), else those of the registered component that it
inherits from. The options of an architecture are its arguments.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from pydantic import Field, create_model
from pydantic.fields import FieldInfo

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
from unified.core.components.options import Options

#: Base classes of the floors above, known by name so that nothing is imported.
AGENT, OBJECTIVE = "unified.core.learn.agent:Agent", "unified.core.learn.objective:Objective"
CALLBACK = "unified.core.components.hookspecs:Callback"
SUITE, ENVIRONMENT = "unified.core.envs.suite:Suite", "unified.core.envs.suite:Environment"
#: What each kind of component can be.
WANTED = {
    "agents": "a subclass of unified.Agent",
    "suites": "a subclass of unified.Suite or unified.Environment, or an object that a suite adapts (a gymnasium.Env, "
    "a torch.utils.data.Dataset), or a function that returns one",
    "architectures": "a class or function that returns an nn.Module, or an nn.Module",
    "objectives": "a subclass of unified.Objective, or a function (agent, batch) -> Loss",
    "samplers": "a subclass of unified.replay.Sampler",
    "callbacks": "a subclass of unified.Callback",
    "launchers": "a class with a method launch(config, run)",
}


@dataclass(frozen=True)
class _Constructed(Component):
    """`load` returns a function of the options, whatever the class takes; an object is returned as it is."""

    def load(self) -> Callable[[Any], Any]:
        return partial(_construct, super().load())


@dataclass(frozen=True)
class AdoptedCallback(_Constructed, CallbackComponent):
    """A callback that is not registered."""


@dataclass(frozen=True)
class AdoptedLauncher(_Constructed, LauncherComponent):
    """A launcher that is not registered."""


@dataclass(frozen=True)
class AdoptedSuite(SuiteComponent):
    """A suite that is not registered, or an object that `adapter` turns into a suite.

    The arguments of a class or function that is adapted are options too; one that has the name of an option of the adapter hides it.
    """

    task_needed: ClassVar[bool] = False

    def load(self) -> Callable[[str, Any], Any]:
        obj = super().load()
        if self.adapter:
            return partial(adapted, obj, self.adapter, super().options_model())
        made: Callable[[str, Any], Any] = (lambda task, options: obj) if _is(type(obj), SUITE) else obj
        return made

    def options_model(self) -> type[Options]:
        model, arguments = super().options_model(), _arguments(SuiteComponent.load(self)) if self.adapter else {}
        fields: dict[str, Any] = {}
        for name, field in arguments.items():
            open_ = (field.annotation | None, Field(None, description=field.description)) if field.annotation else None
            fields[name] = open_ if field.is_required() else (field.annotation, field)
        return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields) if fields else model

    def refuse_missing(self, task: str | None, options: Any) -> None:
        arguments = _arguments(SuiteComponent.load(self)) if self.adapter else {}
        needed = [name for name, field in arguments.items() if field.is_required()][1 if task else 0 :]
        if missing := [name for name in needed if getattr(options, name) is None]:
            what = f"{self.name.rpartition(':')[2]} needs {', '.join(missing)}"
            raise UsageError(Problem(what, " ".join(f"suite.{name}=…" for name in missing)))

    def load_tasks(self) -> tuple[str, ...] | None:
        """The attribute ``tasks = ("easy", "hard")`` of the class."""
        obj = SuiteComponent.load(self)
        if _is(type(obj), SUITE):
            return ()  # an object has its task already
        tasks = getattr(obj, "tasks", None)
        return tuple(tasks) if isinstance(tasks, list | tuple) else super().load_tasks()


def adapted(obj: Any, adapter: str, model: Callable[..., Any], task: str, options: Any) -> Any:
    """The suite that an adapter makes of a class, a function or an object.

    Args:
        obj: What is adapted; a class or function gets the options that are its arguments.
        adapter: Import string of a `unified.SuiteAdapter`.
        model: The options of the adapter.
        task: The name after the colon.
        options: Options of the adapter and arguments together, by name or as attributes.
    """
    values = dict(options)
    arguments = _arguments(obj)
    given = {name: values.pop(name) for name in arguments if name in values}
    first = next(iter(arguments), "") if task else ""  # the task is its value
    given = {name: value for name, value in given.items() if name != first and (value is not None or not arguments[name].is_required())}
    return import_object(adapter)(partial(obj, **given) if given else obj, task, model(**values))


def _arguments(obj: Any) -> dict[str, FieldInfo]:
    """The arguments of a class or function that users can set, as fields of options."""
    if not (isinstance(obj, type) or inspect.isroutine(obj)):
        return {}
    from unified.core.components.signature import options_of

    try:
        return dict(options_of(obj).model_fields)
    except (TypeError, ValueError):  # written in C
        return {}


def adopt(kind: str, obj: Any, target: str, typed: str, known: Iterable[Component] = ()) -> Component:
    """Turn an object into a component.

    Args:
        kind: ``"agents"``, ``"suites"``, …
        obj: A class, a function or an object.
        target: Its import string, as stored in the configuration.
        typed: Its import string, as typed.
        known: The registered components of this kind.

    Raises:
        UsageError: If it cannot be a component of this kind.
    """
    known = list(known)
    if kind not in WANTED:
        raise UsageError(Problem(f"{typed} cannot be a {kind.removesuffix('s')}", "these need a package: unified plugins new"))
    if not _fits(kind, obj, known):
        raise UsageError(Problem(f"{typed} is no {kind.removesuffix('s')} but {_described(obj)}", f"wanted: {_hint(kind, obj)}"))
    if isinstance(obj, type) and (missing := sorted(getattr(obj, "__abstractmethods__", ()))) and kind != "architectures":
        raise UsageError(Problem(f"{typed} does not define {', '.join(missing)}", f"required of {WANTED[kind].split(',')[0]}"))
    basis = _registered_basis(obj, known)
    fields: dict[str, Any] = {"name": target, "target": target, "config": _config(obj, target, basis), "summary": _summary(obj)}
    fields["held"] = obj if target.startswith(f"{OBJECT}:") else None
    if kind == "suites":
        return _suite(obj, fields, typed, known, basis)
    if kind == "architectures":
        return ArchitectureComponent(**fields | {"config": _config(obj, target, None)})
    adopted = {"callbacks": AdoptedCallback, "launchers": AdoptedLauncher}.get(kind, COMPONENTS[kind])
    if kind == "agents" and basis is not None and _shares_options(obj, basis):
        fields |= {"parts": getattr(basis, "parts", ()), "presets": getattr(basis, "presets", None)}
    return adopted(**fields)


def kind_of(obj: Any, known: Iterable[Component] = ()) -> str | None:
    """The most probable kind of component of an object."""
    kind = obj if isinstance(obj, type) else type(obj)
    if inspect.isroutine(obj):
        from unified.core.components.signature import inferred

        if inferred(obj):
            return "architectures"
        made = _returned(obj)
        if made is not None and (_is(made, SUITE, ENVIRONMENT) or _adapter(made, known)):
            return "suites"
        return "objectives" if list(_parameters(obj))[:2] == ["agent", "batch"] else "architectures"
    for name in ("agents", "objectives", "samplers", "suites", "architectures", "callbacks", "launchers"):
        if name != "suites" and _fits(name, obj, ()):
            return name
        if name == "suites" and (_is(kind, SUITE, ENVIRONMENT) or _adapter(kind, known)):
            return name
    return None


def _fits(kind: str, obj: Any, known: Iterable[Component]) -> bool:
    is_class, function = isinstance(obj, type), inspect.isroutine(obj) or isinstance(obj, partial)
    own = obj if is_class else type(obj)
    if kind == "agents":
        return is_class and _is(own, AGENT)
    if kind == "suites":
        return function or _is(own, SUITE, ENVIRONMENT) or _adapter(own, known) is not None
    if kind == "architectures":
        return function or (_is(own, "torch.nn:Module") and not _is(own, AGENT))
    if kind == "objectives":
        return function or _is(own, OBJECTIVE)
    if kind == "samplers":
        return _is(own, "unified.core.replay.samplers:Sampler")
    if kind == "callbacks":
        return _is(own, CALLBACK) or any(getattr(getattr(own, name, None), f"{PROJECT}_impl", None) is not None for name in dir(own))
    return callable(getattr(own, "launch", None))


def _is(kind: type, *references: str) -> bool:
    """Whether a class is a subclass of one of ``"module:Class"``, by the names in its MRO; nothing is imported.

    Only the package and the name are compared, because a library may define a class in another module than the one that exports it.
    """
    wanted = {(module.partition(".")[0], name) for module, _, name in (reference.partition(":") for reference in references)}
    return any((base.__module__.partition(".")[0], base.__qualname__) in wanted for base in inspect.getmro(kind))


def _described(obj: Any) -> str:
    if inspect.isroutine(obj):
        return "a function"
    if isinstance(obj, type):
        kind = kind_of(obj)
        return f"a class, {_article(kind)}" if kind else "a class of another kind"
    return f"an object of type {type(obj).__name__}" if not inspect.ismodule(obj) else "a module"


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'ao' else 'a'} {kind.removesuffix('s')}"


def _hint(kind: str, obj: Any) -> str:
    unmarked = [name for name in LIFECYCLE if callable(getattr(obj, name, None))]
    if kind == "callbacks" and unmarked:
        return f"inherit from unified.Callback, or put @unified.hookimpl above {', '.join(unmarked)}"
    if kind == "agents" and not isinstance(obj, type) and _is(type(obj), AGENT):
        return "pass the class: the run constructs it for the task"
    return WANTED[kind]


# Options ------------------------------------------------------------------------------------------------------------------------


def _registered_basis(obj: Any, known: Iterable[Component]) -> Component | None:
    """The nearest registered component among a class and its bases."""
    targets = {component.target: component for component in known}
    bases = inspect.getmro(obj) if isinstance(obj, type) else ()
    return next((targets[text] for base in bases if (text := f"{base.__module__}:{base.__qualname__}") in targets), None)


def _config(obj: Any, target: str, basis: Component | None) -> str | None:
    """Import string of the options of a class; an object has none."""
    if not isinstance(obj, type):
        return None
    if isinstance(getattr(obj, "Options", None), type):
        return f"{target}.Options"
    return basis.config if basis is not None else None


def _shares_options(obj: type, basis: Component) -> bool:
    """Whether this class has all options of the registered component."""
    own = getattr(obj, "Options", None)
    return own is None or issubclass(own, basis.options_model())


def _summary(obj: Any) -> str:
    """The first line of its docstring."""
    documented = obj if isinstance(obj, type) or inspect.isroutine(obj) else type(obj)
    text = inspect.cleandoc(documented.__dict__.get("__doc__") or "") if isinstance(documented, type) else inspect.getdoc(documented) or ""
    return text.partition("\n")[0]


# Suites -------------------------------------------------------------------------------------------------------------------------


def _suite(obj: Any, fields: dict[str, Any], typed: str, known: Iterable[Component], basis: Component | None) -> Component:
    own = obj if isinstance(obj, type) else type(obj)
    if _is(own, SUITE):
        shared = ("tasks", "example", *(["presets"] if basis is not None and _shares_options(own, basis) else []))
        inherited = {name: getattr(basis, name) for name in shared} if basis is not None else {}
        return AdoptedSuite(**fields, **inherited, data=_is(own, "unified.core.envs.dataset:DataSuite"))
    made = _returned_class(obj, typed) if inspect.isroutine(obj) or isinstance(obj, partial) else own
    if _is(made, ENVIRONMENT):
        return AdoptedSuite(**fields | {"config": None}, adapter="unified.core.envs.adapters:EnvironmentAdapter")
    adapting = _adapter(made, known)
    if adapting is None:
        problem = f"{typed} returns {made.__name__}, which is neither an environment nor a data set"
        raise UsageError(Problem(problem, f"wanted: {WANTED['suites']}"))
    shared_fields = {name: getattr(adapting, name) for name in ("adapter", "agent", "data", "converters", "units")}
    return AdoptedSuite(**fields | {"config": adapting.config}, **shared_fields)


def _adapter(kind: type, known: Iterable[Component]) -> SuiteComponent | None:
    """The registered suite that adapts objects of this class."""
    suites = (component for component in known if isinstance(component, SuiteComponent) and component.adapter)
    return next((suite for suite in suites if any(_is(kind, base) for base in suite.adapts)), None)


def _returned_class(function: Callable[..., Any], typed: str) -> type:
    """The class that a function returns, by its annotation; the function is not called.

    Raises:
        UsageError: If it has no return annotation.
    """
    if (found := _returned(function)) is not None:
        return found
    arguments = ", ".join(name for name, parameter in _parameters(function).items() if _is_needed(parameter))
    name = getattr(function, "__name__", "")
    if not name.isidentifier():
        hint = f"pass the environment itself, or a function: def make({arguments}) -> gymnasium.Env: …"
    else:
        hint = f"annotate it: def {name}({arguments}) -> gymnasium.Env: …   (or the class of the data set)"
    raise UsageError(Problem(f"{typed} has no return annotation, so the class that it returns is unknown", hint))


def _returned(function: Any) -> type | None:
    if isinstance(function, partial):
        return function.func if isinstance(function.func, type) else _returned(function.func)
    with suppress(Exception):  # annotations may refer to missing names
        found = typing.get_type_hints(function).get("return")
        if typing.get_origin(found) is tuple:  # training and test set
            found = typing.get_args(found)[0]
        found = typing.get_origin(found) or found  # gymnasium.Env[Any, Any]
        return found if isinstance(found, type) and found not in (type(None), object) else None
    return None


# Construction -------------------------------------------------------------------------------------------------------------------------


def _construct(obj: Any, options: Any) -> Any:
    """Construct a class, with the options if it takes arguments; any other object is returned as it is."""
    if not isinstance(obj, type):
        return obj
    takes = [parameter for parameter in _parameters(obj).values() if parameter.kind is not parameter.KEYWORD_ONLY]
    return obj(options) if takes else obj()


def _parameters(obj: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(obj).parameters)
    except (TypeError, ValueError):  # written in C
        return {}


def _is_needed(parameter: inspect.Parameter) -> bool:
    variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and not variadic
