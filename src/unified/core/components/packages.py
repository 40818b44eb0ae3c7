"""Metadata of installed distributions: the distribution of a module, its version and its requirements. Imports no torch."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REQUIREMENT = re.compile(r"\s*(?P<name>[\w.-]+)\s*(\[(?P<extras>[^]]*)\])?")
_EXTRA = re.compile(r"""\bextra\s*==\s*['"](?P<extra>[\w.-]+)['"]""")


def distribution_of(module: str) -> tuple[str, str] | None:
    """Name and version of the distribution that installed an imported module; ``None`` for code that is not installed.

    An editable install counts as not installed, because its version does not identify its code.

    >>> distribution_of("pytest")[0], distribution_of("json")
    ('pytest', None)
    """
    file = getattr(sys.modules.get(module), "__file__", None)
    if not file:
        return None
    for name in dict.fromkeys(_by_top_level().get(module.partition(".")[0], ())):
        found = metadata.distribution(name)
        if _brought(found, Path(file).resolve()):
            return name, found.version
    return None


def version_of(distribution: str) -> str | None:
    """The version of an installed distribution; ``None`` if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def advice(error: BaseException, distribution: str = "", extra: str = "") -> str:
    """A hint for an import error: the missing module, and the command that installs it if known; empty for any other error.

    Args:
        error: The exception of the import.
        distribution: Distribution of the importing code. Only its requirements are suggested, because a package may have another name
            than its module.
        extra: Extra of the distribution that installs what the import needs.
    """
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if not missing:
        return ""
    if extra:
        return f"pip install '{distribution}[{extra}]'"
    required = next((name for name in _required(distribution) if _normal(name) == _normal(missing)), None)
    return f"it imports {missing!r}, which is not installed" + (f": pip install {required}" if required else "")


def brought_by(distribution: str, extra: str, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Names of the distributions that an extra installs, including those of extras that it refers to."""
    try:
        requirements = metadata.requires(distribution) or []
    except (metadata.PackageNotFoundError, ValueError):
        return
    for requirement in requirements:
        wanted, _, marker = requirement.partition(";")
        found, name = _EXTRA.search(marker), _REQUIREMENT.match(wanted)
        if found is None or name is None or _normal(found["extra"]) != _normal(extra):
            continue
        if _normal(name["name"]) != _normal(distribution):
            yield name["name"]
            continue
        for other in filter(None, (each.strip() for each in (name["extras"] or "").split(","))):
            if other not in seen:
                yield from brought_by(distribution, other, seen | {extra, other})


@functools.cache
def _by_top_level() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def _brought(distribution: metadata.Distribution, file: Path) -> bool:
    root = Path(str(distribution.locate_file(""))).resolve()
    if not file.is_relative_to(root):
        return False
    relative = file.relative_to(root).as_posix()
    return any(str(each) == relative for each in distribution.files or ())


def _required(distribution: str) -> Iterable[str]:
    try:
        requirements = metadata.requires(distribution) if distribution else None
    except metadata.PackageNotFoundError:
        requirements = None
    return [found[0] for each in requirements or () if (found := _NAME.match(each))]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
