"""Stable fingerprints of Python objects, so that the same object gets the same name in every process. Imports no torch.

The fingerprint of a function covers its source, its defaults and the values it refers to; of an object its class and attributes; of a
network its layers. The weights of a network are only compared within a process, because another process may initialise them differently.

`Names` turns classes, functions and objects into text for a configuration. A class or function that can be imported is named by its import
string. Any other object is registered in this process under ``object:NAME-fingerprint``.
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

#: Depth down to which attributes of attributes are read; deeper objects are represented by their type.
DEPTH = 5
#: Random attributes of environments, which are ignored.
_DRAWN = ("_np_random", "_np_random_seed")
#: Libraries whose objects are described completely by their ``repr``.
_VALUES = ("builtins", "collections", "datetime", "decimal", "fractions", "re", "uuid")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def fingerprint(obj: Any) -> str:
    """Eight hexadecimal digits that are the same in every process of a script."""
    return _digest(_Hasher(weights=False).content(obj))[:8]


def contents(obj: Any) -> str:
    """Digest of an object including the values of its tensors, for comparisons within a process."""
    return _digest(_Hasher(weights=True).content(obj))


def is_plain(value: Any) -> bool:
    """Whether a value is a number, a text, an array, or a container of these.

    >>> is_plain({"a": [1, (2.0, "b")]}), is_plain([object()])
    (True, False)
    """
    if isinstance(value, Mapping):
        return all(is_plain(each) for pair in value.items() for each in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(is_plain, value))
    return isinstance(value, bool | int | float | complex | str | bytes | type(None)) or (_is_array(value) and not value.dtype.hasobject)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


class _Hasher:
    """Converts objects to nested lists of text.

    Args:
        weights: Whether the values of tensors are included.
    """

    def __init__(self, weights: bool) -> None:
        self._weights = weights
        self._above: set[int] = set()

    def content(self, obj: Any, depth: int = DEPTH) -> Any:
        """The content of an object; `depth` is the number of levels to descend."""
        if obj is None or isinstance(obj, bool | int | float | complex | str | bytes | PurePath | Enum):
            return f"{type(obj).__name__} {obj!r}"
        if id(obj) in self._above or depth < 0:
            return _name(type(obj))
        self._above.add(id(obj))
        try:
            return self._content(obj, depth)
        except Exception:  # reading the attributes of a class may raise anything
            return _name(type(obj))
        finally:
            self._above.discard(id(obj))

    def _content(self, obj: Any, depth: int) -> Any:
        if isinstance(obj, Mapping):
            return [
                _name(type(obj)),
                sorted(([self.content(key, depth), self.content(value, depth)] for key, value in obj.items()), key=str),
            ]
        if isinstance(obj, list | tuple):
            return [_name(type(obj)), [self.content(item, depth) for item in obj]]
        if isinstance(obj, set | frozenset):
            return [_name(type(obj)), sorted((self.content(item, depth) for item in obj), key=str)]
        if isinstance(obj, ModuleType):
            return obj.__name__
        if isinstance(obj, partial):
            return ["partial", self.content(obj.func, depth), self.content(obj.args, depth), self.content(obj.keywords, depth)]
        if isinstance(obj, staticmethod | classmethod):
            return self.content(obj.__func__, depth)
        if isinstance(obj, property):
            return [self.content(part, depth) for part in (obj.fget, obj.fset)]
        if inspect.ismethod(obj):
            return [self.content(obj.__func__, depth), self.content(obj.__self__, depth)]
        if isinstance(obj, type) or inspect.isroutine(obj):
            if depth < DEPTH and not _is_own(obj):
                return _name(obj)
            return self._class(obj, depth) if isinstance(obj, type) else self._function(obj, depth)
        if _is_array(obj):
            return self.content(obj.tolist(), depth) if obj.dtype.hasobject else [_shape(obj), _sha(obj.tobytes())]
        if _is(obj, "torch", "Tensor"):
            return [_shape(obj), self._numbers(obj) if self._weights else ""]
        return self._object(obj, depth)

    def _class(self, kind: type, depth: int) -> Any:
        below = [[name, self.content(value, depth - 1)] for name, value in sorted(vars(kind).items()) if _counts(name, value)]
        return [_name(kind), _source(kind), below, [self.content(base, DEPTH - 1) for base in kind.__bases__]]

    def _function(self, function: Any, depth: int) -> Any:
        code = getattr(function, "__code__", None)
        if code is None:  # written in C
            return _name(function)
        source = _source(function) or code.co_code.hex()  # typed at a prompt
        defaults = [self.content(value, depth - 1) for value in (function.__defaults__, function.__kwdefaults__)]
        around = [[name, self.content(value, depth - 1)] for name, value in _around(function, code)]
        # Two functions in one line have the same source.
        column = min((begin for _, _, begin, _ in code.co_positions() if begin), default=0)
        return [_name(function), source, column, [self.content(value, depth) for value in _constants(code)], defaults, around]

    def _object(self, obj: Any, depth: int) -> Any:
        content: list[Any] = [self.content(type(obj), DEPTH - 1)]
        if callable(as_json := getattr(getattr(obj, "spec", None), "to_json", None)):  # a registered environment
            with suppress(Exception):
                content.append(str(as_json()))
        library = type(obj).__module__.partition(".")[0]
        if library in _VALUES:
            return [*content, _ADDRESS.sub("", repr(obj))]
        if library in sys.stdlib_module_names and not isinstance(obj, SimpleNamespace):
            return content  # a lock, a logger, a generator of random numbers
        # Wrapped environments and layers of networks do not count as a level.
        for name, value in _attributes(obj):
            content.append([name, self.content(value, depth - (name != "env" and not _is_torch(value)))])
        return content

    @staticmethod
    def _numbers(tensor: Any) -> str:
        with suppress(Exception):  # tensors on the meta device have no values
            return _sha(tensor.detach().cpu().reshape(-1).view(sys.modules["torch"].uint8).numpy().tobytes())
        return ""


def _attributes(obj: Any) -> Iterator[tuple[str, Any]]:
    """Name and value of each attribute of an object; of a network its layers and parameters only."""
    own = dict(getattr(obj, "__dict__", {}))
    for kind in type(obj).__mro__:
        slots = vars(kind).get("__slots__", ())
        own |= {name: getattr(obj, name) for name in ([slots] if isinstance(slots, str) else slots) if hasattr(obj, name)}
    if _is(obj, "torch.nn", "Module"):
        inner = ("_parameters", "_buffers", "_modules")
        usual = vars(sys.modules["torch.nn"].Module())
        for name in inner:
            yield from dict(own.get(name, {})).items()
        own = {name: value for name, value in own.items() if name not in usual}
    yield from ((name, own[name]) for name in sorted(own, key=str) if name not in (*_DRAWN, "__dict__", "__weakref__"))


def _around(function: Any, code: CodeType) -> Iterator[tuple[str, Any]]:
    """Values that a function refers to, from enclosing functions and from its module."""
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


def _counts(name: str, value: Any) -> bool:
    """Whether an attribute of a class belongs to its content; Python adds others."""
    return inspect.isfunction(value) or not (name.startswith("__") and name.endswith("__"))


def _is_own(obj: Any) -> bool:
    """Whether a class or function is defined in a script or in a function, so that its name does not identify it."""
    return getattr(obj, "__module__", "") == "__main__" or "<" in obj.__qualname__


def _is(obj: Any, module: str, name: str) -> bool:
    """Whether an object is an instance of a class whose library may not be imported."""
    base = getattr(sys.modules.get(module), name, None)
    return isinstance(base, type) and isinstance(obj, base)


def _is_torch(obj: Any) -> bool:
    return _is(obj, "torch.nn", "Module") or _is(obj, "torch", "Tensor")


def _is_array(obj: Any) -> bool:
    return _is(obj, "numpy", "ndarray") or _is(obj, "numpy", "generic")


def _shape(obj: Any) -> str:
    with suppress(RuntimeError):  # a lazy layer without a size
        return f"{_name(type(obj))} {obj.dtype} {tuple(obj.shape)}"
    return _name(type(obj))


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _name(obj: type | Callable[..., Any]) -> str:
    return f"{getattr(obj, '__module__', '')}:{obj.__qualname__}"


def _source(obj: Any) -> str:
    with suppress(OSError, TypeError):  # typed at a prompt
        return inspect.getsource(obj)
    return ""


class Names:
    """Names of the objects in one configuration; two objects get two names, even if they have the same fingerprint."""

    def __init__(self) -> None:
        self._named: dict[str, Any] = {}

    def name(self, obj: Any, known: Iterable[Component] = ()) -> str:
        """The name of a registered component, an import string, or ``object:NAME``.

        Args:
            obj: A class, a function or an object.
            known: The registered components of the kind.
        """
        reference = reference_of(obj)
        if reference is not None:
            registered = next((component for component in known if component.target == _by_module(obj)), None)
            return registered.qualified if registered is not None else reference
        base = name = f"{word(obj)}-{fingerprint(obj)}"
        count, digest = 1, contents(obj)
        while self._named.get(name, obj) is not obj or not importing.register_object(name, obj, digest):
            count += 1
            name = f"{base}-{count}"
        self._named[name] = obj
        return f"{importing.OBJECT}:{name}"


def reference_of(obj: Any) -> str | None:
    """The import string of a class or function; ``None`` if it cannot be imported.

    >>> reference_of(Component), reference_of(lambda: 0)
    ('unified.core.components.descriptors:Component', None)
    """
    if not (isinstance(obj, type) or inspect.isfunction(obj)) or obj.__module__ == "__main__":
        return None
    module = sys.modules.get(obj.__module__)
    if module is None or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", obj.__qualname__):
        return None
    file = importing.file_of_module(obj.__module__)
    if file is None and "." not in obj.__module__:
        file = importing.file_of(module)  # a module without a dot would look like a suite and its task
    if file is not None and file.suffix != ".py":
        return None
    reference = f"{obj.__module__ if file is None else file}:{obj.__qualname__}"
    with suppress(Exception):
        if importing.import_object(reference) is obj:
            return reference
    return None


def _by_module(obj: Any) -> str:
    return f"{obj.__module__}:{obj.__qualname__}"


def word(obj: Any) -> str:
    """A short name: the name of a function, class or class of an object, or the id of an environment.

    >>> word(Names()), word(lambda: 0)
    ('Names', 'lambda')
    """
    named = obj if isinstance(obj, type) or inspect.isroutine(obj) else None
    if named is None:
        obj = obj.func if isinstance(obj, partial) else obj
        identifier = getattr(getattr(obj, "spec", None), "id", None)
        if isinstance(identifier, str):
            return re.sub(r"[^\w-]+", "-", identifier).strip("-")
        named = obj if inspect.isroutine(obj) else type(getattr(obj, "unwrapped", obj))
    return re.sub(r"\W", "", named.__name__) or "object"
