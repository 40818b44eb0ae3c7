"""Checks of suites. Environments are stepped in a separate process, and every check reads the results."""

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

#: Number of tasks to check of a suite without an example.
TASKS = 3
#: Timeout in seconds.
PATIENCE = 600.0

_STRICT = (inspection.lives_without_torch, inspection.draws_or_says_so)


def tasks_of(component: SuiteComponent) -> tuple[str, ...]:
    """The tasks to check: the example or the first few; an empty name for a suite without tasks."""
    if component.example:  # `unified.testing.settings` puts the chosen task here
        return (component.example,)
    tasks = component.load_tasks()
    if tasks is None and component.task_needed:
        raise Skipped("it has neither tasks nor an example: SuiteComponent(…, example='a-task')")
    return (tasks or ())[:TASKS] or ("",)


@cache
def inspected(component: SuiteComponent, task: str) -> dict[str, list[str]]:
    """The result of each check; all failed if the process did not finish."""
    options = tiny_options(component).model_dump(mode="json")
    adapter = component.adapter if isinstance(component, AdoptedSuite) else ""
    reference = SuiteReference(component.target, task, options, component.config, adapter)
    try:
        return _inspect(reference)
    except subprocess.TimeoutExpired:
        failed = ["failed", "An episode ends.", f"silent for {PATIENCE:g} s", "look for an infinite loop"]
    except subprocess.CalledProcessError as error:
        last = "\n".join(error.stderr.splitlines()[-12:])
        contract = "Environments of a suite can be built and stepped in a process of their own."
        failed = ["failed", contract, f"exit code {error.returncode}\n{last}".rstrip(), "see the traceback"]
    return {function.__name__: failed for function in inspection.INSPECTED}


def _inspect(reference: SuiteReference) -> dict[str, list[str]]:
    with tempfile.TemporaryDirectory() as directory:
        results = Path(directory, "results.json")
        command = [sys.executable, "-P", "-m", "unified.testing.inspection", str(results)]
        subprocess.run(
            command,
            input=json.dumps(reference.to_json()),
            capture_output=True,
            text=True,
            check=True,
            env=environment_of_child(),
            timeout=PATIENCE,
        )
        return dict(json.loads(results.read_text()))


def _reading(function: Callable[..., None], level: Level) -> Check:
    """The check that reads the result of an inspection."""
    name = function.__name__

    def check(component: SuiteComponent) -> str:
        skipped: list[str] = []
        played: list[str] = []
        for task in tasks_of(component):
            state, *texts = inspected(component, task)[name]
            if state == "failed":
                contract, seen, change = texts
                raise Failed(contract, f"{task}: {seen}" if task else seen, change)
            (skipped if state == "skipped" else played).append(": ".join(filter(None, (task, *texts))))
        if not played:
            raise Skipped("; ".join(skipped))
        return ", ".join(filter(None, played))

    check.__doc__ = function.__doc__
    return Check("suites", name, level, check)


CHECKS = tuple(_reading(function, "strict" if function in _STRICT else "contract") for function in inspection.INSPECTED)
