"""Recipes: files of values, YAML or JSON, found by name or path. They are data; nothing in them is executed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from unified.core import suggest
from unified.core.components import RecipeComponent
from unified.core.config.files import SUFFIXES, read
from unified.core.config.overrides import Layer, from_tree
from unified.core.errors import Problem, UsageError
from unified.core.references import beside
from unified.core.registry import Registry

IMPORTS = "imports"


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
    tree, lines = read(name, path)
    own = from_tree(tree, f"recipe {name}", lines)
    own.values = {key: beside(value, path.parent) for key, value in own.values.items()}
    imports = tree.pop(IMPORTS, None) or []
    own.values = {key: value for key, value in own.values.items() if key[0] != IMPORTS}
    if isinstance(imports, str):
        imports = [imports]
    if not isinstance(imports, list) or not all(isinstance(item, str) for item in imports):
        said = own.place((IMPORTS,))
        raise UsageError(Problem(f"{IMPORTS} must be a list of names and paths", "for example  imports: [laptop, ./base.yaml]", said))
    layers: list[Layer] = []
    for item in imports:
        try:
            layers += _load(item, registry, path, [*above, path])
        except UsageError as error:
            raise UsageError(*(replace(problem, source=problem.source or own.place((IMPORTS,))) for problem in error.problems)) from None
    return [*layers, own]


def _find(name: str, registry: Registry, importer: Path | None) -> Path:
    """The file of a recipe; a path in `imports` is relative to the file that it stands in."""
    if not is_path(name):
        try:
            component = registry.get("recipes", name)
        except UsageError as error:
            beside = next((f"./{name}{suffix}" for suffix in SUFFIXES if Path(f"{name}{suffix}").is_file()), None)
            within = [f"./{name}/{file}" for file in _files(Path(name))]
            hint = f"did you mean the file  {beside} ?" if beside else f"a file of this directory:  {', '.join(within)}" if within else ""
            raise UsageError(replace(error.problems[0], hint=hint or error.problems[0].hint)) from None
        assert isinstance(component, RecipeComponent)
        return Path(component.path).resolve()
    path = Path(name).expanduser()
    if importer is not None and not path.is_absolute():
        path = importer.parent / path
    if (path / "config.json").is_file():
        path = path / "config.json"
    if path.is_dir():
        within = [f"{name.rstrip('/')}/{file}" for file in _files(path)]
        raise UsageError(Problem(f"recipe {name} is a directory", f"a file of it:  {', '.join(within)}" if within else "name a file"))
    if not path.is_file():
        raise UsageError(Problem(f"recipe {name} does not exist", _near(name, path, registry)))
    return path.resolve()


def _near(name: str, path: Path, registry: Registry) -> str:
    """What was meant by the path of no file: an installed recipe, or a file beside it."""
    if path.stem in registry.names("recipes"):
        return suggest.ask([path.stem])
    # By their stems: that both end in .yaml makes no two names alike.
    stems = {Path(file).stem: file for file in _files(path.parent)}
    near = suggest.closest(path.stem, stems)
    return suggest.ask([name.removesuffix(path.name) + stems[near]]) if near else "all that are installed: unified plugins list recipes"


def _files(directory: Path) -> list[str]:
    """Names of the recipes in a directory; none where it is none."""
    return sorted(file.name for file in directory.glob("*") if file.suffix in SUFFIXES) if directory.is_dir() else []


def is_path(name: str) -> bool:
    """Whether a recipe is said by its file: ``./a.yaml``, ``a.json``, ``runs/default/…``; ``provider/name`` is a name."""
    return name.endswith(SUFFIXES) or name.startswith((".", "/", "~")) or Path(name, "config.json").is_file()
