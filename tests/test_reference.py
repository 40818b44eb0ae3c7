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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "combinations", lambda component: (("Values", "architectures", ("scalar",)),))  # see below
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


def page(home: Path, name: str) -> dict[str, str]:
    """The sections of an agent's page, by their headings; the algorithm is that of no heading."""
    head, *sections = (home / "agents" / f"{name}.md").read_text().split("\n## ")
    return {"": head, **{title: text for title, _, text in (section.partition("\n") for section in sections)}}


def test_the_page_of_an_agent_has_its_algorithm_with_an_equation_and_a_source(home: Path) -> None:
    for component in registry().all("agents"):
        if component.origin.provider != CORE:
            continue
        sections = page(home, component.name)
        assert {"", "Combines with", "Anchors", "Options"} <= set(sections)
        if component.name != "random":
            assert " = " in sections[""].partition("| key |")[0], component.name
            assert re.search(r"(19|20)\d\d", sections[""]), component.name
        base = component.base
        if base is not None:
            assert f"[{base.name}]({base.name}.md), the same class" in sections[""]
            assert all(f"| `{key}` |" in sections[""] for key in component.values)


@pytest.mark.parametrize("file", ["README.md", "docs/which-algorithm.md"])
def test_lists_of_agents_are_complete(file: str) -> None:
    text = (ROOT / file).read_text()
    agents = [component.name for component in registry().all("agents") if component.origin.provider == CORE]
    assert [name for name in agents if f"`{name}`" not in text] == []
    if file == "README.md":
        assert f"{len(agents)} [agents]" in text


def test_the_defaults_of_a_variant_are_its_values(home: Path) -> None:
    row = "| `agent.critic.members` | int ≥ 1 | `{}` |"
    assert row.format(2) in page(home, "sac")["Options"]
    assert row.format(10) in page(home, "redq")["Options"]


def test_a_variant_combines_with_what_its_base_combines_with(home: Path) -> None:
    assert page(home, "dqn")["Combines with"].strip() == "- Values: [scalar](../architectures/scalar.md)."
    assert page(home, "iqn")["Combines with"].strip() == "What [dqn](dqn.md) combines with."


@pytest.mark.slow
def test_what_an_agent_combines_with_is_built() -> None:
    found = {name: dict(each[1:] for each in combined(name)) for name in ("ppo", "trpo", "pqn", "dqn")}
    values = {name: next(iter(combined(name)))[2] for name in ("pqn", "dqn")}
    assert "rnd" in found["ppo"]["objectives"]
    assert "rnd" not in found["trpo"]["objectives"]
    assert "gammas" in values["dqn"]
    assert "gammas" not in values["pqn"]
    assert {"hindsight", "prioritised", "uniform"} <= set(found["dqn"]["samplers"])
    assert found["ppo"]["samplers"] == ()


def combined(name: str) -> Any:
    return reference.combinations(registry().get("agents", name))


def test_anchors_stand_on_the_page_of_their_agent(home: Path) -> None:
    assert "experiment=anchor-tqc-pendulum-20k" in page(home, "tqc")["Anchors"]
    assert "experiment=anchor-digits-" in page(home, "ac2")["Anchors"]
    assert "anchor-" not in page(home, "random")["Anchors"]
    found = "".join(path.read_text() for path in (home / "agents").iterdir())
    assert all(f"experiment=anchor-{name}" in found for name in reference.anchors().ANCHORS)


def test_links_lead_somewhere(home: Path) -> None:
    for page in home.rglob("*.md"):
        for target in re.findall(r"\]\(([\w./-]+\.md)\)", page.read_text()):
            assert (page.parent / target).is_file(), (page.name, target)


def test_another_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SystemExit, match="holds something else"):
        reference.build(tmp_path)
