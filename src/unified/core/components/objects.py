"""Texts for classes, functions and objects that are handed over in Python, so that a configuration can hold them. Torch-free.

A class or function that can be imported is called by its reference. Anything else is an object of this process: it is kept under
``object:NAME-digest``, where the digest is of what it is made of – the structure of a network, the source of a class, what a function takes
from around it, the attributes of an object – so that the same script names it the same way again, and another one is another configuration.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from unified.core.components import importing
from unified.core.components.descriptors import Component
from unified.core.components.fingerprint import contents, fingerprint


class Names:
    """Names the objects of one configuration; two objects get two names, also where they look the same."""

    def __init__(self) -> None:
        self._named: dict[str, Any] = {}

    def name(self, thing: Any, known: Iterable[Component] = ()) -> str:
        """The name of a registered component, a reference, or ``object:NAME``.

        Args:
            thing: A class, a function or an object.
            known: The registered components of the kind that it is wanted for.
        """
        reference = reference_of(thing)
        if reference is not None:
            registered = next((component for component in known if component.target == _by_module(thing)), None)
            return registered.qualified if registered is not None else reference
        base = name = f"{word(thing)}-{fingerprint(thing)}"
        count, digest = 1, contents(thing)
        while self._named.get(name, thing) is not thing or not importing.register_object(name, thing, digest):
            count += 1
            name = f"{base}-{count}"
        self._named[name] = thing
        return f"{importing.OBJECT}:{name}"


def reference_of(thing: Any) -> str | None:
    """The text by which any process finds the same class or function; ``None`` where there is none.

    >>> reference_of(Component), reference_of(lambda: 0)
    ('unified.core.components.descriptors:Component', None)
    """
    if not (isinstance(thing, type) or inspect.isfunction(thing)) or thing.__module__ == "__main__":
        return None
    module = sys.modules.get(thing.__module__)
    if module is None or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", thing.__qualname__):
        return None
    file = importing.file_of_module(thing.__module__)
    if file is None and "." not in thing.__module__:
        file = importing.file_of(module)  # a module without a dot would read like a suite and its task
    if file is not None and file.suffix != ".py":
        return None
    reference = f"{thing.__module__ if file is None else file}:{thing.__qualname__}"
    with suppress(Exception):
        if importing.import_object(reference) is thing:
            return reference
    return None


def _by_module(thing: Any) -> str:
    return f"{thing.__module__}:{thing.__qualname__}"


def word(thing: Any) -> str:
    """What a person would call it: its name or its class's, an environment's id or what is within its wrappers.

    >>> word(Names()), word(lambda: 0)
    ('Names', 'lambda')
    """
    named = thing if isinstance(thing, type) or inspect.isroutine(thing) else None
    if named is None:
        thing = thing.func if isinstance(thing, partial) else thing
        identifier = getattr(getattr(thing, "spec", None), "id", None)
        if isinstance(identifier, str):
            return re.sub(r"[^\w-]+", "-", identifier).strip("-")
        named = thing if inspect.isroutine(thing) else type(getattr(thing, "unwrapped", thing))
    return re.sub(r"\W", "", named.__name__) or "object"
