"""Checks before a run starts: missing inputs, and differences from the configuration of an existing run. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unified import logged
from unified.core.base.errors import Problem, UsageError, plugin_errors
from unified.core.base.suggest import ask
from unified.core.base.toolchain import missing_compiler
from unified.core.components.descriptors import SuiteComponent
from unified.core.config.config import is_identity_exempt, leaves
from unified.core.config.recipes import PACKAGES
from unified.core.config.suggestions import elsewhere
from unified.core.replay.saved_index import check_free
from unified.core.runs import lookup
from unified.core.runs.checkpoint import Checkpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from unified.core.config.config import Config

_UNSET = "(not set)"


def lacking(config: Config, root: Path, run: Path) -> list[Problem]:
    """Problems with the runs, saved replays and files that a configuration refers to.

    Args:
        config: Configuration of the run.
        root: Directory of all runs.
        run: Directory of the run.
    """
    load, save, classifier = config.replay.load, config.replay.save, config.evaluate.features
    problems: list[Problem] = []
    if config.compile is True and (lack := missing_compiler()):
        problems.append(Problem(f"compile=true: {lack}", "or leave it out: compile=auto"))
    if load:
        coming = run if run.is_relative_to(root) else None
        problems += _problems_of(lambda: logged.check(load) if logged.parsed(load) else lookup.find_replay(load, root, coming))
    if save:
        problems += _problems_of(lambda: check_free(root, save, run / "replay"))
    if classifier:
        problems += [_of("evaluate.features", problem) for problem in missing_run(classifier, root, run)]
    for key, options in config.options():
        with plugin_errors(key, "to check what it refers to"):
            problems += [_of(key, problem) for problem in options.lacking(run)]
    for suite in getattr(config.suite, "members", (config.suite,)):
        if isinstance(component := getattr(suite, "component", None), SuiteComponent):
            with plugin_errors(f"suite {suite.label}", "to check its task"):
                lacks = _problems_of(component.load) if component.extra else []
                found = [] if lacks else _problems_of(partial(component.refuse_missing, suite.task, suite.options))
            listed = bool(found and found[0].hint)  # a guess does not replace a hint
            # A suite that lists its tasks has this one, and only lacks something.
            if found and component.tasks is None and (meant := elsewhere(config.registry, suite.task or "", component, listed)):
                found = [replace(found[0], hint=ask(meant)), *found[1:]]
            problems += lacks + found
    return problems


def missing_run(name: str, root: Path, run: Path, checkpoint: str = "best") -> list[Problem]:
    """Problems with a reference to another run: no or several matches, or a missing checkpoint.

    Args:
        name: Name of the other run, or parts of it. It must not match the new run too, or it would be ambiguous from then on.
        root: Directory of all runs.
        run: Directory of the new run.
        checkpoint: ``best``, ``newest``, or a number of frames.
    """
    try:
        found = lookup.find(name, root, coming=run if run.is_relative_to(root) else None)
    except UsageError as error:
        return list(error.problems)
    if found == run:
        return [Problem(f"{name!r} would be this run itself", "the whole name of another one: unified runs list")]
    frames = [str(number) for number in Checkpoints(found / "checkpoints").frames()]
    if not frames:
        return [Problem(f"run {lookup.whole_name(found)} has no checkpoint yet", f"unified runs show {lookup.whole_name(found)}")]
    if checkpoint.isdigit() and str(int(checkpoint)) not in frames:
        return [Problem(f"run {lookup.whole_name(found)} has no checkpoint {checkpoint}", f"it has those at {', '.join(frames)} frames")]
    return []


def _problems_of(look: Callable[[], object]) -> list[Problem]:
    try:
        look()
    except UsageError as error:
        return list(error.problems)
    return []


def _of(key: str, problem: Problem) -> Problem:
    """The same problem with the key in front; continuation lines are unchanged."""
    return problem if problem.message.startswith(" ") else replace(problem, message=f"{key}: {problem.message}")


def differences(stored: Mapping[str, Any], config: Config) -> dict[str, str]:
    """The values that differ between two configurations, ``before -> now`` by dotted key; of two components, only their names.

    Args:
        stored: The tree of ``config.json`` of a run.
        config: The other configuration.
    """
    stored = {key: value for key, value in stored.items() if key != PACKAGES}
    before, now = ({".".join(path): value for path, value in leaves(tree)} for tree in (stored, jsonable(config.stored)))
    # An option that was added after the run started has its default value.
    before = {**{key: value for key, value in config.defaults.items() if key in now}, **before}
    found = changed_values(before, now)
    others = tuple(key.removesuffix("name") for key in found if key.endswith(".name"))
    return {key: values for key, values in found.items() if key.endswith(".name") or not key.startswith(others)}


def changed_values(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """The values that differ between two trees, ``before -> now`` by dotted key."""
    was, has = ({".".join(path): value for path, value in leaves(dict(tree))} for tree in (before, now))
    found = [key for key in sorted({*was, *has}) if key not in was or key not in has or was[key] != has[key]]
    return {key: f"{_shown(was, key)} -> {_shown(has, key)}" for key in found}


def refusals(changed: Mapping[str, str], without: Collection[tuple[str, ...]] = ()) -> list[Problem]:
    """One line for each of `differences` that would change the result of a run; an option that no longer exists may be left out.

    Args:
        changed: The differences.
        without: Keys that the user left out.
    """
    gone = [".".join(path) for path in without if changed.get(".".join(path), "").endswith(_UNSET)]
    return [Problem(f"  {key}: {values}") for key, values in changed.items() if not is_identity_exempt(key) and key not in gone]


def jsonable(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The tree after a round trip through JSON: tuples become lists."""
    return dict(json.loads(json.dumps(tree, default=str)))


def _shown(leaves: Mapping[str, Any], key: str) -> str:
    return json.dumps(leaves[key]) if key in leaves else _UNSET
