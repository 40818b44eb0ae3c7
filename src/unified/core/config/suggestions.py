"""Suggestions for unknown keys, words, suites and tasks. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path as FilePath

from unified.core.base import suggest
from unified.core.base.errors import Problem, UnifiedError
from unified.core.components.descriptors import Component, SuiteComponent
from unified.core.components.import_paths import shown
from unified.core.config.schema import Path, dotted
from unified.core.registry import Registry

#: Name of an option that takes any argument of the class which the option's group selects, as `agent.optimizer.options` does.
ARGUMENTS = "options"
#: The word that selects a component of each kind; a name of several kinds is read as the first.
SELECTED = {
    "agents": "agent={}",
    "recipes": "-r {}",
    "objectives": "-o +{}",
    "samplers": "replay.sampler={}",
    "callbacks": "callbacks=[+{}]",
    "architectures": "encoder={}",
    "launchers": "launcher={}",
}
#: Tasks are listed up to this number.
FEW = 5

# Keys --------------------------------------------------------------------------------------------------------------------------------


@cache
def other_names() -> dict[str, list[str]]:
    """The table of `other_names.yaml`: names that are typed for options, and what to type instead."""
    import yaml

    table = yaml.safe_load(FilePath(__file__).with_name("other_names.yaml").read_text(encoding="utf-8"))
    return {name: [new] if isinstance(new, str) else new for name, new in table.items()}


def corresponding(key: Path, known: Sequence[str]) -> list[str]:
    """The keys that a name of `other_names` stands for, in its place or anywhere; or the answer that the table has for the name."""
    if key[0][:1] in ("+", "~"):
        return [f"values need no {key[0][0]}:  {dotted(key)[1:]}=VALUE"]
    for place, new in _candidates(key):
        if (there := ".".join([*place, new])) in known:
            return [there]
    for _, new in _candidates(key):
        if is_answer(new):
            return [new]
        if found := _without_vectors(key, [name for name in known if f".{name}".endswith(f".{new}")]):
            return found[: suggest.MOST]
    return []


def _candidates(key: Path) -> Iterator[tuple[Path, str]]:
    """For each part of a key that the table has: what stands before it, and a new name with what stands behind it."""
    plain = [part.lower().replace("-", "_") for part in key]
    for start in range(len(key)):
        for end in range(len(key), start, -1):
            for new in other_names().get(".".join(plain[start:end]), ()):
                yield key[:start], new if is_answer(new) else ".".join([new, *key[end:]])


def is_answer(text: str) -> bool:
    """Whether a text of `other_names` is a whole answer, and no key."""
    return " " in text or "=" in text


def guesses(key: Path, known: Sequence[str]) -> list[str]:
    """Keys that were probably meant."""
    return _without_vectors(key, suggest.keys(dotted(key), known))


def _without_vectors(key: Path, found: list[str]) -> list[str]:
    # Options of a second optimiser have the names of the first one's: only a key that names it means them.
    return [each for each in found if ".vectors." not in each or "vectors" in key] or found


def called(found: Sequence[str], value: object = "VALUE") -> str:
    """The hint for what `corresponding` found; an answer has its ``VALUE`` filled in."""
    return found[0].replace("VALUE", str(value)) if is_answer(found[0]) else f"it is called  {' or '.join(found)}"


def instead(key: Path, value: object, known: Sequence[str], selected: Mapping[Path, Component | None], registry: Registry) -> str:
    """A hint for an unknown key.

    Args:
        key: Its path.
        value: What it is set to.
        known: Every dotted key that exists.
        selected: The component that each slot selects.
        registry: For the other components of a kind.
    """
    above = dotted(key[:-1])
    if above in known and not any(name.startswith(f"{above}.") for name in known) and key[:-1] not in selected:
        return f"{above} is a value:  {above}=…"
    if found := corresponding(key, known):
        return called(found, value)
    for _, new in _candidates(key):
        for place in (key[:-1], ("agent",)):
            if owners := _selecting((*place, *new.split(".")), selected, registry) or _selecting(tuple(new.split(".")), selected, registry):
                return owners
    hints = [suggest.ask(guessed)] if (guessed := guesses(key, known)) else []
    if f"{above}.{ARGUMENTS}" in known:
        return "   ".join([*hints, f"an argument of the class that {above} selects:  {above}.{ARGUMENTS}.{key[-1]}=…"])
    for length in range(len(key) - 1, 0, -1):
        if component := selected.get(key[:length]):
            hints += _owners(registry, component, key[length:])
            return "   ".join(hints) or f"all: unified plugins show {shown(registry.name_of(component))}"
        siblings = [name for name in known if name.rpartition(".")[0] == ".".join(key[:length])]
        if siblings and not hints:
            return f"there is {', '.join(siblings)}"
    if not hints and (agent := selected.get(("agent",))):
        hints = _owners(registry, agent, key)
    return "   ".join(hints) or "all keys, with their values:  unified train --dry-run"


def _selecting(path: Path, selected: Mapping[Path, Component | None], registry: Registry) -> str:
    """For an option that the component of its slot does not have: which ones have it."""
    for length in range(len(path) - 1, 0, -1):
        slot = path[:length]
        if (component := selected.get(slot)) and (owners := _owners(registry, component, path[length:])):
            select = f":  {'.'.join(slot)}={owners[0].partition(' ')[0].rstrip(',')}" if length > 1 else ""
            return f"it is called  {'.'.join(path)}   {owners[0]}{select}"
    return ""


def with_option(registry: Registry, kind: str, option: str) -> list[str]:
    """Names of at most three components of a kind that have this option."""
    return [registry.name_of(other) for other in registry.all(kind) if option in _fields(other)][: suggest.MOST]


def _owners(registry: Registry, component: Component, below: Path) -> list[str]:
    owners, name = with_option(registry, component.kind, below[0]), registry.name_of(component)
    if not owners or below[0] in _fields(component):
        return []
    return [f"{', '.join(owners)} {'has' if len(owners) == 1 else 'have'} it, {shown(name)} does not"]


def _fields(component: Component) -> list[str]:
    """Names of a component's options; none if they cannot be loaded, which is reported where it is selected."""
    try:
        return list(component.options_model().model_fields)
    except UnifiedError:
        return []


