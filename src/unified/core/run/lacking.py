"""What a run needs outside of its configuration and does not find: other runs, kept replays, files. Torch-free, for it is asked first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unified.core.errors import Problem, UsageError
from unified.core.run import lookup
from unified.core.run.replays import check_free, find_named

if TYPE_CHECKING:
    from unified.core.config import Config


def lacking(config: Config, root: Path) -> list[Problem]:
    """Everything that has to be there before a run of this configuration begins, and is not.

    Args:
        config: Of the run, which is not there yet.
        root: Where runs are kept.
    """
    problems: list[Problem] = []
    if name := config.replay.load:
        problems += _told_by(find_named, root, name)
    if name := config.replay.save:
        suite = config.suite
        run = lookup.identity_path(config.experiment, config.agent.name, suite.name, suite.task, config.seed)
        problems += _told_by(check_free, root, name, root / run / "replay")
    if name := config.evaluate.features:
        problems += [_of("evaluate.features", problem) for problem in _told_by(lookup.find, name, root)]
    for key, options in config.options():
        problems += [_of(key, problem) for problem in options.lacking(root)]
    return problems


def _told_by(look: Callable[..., object], *arguments: Any) -> list[Problem]:
    try:
        look(*arguments)
    except UsageError as error:
        return list(error.problems)
    return []


def _of(key: str, problem: Problem) -> Problem:
    """The same with the key where it was said; what goes on from the line before it is left as it is."""
    return problem if problem.message.startswith(" ") else replace(problem, message=f"{key}: {problem.message}")
