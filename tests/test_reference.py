"""The reference is what the code says today."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def reference() -> Any:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_those_of_the_live_code():
    wanted = reference().pages()
    there = {path.relative_to(ROOT / "docs/reference").as_posix(): path.read_text() for path in (ROOT / "docs/reference").rglob("*.md")}
    assert sorted(there) == sorted(wanted)
    stale = [name for name in wanted if there[name] != wanted[name]]
    assert not stale, f"run: python tools/reference.py   ({', '.join(stale)})"


def test_every_hook_and_component_has_a_page():
    from unified.core.components import KINDS
    from unified.core.hookspecs import Lifecycle, Registration
    from unified.core.registry import registry

    wanted = set(reference().pages())
    for spec in (Registration, Lifecycle):
        assert {f"hooks/{name}.md" for name in vars(spec) if not name.startswith("_")} <= wanted
    for kind in KINDS:
        assert {f"{kind}/{component.name}.md" for component in registry().all(kind) if component.origin.provider == "core"} <= wanted