# Words -------------------------------------------------------------------------------------------------------------------------------


def selecting(word: str, registry: Registry) -> str:
    """For the name of a component or task, the word that selects it."""
    suite, colon, _ = word.partition(":")
    if suite in registry.names("suites"):
        needs_task = not colon and _tasks(registry.get("suites", suite)) != ()
        return suggest.ask([f"suite={word}:TASK" if needs_task else f"suite={word}"])
    if found := meant(word, registry) or meant_suite(registry, word, None, "suite="):
        return found
    near = suggest.closest(word, registry.names("agents"), cutoff=0.75)
    return suggest.ask([f"agent={near}"]) if near else ""


def meant(name: str, registry: Registry, kind: str = "") -> str:
    """For a name that is no component of a `kind`: what a component answers to it, or what selects one of another kind."""
    components = [component for each in SELECTED for component in registry.all(each)]
    for component in sorted(components, key=lambda component: component.kind != kind):
        if answer := component.answers.get(name.lower()):
            return f"type  {answer}"
    forms = {other: form for other, form in SELECTED.items() if other != kind and name in registry.names(other)}
    return suggest.ask([next(iter(forms.values())).format(name)]) if forms else ""


# Suites and tasks --------------------------------------------------------------------------------------------------------------------


def meant_suite(registry: Registry, name: str, task: str | None, key: str = "") -> str:
    """Suite and task, where one of them or the colon is missing, or as other libraries call them: ``humanoid_run``, ``ALE/Pong-v5``."""
    suite, slash, rest = name.partition("/")
    if slash and suite in registry.names("suites"):
        return suggest.ask([f"{key}{suite}:{rest}"])
    wanted = task or name
    found = [f"{other}:{wanted}" for other in suites_with(registry, wanted)] or elsewhere(registry, wanted)
    if found:
        return suggest.ask([f"{key}{each}" for each in found])
    near = suggest.closest(name, registry.names("suites")) if name and task else None
    return suggest.ask([f"{near}:{task}"]) if near else ""


