"""Composes a configuration: defaults < presets for the task < recipes < Python < command line. Torch-free."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from unified.core.components import AgentComponent, Component, ObjectiveComponent, Preset, SuiteComponent
from unified.core.config import recipes as recipe_files
from unified.core.config import values as texts
from unified.core.config.config import Config
from unified.core.config.intervals import REPLAY_UPDATES, open_intervals
from unified.core.config.overrides import COMMAND_LINE, DEFAULT, PYTHON, Layer, Path, from_tree
from unified.core.config.resolve import Resolver
from unified.core.config.schema import LISTS, OBJECTIVE, WITH, Choice, RunOptions, slot_of
from unified.core.config.several import several
from unified.core.config.slots import parts
from unified.core.config.words import from_words
from unified.core.errors import Problem, UnifiedError, UsageError
from unified.core.options import NAME
from unified.core.references import label, of_another_process
from unified.core.registry import Registry
from unified.core.registry import registry as process_registry
from unified.core.spec import VIEWS

#: What runs where nothing at all was named.
EMBEDDED = "laptop"


def compose(
    arguments: Sequence[str] = (),
    recipes: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    default_recipe: bool = False,
    registry: Registry | None = None,
    callbacks: Iterable[Any] = (),
) -> Config:
    """One checked configuration of everything that was said.

    Where only the agent is named, the suite is ``dmc:cartpole_balance``; where only the suite is, the agent is the one that it names for
    itself (`SuiteComponent.agent`), else the generalist, ``ac2``. Where neither is, and no recipe either, `default_recipe` adds the recipe
    ``laptop``.

    A slot that is selected again, with another name, drops the options that lower layers set for it; options for the same name stay.

    Args:
        arguments: ``key=value`` words, as typed; text is read by the type of each field.
        recipes: Names or paths; later ones win.
        values: A tree, or dotted keys, from Python.
        default_recipe: Whether the recipe ``laptop`` is used where nothing was named.
        registry: Where names are looked up; that of the process if not given.
        callbacks: Names and objects, which are added to the callbacks that `values` leave.

    Raises:
        UsageError: With all problems found, each with its source.

    >>> config = compose(["agent=random", "suite=dmc:cartpole_balance", "seed=3"])
    >>> config.agent.name, config.suite.task, config.seed, config.sources["seed"]
    ('random', 'cartpole_balance', 3, 'the command line')
    """
    names = registry if registry is not None else process_registry()
    problems: list[Problem] = []
    added = [item for callback in callbacks for item in ("+", callback)]
    beside = [from_tree({WITH: added}, PYTHON)] if added else []
    said = [from_tree(values or {}, PYTHON), *beside, from_words(arguments, problems, names)]
    chosen, embedded = list(recipes), False
    if default_recipe and not recipes and not any((slot, NAME) in layer.values for layer in said for slot in ("agent", "suite")):
        chosen, embedded = [EMBEDDED], True
    layers: list[Layer] = []
    for recipe in chosen:
        try:
            layers += recipe_files.load(str(recipe), names)
        except UsageError as error:
            problems += [replace(problem, source=problem.source or COMMAND_LINE) for problem in error.problems]
    if embedded:
        _drop_budgets(layers, said)
    resolver = Resolver(names, [*layers, *said])
    resolver.problems += problems
    _choose_first(resolver)
    options, tree = resolver.options(RunOptions, (), skip=tuple(LISTS))
    lists = {key: several(resolver, key) for key in LISTS}
    _refuse_epochs(resolver, options)
    if found := resolver.report():
        gone = of_another_process(found)  # nothing else can be judged without them
        raise UsageError(*([gone] if gone else found))
    assert isinstance(options, RunOptions)
    ordered: dict[str, Any] = {}
    for key, value in tree.items():
        ordered[key] = value
        if key == "suite":
            ordered |= {name: below for name, (_, below) in lists.items()}
    return Config(
        **{name: getattr(options, name) for name in RunOptions.model_fields},
        callbacks=lists[WITH][0],
        objectives=lists[OBJECTIVE][0],
        tree=ordered,
        sources={key: resolver.origin(place) for key, place in resolver.sources.items()},
        defaults=resolver.defaults,
        recipes=tuple(map(str, chosen)),
        embedded=embedded,
    )


#: What ends a run.
BUDGETS: tuple[Path, ...] = (("train", "frames"), ("train", "updates"), ("train", "hours"), ("train", "epochs"))


def _refuse_epochs(resolver: Resolver, options: Any) -> None:
    """Only the rows of a data set can be counted."""
    suite = getattr(options, "suite", None)
    if suite is None or suite.component.data:
        return
    for name in ("epochs", "overfit"):
        if getattr(options.train, name) is not None:
            source = resolver.sources.get(f"train.{name}", "")
            message = f"train.{name} counts rows of a data set, and {suite.text} has none"
            resolver.problems.append(Problem(message, "train.frames=…", str(resolver.origin(source))))


def agent_and_suite(resolver: Resolver) -> tuple[Choice, Choice]:
    """Both as they are chosen; where nobody names an agent, it is the one that the suite names."""
    fields = RunOptions.model_fields
    chosen: dict[str, Choice] = {}
    named = any(path in layer.values for layer in resolver.layers for path in (("agent",), ("agent", NAME)))
    for name in ("agent", "suite") if named else ("suite", "agent"):
        slot = slot_of(fields[name])
        assert slot is not None
        if name == "agent" and not named and isinstance(data := chosen["suite"].component, SuiteComponent) and data.agent:
            resolver.layers.insert(0, from_tree({name: data.agent}, f"suite {label(data.name)}"))
        chosen[name] = resolver.choose((name,), slot, fields[name])
    return chosen["agent"], chosen["suite"]


def _choose_first(resolver: Resolver) -> None:
    """Agent and suite are known before everything else: they bring presets, and the agent the names of its parts."""
    agent, suite = agent_and_suite(resolver)
    if agent.component is not None:
        with contextlib.suppress(UnifiedError):  # told when its options are checked
            _expand(resolver.layers, parts(agent.component))
    if suite.component is None or not suite.valid:
        return
    presets: list[Layer] = []
    for component in (suite.component, agent.component, *_objectives(resolver)):
        if isinstance(component, AgentComponent | SuiteComponent | ObjectiveComponent):
            try:
                found = component.load_presets()
            except UnifiedError as error:
                resolver.problems += error.problems
                continue
            task = f"{suite.component.name}:{suite.task}" if suite.task else suite.component.name
            presets += [_layer(preset, label(component.name)) for preset in found if preset.matches(task)]
    _drop_budgets(presets, resolver.layers)
    if isinstance(suite.component, SuiteComponent) and suite.component.data:
        presets[:0] = open_intervals("an epoch")
    elif _is_offline(resolver):
        presets += open_intervals(f"{REPLAY_UPDATES:,} updates")  # presets count frames of environments
    resolver.layers[:0] = presets
    budgets = _budgets(resolver.layers)
    if _is_limited(budgets) and ("train", "frames") not in budgets:
        resolver.layers.insert(0, from_tree({"train": {"frames": None}}, "there is another budget"))
    _refuse_view(resolver, agent, suite)


def _is_offline(resolver: Resolver) -> bool:
    """Whether the run learns from a replay alone."""
    said = resolver.lookup(("train", "offline"))
    with contextlib.suppress(ValueError):  # reported when its options are checked
        return said is not None and texts.read(said[0], bool) is True
    return False


def _budgets(layers: Sequence[Layer]) -> dict[Path, Any]:
    """What the highest layer says of each budget."""
    return {path: layer.values[path] for layer in layers for path in BUDGETS if path in layer.values}


def _is_limited(budgets: Mapping[Path, Any]) -> bool:
    return any(str(value).lower() not in ("none", "null", "") for value in budgets.values())


def _drop_budgets(unasked: Sequence[Layer], said: Sequence[Layer]) -> None:
    """A budget that somebody asked for is not cut short by those that nobody asked for."""
    if _is_limited(_budgets(said)):
        for layer in unasked:
            for path in BUDGETS:
                layer.values.pop(path, None)


def _refuse_view(resolver: Resolver, agent: Choice, suite: Choice) -> None:
    """Where what is said tells what is to be learned, an agent that cannot learn it is refused before anything is imported."""
    if not isinstance(agent.component, AgentComponent) or not isinstance(suite.component, SuiteComponent):
        return
    takes, said = agent.component.views, resolver.lookup(("suite", "view")) if suite.component.data else ("control", suite.source)
    if not takes or said is None or said[0] in takes or said[0] not in VIEWS:
        return
    why = ": nothing that is made has a reward to learn from" if said[0] == "generate" else ""
    message = f"agent {label(agent.name)} can {', '.join(takes)}, and not {said[0]}{why}"
    hint = f"--agent {suite.component.agent}" if suite.component.agent else "all: unified plugins list agents"
    resolver.problems.append(Problem(message, hint, "" if said[1] == DEFAULT else resolver.origin(said[1])))


def _objectives(resolver: Resolver) -> list[Component]:
    """Those that are selected; what is wrong with their names is told when they are read."""
    before = len(resolver.problems)
    found: list[Component] = []
    for name in resolver.listed((OBJECTIVE, NAME), "objectives", mixed=True)[0]:
        with contextlib.suppress(UnifiedError):
            found.append(resolver.registry.get("objectives", name.removeprefix("+")))
    del resolver.problems[before:]
    return found


def _layer(preset: Preset, owner: str) -> Layer:
    return from_tree(preset.values, f"preset {preset.name} of {owner}")


def _expand(layers: Sequence[Layer], names: Sequence[str]) -> None:
    """``encoder.depth=5`` is short for ``agent.encoder.depth=5`` where the agent has such a part."""
    for layer in layers:
        for path in list(layer.values):
            if path[0] in names and path[0] not in RunOptions.model_fields:
                layer.set(("agent", *path), layer.values.pop(path))


__all__ = ["EMBEDDED", "agent_and_suite", "compose"]
