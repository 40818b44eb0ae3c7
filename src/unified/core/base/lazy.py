"""Public names of a package that are imported when they are first used, so that importing the package itself stays light."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_exports(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package.

    Args:
        package: Its ``__name__``.
        homes: Names to export, by the module that defines them.

    >>> lazy_exports("unified", {"math": ("pi",)})("tau")
    Traceback (most recent call last):
    AttributeError: module 'unified' has no attribute 'tau'
    """
    home_of = {name: module for module, names in homes.items() for name in names}

    def attribute(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(home_of[name]), name)
        setattr(sys.modules[package], name, found)  # found without this function from now on
        return found

    return attribute
