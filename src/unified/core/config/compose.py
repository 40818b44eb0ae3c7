"""Compose a configuration: merge all layers into one tree, choose components, validate their options. Torch-free.

Layers, lowest to highest: defaults < the agent of the suite < presets < recipes < Python < the command line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from unified.core.base.errors import NotTrusted, Problem, UnifiedError, UsageError
from unified.core.base.spec import TASK_TYPES, wrong_task
from unified.core.components.descriptors import AgentComponent, Component, ObjectiveComponent, SuiteComponent
from unified.core.components.import_paths import label, of_another_process
from unified.core.components.options import NAME
from unified.core.components.trust import Gate, granted, names_an_object, problem, references
from unified.core.config import recipes as recipe_files
from unified.core.config.choose import Choice, Chooser
from unified.core.config.config import Config
from unified.core.config.intervals import OFFLINE_UPDATES, REPLAY_UPDATES, open_intervals
from unified.core.config.layers import COMMAND_LINE, PYTHON, Layer, Tree, Value, from_tree, from_words
from unified.core.config.record import Record
from unified.core.config.schema import LISTS, OBJECTIVE, WITH, Path, RunOptions, Suites
from unified.core.config.values import is_null
from unified.core.registry import Registry
from unified.core.registry import registry as process_registry

#: The recipe that applies where no agent, suite or recipe is named.
EMBEDDED = "laptop"
#: The task that presets match if a run has several suites.
SEVERAL = "several"
#: What presets match for every data set, whatever its name.
DATA = "data"
#: The options that end a run.
BUDGETS: tuple[Path, ...] = (("train", "frames"), ("train", "updates"), ("train", "hours"), ("train", "epochs"))


def compose(
    arguments: Sequence[str] = (),
    recipes: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    default_recipe: bool = False,
    registry: Registry | None = None,
    callbacks: Iterable[Any] = (),
    trust: bool = False,
) -> Config:
    """Merge all layers into one validated configuration.

    If only the agent is named, the suite is ``dmc:cartpole_balance``. If only the suite is named, the agent is the one that the suite asks
    for (`SuiteComponent.agent`), else ``ac2``. If neither is named and there is no recipe, `default_recipe` adds the recipe ``laptop``.

    A slot that a layer sets to another component loses the options of lower layers; a slot that it sets to the same component keeps them.

    Args:
        arguments: ``key=value`` words, as typed; the type of each field says how its text is read.
        recipes: Names or paths; later ones win.
        values: Values from Python, nested or by dotted key.
        default_recipe: Whether the recipe ``laptop`` applies if no agent, suite or recipe is named.
        registry: Where names are looked up, also by the run; the registry of the process by default.
        callbacks: Names and objects to add to the callbacks.
        trust: Whether code that the recipes name may be imported.

    Raises:
        NotTrusted: If a recipe names code that the user has not named.
        UsageError: With all problems, each with its source.

    >>> config = compose(["agent=random", "suite=dmc:cartpole_balance", "seed=3"])
    >>> config.agent.name, config.suite.task, config.seed, config.sources["seed"]
    ('random', 'cartpole_balance', 3, 'the command line')
    """
    registry = registry if registry is not None else process_registry()
    problems: list[Problem] = []
    added = [item for callback in callbacks for item in ("+", callback)]
    python = [from_tree(tree, PYTHON) for tree in (values or {}, {WITH: added} if added else {})]
    given = [*python, from_words(arguments, problems, registry)]
    named = any(path in layer.values for layer in given for slot in ("agent", "suite") for path in ((slot,), (slot, NAME)))
    implicit = default_recipe and not recipes and not named
    names = [EMBEDDED] if implicit else [str(recipe) for recipe in recipes]
    loaded: list[Layer] = []
    for name in names:
        try:
            loaded += recipe_files.load(name, registry)
        except UsageError as error:
            problems += [replace(problem, source=problem.source or COMMAND_LINE) for problem in error.problems]
    with granted(trust):
        return from_layers([*(replace(layer, implicit=implicit) for layer in loaded), *given], registry, names, problems)


def of_run(path: str, words: Sequence[str] = (), without: Collection[Path] = ()) -> Config:
    """The configuration of a run, from its ``config.json``. New options have their defaults; keys that no longer exist are `Config.gone`.

    Args:
        path: The file.
        words: ``key=value`` words above it.
        without: Keys to leave out, with everything below them; ``("callbacks", "video")`` is a callback.

    Raises:
        NotTrusted: If it names code that the user has not named.
        UsageError: With all problems, for example of components that are not installed.
    """
    registry = process_registry()
    problems: list[Problem] = []
    layers = [layer.without(without) for layer in recipe_files.load(path, registry)]
    return from_layers([*layers, from_words(words, problems, registry)], registry, [path], problems, of_run=True)


def from_layers(
    layers: Sequence[Layer], registry: Registry, recipes: Sequence[str], problems: Sequence[Problem] = (), *, of_run: bool = False
) -> Config:
    """The configuration of layers, lowest first.

    Args:
        layers: From recipes, Python and the command line.
        registry: Where names are looked up.
        recipes: Names of the recipes among the layers.
        problems: What was wrong when the layers were read.
        of_run: Whether to leave out keys of the ``config.json`` of a run that no longer exist.

    Raises:
        NotTrusted: If a recipe names code that the user has not named.
        UsageError: With these and all other problems.
    """
    gate = Gate({name for layer in layers for name in (references(list(layer.values.values())) if layer.own else layer.signed)})
    implicit = [layer for layer in layers if layer.implicit]
    explicit = [layer for layer in layers if not layer.implicit]
    chooser = Chooser(registry.gated(gate.admit), [*_yielding(implicit, explicit), *explicit], of_run)
    chooser.problems += problems
    agent, suite = chooser.agent_and_suite()
    if chooser.suites:
        _add_presets(chooser, agent, Choice(Component(name=SEVERAL), SEVERAL, None, suite.place, valid=True))
        _check_shares(chooser, agent, len(chooser.suites))
    elif suite.valid:
        _add_presets(chooser, agent, suite)
        _check_task_type(chooser, agent, suite)
        _check_rows(chooser, suite)
    options = chooser.validated(RunOptions, (), tuple(LISTS))
    lists = {key: chooser.select_listed(key) for key in LISTS}
    if chooser.untrusted:  # without this code, the other problems mean nothing
        raise NotTrusted(*_untrusted(gate, layers, chooser.untrusted))
    if found := chooser.report():
        gone = of_another_process(found)  # without these objects, the other problems mean nothing
        raise UsageError(*([gone] if gone else found))
    assert isinstance(options, RunOptions)
    record = Record(chooser, options, lists)
    chosen = {name: getattr(options, name) for name in RunOptions.model_fields}
    if isinstance(options.suite, tuple):
        chosen["suite"] = Suites.of(options.suite)
    return Config(
        **chosen,
        callbacks=lists[WITH],
        objectives=lists[OBJECTIVE],
        tree=record.tree,
        sources=record.sources,
        defaults=record.defaults,
        names=record.names,
        gone=tuple(chooser.gone),
        recipes=tuple(recipes),
        code=tuple(sorted(gate.used)),
        embedded=bool(implicit),
        layers=tuple(layers),
        registry=registry,
        recompose=partial(from_layers, registry=registry, recipes=recipes, of_run=of_run),
    )


def _untrusted(gate: Gate, layers: Sequence[Layer], refused: Sequence[Problem]) -> list[Problem]:
    """What was refused, and the other references that ``--trust`` would admit: they stand in options that were not reached."""
    others = [(name, layer) for layer in layers if not layer.own for name in sorted(references(list(layer.values.values())))]
    found = [problem(name, layer.source) for name, layer in others if names_an_object(name) and not gate.allows(name)]
    return list({each.message: each for each in (*found, *refused)}.values())


def _yielding(low: Sequence[Layer], high: Sequence[Layer]) -> list[Layer]:
    """Layers that the user did not name; without their budgets if a layer above them sets one."""
    return [layer.without(BUDGETS) for layer in low] if _is_limited(_merged(high)) else list(low)


def _merged(layers: Sequence[Layer]) -> Tree:
    tree = Tree()
    tree.merge(layers)
    return tree


def _is_limited(tree: Tree) -> bool:
    return any(not is_null(value.value) for path in BUDGETS if (value := tree.at(path).value))


def _told_apart(registry: Registry, component: Component) -> str:
    """The name of a component, and its kind where a component of another kind has the same name."""
    alike = [kind for kind in ("agents", "suites", "objectives") if component.name in registry.names(kind)]
    return f"{component.kind.removesuffix('s')} {component.name}" if len(alike) > 1 else label(component.name)


def _add_presets(chooser: Chooser, agent: Choice, suite: Choice) -> None:
    """Add the presets of suite, agent and objectives that match the task, below all other layers."""
    assert suite.component is not None
    components: list[Component | None] = [suite.component, agent.component]
    for name in chooser.listed(OBJECTIVE)[0]:
        with suppress(UnifiedError):  # reported when it is selected
            components.append(chooser.registry.get("objectives", name.removeprefix("+")))
    task = f"{suite.component.name}:{suite.task}" if suite.task else suite.component.name
    data = isinstance(suite.component, SuiteComponent) and suite.component.data
    presets: list[Layer] = []
    for component in components:
        if isinstance(component, AgentComponent | SuiteComponent | ObjectiveComponent):
            try:
                found = [preset for preset in component.load_presets() if preset.matches(task) or (data and preset.matches(DATA))]
            except UnifiedError as error:
                chooser.problems += error.problems
                continue
            whose = _told_apart(chooser.registry, component)
            presets += [from_tree(preset.values, f"preset {preset.name} of {whose}") for preset in found]
    if data:
        presets[:0] = open_intervals("an epoch")
    elif _is_offline(chooser):
        # Presets count frames of environments; a frame is a row of a batch here.
        presets = [layer.without([BUDGETS[0]]) for layer in presets] + open_intervals(f"{REPLAY_UPDATES:,} updates")
        if not _is_limited(_merged(presets)):
            presets.append(from_tree({"train": {"updates": OFFLINE_UPDATES}}, "where an agent learns offline"))
    if _is_limited(chooser.tree):
        presets = [layer.without(BUDGETS) for layer in presets]
    chooser.tree.merge(presets, first=-len(presets))
    if _is_limited(chooser.tree) and chooser.tree.at(BUDGETS[0]).value is None:
        chooser.tree.add(BUDGETS[0], Value(None, "another budget is set"))


def _is_offline(chooser: Chooser) -> bool:
    """Whether the run learns from a saved replay alone."""
    value = chooser.tree.at(("train", "offline")).value
    return value is not None and str(value.value).lower() in ("true", "1", "yes", "on")


def _check_task_type(chooser: Chooser, agent: Choice, suite: Choice) -> None:
    """Refuse an agent or an objective that is not for the type of the task, where that is known, and objectives without their parts."""
    if not isinstance(suite.component, SuiteComponent):
        return
    view = chooser.tree.at(("suite", "task_type")).value if suite.component.data else Value("control")
    task = view.value if view is not None and view.value in TASK_TYPES else None
    own = f"--agent {suite.component.agent}" if suite.component.agent else "all: unified plugins list agents"
    modules: tuple[str, ...] = ()
    if isinstance(agent.component, AgentComponent):
        modules, takes = agent.component.modules, agent.component.task_types
        if message := wrong_task(f"agent {label(agent.name)}", takes, task):
            why = ": there is no reward in a generation task" if task == "generate" else ""
            chooser.problems.append(Problem(f"{message}{why}", own, view.place if view and view.place else suite.place))
    names, listed = chooser.listed(OBJECTIVE)
    for name in names:
        with suppress(UnifiedError):  # reported when it is selected
            objective = chooser.registry.get("objectives", name.removeprefix("+"))
            assert isinstance(objective, ObjectiveComponent)
            missing = [part for part in objective.parts if part not in modules] if modules else []
            if message := wrong_task(f"objective {label(objective.name)}", objective.task_types, task):
                hint = "suite.task_type=generate" if suite.component.data else "a data set: --suite digits"
                chooser.problems.append(Problem(message, hint, listed.place))
            elif missing:
                has = f"agent {label(agent.name)} has {', '.join(modules)}"
                message = f"objective {label(objective.name)} needs {', '.join(missing)}, and {has}"
                chooser.problems.append(Problem(message, own, listed.place))


def _check_shares(chooser: Chooser, agent: Choice, count: int) -> None:
    """Refuse several suites if the agent has no parts that tasks can share, or if rows of one data set are counted."""
    if agent.component is not None:
        with suppress(UnifiedError):  # reported when its options are validated
            if "shared" not in agent.component.options_model().model_fields:
                message = f"suite: agent {label(agent.name)} learns one task, and there are {count} suites"
                chooser.problems.append(Problem(message, "all agents: unified plugins list agents"))
    for key in (("train", "epochs"), ("train", "overfit"), ("replay", "load"), ("replay", "save")):
        value = chooser.tree.at(key).value
        if value is not None and not is_null(value.value):
            chooser.problems.append(Problem(f"{'.'.join(key)} is of one task, and there are {count} suites", "leave it out", value.place))


def _check_rows(chooser: Chooser, suite: Choice) -> None:
    """Refuse budgets in rows of a data set if the suite has none."""
    for name in ("epochs", "overfit"):
        value = chooser.tree.at(("train", name)).value
        if value is not None and not is_null(value.value) and not getattr(suite.component, "data", False):
            text = f"{suite.name}:{suite.task}" if suite.task else suite.name
            problem = Problem(f"train.{name} counts rows of a data set, and {text} has none", "train.frames=…", value.place)
            chooser.problems.append(problem)


__all__ = ["BUDGETS", "EMBEDDED", "compose", "from_layers"]
