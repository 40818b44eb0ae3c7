"""Imports run downward only: core knows no plugin, and the floor under everything is free of heavy libraries."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import unified

PACKAGE = Path(unified.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path, top_level_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            skipped |= {id(below) for below in ast.walk(node)}
        if top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            skipped |= {id(below) for below in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_floors(path: Path) -> None:
    inside = path.relative_to(PACKAGE).parts
    names = list(imported(path))
    if inside[0] == "core":
        assert not [name for name in names if name.startswith(("unified.plugins", "unified.cli", "unified.testing"))]
    if inside[0] == "core" and (len(inside) < 2 or inside[1] != "trainer"):
        assert not [name for name in names if name.startswith("unified.core.trainer")]
    if inside[0] == "plugins" and inside[1] == "agents" and len(inside) > 3:
        others = [name for name in names if name.startswith("unified.plugins.agents.") and name.split(".")[3] != inside[2]]
        assert not others, "one plugin never imports another plugin's agent"


def test_the_trainer_names_no_algorithm() -> None:
    words = ("drqv2", "dqn", "sac", "ppo", "pixel", "supervised", "generative", "offline")
    for path in (PACKAGE / "core" / "trainer").glob("*.py"):
        said = set(re.findall(r"[a-z0-9]+", path.read_text().lower()))
        assert not said & set(words), path.name
