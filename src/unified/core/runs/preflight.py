"""What a run needs outside of its configuration and does not find: other runs, kept replays, files. Torch-free, for it is asked first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unified.core.base.errors import Problem, UsageError, plugin_errors
from unified.core.replay.saved_index import check_free
from unified.core.runs import lookup
from unified.core.runs.checkpoint import Checkpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from unified.core.config.config import Config


def lacking(config: Config, root: Path, run: Path) -> list[Problem]:
    """Everything that has to be there before a run of this configuration begins, and is not.

    Args:
        config: Of the run.
        root: Where runs are kept.
        run: Where this one will be.
    """
    load, save, classifier = config.replay.load, config.replay.save, config.evaluate.features
    problems: list[Problem] = []
    if load:
        problems += _told_by(lambda: lookup.find_replay(load, root))
    if save:
        problems += _told_by(lambda: check_free(root, save, run / "replay"))
    if classifier:
        problems += [_of("evaluate.features", problem) for problem in missing_run(classifier, root, run)]
    for key, options in config.options():
        with plugin_errors(key, "to say what it lacks"):
            problems += [_of(key, problem) for problem in options.lacking(run)]
    return problems


def missing_run(name: str, root: Path, run: Path, checkpoint: str = "best") -> list[Problem]:
    """Why another run cannot be begun with: none or several are called so, or it has no such checkpoint.

    Args:
        name: Of the other run, or enough of it. It must not fit the run that is about to begin: it would mean two from then on.
        root: Where the other run is kept.
        run: Where the one that begins will be.
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


def _told_by(look: Callable[[], object]) -> list[Problem]:
    try:
        look()
    except UsageError as error:
        return list(error.problems)
    return []


def _of(key: str, problem: Problem) -> Problem:
    """The same with the key where it was said; what goes on from the line before it is left as it is."""
    return problem if problem.message.startswith(" ") else replace(problem, message=f"{key}: {problem.message}")


def differences(kept: Mapping[str, Any], config: Config) -> list[Problem]:
    """A line for each value that would change the result of a run, if it went on with this configuration.

    Args:
        kept: The tree of the run's ``config.json``.
        config: With which it is asked to go on.
    """
    from unified.core.config.config import is_identity_exempt, leaves

    before, now = ({".".join(path): value for path, value in leaves(tree)} for tree in (dict(kept), jsonable(config.tree)))
    # An option that this version has and the run's did not is as if the run had said its default.
    before = {**{key: value for key, value in config.defaults.items() if key in now}, **before}
    return [
        Problem(f"  {key}: {_shown(before, key)} -> {_shown(now, key)}")
        for key in sorted({*before, *now})
        if not is_identity_exempt(key) and (key not in before or key not in now or before[key] != now[key])
    ]


def jsonable(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The tree as JSON gives it back (tuples are lists)."""
    return dict(json.loads(json.dumps(tree, default=str)))


def _shown(leaves: Mapping[str, Any], key: str) -> str:
    return json.dumps(leaves[key]) if key in leaves else "(not set)"
