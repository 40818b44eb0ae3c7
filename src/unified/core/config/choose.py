"""Choose the components that a tree of layers selects, and validate their options. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from unified.core.base.errors import NotTrusted, Problem, UnifiedError, UsageError, error_text
from unified.core.base.suggest import did_you_mean
from unified.core.components.descriptors import Component, SuiteComponent
from unified.core.components.import_paths import bare, is_reference, label, shown, split_task
from unified.core.components.options import NAME, Options, old_names
from unified.core.components.trust import in_task
from unified.core.config import suggestions, values
from unified.core.config.layers import Layer, Tree, Value, from_tree
from unified.core.config.names import ComponentNames
from unified.core.config.schema import (
    LISTS,
    SHORT,
    TASK,
    Path,
    RunOptions,
    Selection,
    dotted,
    group_of,
    groups_of,
    parts,
    slot_of,
    takes_none,
)
from unified.core.registry import Registry


@dataclass(frozen=True)
class Choice:
    """The component of a slot, before its options are validated; no component if the slot is empty or names an unknown one."""

    component: Component | None
    name: str
    task: str | None
    place: str
    valid: bool


class Chooser:
    """Chooses components, validates their options, and collects all problems.

    Args:
        registry: Where names are looked up.
        layers: Lowest first; they merge into `tree`.
        of_run: Whether to leave out keys of the ``config.json`` of a run that no longer exist.

    Attributes:
        gone: The keys that were left out.
    """

    def __init__(self, registry: Registry, layers: Sequence[Layer], of_run: bool = False) -> None:
        self.registry, self.names, self.tree = registry, ComponentNames(registry), Tree()
        self.tree.merge(layers)
        #: Version of each package that wrote the layers of this rank.
        self._packages = {rank: layer.packages for rank, layer in enumerate(layers) if layer.packages is not None}
        self._of_run = of_run
        self.gone: list[str] = []
        self.problems: list[Problem] = []
        #: Problems with code that may not be imported.
        self.untrusted: list[Problem] = []
        #: Names of the suites if several are selected.
        self.suites: list[str] = []
        self._choices: dict[Path, Choice] = {}
        self._known: list[str] = []
        self._unknown: list[tuple[Path, Value]] = []
        self._unchecked: list[Problem] = []
        self._failed: list[Path] = []
        #: Options that a selected network replaces: they are no suggestions.
        self._replaced: set[str] = set()

    # Slots -----------------------------------------------------------------------------------------------------------------------

    def agent_and_suite(self) -> tuple[Choice, Choice]:
        """Both choices. The suite chooses the agent if no layer names one. Short keys move below their groups, as do the agent's parts."""
        for name, path in SHORT.items():
            if name in self.tree.children:
                self.tree.graft(path, self.tree.children.pop(name))
        agent, suite = RunOptions.model_fields["agent"], RunOptions.model_fields["suite"]
        if not self.tree.at(("agent",)).selections:
            chosen = self.choose(("suite",), suite).component
            if isinstance(chosen, SuiteComponent) and chosen.agent:
                self.tree.add(("agent", NAME), Value(chosen.agent, f"suite {label(chosen.name)}"))
        for value in self.tree.at(("agent",)).selections or [Value(agent.default)]:
            with suppress(UnifiedError):  # reported when the agent is chosen and its options are validated
                for name in parts(self.registry.get("agents", str(self.names.of(value.value, "agents")))):
                    if name in self.tree.children and name not in RunOptions.model_fields:
                        self.tree.graft(("agent", name), self.tree.children.pop(name))
        return self.choose(("agent",), agent), self.choose(("suite",), suite)

    def choose(self, path: Path, field: FieldInfo) -> Choice:
        """The component of a slot; options that lower layers set for another component are dropped."""
        if path not in self._choices:
            value = self._selection(path, field, None)
            if isinstance(value.value, list):  # several suites: chosen one by one when they are selected
                self.suites = list(map(str, value.value))
                return Choice(None, "", None, value.place, valid=False)
            self._choices[path] = self._choice(path, _kind(field), takes_none(field), value)
        return self._choices[path]

    def _selection(self, path: Path, field: FieldInfo, assumed: Any) -> Value:
        """The canonical value of a slot; `assumed` is the selection that options of lower layers are for if these name none."""
        node, kind = self.tree.at(path), _kind(field)
        selections = [self.names.selected(node, value, kind) for value in node.selections]
        _drop_reselected(node, selections, self.names.of(assumed, kind))
        return selections[-1] if selections else Value(field.get_default(call_default_factory=True))

    def _choice(self, path: Path, kind: str, nullable: bool, value: Value) -> Choice:
        name, task, place = None if values.is_null(value.value) else value.value, None, value.place
        nothing = Choice(None, "", None, place, valid=name is None and nullable)
        if nothing.valid:
            return nothing
        if kind == "suites" and isinstance(name, str):
            name, task = split_task(name)
            if below := self.tree.at((*path, TASK)).value:
                task, place = str(below.value or ""), below.place
        if not isinstance(name, str) or not (name.strip() or task):
            self._complain(path, name, value.place, "must be a name", f"all: unified plugins list {kind}")
            return nothing
        try:
            if kind == "architectures" and name.startswith("["):
                values.split(name)
            found = self.registry.get(kind, name)
            for reference in in_task(task or "") if isinstance(found, SuiteComponent) and found.tasks is None else ():
                self.registry.admit(reference)
        except NotTrusted as error:
            self.untrusted += [replace(problem, source=place) for problem in error.problems]
            return nothing
        except UsageError as error:
            problem, hint = error.problems[0], suggestions.meant(name, self.registry, kind)
            if kind == "suites":
                hint = suggestions.meant_suite(self.registry, name, task) or hint
            self.problems.append(replace(problem, source=place, hint=hint or problem.hint))
            return nothing
        except ValueError as error:
            self._complain(path, name, place, *error.args)
            return nothing
        wrong: tuple[Problem, ...] = ()
        if isinstance(found, SuiteComponent):
            task = suggestions.meant_task(task or None, found)
            wrong = suggestions.task_problems(shown(self.registry.name_of(found)), task, found, self.registry)
            self.problems += [replace(problem, source=place) for problem in wrong]
        return Choice(found, self.registry.name_of(found), task or None, place, valid=not wrong)

    def _select(self, path: Path, field: FieldInfo) -> dict[str, Any]:
        """The field with the selection of a slot, or the tuple of selections of a list; empty if something is wrong."""
        kind, key, name = _kind(field), ".".join(path), path[-1]
        self._known += [key, f"{key}.{TASK}"] if kind == "suites" else [key]
        if path not in self._choices:
            default = field.get_default(call_default_factory=True)
            value = self._selection(path, field, default)
            if kind in ("architectures", "suites") and isinstance(value.value, list | tuple) and value.value:
                return self._select_several(path, kind, value)
            self._choices[path] = self._choice(path, kind, takes_none(field), value)
        choice = self._choices[path]
        if choice.component is not None:
            options = self._component_options(choice.component, path)
            if options is not None and choice.valid:
                return {name: Selection(kind, choice.name, choice.task, choice.component, options)}
        elif choice.valid:
            for below, value in self.tree.at(path).leaves(path):
                if below != (*path, NAME):
                    owner = next(iter(suggestions.with_option(self.registry, kind, below[len(path)])), "NAME")
                    hint = f"select first:  {name}={owner} {'.'.join(below[len(path) - 1 :])}=…"
                    self.problems.append(Problem(f"{'.'.join(below)}: {key} is null, the {path[0]} chooses its own", hint, value.place))
                    self._failed.append(path)
            return {name: None}
        else:
            self._leave_unchecked(path)
        self._failed.append(path)
        return {}

    def _select_several(self, path: Path, kind: str, value: Value) -> dict[str, Any]:
        """The field with the selections of a list; the options of each stand below its index."""
        names = [None if values.is_null(name) else str(name) for name in value.value]
        listed, key = values.show([name and shown(name) for name in names]), ".".join(path)
        for below, each in self.tree.at(path).leaves(path):
            index = below[len(path)]
            if not index.isdigit():
                self._unknown += [(below, each)] if below != (*path, NAME) else []
            elif int(index) >= len(names):
                hint = f"there is {key}.0" + (f" to {key}.{len(names) - 1}" if len(names) > 1 else "")
                self.problems.append(Problem(f"{'.'.join(below)} does not exist: {key} is {listed}", hint, each.place))
        if None in names:
            self._complain(path, listed, value.place, "a list holds no null", "leave it out, or say null alone")
        members = {str(index): name for index, name in enumerate(names) if name is not None}
        return {path[-1]: tuple(self._members(path, kind, members, listed, value))}

    def _members(self, path: Path, kind: str, names: Mapping[str, str], listed: str, value: Value) -> list[Selection]:
        """The selections of a list: `names` has the name of each by the key below which its options stand."""
        found: list[Selection] = []
        for key, name in names.items():
            at, plus = (*path, key), "+" if name.startswith("+") else ""
            for each in self.tree.at(at).selections:
                self.problems.append(Problem(f"{'.'.join(at)} selects nothing", f"set the list:  {'.'.join(path)}={listed}", each.place))
            choice = self._choices[at] = self._choice(at, kind, False, replace(value, value=name.removeprefix("+")))
            self._known += [f"{'.'.join(at)}.{TASK}"] if kind == "suites" else []
            if choice.component is None:
                self._leave_unchecked(at)
            elif (options := self._component_options(choice.component, at)) is not None and choice.valid:
                found.append(Selection(kind, plus + choice.name, choice.task, choice.component, options))
        if len(found) < len(names):
            self._failed.append(path)
        return found

    # Lists -----------------------------------------------------------------------------------------------------------------------

    def listed(self, key: str) -> tuple[list[str], Value]:
        """The names of a list, and the value of the highest layer that replaces it: a layer with only ``+name`` adds to the lower ones."""
        kind, keeps_plus = LISTS[key].kind, LISTS[key].keeps_plus
        names, last = list(LISTS[key].default), Value(None)
        for value in self.tree.at((key,)).selections:
            try:
                own = self.names.listed(key, value.value, kind, keeps_plus)
            except ValueError as error:
                self._complain((key,), value.value, value.place, *error.args)
                continue
            extra_columns = bool(own) and all(name.startswith("+") for name in own)
            names = [*names, *own] if extra_columns else own
            last = replace(value, rank=last.rank if extra_columns else value.rank)
        return list(dict.fromkeys(name if keeps_plus else name.removeprefix("+") for name in names)), last

    def select_listed(self, key: str) -> list[Selection]:
        """The selections of a list: ``callbacks=[+tensorboard] callbacks.tensorboard.every=5``. Options stand below the short name."""
        kind, node = LISTS[key].kind, self.tree.at((key,))
        names, value = self.listed(key)
        shorts = [bare(name.removeprefix("+")) for name in names]
        self._known.append(key)
        node.drop(value.rank, [name for name in node.children if name not in shorts])
        for name, short in zip(names, shorts, strict=True):
            if shorts.count(short) > 1:
                self.problems.append(Problem(f"two {kind} are called {short}: {name}", "a run takes one of them", value.place))
        for path, each in node.leaves((key,)):
            if path[1] in shorts or path == (key, NAME):
                continue
            hint = did_you_mean(path[1], shorts) or f"selected are {', '.join(shorts) or 'none'}"
            if path[1] in self.registry.names(kind):
                hint = f"add it:  {key}=[{','.join([*names, '+' * LISTS[key].keeps_plus + path[1]])}]"
            message = f"{'.'.join(path)}: {kind.removesuffix('s')} {path[1]!r} is not selected"
            self.problems.append(Problem(message, hint, each.place))
        return self._members((key,), kind, dict(zip(shorts, names, strict=True)), values.show(names), value)

    # Options ---------------------------------------------------------------------------------------------------------------------

    def _component_options(self, component: Component, path: Path) -> Options | None:
        try:
            model = component.options_model()
        except UnifiedError as error:
            self.problems += error.problems
            self._leave_unchecked(path, f"the options of {component} cannot be loaded")
            return None
        own = (NAME, TASK) if component.kind == "suites" else (NAME,)
        return self.validated(model, path, own) if self._upgraded(component, model, path, own) else None

    def _upgraded(self, component: Component, model: type[Options], path: Path, own: Sequence[str]) -> bool:
        """Upgrade the options that another version of the component's package wrote; ``False`` if that fails."""
        node = self.tree.at(path)
        for rank, packages in self._packages.items():
            since = packages.get(component.origin.distribution, component.origin.version)
            if since == component.origin.version or not (values := node.take(rank, [key for key in node.children if key not in own])):
                continue
            try:
                upgraded = from_tree(model.upgrade(values, since), "")
            except Exception as error:  # of the author's code
                message = f"{component} cannot upgrade its options from version {since}: {error_text(error)}"
                self.problems.append(Problem(message, f"pip install '{component.origin.distribution}=={since}'"))
                return False
            for key, value in upgraded.values.items():
                node.add(key, Value(value, f"config.json of version {since}", rank))
        return True

    def validated(self, model: type[Options], path: Path, own: Sequence[str] = ()) -> Options | None:
        """The options below `path`, validated at once with their groups; ``None`` if something is wrong.

        Args:
            model: The model of the options.
            path: Where they stand.
            own: Keys that are not options of the model.
        """
        given = self._given(model, path, own)
        try:
            options = model.model_validate(given)
        except ValidationError as errors:
            for error in errors.errors(include_url=False):
                self._refuse(model, path, error)
            return None
        return options if self._is_complete(path) else None

    def _is_complete(self, path: Path) -> bool:
        return not any(failed[: len(path)] == path for failed in self._failed)

    def _given(self, model: type[Options], path: Path, own: Sequence[str] = ()) -> dict[str, Any]:
        """What the layers set for the fields of a model: text read by the type of its field, and selections of slots."""
        node = self.tree.at(path)
        given: dict[str, Any] = {}
        for name, field in model.model_fields.items():
            for old in old_names(field):
                if old in node.children and old not in model.model_fields:
                    self.tree.graft((*path, name), node.children.pop(old))
            at, below = (*path, name), node.at((name,))
            if slot_of(field):
                given |= self._select(at, field)
            elif group := group_of(field.annotation):
                given[name] = self._given_group(group, at)
            elif group := groups_of(field.annotation):
                if below.value is not None:
                    hint = f"{'.'.join(at)}.NAME.{next(iter(group.model_fields))}=…"
                    self._complain(at, below.value.value, below.value.place, "options stand below a name", hint)
                given[name] = {key: self._given_group(group, (*at, key)) for key in below.children}
            else:
                self._known.append(".".join(at))
                given |= self._read(at, field, below)
        for key, child in node.children.items():
            if key not in model.model_fields:
                unknown = child.leaves((*path, key)) if key not in LISTS or path else ()
                self._unknown += [((*path, key), child.value)] if child.value and key not in own else []
                self._unknown += unknown
        return given

    def _given_group(self, model: type[Options], path: Path) -> dict[str, Any]:
        node, short = self.tree.at(path), model.model_fields.get(model.short_for)
        if short is not None and slot_of(short):
            self._known.append(".".join(path))
            if self._move_to_slot(model, node):
                self._replaced |= {".".join((*path, name)) for name in model.selects}
        elif model.selects:
            self._known.append(".".join(path))
            named = [replace(value, value=self.names.of_class(value.value)) for value in node.selections]
            if named:  # the value of the group is short for its `name`, as for a slot
                node.values, node.children.setdefault(NAME, Tree()).values = [], named
                self._admit(path, named[-1])
            _drop_reselected(node, named, model.model_fields[NAME].default, model.selects)
        if value := node.value:
            hint = f"it has {', '.join('.'.join((*path, name)) for name in model.model_fields)}"
            self._complain(path, value.value, value.place, f"{'.'.join(path)} is a group of options", hint)
        return self._given(model, path)

    def _move_to_slot(self, model: type[Options], node: Tree) -> bool:
        """Move what is typed for a group, but means the slot that the group is short for, to this slot; whether the slot is filled."""
        slot = node.children.setdefault(model.short_for, Tree())
        for value in [*node.values, *node.at((NAME,)).values]:
            slot.add((), value)
        node.values, _ = [], node.children.pop(NAME, None)
        selections = slot.selections

        def of_network(value: Value) -> bool:
            selected = [each for each in selections if each.rank <= value.rank]
            return bool(selected) and not values.is_null(selected[-1].value)

        for key in [key for key in node.children if key not in model.model_fields or key in model.selects]:
            slot.graft((key,), node.children[key].cut(of_network))
        return bool(selections) and not values.is_null(selections[-1].value)

    def _admit(self, path: Path, value: Value) -> None:
        """Complain about a reference that may not be imported: the agent does it, when the run starts."""
        try:
            if is_reference(str(value.value)):
                self.registry.admit(str(value.value))
        except UsageError as error:
            found = [replace(problem, source=value.place) for problem in error.problems]
            (self.untrusted if isinstance(error, NotTrusted) else self.problems).extend(found)
            self._failed.append(path)

    def _read(self, path: Path, field: FieldInfo, node: Tree) -> dict[str, Any]:
        """The field with its value; empty if no layer sets it, or if it cannot be read."""
        nested = values.takes_mapping(field.annotation) and bool(node.children)
        self._unknown += [] if nested else node.leaves(path)
        latest = node.latest if nested else node.value
        if latest is None:
            return {}
        try:
            return {path[-1]: _nested(node) if nested else values.plain(latest.value, field.annotation)}
        except ValueError as error:
            self._complain(path, latest.value, latest.place, *error.args)
            self._failed.append(path)
            return {}

    # Problems --------------------------------------------------------------------------------------------------------------------

    def _complain(self, path: Path, value: Any, place: str, message: str, hint: str = "") -> None:
        problem = Problem(f"{dotted(path)}={values.show(value)}: {message}", hint, place)
        if problem not in self.problems:
            self.problems.append(problem)

    def _refuse(self, model: type[Options], path: Path, error: Any) -> None:
        """Add the problem of an error of pydantic; an error of a whole group means nothing if one of its values is missing."""
        below, field = _located(model, error["loc"])
        at, within = (*path, *below), error["loc"][len(below) :]
        latest, text = self.tree.at(at).latest, ".".join(at)
        if field is not None and (error["type"] != "missing" or within):
            value = latest or Value(error["input"])
            self._complain(at, value.value, value.place, *values.complaint(error, field.annotation, value.value, within))
        elif field is not None and at not in self._failed:
            self.problems.append(Problem(f"{text} has no default: it must be given", f"{text}=…"))
        elif field is None and self._is_complete(at):
            message, hint = values.complaint(error, None, None)
            self.problems.append(Problem(message, hint, latest.place if latest else ""))

    def _leave_unchecked(self, path: Path, why: str = "") -> None:
        """Note that the keys below a slot could not be checked."""
        why = why or f"{f'the {path[0]}' if len(path) == 1 else '.'.join(path)} is unknown"
        for key, _ in self.tree.at(path).leaves(path):
            if key[len(path) :] not in ((NAME,), (TASK,)):
                self._unchecked.append(Problem(f"{'.'.join(key)} was not checked, since {why}"))

    def report(self) -> list[Problem]:
        """All problems: wrong values first, then unknown keys, then keys that could not be checked."""
        selected = {path: choice.component for path, choice in self._choices.items()}
        self._known = [name for name in self._known if name not in self._replaced]
        first = {name.partition(".")[0] for name in self._known}
        for key, value in self._unknown:
            text = dotted(key)
            if self._of_run and value.rank in self._packages:
                self.gone.append(text)
                continue
            of_a_part = selected.get(("agent",)) is None and key[0] not in first
            if len(key) > 1 and key[-1] == NAME and text in self._known:
                self.problems.append(Problem(f"{'.'.join(key)} does not exist: {text} is a value", f"{text}=…", value.place))
            elif of_a_part and not (suggestions.corresponding(key, self._known) or suggestions.guesses(key, self._known)):
                self._unchecked.append(Problem(f"{'.'.join(key)} was not checked, since the agent is unknown"))
            else:
                hint = suggestions.instead(key, values.show(value.value), self._known, selected, self.registry)
                self.problems.append(Problem(f"{text} does not exist", hint, value.place))
        return [*dict.fromkeys(self.problems), *dict.fromkeys(self._unchecked)]