def elsewhere(registry: Registry, text: str, but: Component | None = None, listed: bool = False) -> list[str]:
    """``suite:task`` for an id of another library, by `SuiteComponent.ids`; the suites that list their tasks come first.

    Args:
        registry: Of the suites.
        text: The id.
        but: A suite that is left out.
        listed: Whether to leave out suites without a list of tasks too, whose tasks are a guess.
    """
    suites = [suite for suite in registry.all("suites") if isinstance(suite, SuiteComponent) and suite.ids and suite is not but]
    for suite in sorted((suite for suite in suites if suite.tasks or not listed), key=lambda suite: suite.tasks is None):
        if match := re.fullmatch(suite.ids, text):
            task = meant_task(match[1], suite)
            if task and (suite.tasks is None or task in (_tasks(suite) or ())):
                return [f"{registry.name_of(suite)}:{task}"]
    return []


def suites_with(registry: Registry, task: str) -> list[str]:
    """Names of at most three suites that have a task of this name."""
    return [registry.name_of(suite) for suite in registry.all("suites") if task in (_tasks(suite) or ())][: suggest.MOST]


def _tasks(suite: Component) -> tuple[str, ...] | None:
    assert isinstance(suite, SuiteComponent)
    try:
        return suite.load_tasks()
    except UnifiedError:
        return None


def meant_task(task: str | None, suite: SuiteComponent) -> str | None:
    """The task in the spelling of its suite, if only case and punctuation differ: ``BattleZone`` is ``battle_zone``."""
    tasks = _tasks(suite) or ()
    alike = [known for known in tasks if task and _letters(known) == _letters(task)]
    return alike[0] if len(alike) == 1 and task not in tasks else task


def _letters(task: str) -> str:
    return "".join(filter(str.isalnum, task.lower()))


def task_problems(name: str, task: str | None, suite: SuiteComponent, registry: Registry | None = None) -> tuple[Problem, ...]:
    """The problems of a task of a suite, which is typed as `name`."""
    try:
        tasks = suite.load_tasks()
    except UnifiedError as error:
        return error.problems
    if tasks == () and task:
        return (Problem(f"suite {name} has no tasks, so no {task!r}", f"type  suite={name}"),)
    if tasks and not task:
        return (Problem(f"suite {name} needs a task: {name}:TASK", _some(name, suite, tasks)),)
    if tasks is None and not task and suite.task_needed:
        return (Problem(f"suite {name} needs a task: {name}:TASK", f"for example  {name}:{suite.example}" if suite.example else ""),)
    if tasks and task and task not in tasks:
        known_elsewhere = elsewhere(registry, task) if registry is not None else []
        guess = suggest.ask(known_elsewhere) if known_elsewhere else suggest.did_you_mean(task, tasks)
        return (Problem(f"suite {name} has no task {task!r}", f"{guess}   all: unified plugins show {name}".strip()),)
    return ()


def _some(name: str, suite: SuiteComponent, tasks: Sequence[str]) -> str:
    """A few tasks, and the command that lists all."""
    if len(tasks) <= FEW:
        return f"one of {', '.join(f'{name}:{task}' for task in tasks)}"
    spread = [tasks[index * len(tasks) // FEW] for index in range(FEW)]
    some = list(dict.fromkeys([*([suite.example] if suite.example in tasks else []), *spread]))[: FEW - 1]
    return f"for example  {', '.join(f'{name}:{task}' for task in some)}   all {len(tasks)}: unified plugins show {name}"
