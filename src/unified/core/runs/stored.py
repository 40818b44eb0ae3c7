"""The tree of ``config.json``: what it adds to a configuration, and which of its keys a purpose does not need. Imports no torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from unified.core.base.errors import Problem, UsageError
from unified.core.components.import_paths import bare, is_reference
from unified.core.components.options import NAME
from unified.core.config.config import leaves
from unified.core.config.recipes import PACKAGES
from unified.core.config.schema import WITH, Path
from unified.core.runs import provenance

if TYPE_CHECKING:
    from unified.core.config.config import Config

#: Where a run selects components that its results do not depend on.
BESIDE_TRAINING: tuple[Path, ...] = ((WITH,), ("launcher",))
_OPTIMIZER = ("agent", "optimizer")


def with_packages(config: Config) -> dict[str, Any]:
    """The tree that ``config.json`` has: qualified names, and the version of each package that wrote it."""
    written = {record["distribution"]: record["version"] for record in provenance.record(config.components()) if record["distribution"]}
    return {**config.stored, PACKAGES: written}


def beside_policy(tree: Mapping[str, Any]) -> list[Path]:
    """Keys that loading and evaluating an agent does not need. An optimiser that is no built-in one is among them."""
    own = any(path[:2] == _OPTIMIZER and path[-1] == NAME and is_reference(str(value)) for path, value in leaves(dict(tree)))
    return [*BESIDE_TRAINING, ("replay", "sampler"), *([_OPTIMIZER] if own else [])]


def path_of(name: str, tree: Mapping[str, Any]) -> Path:
    """The key to leave out for a callback, a launcher or an option.

    Raises:
        UsageError: If the run has none of this name.
    """
    values = dict(leaves(dict(tree)))
    listed = values.get((WITH, NAME))
    callbacks = [bare(str(each)) for each in listed] if isinstance(listed, list) else []
    launcher = bare(str(values.get(("launcher", NAME), "")))
    path = tuple(name.split("."))
    if bare(name) in callbacks:
        return WITH, bare(name)
    if bare(name) == launcher:
        return ("launcher",)
    if path not in (("agent",), ("suite",)) and any(each[: len(path)] == path for each in values):
        return path
    has = f"callbacks {', '.join(callbacks) or 'none'}; launcher {launcher}; or the key of an option"
    raise UsageError(Problem(f"--without {name}: the run has no callback, launcher or option of this name", has))


def is_left_out(record: provenance.Record, without: Collection[Path]) -> bool:
    """Whether the component of a record is at one of these keys."""
    places = {"callbacks": ((WITH,), (WITH, record["name"])), "launchers": (("launcher",),), "samplers": (("replay", "sampler"),)}
    return any(place in without for place in places.get(record["kind"], ()))


def merged(tree: Mapping[str, Any], config: Config, without: Collection[Path]) -> dict[str, Any]:
    """The tree of a configuration that was read from `tree` without some keys, with these and with the options that no longer exist."""
    found = config.stored
    for path in [*without, *(tuple(key.split(".")) for key in config.gone)]:
        source, target = tree, found
        for key in path[:-1]:
            source, target = source.get(key, {}), target.setdefault(key, {})
        if path[-1] in source:
            target[path[-1]] = source[path[-1]]
    return found
