"""The reference is built from the code: every public name, hook and component is in it, and its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from unified.core.components.descriptors import KINDS
from unified.core.components.hookspecs import LIFECYCLE, REGISTRATION
from unified.core.registry import CORE, registry

ROOT = Path(__file__).parents[1]


def load() -> Any:
    spec = importlib.util.spec_from_file_location("reference_pages", ROOT / "tools" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = load()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("reference") / "built"
    reference.build(directory)
    return directory


@pytest.mark.parametrize("module", reference.PUBLIC)
def test_every_public_name_is_there_with_its_documentation(home: Path, module: str) -> None:
    text = (home / "python" / f"{module}.md").read_text()
    sections = {part.partition("\n")[0]: part for part in text.split("\n## ")[1:]}
    assert set(sections) == set(reference.public_names(module))
    contents = importlib.import_module(module)
    for name, section in sections.items():
        thing = getattr(contents, name)
        if isinstance(thing, type):
            assert f"class {name}" in section
            assert (thing.__doc__ or "").strip().splitlines()[0] in section


def test_methods_have_their_signatures(home: Path) -> None:
    text = (home / "python" / "unified.md").read_text()
    assert "### Agent.add_target" in text
    assert "### Objective.attach\n\n```python\ndef attach(self, agent: Any) -> None\n```" in text


def test_every_hook_and_component_has_a_page(home: Path) -> None:
    for name in (*REGISTRATION, *LIFECYCLE):
        assert (home / "hooks" / f"{name}.md").is_file()
    for kind in KINDS:
        for component in registry().all(kind):
            if component.origin.provider == CORE:
                assert component.summary.lower() in (home / kind / f"{component.name}.md").read_text().lower()


def test_links_lead_somewhere(home: Path) -> None:
    for page in home.rglob("*.md"):
        for target in re.findall(r"\]\(([\w./-]+\.md)\)", page.read_text()):
            assert (page.parent / target).is_file(), (page.name, target)


def test_another_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SystemExit, match="holds something else"):
        reference.build(tmp_path)
