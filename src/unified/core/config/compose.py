"""From layers of values to one checked configuration, the source of every value kept. Torch-free.

Precedence: defaults < presets of suite and agent for the task < recipes < Python < command line. Choosing another component for a slot drops
the options that lower layers set for it. All problems are reported together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from unified.core import suggest
from unified.core.components import AgentComponent, Component, SuiteComponent
from unified.core.config.overrides import flatten, parse, split_list
from unified.core.config.recipes import load_recipe
from unified.core.config.schema import RunConfig, Selection, Slot
from unified.core.errors import Problem, UnifiedError, UsageError
from unified.core.registry import Registry, registry

COMMAND_LINE, PYTHON, DEFAULT = "the command line", "Python", "default"
#: What does not change what a run computes.
FREE = ("root", "experiment", "with", "checkpoint")


@dataclass(frozen=True)
class Layer:
    """Values by dotted key that were said in one place."""

    source: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Config:
    """A composed configuration: typed groups as attributes, and the same as a tree."""

    run: RunConfig
    agent: Selection
    suite: Selection
    launcher: Selection
    callbacks: list[Selection]
    tree: dict[str, Any]
    sources: dict[str, str]
    recipes: list[str] = field(default_factory=list)
    embedded: bool = False

    @property
    def objectives(self) -> list[str]:
        return self.run.objective

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "run":
            raise AttributeError(name)
        return getattr(self.run, name)

    def changed(self) -> list[tuple[str, Any, str]]:
        """Key, value and source of every leaf that is not at its default."""
        leaves = flatten(self.tree)
        return [(key, leaves.get(key), source) for key, source in self.sources.items() if source != DEFAULT]

    def digest(self) -> str:
        """sha256 of what defines the result."""
        relevant = {key: value for key, value in self.tree.items() if key not in FREE}
        return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()


def compose(
    arguments: Sequence[str] = (), recipes: Sequence[str] = (), values: Mapping[str, Any] | None = None, default_recipe: bool = False
) -> Config:
    """Compose what recipes, Python and the command line say.

    Args:
        arguments: ``key=value`` words.
        recipes: Names or paths, later ones win.
        values: By dotted key, or as a tree.
        default_recipe: Whether nothing was said about what to train: then the recipe ``laptop`` is the default.

    Raises:
        UsageError: With every problem that was found.
    """
    return _Composer(registry(), arguments, recipes, values or {}, default_recipe).compose()


class _Composer:
    """One composition: reads layers from the lowest to the highest and gathers problems instead of raising them."""

    def __init__(self, known: Registry, words: Sequence[str], recipes: Sequence[str], values: Mapping[str, Any], embedded: bool) -> None:
        self.registry, self.problems = known, list[Problem]()
        self.recipes, self.embedded = (["laptop", *recipes] if embedded else list(recipes)), embedded
        self.presets: list[Layer] = []
        self.layers = self._recipe_layers()
        self.layers += [Layer(PYTHON, flatten(values)), Layer(COMMAND_LINE, self._words(words))]
        self.sources: dict[str, str] = {}
        self.known: list[str] = []
        self.unchecked: list[str] = []  # prefixes of slots whose component is unknown

    def compose(self) -> Config:
        agent, suite = self._chosen("agent", "agents", "drqv2"), self._chosen("suite", "suites", "dmc:cartpole_balance")
        self._shorten(agent)
        self._choose_presets(agent, suite)
        values, tree = self._fields(RunConfig, "", 0)
        self._refuse_unknown_keys()
        if self.problems:
            raise UsageError(*self.problems)
        run = RunConfig.model_validate(values)
        slots = {name: values[name] for name in ("agent", "suite", "launcher")}
        return Config(run, **slots, callbacks=values["with"], tree=tree, sources=self.sources, recipes=self.recipes, embedded=self.embedded)

    # What was said --------------------------------------------------------------------------------------------------------------

    def _recipe_layers(self) -> list[Layer]:
        layers = []
        for name in self.recipes:
            try:
                layers += [Layer(source, flatten(tree)) for source, tree in load_recipe(name, self.registry)]
            except UsageError as error:
                self.problems += error.problems
        return layers

    def _words(self, words: Sequence[str]) -> dict[str, Any]:
        values = {}
        for word in words:
            key, equals, value = word.partition("=")
            if not equals or not key:
                self.problems.append(Problem(f"{word!r} is not of the form key=value", "e.g. train.frames=100000", COMMAND_LINE))
            else:
                values[key.strip()] = value
        return values

    def _shorten(self, agent: Component | None) -> None:
        """``encoder=…`` is short for ``agent.encoder=…``."""
        parts = agent.parts if isinstance(agent, AgentComponent) else ()
        for layer in self.layers:
            for key in [key for key in layer.values if key.partition(".")[0] in parts]:
                layer.values[f"agent.{key}"] = layer.values.pop(key)

    def _choose_presets(self, agent: Component | None, suite: Component | None) -> None:
        task = str(self._said("suite", "dmc:cartpole_balance")[0])
        for component in (suite, agent):
            if isinstance(component, AgentComponent | SuiteComponent):
                for preset in component.load_presets():
                    if preset.matches(task):
                        self.presets.append(Layer(f"{component.name}'s preset {preset.name}: {preset.reason}", dict(preset.values)))

    def _said(self, key: str, default: Any, floor: int = 0) -> tuple[Any, str]:
        """The highest value of a key and its source; options below `floor` were set for another component."""
        for index in range(len(self.layers) - 1, floor - 1, -1):
            if key in self.layers[index].values:
                return self.layers[index].values[key], self.layers[index].source
        for preset in reversed(self.presets):
            if key in preset.values:
                return preset.values[key], preset.source
        return default, DEFAULT

    # Components -----------------------------------------------------------------------------------------------------------------

    def _chosen(self, key: str, kind: str, default: str) -> Component | None:
        name, source = self._said(key, default)
        return self._get(kind, str(name).partition(":")[0], source, key)

    def _get(self, kind: str, name: str, source: str, key: str) -> Component | None:
        try:
            return self.registry.get(kind, name)
        except UsageError as error:
            for problem in error.problems:
                located = replace(problem, source=source)
                if located not in self.problems:
                    self.problems.append(located)
            self.unchecked.append(key)
            return None

    def _floor(self, key: str, default: Any, floor: int) -> int:
        """The lowest layer whose options count: below it another component was chosen."""
        current = str(default).partition(":")[0]
        for index in range(floor, len(self.layers)):
            name = str(self.layers[index].values.get(key, current)).partition(":")[0]
            if name != current:
                current, floor = name, index
        return floor

    def _select(self, key: str, kind: str, name: Any, source: str, default: Any, floor: int) -> tuple[Any, Any]:
        """A selection and its tree."""
        if name is None:
            return None, None
        bare, _, task = str(name).partition(":")
        component = self._get(kind, bare, source, key)
        if component is None:
            return None, None
        if isinstance(component, SuiteComponent):
            self._check_task(component, task, source)
        try:
            model = component.options_model()
        except UnifiedError as error:
            self.problems += error.problems
            self.unchecked.append(key)
            return None, None
        values, tree = self._fields(model, f"{key}.", self._floor(key, default, floor))
        options = self._model(model, values, f"{key}.")
        head = {"name": bare, **({"task": task} if task else {})}
        return Selection(bare, component, options, task), {**head, **tree}

    def _check_task(self, component: SuiteComponent, task: str, source: str) -> None:
        tasks = component.load_tasks()
        listing = f"all: unified plugins show {component.name}"
        if tasks == () and task:
            self.problems.append(Problem(f"suite {component.name} has no tasks", f"suite={component.name}", source))
        elif tasks != () and not task:
            example = component.example or (tasks or ("TASK",))[0]
            self.problems.append(Problem(f"suite {component.name} needs a task", f"e.g. {component.name}:{example}   {listing}", source))
        elif tasks and task not in tasks:
            hint = suggest.did_you_mean(task, tasks)
            self.problems.append(Problem(f"suite {component.name} has no task {task!r}", f"{hint}   {listing}".strip(), source))

    # Fields ---------------------------------------------------------------------------------------------------------------------

    def _fields(self, model: type[BaseModel], prefix: str, floor: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Values and tree of all fields of a model."""
        values: dict[str, Any] = {}
        tree: dict[str, Any] = {}
        for name, info in model.model_fields.items():
            name = info.alias or name
            key = f"{prefix}{name}"
            self.known.append(key)
            if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
                inner, tree[name] = self._fields(info.annotation, f"{key}.", floor)
                values[name] = self._model(info.annotation, inner, f"{key}.")
                continue
            default = info.get_default(call_default_factory=True)
            value, source = self._said(key, default, floor)
            self.sources[key] = source
            if (kind := _slot(info)) is not None:
                values[name], tree[name] = self._slot_value(key, kind, value, source, default, floor)
            else:
                values[name] = self._leaf(key, info, value, source)
                tree[name] = json.loads(json.dumps(values[name], default=str))
        return values, tree

    def _slot_value(self, key: str, kind: str, value: Any, source: str, default: Any, floor: int) -> tuple[Any, Any]:
        if isinstance(default, list):
            names = split_list(value) if isinstance(value, str) else list(value)
            chosen = [self._select(f"{key}.{name}", kind, name, source, name, floor) for name in names]
            return [selection for selection, _ in chosen], [tree for _, tree in chosen]
        if isinstance(value, str) and value.lower() in ("none", "null") and default is None:
            value = None
        return self._select(key, kind, value, source, default, floor)

    def _leaf(self, key: str, info: FieldInfo, value: Any, source: str) -> Any:
        if isinstance(value, str):
            value = parse(value, info.annotation)
        try:
            return TypeAdapter(Annotated[info.annotation, info]).validate_python(value)
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
            self.problems.append(Problem(f"{key}={value}: must be {message}", source=source))
            return value

    def _model(self, model: type[BaseModel], values: dict[str, Any], prefix: str) -> Any:
        """The model of checked values; what only the whole of it can say is reported too."""
        if any(problem.message.startswith(prefix) for problem in self.problems):
            return None
        try:
            return model.model_validate(values)
        except ValidationError as error:
            for found in error.errors():
                key = prefix + ".".join(map(str, found["loc"]))
                source = self.sources.get(key, "")
                message = found["msg"].removeprefix("Value error, ")
                self.problems.append(Problem(f"{key}={found['input']}: {message}", source="" if source == DEFAULT else source))
            return None

    def _refuse_unknown_keys(self) -> None:
        for index, layer in enumerate(self.layers):
            for key in layer.values:
                if key in self.known:
                    continue
                slot = next((prefix for prefix in self.unchecked if key.startswith(f"{prefix}.")), None)
                if slot is not None:
                    self.problems.append(Problem(f"{key} was not checked, since the {slot} is unknown", source=layer.source))
                elif not self._was_for_another(index, key):
                    meant = suggest.key(key, self.known)
                    hint = f"did you mean  {meant} ?" if meant else "all keys: add --dry-run"
                    self.problems.append(Problem(f"there is no key {key!r}", hint, layer.source))

    def _was_for_another(self, index: int, key: str) -> bool:
        """Whether a higher layer chose another component for the slot that this option is of."""
        slots = [slot for slot in self.known if key.startswith(f"{slot}.")]
        return any(slot in layer.values for slot in slots for layer in self.layers[index + 1 :])


def _slot(info: FieldInfo) -> str | None:
    """The kind of component that a field chooses, one or a list of them."""
    found = [note for note in info.metadata if isinstance(note, Slot)]
    inner = [note for argument in get_args(info.annotation) for note in get_args(argument) if isinstance(note, Slot)]
    return (found or inner or [None])[0].kind if found or inner else None  # type: ignore[union-attr]
