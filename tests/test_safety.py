"""Nothing is unpickled and nothing is evaluated, anywhere in the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import unified

PACKAGE = Path(unified.__file__).parent
FORBIDDEN_CALLS = {"eval", "exec", "torch.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "marshal.loads", "marshal.load"}
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "joblib", "marshal"}


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def findings(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and dotted(node.func) in FORBIDDEN_CALLS:
            found.append(f"{node.lineno}: {dotted(node.func)}")
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        found += [f"{node.lineno}: import {name}" for name in names if {name, name.split(".")[0]} & (FORBIDDEN_IMPORTS | FORBIDDEN_CALLS)]
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and getattr(node.value, "value", None) is not False:
            found.append(f"{node.value.lineno}: allow_pickle")
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_can_run_what_it_reads(path: Path) -> None:
    assert findings(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "torch.load(f)",
        "eval('1')",
        "yaml.load(f)",
        "np.load(f, allow_pickle=True)",
        "from torch import load",
    ],
)
def test_the_test_can_fail(source: str) -> None:
    assert findings(source)
