"""Texts for classes, functions and objects that are handed over in Python, so that a configuration can hold them. Torch-free.

A class or function that can be imported is called by its reference. Anything else is an object of this process: it is kept under
``object:NAME-digest``, where the digest is of what it is made of – the structure of a network, the source of a class, the registered
environment – so that the same script names it the same way again, and another network is another configuration.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from unified.core import imports
from unified.core.components import Component
from unified.core.suite import Suite

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class Names:
    """Names the objects of one configuration; two objects that look the same get two names."""

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
        count = 1
        while name in self._named and self._named[name] is not thing:
            count += 1
            name = f"{base}-{count}"
        self._named[name] = thing
        imports.keep(name, thing)
        return f"{imports.OBJECT}:{name}"


def reference_of(thing: Any) -> str | None:
    """The text by which any process finds the same class or function; ``None`` where there is none.

    >>> reference_of(json.JSONDecoder), reference_of(lambda: 0)
    ('json.decoder:JSONDecoder', None)
    """
    if not (isinstance(thing, type) or inspect.isfunction(thing)) or thing.__module__ == "__main__":
        return None
    module = sys.modules.get(thing.__module__)
    if module is None or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", thing.__qualname__):
        return None
    file = imports.file_of_module(thing.__module__)
    if file is None and "." not in thing.__module__:
        file = imports.file_of(module)  # a module without a dot would read like a suite and its task
    if file is not None and file.suffix != ".py":
        return None
    reference = f"{thing.__module__ if file is None else file}:{thing.__qualname__}"
    with suppress(Exception):
        if imports.import_object(reference) is thing:
            return reference
    return None


def fingerprint(thing: Any) -> str:
    """Eight digits that are the same for the same thing in another process of the same script."""
    return hashlib.sha256("\n".join(_made_of(thing)).encode()).hexdigest()[:8]


def _by_module(thing: Any) -> str:
    return f"{thing.__module__}:{thing.__qualname__}"


def word(thing: Any) -> str:
    """What a person would call it: its name or its class's, an environment's id or what is within its wrappers.

    >>> word(json.JSONDecoder()), word(lambda: 0)
    ('JSONDecoder', 'lambda')
    """
    named = thing if isinstance(thing, type) or inspect.isroutine(thing) else None
    if named is None:
        thing = thing.func if isinstance(thing, partial) else thing
        identifier = getattr(getattr(thing, "spec", None), "id", None)
        if isinstance(identifier, str):
            return re.sub(r"[^\w-]+", "-", identifier).strip("-")
        named = thing if inspect.isroutine(thing) else type(getattr(thing, "unwrapped", thing))
    return re.sub(r"\W", "", named.__name__) or "object"


def _made_of(thing: Any) -> list[str]:
    if isinstance(thing, type) or inspect.isroutine(thing):
        return [thing.__qualname__, _source(thing)]
    own = type(thing)
    told = [own.__qualname__, _source(own) if own.__module__ == "__main__" else own.__module__]
    spec = getattr(thing, "spec", None)
    if callable(as_json := getattr(spec, "to_json", None)):  # an environment that can be made anew
        with suppress(Exception):
            return [*told, str(as_json())]
    told.append(_ADDRESS.sub("", repr(thing)))
    if issubclass(own, Suite) or _is_objective(own):  # its attributes are its task and its hyper-parameters
        options: Any = getattr(thing, "options", None)
        said = options.model_dump(mode="json") if hasattr(options, "model_dump") else getattr(options, "__dict__", {})
        told += [json.dumps(sorted((key, value) for key, value in each.items() if _is_plain(value))) for each in (vars(thing), said)]
    return told


def _source(thing: Any) -> str:
    with suppress(OSError, TypeError):  # typed at a prompt
        return inspect.getsource(thing)
    return ""


def _is_objective(kind: type) -> bool:
    base = getattr(sys.modules.get("unified.core.objective"), "Objective", None)
    return base is not None and issubclass(kind, base)


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | type(None))
