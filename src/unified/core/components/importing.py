"""Objects by their texts: ``module:Attribute``, ``/a/file.py:Attribute``, ``object:NAME``. Torch-free: environments' processes use it.

A file is imported once per process. One that lies in a package is that package's module; any other one gets a private name, made from its
path, so that two files called ``mine.py`` never meet.
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

#: The place of objects that only this process has.
OBJECT = "object"

_objects: dict[str, tuple[Any, str]] = {}
_digests: dict[str, str] = {}


def stdout_to_stderr() -> AbstractContextManager[Any]:
    """Within, what is printed goes to stderr: stdout belongs to what a command answers, and a program may read it."""
    return redirect_stdout(sys.stderr)


def import_object(reference: str) -> Any:
    """The object of ``"module:Attribute"``, ``"/a/file.py:Attribute"`` or ``"object:NAME"`` (``":A.b"`` goes deeper).

    Raises:
        ImportError: If there is no such module; whatever else the module raises when it is imported passes, too.
        AttributeError: If it has no such attribute.

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
    """What the names are attributes of; an object of this process is the first of them itself."""
    if place == OBJECT:
        return get_object(names.pop(0))
    if place.endswith(".py"):
        return import_file(Path(place))
    with stdout_to_stderr():
        return import_module(place)


def import_file(path: Path) -> ModuleType:
    """The module of a file, imported if it was not yet under whatever name.

    The directory of the file (of its outermost package) is added to the end of `sys.path`: its neighbours can be imported and
    hide nothing.

    Raises:
        ImportError: If it is no file, or its package is hidden by another one of the same name.
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
    """The file that a module was imported from."""
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file else None


def digest(path: Path) -> str:
    """sha256 of a file, as it was when it was imported or first asked about."""
    key = str(path)
    if key not in _digests:
        _digests[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    return _digests[key]


def file_of_module(name: str) -> Path | None:
    """The file of a module that only the working directory or the script's makes importable; ``None`` for one that is installed.

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


def register_object(name: str, thing: Any, contents: str) -> bool:
    """Make ``"object:NAME"`` mean `thing` in this process; ``False`` where the name is another object's already.

    Args:
        name: Of the object.
        thing: The object; it takes the place of one with the same contents.
        contents: A digest of all that can be seen of it.
    """
    there, known = _objects.get(name, (thing, contents))
    if there is not thing and known != contents:
        return False
    _objects[name] = thing, contents
    return True


def get_object(name: str) -> Any:
    """The object of this name.

    Raises:
        ImportError: If this process has none.
    """
    if name not in _objects:
        raise ImportError(f"object:{name} was a Python object of another process", name=name)
    return _objects[name][0]


def _loaded_from(path: Path) -> ModuleType | None:
    """The module that was imported from this file already; the main script does not count, its objects are nobody else's."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__dict__", {}).get("__file__")  # not getattr: lazy modules import themselves when they are looked at
        if not isinstance(file, str) or os.path.basename(file) != path.name or name == "__main__":
            continue
        if file_of(module) == path and not getattr(getattr(module, "__spec__", None), "_initializing", False):
            return module
    return None


def _package(path: Path) -> tuple[Path, list[str]]:
    """The directory that makes a file importable, and the names of its packages and of itself."""
    names = [] if path.name == "__init__.py" else [path.stem]
    directory = path.parent
    while (directory / "__init__.py").is_file() and directory.name.isidentifier():
        names.insert(0, directory.name)
        directory = directory.parent
    return directory, names or [path.stem]
