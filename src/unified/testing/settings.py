"""Options and tasks for conformance checks: `unified plugins check NAME KEY=VALUE --task TASK`. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import fields, replace
from functools import cache
from typing import Any

from unified.core.base import suggest
from unified.core.base.errors import Problem, UsageError
from unified.core.components.descriptors import AgentComponent, Component, SuiteComponent
from unified.core.components.import_paths import split_task
from unified.core.components.options import NAME, Options
from unified.core.config import suggestions
from unified.core.config.choose import Chooser
from unified.core.config.layers import Layer, from_tree, from_words
from unified.core.config.schema import TASK
from unified.core.registry import registry

#: Set on components with other options than their defaults: the values that the caller set, by path.
FIXED = "fixed_options"
#: Set on agents that are checked on a given task instead of the probes: the suite component and the name of the task.
ON = "checked_on"


def configure(components: Sequence[Component], words: Sequence[str] = (), task: str | None = None) -> list[Component]:
    """The components with other defaults of their options, and with a task.

    Args:
        components: The components to check.
        words: ``KEY=VALUE``, where the key begins with the kind (``agent.lr``) or, for a single component, is an option (``lr``).
        task: ``SUITE:TASK``, or a task of the suite among `components`. Suites are checked on it alone, and agents on it instead of on
            probes.

    Raises:
        UsageError: If a word is no option of the components, or the task does not exist.
    """
    found = _with_options(components, words) if words else list(components)
    return _with_task(found, task) if task else found


# Options -----------------------------------------------------------------------------------------------------------------------------


def _with_options(components: Sequence[Component], words: Sequence[str]) -> list[Component]:
    problems: list[Problem] = []
    layer = from_words(words, problems, registry())
    by_kind: dict[str, dict[tuple[str, ...], Any]] = {}
    kinds = list(dict.fromkeys(component.kind.removesuffix("s") for component in components))
    for path, value in layer.values.items():
        if path[0] in kinds and len(path) > 1:
            by_kind.setdefault(path[0], {})[path] = value
        elif len(components) == 1:
            by_kind.setdefault(kinds[0], {})[(kinds[0], *path)] = value
        else:
            key = ".".join(path)
            hint = " or ".join(f"{kind}.{key}=…" for kind in kinds)
            problems.append(Problem(f"{key}: there are several components, so the key begins with a kind", hint, layer.source))
    if problems:
        raise UsageError(*problems)
    return [_configured(component, by_kind.get(component.kind.removesuffix("s"), {}), layer.source) for component in components]


def _configured(component: Component, given: Mapping[tuple[str, ...], Any], source: str, *, small: bool = False) -> Component:
    """The component with other defaults of its options, validated as those of a run are; a variant keeps its values."""
    layers = [*_layers_of(component), *([_small_values(component)] if small else []), Layer(source, dict(given))]
    if not any(layer.values for layer in layers):
        return component
    kind = component.kind.removesuffix("s")
    model = component.options_model()
    known = model.model_fields
    problems = [
        Problem(
            f"{kind} {component.name} has no option {path[1]!r}",
            suggest.did_you_mean(path[1], known) or f"it has {', '.join(known) or 'none'}",
            source,
        )
        for path in given
        if path[1] not in known
    ]
    if problems:
        raise UsageError(*problems)
    chooser = Chooser(registry(), layers)
    options = chooser.validated(model, (kind,), (NAME, TASK))
    if (problems := chooser.report()) or options is None:
        raise UsageError(*problems)
    names = frozenset(path[1] for layer in layers for path in layer.values)
    changed = _with_defaults(model, options, names)
    return _derived(component, {"options_model": lambda self: changed, FIXED: given})


@cache
def varied(component: Component) -> Component:
    """A variant of an agent with its values as defaults of its options; any other component as it is."""
    return component if hasattr(component, FIXED) else _configured(component, {}, "")


@cache
def small(component: Component) -> Component:
    """An agent with its small options as defaults, below those that the caller set; any other component as it is."""
    return _configured(component, getattr(component, FIXED, {}), "the caller", small=True)


def fixed_options(component: Component) -> set[str]:
    """Names of the options that the caller set."""
    return {path[1] for path in getattr(component, FIXED, ())}


def _layers_of(component: Component) -> list[Layer]:
    """The values of a variant for its options, below those of its base."""
    if not isinstance(component, AgentComponent) or component.base is None:
        return []
    own = from_tree(component.values, f"agent {component.name}").values
    layer = Layer(f"agent {component.name}", {path: value for path, value in own.items() if path[0] == "agent"})
    return [*_layers_of(component.base), layer]


def _small_values(component: Component) -> Layer:
    values = component.small if isinstance(component, AgentComponent) else {}
    source = f"the small options of agent {component.name}"
    return Layer(source, from_tree({f"agent.{key}": value for key, value in values.items()}, source).values)


def _with_defaults(model: type[Options], options: Options, names: frozenset[str]) -> type[Options]:
    """A subclass of a model whose fields `names` have the values of `options` as their defaults."""
    members: dict[str, Any] = {"__annotations__": {}, "__doc__": model.__doc__, "__module__": model.__module__}
    for name in names:
        field = copy(model.model_fields[name])
        field.default, field.default_factory = getattr(options, name), None
        members[name] = field
        members["__annotations__"][name] = field.annotation
    return type(model.__name__, (model,), members)


# Tasks -------------------------------------------------------------------------------------------------------------------------------


def _with_task(components: Sequence[Component], text: str) -> list[Component]:
    name, task = split_task(text)
    suites = {component.name: component for component in components if isinstance(component, SuiteComponent)}
    if not task and len(suites) == 1 and name not in suites:
        (name, suite), task = next(iter(suites.items())), name
    elif name in suites:
        suite = suites[name]
    else:
        found = registry().get("suites", name)
        assert isinstance(found, SuiteComponent)
        suite = found
    if problems := suggestions.task_problems(name, task, suite):
        raise UsageError(*problems)
    if not any(isinstance(component, AgentComponent) or component is suite for component in components):
        raise UsageError(Problem(f"--task {text}: neither an agent nor the suite {name} is checked", "leave --task out"))
    return [
        replace(component, example=task or "")
        if component is suite and isinstance(component, SuiteComponent)
        else _derived(component, {ON: (suite, task or "")})
        if isinstance(component, AgentComponent)
        else component
        for component in components
    ]


def _derived(component: Component, members: Mapping[str, Any]) -> Component:
    """An equal component of a class of its own, so that caches of checks tell it from the original."""
    kind = type(type(component).__name__, (type(component),), dict(members))
    derived: Component = kind(**{field.name: getattr(component, field.name) for field in fields(component)})
    return derived
