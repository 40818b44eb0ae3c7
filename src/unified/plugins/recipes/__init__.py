"""Recipes: each YAML file of this directory, named by its file; the first line of it is the summary. Torch-free."""

from __future__ import annotations

from pathlib import Path

from unified.core.components.descriptors import RecipeComponent


def _summary(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline().removeprefix("#").strip().rstrip(".")


components = tuple(RecipeComponent(path.stem, path=path, summary=_summary(path)) for path in sorted(Path(__file__).parent.glob("*.yaml")))
