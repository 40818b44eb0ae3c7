"""What a Python object is made of, in plain data: so two objects can be told apart, and one known again in another process. Torch-free.

A function is its source, its defaults, and the values that it takes from around it; an object is its class and its attributes; a network is
its layers. The numbers of a network count only where objects of one process are compared: the next process may draw others.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from functools import partial
from pathlib import PurePath
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

from unified.core.components import importing
from unified.core.components.descriptors import Component

#: Attributes of attributes are looked at down to here; what lies deeper is told by its type.
DEPTH = 5
#: Drawn anew where nobody gave a seed: they tell nothing.
_DRAWN = ("_np_random", "_np_random_seed")
#: Libraries whose objects are values, with all that they are in their text.
_VALUES = ("builtins", "collections", "datetime", "decimal", "fractions", "re", "uuid")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def fingerprint(thing: Any) -> str:
    """Eight digits that are the same for the same thing in another process of the same script."""
    return _digest(_Reader(weights=False).told(thing))[:8]


def contents(thing: Any) -> str:
    """Digits of all that can be seen of a thing, the numbers of its tensors included: for comparisons within a process."""
    return _digest(_Reader(weights=True).told(thing))


def is_plain(value: Any) -> bool:
    """Whether something is a number, a text, an array, or a nest of these.

    >>> is_plain({"a": [1, (2.0, "b")]}), is_plain([object()])
    (True, False)
    """
    if isinstance(value, Mapping):
        return all(is_plain(each) for pair in value.items() for each in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(is_plain, value))
    return isinstance(value, bool | int | float | complex | str | bytes | type(None)) or (_is_array(value) and not value.dtype.hasobject)


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


class _Reader:
    """Tells what things are made of, each by texts and lists of them.

    Args:
        weights: Whether the numbers of tensors count.
    """

    def __init__(self, weights: bool) -> None:
        self._weights = weights
        self._above: set[int] = set()

    def told(self, thing: Any, depth: int = DEPTH) -> Any:
        """Whatever it is; `depth` is how much deeper it may go."""
        if thing is None or isinstance(thing, bool | int | float | complex | str | bytes | PurePath | Enum):
            return f"{type(thing).__name__} {thing!r}"
        if id(thing) in self._above or depth < 0:
            return _name(type(thing))
        self._above.add(id(thing))
        try:
            return self._told(thing, depth)
        except Exception:  # whatever somebody's class does when it is looked at
            return _name(type(thing))
        finally:
            self._above.discard(id(thing))

    def _told(self, thing: Any, depth: int) -> Any:
        if isinstance(thing, Mapping):
            return [_name(type(thing)), sorted(([self.told(key, depth), self.told(said, depth)] for key, said in thing.items()), key=str)]
        if isinstance(thing, list | tuple):
            return [_name(type(thing)), [self.told(item, depth) for item in thing]]
        if isinstance(thing, set | frozenset):
            return [_name(type(thing)), sorted((self.told(item, depth) for item in thing), key=str)]
        if isinstance(thing, ModuleType):
            return thing.__name__
        if isinstance(thing, partial):
            return ["partial", self.told(thing.func, depth), self.told(thing.args, depth), self.told(thing.keywords, depth)]
        if isinstance(thing, staticmethod | classmethod):
            return self.told(thing.__func__, depth)
        if isinstance(thing, property):
            return [self.told(part, depth) for part in (thing.fget, thing.fset)]
        if inspect.ismethod(thing):
            return [self.told(thing.__func__, depth), self.told(thing.__self__, depth)]
        if isinstance(thing, type) or inspect.isroutine(thing):
            if depth < DEPTH and not _is_own(thing):
                return _name(thing)
            return self._class(thing, depth) if isinstance(thing, type) else self._function(thing, depth)
        if _is_array(thing):
            return self.told(thing.tolist(), depth) if thing.dtype.hasobject else [_shape(thing), _sha(thing.tobytes())]
        if _is(thing, "torch", "Tensor"):
            return [_shape(thing), self._numbers(thing) if self._weights else ""]
        return self._object(thing, depth)

    def _class(self, kind: type, depth: int) -> Any:
        below = [[name, self.told(said, depth - 1)] for name, said in sorted(vars(kind).items()) if _counts(name, said)]
        return [_name(kind), _source(kind), below, [self.told(base, DEPTH - 1) for base in kind.__bases__]]

    def _function(self, function: Any, depth: int) -> Any:
        code = getattr(function, "__code__", None)
        if code is None:  # written in C
            return _name(function)
        source = _source(function) or code.co_code.hex()  # typed at a prompt
        defaults = [self.told(said, depth - 1) for said in (function.__defaults__, function.__kwdefaults__)]
        around = [[name, self.told(said, depth - 1)] for name, said in _around(function, code)]
        # Two functions of one line have the same source.
        column = min((begin for _, _, begin, _ in code.co_positions() if begin), default=0)
        return [_name(function), source, column, [self.told(said, depth) for said in _constants(code)], defaults, around]

    def _object(self, thing: Any, depth: int) -> Any:
        told: list[Any] = [self.told(type(thing), DEPTH - 1)]
        if callable(as_json := getattr(getattr(thing, "spec", None), "to_json", None)):  # a registered environment
            with suppress(Exception):
                told.append(str(as_json()))
        library = type(thing).__module__.partition(".")[0]
        if library in _VALUES:
            return [*told, _ADDRESS.sub("", repr(thing))]
        if library in sys.stdlib_module_names and not isinstance(thing, SimpleNamespace):
            return told  # a lock, a logger, a generator of random numbers
        # What lies within a wrapper is no deeper than the wrapper, and a layer no deeper than its network.
        for name, said in _attributes(thing):
            told.append([name, self.told(said, depth - (name != "env" and not _is_torch(said)))])
        return told

    @staticmethod
    def _numbers(tensor: Any) -> str:
        with suppress(Exception):  # one that has none, on the meta device
            return _sha(tensor.detach().cpu().reshape(-1).view(sys.modules["torch"].uint8).numpy().tobytes())
        return ""


def _attributes(thing: Any) -> Iterator[tuple[str, Any]]:
    """Name and value of each attribute of an object; of a network its layers and parameters, not what it keeps of its calls."""
    own = dict(getattr(thing, "__dict__", {}))
    for kind in type(thing).__mro__:
        slots = vars(kind).get("__slots__", ())
        own |= {name: getattr(thing, name) for name in ([slots] if isinstance(slots, str) else slots) if hasattr(thing, name)}
    if _is(thing, "torch.nn", "Module"):
        inner = ("_parameters", "_buffers", "_modules")
        usual = vars(sys.modules["torch.nn"].Module())
        for name in inner:
            yield from dict(own.get(name, {})).items()
        own = {name: said for name, said in own.items() if name not in usual}
    yield from ((name, own[name]) for name in sorted(own, key=str) if name not in (*_DRAWN, "__dict__", "__weakref__"))


def _around(function: Any, code: CodeType) -> Iterator[tuple[str, Any]]:
    """What a function takes from around it: of the functions that it stands in, and of its module."""
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # not yet filled
            yield name, cell.cell_contents
    used = {name for each in _codes(code) for name in each.co_names}
    yield from ((name, function.__globals__[name]) for name in sorted(used) if name in function.__globals__)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _constants(code: CodeType) -> list[Any]:
    return [constant for each in _codes(code) for constant in each.co_consts if not isinstance(constant, CodeType)]


def _counts(name: str, said: Any) -> bool:
    """Whether an attribute of a class tells something: not what Python adds to each."""
    return inspect.isfunction(said) or not (name.startswith("__") and name.endswith("__"))


def _is_own(thing: Any) -> bool:
    """Whether a class or function is of a script or within a function: no name says all of it."""
    return getattr(thing, "__module__", "") == "__main__" or "<" in thing.__qualname__


def _is(thing: Any, module: str, name: str) -> bool:
    """Whether something is of a class that is imported only with what needs it."""
    base = getattr(sys.modules.get(module), name, None)
    return isinstance(base, type) and isinstance(thing, base)


def _is_torch(thing: Any) -> bool:
    return _is(thing, "torch.nn", "Module") or _is(thing, "torch", "Tensor")


def _is_array(thing: Any) -> bool:
    return _is(thing, "numpy", "ndarray") or _is(thing, "numpy", "generic")


def _shape(thing: Any) -> str:
    with suppress(RuntimeError):  # a layer whose size is not known yet
        return f"{_name(type(thing))} {thing.dtype} {tuple(thing.shape)}"
    return _name(type(thing))


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _name(thing: type | Callable[..., Any]) -> str:
    return f"{getattr(thing, '__module__', '')}:{thing.__qualname__}"


def _source(thing: Any) -> str:
    with suppress(OSError, TypeError):  # typed at a prompt
        return inspect.getsource(thing)
    return ""


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
