"""Imports run downward only: core knows no plugin, and the floor under everything is free of heavy libraries."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import unified
from unified.core.registry import CORE, registry

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


#: Where core may say the name of an agent: the default of the slot itself.
DEFAULTS = {("config/schema.py", "ac2")}


def code_words(path: Path) -> set[str]:
    """Names and texts of a file's code; documentation may give examples."""
    tree = ast.parse(path.read_text())
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body and isinstance(node.body[0], ast.Expr)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            found |= set(re.findall(r"[a-z0-9_]+", node.value.lower()))
        elif isinstance(node, ast.Name | ast.Attribute | ast.ClassDef | ast.FunctionDef):
            name = {ast.Name: "id", ast.Attribute: "attr"}.get(type(node), "name")
            found.add(getattr(node, name).lower())
    return found


def test_core_names_no_algorithm() -> None:
    agents = {component.name for component in registry().all("agents") if component.origin.provider == CORE} - {"random"}
    files = [path for path in FILES if path.relative_to(PACKAGE).parts[0] == "core"]
    named = {(str(path.relative_to(PACKAGE / "core")), word) for path in files for word in code_words(path) & agents}
    assert named <= DEFAULTS
