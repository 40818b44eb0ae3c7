"""Origins of the components of a run: packages with versions, or files with checksums. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from unified.core.base.errors import Problem, UsageError
from unified.core.components import importing
from unified.core.components.descriptors import KINDS, Component
from unified.core.components.import_paths import identity
from unified.core.components.packages import version_of
from unified.core.registry import Registry

#: The record of one component: kind, name, target, provider, distribution, version; file and sha256 if it belongs to no package.
#: A reference to an installed module has a distribution and no provider.
Record = Mapping[str, str]


def record(components: Iterable[Component]) -> list[dict[str, str]]:
    """One record for each component, ordered by kind and name."""
    found = {(component.kind, component.qualified): component for component in components}
    return [
        {
            "kind": component.kind,
            "name": component.name,
            "target": component.target,
            "provider": component.origin.provider,
            "distribution": component.origin.distribution,
            "version": component.origin.version,
        }
        | identity(component)
        for _, component in sorted(found.items(), key=lambda item: (KINDS.index(item[0][0]), item[0][1]))
    ]


def missing(records: Sequence[Record], registry: Registry, resume: str = "unified resume RUN") -> list[Problem]:
    """Components of a run that are not installed now, with the command that installs them, or `resume` without them."""
    problems = []
    for entry in records:
        if not entry["distribution"] or _version(entry, registry) is not None:
            continue
        state, hint = _state(entry, registry)
        if entry["kind"] in ("callbacks", "launchers"):
            hint = f"{resume} --without {entry['name']}   or {hint}"
        problems.append(Problem(f"{_what(entry)} came from {_from(entry)}, which {state}", hint))
    return problems


def changed(records: Sequence[Record], registry: Registry) -> list[str]:
    """One line for each package that is installed in another version, and for each file that has been edited."""
    lines: dict[str, str] = {}
    for entry in records:
        if "sha256" in entry:
            if Path(entry["file"]).is_file() and importing.digest(Path(entry["file"])) != entry["sha256"]:
                lines[entry["file"]] = f"{entry['file']} has been edited: {_what(entry)} may differ"
            continue
        version = _version(entry, registry)
        if version is not None and version != entry["version"]:
            lines[entry["distribution"]] = (
                f"{_what(entry)} came from {_from(entry)}, and {version} is installed; "
                f"for the same results: pip install '{entry['distribution']}=={entry['version']}'"
            )
    return list(lines.values())


def _version(entry: Record, registry: Registry) -> str | None:
    """The installed version of the origin of a component; ``None`` if it does not provide the component."""
    if not entry["provider"]:  # by reference, from an installed module
        return version_of(entry["distribution"]) if entry["distribution"] else None
    try:
        # A record is data: a provider that is a path imports nothing.
        origin = registry.without_references().get(entry["kind"], f"{entry['provider']}/{entry['name']}").origin
    except UsageError:
        return None
    return origin.version if origin.distribution == entry["distribution"] else None


def _state(entry: Record, registry: Registry) -> tuple[str, str]:
    """Why a component is missing, and the command that helps."""
    install = f"pip install '{entry['distribution']}=={entry['version']}'"
    plugin = next((plugin for plugin in registry.plugins if plugin.provider == entry["provider"]), None)
    if plugin is None:
        return "is not installed", install
    if plugin.distribution != entry["distribution"]:
        return f"is not installed ({plugin} has its name)", f"pip uninstall {plugin.distribution}; {install}"
    if plugin.state == "active":
        return f"does not have it in version {plugin.version}", install
    if plugin.state == "disabled":
        return f"is {plugin.state}: {plugin.error}", "switch it on again"
    same = plugin.version == entry["version"]  # another installation would not help
    return f"is {plugin.state}: {plugin.error}", f"unified plugins show {plugin.provider}" if same else install


def _what(entry: Record) -> str:
    return f"{entry['kind'].removesuffix('s')} {entry['name']!r}"


def _from(entry: Record) -> str:
    return f"{entry['distribution']} {entry['version']}"
