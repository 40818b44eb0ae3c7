"""Recipes: files of values, YAML or JSON, found by name or path. They are data; nothing in them is executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unified.core import suggest
from unified.core.components import RecipeComponent
from unified.core.config.overrides import Layer, from_tree
from unified.core.errors import Problem, UsageError
from unified.core.registry import Registry

IMPORTS = "imports"
SUFFIXES = (".yaml", ".yml", ".json")


def load(name: str, registry: Registry) -> list[Layer]:
    """The layers of a recipe: those it imports first, its own last.

    Args:
        name: Of a recipe (``laptop``), or the path of a file or of a run's directory.
        registry: Where names are looked up.

    Raises:
        UsageError: If it, or one it imports, does not exist, cannot be read, or imports itself.
    """
    return _load(name, registry, None, [])


def _load(name: str, registry: Registry, importer: Path | None, above: list[Path]) -> list[Layer]:
    path = _find(name, registry, importer)
    if path in above:
        chain = " -> ".join(recipe.name for recipe in [*above[above.index(path) :], path])
        raise UsageError(Problem(f"recipes import each other: {chain}", f"remove one of the {IMPORTS}"))
    tree = _read(name, path)
    imports = tree.pop(IMPORTS, None) or []
    if isinstance(imports, str):
        imports = [imports]
    if not isinstance(imports, list) or not all(isinstance(item, str) for item in imports):
        raise UsageError(
            Problem(f"recipe {name}: {IMPORTS} must be a list of names and paths", "for example  imports: [laptop, ./base.yaml]")
        )
    layers = [layer for item in imports for layer in _load(item, registry, path, [*above, path])]
    return [*layers, from_tree(tree, f"recipe {name}")]


def _find(name: str, registry: Registry, importer: Path | None) -> Path:
    """The file of a recipe; a path in `imports` is relative to the file that it stands in."""
    if not is_path(name):
        try:
            component = registry.get("recipes", name)
        except UsageError as error:
            beside = next((f"{name}{suffix}" for suffix in SUFFIXES if Path(f"{name}{suffix}").is_file()), None)
            problem = Problem(error.problems[0].message, f"did you mean the file  ./{beside} ?") if beside else error.problems[0]
            raise UsageError(problem) from None
        assert isinstance(component, RecipeComponent)
        return Path(component.path).resolve()
    path = Path(name).expanduser()
    if importer is not None and not path.is_absolute():
        path = importer.parent / path
    if (path / "config.json").is_file():
        path = path / "config.json"
    if not path.is_file():
        siblings = [sibling.name for sibling in path.parent.glob("*") if sibling.suffix in SUFFIXES] if path.parent.is_dir() else []
        where = f" (imported by {importer})" if importer else ""
        raise UsageError(Problem(f"recipe {name} does not exist{where}", suggest.did_you_mean(path.name, siblings)))
    return path.resolve()


def is_path(name: str) -> bool:
    """Whether a recipe is said by its file: ``./a.yaml``, ``a.json``, ``runs/default/…``; ``provider/name`` is a name."""
    return name.endswith(SUFFIXES) or name.startswith((".", "/", "~")) or Path(name, "config.json").is_file()


def _read(name: str, path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(Problem(f"recipe {name} cannot be read: {error}")) from error
    try:
        tree = json.loads(text) if path.suffix == ".json" else _yaml(text)
    except ValueError as error:
        raise UsageError(Problem(f"recipe {name} cannot be read: {' '.join(str(error).split())}")) from error
    if tree is None:
        tree = {}
    if not isinstance(tree, Mapping):
        raise UsageError(Problem(f"recipe {name} is not a tree of keys and values", "for example  agent.lr: 1e-4"))
    return dict(tree)


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
