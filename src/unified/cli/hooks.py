"""`unified plugins hooks [NAME]`: the hooks, read from their specification."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from unified.core.base.errors import Problem, UsageError
from unified.core.base.suggest import did_you_mean
from unified.core.components.hookspecs import API_VERSION, LIFECYCLE, REGISTRATION, Callback, Registration


def describe(name: str | None) -> list[str]:
    """Lines that describe one hook, or one line for each hook.

    Raises:
        UsageError: If there is no such hook.
    """
    specs = hooks()
    if name is None:
        return list(_table())
    if name not in specs:
        raise UsageError(Problem(f"there is no hook {name!r}", did_you_mean(name, specs) or "all: unified plugins hooks"))
    return list(_page(name, specs[name]))


def hooks() -> dict[str, Any]:
    """Name and specification of each hook, in the order of their calls."""
    return {name: getattr(group, name) for group, names in ((Registration, REGISTRATION), (Callback, LIFECYCLE)) for name in names}


def signature(name: str, spec: Any) -> str:
    """The signature; an implementation may omit arguments."""
    arguments = [argument for argument in inspect.signature(spec).parameters if argument != "self"]
    return f"{name}({', '.join(arguments)})"


def _table() -> Iterator[str]:
    specs = hooks()
    width = max(len(name) for name in specs)
    for title, names in (
        ("registration: called once per process, return descriptors", REGISTRATION),
        ("lifecycle: called during a run", LIFECYCLE),
    ):
        yield title
        yield from (f"  {name:<{width}}   {_first(specs[name])}" for name in names)
        yield ""
    yield f"plugin API {API_VERSION}   details: unified plugins hooks NAME"


def _page(name: str, spec: Any) -> Iterator[str]:
    yield signature(name, spec)
    yield from (f"  {line}".rstrip() for line in (inspect.getdoc(spec) or "").splitlines())


def _first(spec: Any) -> str:
    return (inspect.getdoc(spec) or "").splitlines()[0]
