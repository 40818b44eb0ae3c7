"""Composes a configuration: defaults < presets for the task < recipes < Python < command line. Torch-free."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from unified.core.components import AgentComponent, Preset, SuiteComponent
from unified.core.config import recipes as recipe_files
from unified.core.config.config import Config
from unified.core.config.overrides import COMMAND_LINE, PYTHON, Layer, from_tree
from unified.core.config.resolve import Resolver
from unified.core.config.schema import DEFAULT_CALLBACKS, WITH, RunOptions, Selection, slot_of
from unified.core.config.slots import parts
from unified.core.config.words import from_words
from unified.core.errors import Problem, UnifiedError, UsageError
from unified.core.options import NAME
from unified.core.references import label, of_another_process
from unified.core.registry import Registry
from unified.core.registry import registry as process_registry
from unified.core.suggest import did_you_mean

#: What runs where nothing at all was named.
EMBEDDED = "laptop"


def compose(
    arguments: Sequence[str] = (),
    recipes: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    default_recipe: bool = False,
    registry: Registry | None = None,
) -> Config:
    """One checked configuration of everything that was said.

    Where only one of agent and suite is named, the other is its default: agent ``drqv2``, suite ``dmc:cartpole_balance``, with the
    settings published for that task. Where neither is, and no recipe either, `default_recipe` adds the recipe ``laptop``.

    A slot that is selected again, with another name, drops the options that lower layers set for it; options for the same name stay.

    Args:
        arguments: ``key=value`` words, as typed; text is read by the type of each field.
        recipes: Names or paths; later ones win.
        values: A tree, or dotted keys, from Python.
        default_recipe: Whether the recipe ``laptop`` is used where nothing was named.
        registry: Where names are looked up; that of the process if not given.

    Raises:
        UsageError: With all problems found, each with its source.

    >>> config = compose(["agent=random", "suite=dmc:cartpole_balance", "seed=3"])
    >>> config.agent.name, config.suite.task, config.seed, config.sources["seed"]
    ('random', 'cartpole_balance', 3, 'the command line')
    """
    names = registry if registry is not None else process_registry()
    problems: list[Problem] = []
    said = [from_tree(values or {}, PYTHON), from_words(arguments, problems, names)]
    chosen, embedded = list(recipes), False
    if default_recipe and not recipes and not any((slot, NAME) in layer.values for layer in said for slot in ("agent", "suite")):
        chosen, embedded = [EMBEDDED], True
    layers: list[Layer] = []
    for recipe in chosen:
        try:
            layers += recipe_files.load(str(recipe), names)
        except UsageError as error:
            problems += [replace(problem, source=problem.source or COMMAND_LINE) for problem in error.problems]
    resolver = Resolver(names, [*layers, *said])
    resolver.problems += problems
    _choose_first(resolver)
    options, tree = resolver.options(RunOptions, (), skip=(WITH,))
    callbacks, callbacks_tree = _callbacks(resolver)
    objectives, objectives_source = resolver.listed(("objective",), "objectives")
    _check_objectives(names, objectives, objectives_source, resolver.problems)
    if found := resolver.report():
        gone = of_another_process(found)  # nothing else can be judged without them
        raise UsageError(*([gone] if gone else found))
    assert isinstance(options, RunOptions)
    ordered: dict[str, Any] = {}
    for key, value in tree.items():
        ordered[key] = value
        if key == "objective":
            ordered[WITH] = callbacks_tree
    return Config(
        **{name: getattr(options, name) for name in RunOptions.model_fields if name != "objective"},
        callbacks=callbacks,
        objectives=objectives,
        tree=ordered,
        sources={key: resolver.origin(place) for key, place in resolver.sources.items()},
        defaults=resolver.defaults,
        recipes=tuple(map(str, chosen)),
        embedded=embedded,
    )


def _choose_first(resolver: Resolver) -> None:
    """Agent and suite are known before everything else: they bring presets, and the agent the names of its parts."""
    fields = RunOptions.model_fields
    chosen = {}
    for name in ("agent", "suite"):
        slot = slot_of(fields[name])
        assert slot is not None
        chosen[name] = resolver.choose((name,), slot, fields[name])
    agent, suite = chosen["agent"], chosen["suite"]
    if agent.component is not None:
        with contextlib.suppress(UnifiedError):  # told when its options are checked
            _expand(resolver.layers, parts(agent.component))
    if suite.component is None or not suite.valid:
        return
    presets: list[Layer] = []
    for component in (suite.component, agent.component):
        if isinstance(component, AgentComponent | SuiteComponent):
            try:
                found = component.load_presets()
            except UnifiedError as error:
                resolver.problems += error.problems
                continue
            task = f"{suite.component.name}:{suite.task}" if suite.task else suite.component.name
            presets += [_layer(preset, label(component.name)) for preset in found if preset.matches(task)]
    resolver.layers[:0] = presets


def _layer(preset: Preset, owner: str) -> Layer:
    return from_tree(preset.values, f"preset {preset.name} of {owner}")


def _expand(layers: Sequence[Layer], names: Sequence[str]) -> None:
    """``encoder.depth=5`` is short for ``agent.encoder.depth=5`` where the agent has such a part."""
    for layer in layers:
        for path in list(layer.values):
            if path[0] in names and path[0] not in RunOptions.model_fields:
                layer.set(("agent", *path), layer.values.pop(path))


def _callbacks(resolver: Resolver) -> tuple[list[Selection], dict[str, Any]]:
    """The callbacks that were selected, each with its options, and their tree."""
    names, source = resolver.listed((WITH, NAME), "callbacks", DEFAULT_CALLBACKS)
    names = list(dict.fromkeys(name.removeprefix("+") for name in names))
    keys = [label(name) for name in names]  # a path has dots, so what it selects is configured by its short name
    key = f"{WITH}.{NAME}"
    resolver.known.append(WITH)
    resolver.sources[key], resolver.defaults[key] = source, list(DEFAULT_CALLBACKS)
    _drop_unselected(resolver, keys)
    callbacks: list[Selection] = []
    tree: dict[str, Any] = {NAME: names}
    for name, short in zip(names, keys, strict=True):
        path = (WITH, short)
        if keys.count(short) > 1:
            resolver.problems.append(Problem(f"two callbacks are called {short}: {name}", "call one of them otherwise", source))
        try:
            component = resolver.registry.get("callbacks", name)
        except UsageError as error:
            resolver.problems += [replace(problem, source=source) for problem in error.problems]
            for below, _ in resolver.below(path):
                resolver.unchecked(below, path)
            continue
        options, below_tree = resolver.component_options(component, path)
        if options is not None:
            callbacks.append(Selection("callbacks", name, None, component, options))
        if below_tree:
            tree[short] = below_tree
    for key_path, where in resolver.below((WITH,)):
        if key_path[1] not in keys and key_path != (WITH, NAME):
            known = key_path[1] in resolver.registry.names("callbacks")
            hint = f"add it:  with=[{','.join([*names, key_path[1]])}]" if known else _which(key_path[1], keys)
            resolver.problems.append(Problem(f"{'.'.join(key_path)}: callback {key_path[1]!r} is not selected", hint, where))
    return callbacks, tree


def _which(name: str, names: Sequence[str]) -> str:
    return did_you_mean(name, names) or f"selected are {', '.join(names) or 'none'}"


def _drop_unselected(resolver: Resolver, names: Sequence[str]) -> None:
    """Options for callbacks that a higher layer left out go with them."""
    last = max((index for index, layer in enumerate(resolver.layers) if (WITH, NAME) in layer.values), default=0)
    for layer in resolver.layers[:last]:
        for path in list(layer.values):
            if path[0] == WITH and len(path) > 1 and path[1] not in (*names, NAME):
                del layer.values[path]


def _check_objectives(registry: Registry, objectives: Sequence[str], source: str, problems: list[Problem]) -> None:
    for objective in objectives:
        try:
            registry.get("objectives", objective.removeprefix("+"))
        except UsageError as error:
            problems += [replace(problem, source=source) for problem in error.problems]


__all__ = ["EMBEDDED", "compose"]
