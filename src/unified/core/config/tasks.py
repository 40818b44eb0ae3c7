"""Tasks of suites, checked by name alone. Torch-free."""

from __future__ import annotations

from unified.core import suggest
from unified.core.components import SuiteComponent
from unified.core.errors import Problem, UnifiedError
from unified.core.registry import Registry


def task_problems(name: str, task: str | None, suite: SuiteComponent) -> tuple[Problem, ...]:
    """What is wrong with a task of a suite, which is called `name` where it is typed."""
    try:
        tasks = suite.load_tasks()
    except UnifiedError as error:
        return error.problems
    if tasks == () and task:
        return (Problem(f"suite {name} has no tasks, so no {task!r}", f"type  suite={name}"),)
    if tasks and not task:
        return (Problem(f"suite {name} needs a task: {name}:TASK", f"one of {', '.join(tasks)}"),)
    if tasks is None and not task:
        return (Problem(f"suite {name} needs a task: {name}:TASK", f"for example  {name}:{suite.example}" if suite.example else ""),)
    if tasks and task and task not in tasks:
        guess = suggest.did_you_mean(task, tasks)
        return (Problem(f"suite {name} has no task {task!r}", f"{guess}   all: unified plugins show {name}".strip()),)
    return ()


def suites_with(registry: Registry, task: str) -> list[str]:
    """Names of the suites that have a task of this name, for who types ``suite=humanoid_run``."""
    found = []
    for suite in registry.all("suites"):
        assert isinstance(suite, SuiteComponent)
        try:
            if task in (suite.load_tasks() or ()):
                found.append(registry.name_of(suite))
        except UnifiedError:
            continue
    return found
