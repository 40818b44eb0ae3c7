"""Recipes: YAML or JSON files of values, found by name or path. They are data; nothing in them is executed. Torch-free."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from unified.core.base import files, suggest
from unified.core.base.errors import Problem, UsageError
from unified.core.components import trust
from unified.core.components.descriptors import RecipeComponent
from unified.core.components.import_paths import beside, is_reference
from unified.core.config import limits, schema
from unified.core.config.layers import Layer, from_tree, path_of
from unified.core.registry import Registry

IMPORTS = "imports"
#: The key in the ``config.json`` of a run that holds the version of each package that wrote it.
PACKAGES = "packages"
SUFFIXES = (".yaml", ".yml", ".json")
#: Number of files that one recipe may read.
MOST_FILES = 100


def load(name: str, registry: Registry) -> list[Layer]:
    """The layers of a recipe: first the recipes that it imports, then its own.

    Args:
        name: Name of a recipe (``laptop``), or path of a file or of the directory of a run.
        registry: Where names are looked up.

    Raises:
        UsageError: If the recipe or one that it imports does not exist, cannot be read, or imports itself.
    """
    try:
        return _load(name, registry, None, [], [])
    except OSError as error:  # a name that is too long, for example
        raise UsageError(Problem(f"recipe {name} cannot be read: {error.strerror or error}")) from error


def is_path(name: str) -> bool:
    """Whether a recipe is given by its path: ``./a.yaml``, ``a.json``, ``runs/default/…``; ``provider/name`` is a name."""
    return name.endswith(SUFFIXES) or name.startswith((".", "/", "~")) or Path(name, "config.json").is_file()


def _load(name: str, registry: Registry, importer: Path | None, above: list[Path], opened: list[Path], own: bool = False) -> list[Layer]:
    """The layers of a recipe.

    Args:
        name: As in `load`.
        registry: Where names are looked up.
        importer: The recipe that imports it.
        above: The recipes that import it, directly or indirectly.
        opened: All recipes that were read before it.
        own: Whether its importer belongs to an installed package. What a package says is as trusted as its code.
    """
    path = _find(name, registry, importer)
    own = own or not is_path(name)
    opened.append(path)
    if len(opened) > MOST_FILES:
        raise UsageError(Problem(f"recipe {above[0].name} imports more than {MOST_FILES} recipes", f"remove some of the {IMPORTS}"))
    if path in above:
        chain = " -> ".join(recipe.name for recipe in [*above[above.index(path) :], path])
        raise UsageError(Problem(f"recipes import each other: {chain}", f"remove one of the {IMPORTS}"))
    tree, lines = read(name, path)
    packages = tree.pop(PACKAGES, None)
    imports, line = tree.pop(IMPORTS, None) or [], lines.get((IMPORTS,))
    place = f"recipe {name}" if line is None else f"recipe {name}, line {line}"
    if isinstance(imports, str):
        imports = [imports]
    if not isinstance(imports, list) or not all(isinstance(item, str) for item in imports):
        raise UsageError(Problem(f"{IMPORTS} must be a list of names and paths", "for example  imports: [laptop, ./base.yaml]", place))
    layers: list[Layer] = []
    for item in imports:
        try:
            layers += _load(item, registry, path, [*above, path], opened, own)
        except UsageError as error:
            raise UsageError(*(replace(problem, source=problem.source or place) for problem in error.problems)) from None
    packages = {str(key): str(version) for key, version in packages.items()} if isinstance(packages, Mapping) else None
    layer = from_tree(tree, f"recipe {name}", lines)
    values = {key: beside(value, path.parent) for key, value in layer.values.items()}
    # A recipe that was not named by the user may not lend itself the signatures of a run that it imports.
    signed = trust.signed(path.parent) if importer is None else ()
    return [*layers, replace(layer, values=values, packages=packages, own=own, signed=signed)]


# Paths -------------------------------------------------------------------------------------------------------------------------------


def _find(name: str, registry: Registry, importer: Path | None) -> Path:
    """The file of a recipe; a path in `imports` is relative to the importing file."""
    if not is_path(name):
        if is_reference(name):  # no gate stands before this registry, and it would import the code
            raise UsageError(Problem(f"recipe {name} is code", "recipes are YAML and JSON files"))
        try:
            component = registry.get("recipes", name)
        except UsageError as error:
            near = next((f"./{name}{suffix}" for suffix in SUFFIXES if Path(f"{name}{suffix}").is_file()), None)
            within = _files(Path(name), f"./{name}/")
            hint = f"did you mean the file  {near} ?" if near else f"a file of this directory:  {within}" if within else ""
            raise UsageError(replace(error.problems[0], hint=hint or error.problems[0].hint)) from None
        assert isinstance(component, RecipeComponent)
        return Path(component.path).resolve()
    path = Path(name).expanduser()
    if importer is not None and not path.is_absolute():
        path = importer.parent / path
    if (path / "config.json").is_file():
        path = path / "config.json"
    if path.is_dir():
        within = _files(path, f"{name.rstrip('/')}/")
        raise UsageError(Problem(f"recipe {name} is a directory", f"a file of it:  {within}" if within else "name a file"))
    if path.exists() and not path.is_file():
        raise UsageError(Problem(f"recipe {name} is a pipe or a device", "name a file"))
    if not path.is_file():
        raise UsageError(Problem(f"recipe {name} does not exist", _near(name, path, registry)))
    return path.resolve()


def _near(name: str, path: Path, registry: Registry) -> str:
    """The recipe that was probably meant: an installed one, or a file in the same directory."""
    if path.stem in registry.names("recipes"):
        return suggest.ask([path.stem])
    # Compare stems: the suffix .yaml in common does not make two names alike.
    stems = {file.stem: file.name for file in sorted(path.parent.glob("*")) if file.suffix in SUFFIXES}
    near = suggest.closest(path.stem, stems)
    return suggest.ask([name.removesuffix(path.name) + stems[near]]) if near else "all that are installed: unified plugins list recipes"


def _files(directory: Path, prefix: str) -> str:
    """The recipes in a directory, as they are typed; empty if it is none or has none."""
    return ", ".join(sorted(f"{prefix}{file.name}" for file in directory.glob("*") if file.suffix in SUFFIXES))


# Files -------------------------------------------------------------------------------------------------------------------------------


def read(name: str, path: Path) -> tuple[dict[str, Any], dict[schema.Path, int]]:
    """The tree of a file, and the line of each key if it is YAML.

    Raises:
        UsageError: If the file cannot be read or is not a tree, with the line.
    """
    try:
        text = files.read_file(path, limits.BYTES if path.suffix == ".json" else limits.BYTES_YAML, follow=True).decode()
        tree, lines = (_json(text), {}) if path.suffix == ".json" else _yaml(text)
        limits.check(tree)
    except OSError as error:
        raise UsageError(Problem(f"recipe {name} cannot be read: {error.strerror or error}")) from error
    except UnicodeDecodeError as error:
        raise UsageError(Problem(f"recipe {name} cannot be read: it is not text in UTF-8")) from error
    except RecursionError:
        raise UsageError(Problem(f"recipe {name} cannot be read: {limits.TOO_DEEP}")) from None
    except ValueError as error:
        raise UsageError(Problem(f"recipe {name} cannot be read: {error}")) from error
    if not isinstance(tree, Mapping | None):
        raise UsageError(Problem(f"recipe {name} is not a tree of keys and values", "for example  agent.lr: 1e-4"))
    return dict(tree or {}), lines


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        raise ValueError(f"it sets {Counter(key for key, _ in pairs).most_common(1)[0][0]} twice")
    return tree


def _yaml(text: str) -> tuple[Any, dict[schema.Path, int]]:
    lines: dict[schema.Path, int] = {}
    return limits.read_yaml(text, lambda node: _note_lines(node, (), (), lines)), lines


def _note_lines(node: Any, prefix: schema.Path, above: tuple[int, ...], lines: dict[schema.Path, int]) -> None:
    """Note the line of each key, dotted or nested; refuse keys that are set twice, of which YAML would drop one silently."""
    if id(node) in above:
        raise ValueError(f"line {node.start_mark.line + 1}: {'.'.join(prefix)} contains itself")
    if getattr(node, "id", "") != "mapping":
        return
    here: set[schema.Path] = set()
    for key, value in node.value:
        if key.id != "scalar" or key.value == "<<":
            continue
        path, line = (*prefix, *path_of(key.value)), key.start_mark.line + 1
        nested = value.id == "mapping" and value.value
        # `agent: {…}` and `agent.lr: 1` beside it add up, but a key that appears twice in one mapping, or a value set twice, does not.
        if path in here or (path in lines and not nested):
            raise ValueError(f"it sets {'.'.join(path)} twice, on lines {lines[path]} and {line}")
        here.add(path)
        lines.setdefault(path, line)
        _note_lines(value, path, (*above, id(node)), lines)
