"""What is asked of a suite: its environments are played in a process like those they live in, and every check reads what was seen."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from unified.core.components.descriptors import SuiteComponent
from unified.core.components.user_code import AdoptedSuite
from unified.core.envs.suite_ref import SuiteReference
from unified.testing import inspection
from unified.testing.check import Check, Failed, Level, Skipped
from unified.testing.children import environment_of_child
from unified.testing.workshop import tiny_options

#: Tasks of a suite that are played where it names no example.
TASKS = 3
#: Seconds after which a suite counts as hanging.
PATIENCE = 600.0

_STRICT = (inspection.lives_without_torch, inspection.draws_or_says_so)


def tasks_of(component: SuiteComponent) -> tuple[str, ...]:
    """The tasks that are played: the example, or the first few; one without a name for a suite without tasks."""
    if component.example:  # `unified.testing.settings` puts the chosen task here
        return (component.example,)
    tasks = component.load_tasks()
    if tasks is None and component.task_needed:
        raise Skipped("any name may be a task, and it gives no example of one: SuiteComponent(…, example='a-task')")
    return (tasks or ())[:TASKS] or ("",)


@cache
def inspected(component: SuiteComponent, task: str) -> dict[str, list[str]]:
    """What became of each check: that they all failed, where the process that played it did not come to its end."""
    options = tiny_options(component).model_dump(mode="json")
    adapter = component.adapter if isinstance(component, AdoptedSuite) else ""
    reference = SuiteReference(component.target, task, options, component.config, adapter)
    try:
        return _inspect(reference)
    except subprocess.TimeoutExpired:
        failed = ["failed", "An episode comes to its end.", f"silent for {PATIENCE:g} s", "look for a loop that waits"]
    except subprocess.CalledProcessError as error:
        last = "\n".join(error.stderr.splitlines()[-12:])
        contract = "A suite's environments can be built and played in a process of their own."
        failed = ["failed", contract, f"it ended with code {error.returncode}\n{last}".rstrip(), "see where it was raised"]
    return {function.__name__: failed for function in inspection.INSPECTED}


def _inspect(reference: SuiteReference) -> dict[str, list[str]]:
    with tempfile.TemporaryDirectory() as directory:
        told = Path(directory, "told.json")
        command = [sys.executable, "-P", "-m", "unified.testing.inspection", str(told)]
        subprocess.run(
            command,
            input=json.dumps(reference.to_json()),
            capture_output=True,
            text=True,
            check=True,
            env=environment_of_child(),
            timeout=PATIENCE,
        )
        return dict(json.loads(told.read_text()))


def _reading(function: Callable[..., None], level: Level) -> Check:
    """The check that reads what became of an inspection's."""
    name = function.__name__

    def check(component: SuiteComponent) -> str:
        skipped: list[str] = []
        played: list[str] = []
        for task in tasks_of(component):
            state, *said = inspected(component, task)[name]
            if state == "failed":
                contract, seen, change = said
                raise Failed(contract, f"{task}: {seen}" if task else seen, change)
            (skipped if state == "skipped" else played).append(": ".join(filter(None, (task, *said))))
        if not played:
            raise Skipped("; ".join(skipped))
        return ", ".join(filter(None, played))

    check.__doc__ = function.__doc__
    return Check("suites", name, level, check)


CHECKS = tuple(_reading(function, "strict" if function in _STRICT else "contract") for function in inspection.INSPECTED)
