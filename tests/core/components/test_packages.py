"""What is told of installed distributions."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from unified.core.base.errors import UnifiedError, UsageError
from unified.core.components import packages
from unified.core.components.descriptors import AgentComponent, Origin
from unified.core.components.packages import advice, distribution_of, version_of
from unified.core.registry import registry


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution as pip leaves it, whose modules import what is not there."""
    info = tmp_path / "needy_nets-0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: needy-nets\nVersion: 0.3\nRequires-Dist: Qwer_Tyuiop>=2\nRequires-Dist: opencv-python; extra == 'x'\n"
    )
    (info / "RECORD").write_text("needy_nets/__init__.py,,\nneedy_nets/a.py,,\nneedy_nets/b.py,,\n")
    (tmp_path / "needy_nets").mkdir()
    for name, text in (("__init__", ""), ("a", "import qwer_tyuiop\n"), ("b", "import cv2\n")):
        (tmp_path / f"needy_nets/{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    packages._by_top_level.cache_clear()
    yield tmp_path
    packages._by_top_level.cache_clear()
    sys.modules.pop("needy_nets", None)


def missing(name: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_only_what_is_required_is_called_a_package(installed: Path) -> None:
    assert advice(missing("cv2")) == advice(missing("cv2"), "needy-nets") == "it imports 'cv2', which is not installed"
    assert advice(missing("numpyy"), "nowhere") == "it imports 'numpyy', which is not installed"
    assert advice(missing("qwer_tyuiop"), "needy-nets") == "it imports 'qwer_tyuiop', which is not installed: pip install Qwer_Tyuiop"
    assert advice(missing("cv2"), "needy-nets", "x") == "pip install 'needy-nets[x]'"
    assert advice(ValueError("no"), "needy-nets") == advice(ImportError("no"), "needy-nets", "x") == ""


@pytest.mark.parametrize(
    ("module", "says"), [("a", "not installed: pip install Qwer_Tyuiop"), ("b", "it imports 'cv2', which is not installed")]
)
def test_references_and_registered_components_say_the_same(installed: Path, module: str, says: str) -> None:
    with pytest.raises(UsageError) as referred:
        registry().get("agents", f"needy_nets.{module}:Agent")
    assert str(referred.value.problems[0]).endswith(says)
    component = AgentComponent("needy", f"unified.{module}:X", f"needy_nets.{module}:Options", origin=Origin("n", "needy-nets", "0.3"))
    with pytest.raises(UnifiedError) as registered:
        component.options_model()
    assert str(registered.value.problems[0]).endswith(says)


def test_whose_a_module_is(installed: Path) -> None:
    __import__("needy_nets")
    (installed / "beside_it.py").write_text("")
    __import__("beside_it")
    assert distribution_of("needy_nets") == ("needy-nets", "0.3")
    assert distribution_of("pytest") == ("pytest", metadata.version("pytest"))
    assert distribution_of("json") is distribution_of("beside_it") is distribution_of("not_there") is None
    assert (version_of("needy-nets"), version_of("not-there")) == ("0.3", None)
