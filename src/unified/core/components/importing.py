"""Import objects by import strings: ``module:Attribute``, ``/a/file.py:Attribute``, ``object:NAME``.

Processes of environments use it, so it imports nothing heavy.

A file is imported once per process. A file in a package is imported as a module of the package. Any other file gets a private module name
that is derived from its path, so that two files with the same name do not collide.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from contextlib import AbstractContextManager, redirect_stdout, suppress
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

#: The place of objects that exist in this process only.
OBJECT = "object"

_objects: dict[str, tuple[Any, str]] = {}
_digests: dict[str, str] = {}


def stdout_to_stderr() -> AbstractContextManager[Any]:
    """Redirect stdout to stderr, because stdout is the result of a command, which programs may read."""
    return redirect_stdout(sys.stderr)


def import_object(reference: str) -> Any:
    """The object of ``"module:Attribute"``, ``"/a/file.py:Attribute"`` or ``"object:NAME"`` (``":A.b"`` goes deeper).

    Raises:
        ImportError: If there is no such module. Any exception that the module raises passes unchanged.
        AttributeError: If the module has no such attribute.

    >>> import_object("math:pi")
    3.141592653589793
    """
    place, _, path = reference.rpartition(":")
    if not place or not path:
        raise ValueError(f"{reference!r} is not of the form module:Attribute")
    names = path.split(".")
    found = _root(place, names)
    for name in names:
        found = getattr(found, name)
    return found


def _root(place: str, names: list[str]) -> Any:
    """The object with these attributes; for ``object:NAME``, the first name is the object."""
    if place == OBJECT:
        return get_object(names.pop(0))
    if place.endswith(".py"):
        return import_file(Path(place))
    with stdout_to_stderr():
        return import_module(place)


def import_file(path: Path) -> ModuleType:
    """Import a file as a module, unless it is imported already under any name.

    The directory of the file (of its outermost package) is appended to `sys.path`, so that it can import its neighbours and hides no
    other module.

    Raises:
        ImportError: If there is no such file, or another package of the same name hides its package.
    """
    path = path.expanduser().resolve()
    if not path.is_file():
        raise ImportError(f"there is no file {path}", path=str(path))
    digest(path)
    if (loaded := _loaded_from(path)) is not None:
        return loaded
    root, names = _package(path)
    if str(root) not in sys.path:
        sys.path.append(str(root))
    if len(names) > 1:
        with stdout_to_stderr():
            module = import_module(".".join(names))
        if file_of(module) != path:
            raise ImportError(f"{'.'.join(names)} is {file_of(module)} here, not {path}", path=str(path))
        return module
    name = f"unified_file_{re.sub(r'[^a-zA-Z0-9_]', '_', path.stem)}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file", path=str(path))
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        with stdout_to_stderr():
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def file_of(module: ModuleType) -> Path | None:
    """The file of a module."""
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file else None


def digest(path: Path) -> str:
    """SHA-256 of a file at the time of its import, or of the first call."""
    key = str(path)
    if key not in _digests:
        _digests[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    return _digests[key]


def file_of_module(name: str) -> Path | None:
    """The file of a module in the working directory or the directory of the script; ``None`` for an installed module.

    Nothing is imported.
    """
    top, *below = name.split(".")
    spec = None
    with suppress(ImportError, ValueError):
        spec = find_spec(top)
    here = [Path.cwd()]
    main = sys.modules.get("__main__")
    if main is not None and getattr(main, "__file__", None) and main.__spec__ is None:  # a script, and not python -m …
        here.append(Path(str(main.__file__)).resolve().parent)
    if spec is not None:
        places = [Path(place).parent for place in spec.submodule_search_locations or ()] or [Path(spec.origin or "").parent]
        here = [place for place in here if place in places]
    for root in here:
        for path in (root.joinpath(top, *below, "__init__.py"), root.joinpath(top, *below).with_suffix(".py")):
            if path.is_file():
                return path.resolve()
    return None


def register_object(name: str, obj: Any, contents: str) -> bool:
    """Register an object as ``"object:NAME"`` in this process; returns ``False`` if the name belongs to another object.

    Args:
        name: Name of the object.
        obj: The object; it replaces an object with the same contents.
        contents: Digest of its contents.
    """
    existing, known = _objects.get(name, (obj, contents))
    if existing is not obj and known != contents:
        return False
    _objects[name] = obj, contents
    return True


def get_object(name: str) -> Any:
    """The registered object of this name.

    Raises:
        ImportError: If this process has no such object.
    """
    if name not in _objects:
        raise ImportError(f"object:{name} was a Python object of another process", name=name)
    return _objects[name][0]


def _loaded_from(path: Path) -> ModuleType | None:
    """The module that was imported from this file; the main script does not count."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__dict__", {}).get("__file__")  # not getattr, which imports lazy modules
        if not isinstance(file, str) or os.path.basename(file) != path.name or name == "__main__":
            continue
        if file_of(module) == path and not getattr(getattr(module, "__spec__", None), "_initializing", False):
            return module
    return None


def _package(path: Path) -> tuple[Path, list[str]]:
    """The directory to import a file from, and the names of its packages and of itself."""
    names = [] if path.name == "__init__.py" else [path.stem]
    directory = path.parent
    while (directory / "__init__.py").is_file() and directory.name.isidentifier():
        names.insert(0, directory.name)
        directory = directory.parent
    return directory, names or [path.stem]