def _kind(field: FieldInfo) -> str:
    slot = slot_of(field)
    assert slot is not None
    return slot.kind


def _drop_reselected(node: Tree, selections: Sequence[Value], current: Any, keys: Iterable[str] | None = None) -> None:
    """Drop what lower layers set for another selection: everything below the slot, or these `keys` only."""
    rank = None
    for value in selections:
        rank = value.rank if current is not None and value.value != current else rank
        current = value.value
    if rank is not None:
        node.drop(rank, keys)


def _nested(node: Tree) -> Any:
    """The value of a key of a mapping: its entries, unless a higher layer sets the key itself."""
    value = None if node.value is None else values.plain(node.value.value, Any)
    newer = [key for key, child in node.children.items() if child.latest and (not node.value or child.latest.rank >= node.value.rank)]
    return {**(value if isinstance(value, dict) else {}), **{key: _nested(node.children[key]) for key in newer}} if newer else value


def _located(model: type[Options], location: Sequence[Any]) -> tuple[Path, FieldInfo | None]:
    """Path and field of an error of pydantic; no field if it is about a whole group."""
    path: list[str] = []
    group: type[Options] | None = model
    named: type[Options] | None = None
    field: FieldInfo | None = None
    for key in map(str, location):
        if named is not None:
            group, named, field = named, None, None
        elif group is not None and key in group.model_fields:
            field = group.model_fields[key]
            group, named = group_of(field.annotation), groups_of(field.annotation)
        else:
            break
        path.append(key)
    return tuple(path), field if group is None and named is None else None
