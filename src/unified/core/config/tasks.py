"""Tasks of suites, checked by name alone. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence

from unified.core import suggest
from unified.core.components import SuiteComponent
from unified.core.errors import Problem, UnifiedError
from unified.core.registry import Registry

#: Names that are still read in one glance.
FEW = 5


def meant_task(task: str | None, suite: SuiteComponent) -> str | None:
    """The task as the suite spells it, where case and punctuation alone tell it from one of them: ``BattleZone`` is ``battle_zone``."""
    try:
        tasks = suite.load_tasks() or ()
    except UnifiedError:
        return task
    if not task or task in tasks:
        return task
    alike = [known for known in tasks if _letters(known) == _letters(task)]
    return alike[0] if len(alike) == 1 else task


def _letters(task: str) -> str:
    return "".join(filter(str.isalnum, task.lower()))


def task_problems(name: str, task: str | None, suite: SuiteComponent) -> tuple[Problem, ...]:
    """What is wrong with a task of a suite, which is called `name` where it is typed."""
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
        guess = suggest.did_you_mean(task, tasks)
        return (Problem(f"suite {name} has no task {task!r}", f"{guess}   all: unified plugins show {name}".strip()),)
    return ()


def _some(name: str, suite: SuiteComponent, tasks: Sequence[str]) -> str:
    """All tasks where they are few; else a few from all over, and how to list all."""
    if len(tasks) <= FEW:
        return f"one of {', '.join(f'{name}:{task}' for task in tasks)}"
    spread = [tasks[index * len(tasks) // FEW] for index in range(FEW)]
    some = list(dict.fromkeys([*([suite.example] if suite.example in tasks else []), *spread]))[: FEW - 1]
    return f"for example  {', '.join(f'{name}:{task}' for task in some)}   all {len(tasks)}: unified plugins show {name}"


def meant_suite(registry: Registry, name: str, task: str | None) -> str:
    """For who leaves out the suite or the colon: ``humanoid_run``, ``:humanoid_run`` and ``dmc/humanoid_run`` are ``dmc:humanoid_run``."""
    suite, slash, rest = name.partition("/")
    if slash and suite in registry.names("suites"):
        return suggest.ask([f"{suite}:{rest}"])
    if name and task:
        near = suggest.closest(name, registry.names("suites"))
        return suggest.ask([f"{near}:{task}"]) if near else ""
    wanted = name or task
    suites = suites_with(registry, wanted) if wanted else []
    return suggest.ask([f"{found}:{wanted}" for found in suites[: suggest.MOST]]) if suites else ""


def suites_with(registry: Registry, task: str) -> list[str]:
    """Names of the suites that have a task of this name."""
    found = []
    for suite in registry.all("suites"):
        assert isinstance(suite, SuiteComponent)
        try:
            if task in (suite.load_tasks() or ()):
                found.append(registry.name_of(suite))
        except UnifiedError:
            continue
    return found
