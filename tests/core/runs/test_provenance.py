"""What a run was made with, and what is there now."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from unified.core.components import packages
from unified.core.registry import registry
from unified.core.runs import provenance

TORCH = metadata.version("torch")


def records(**changed: str) -> list[dict[str, str]]:
    (entry,) = provenance.record([registry().get("architectures", "torch.nn:Flatten")])
    return [entry | changed]


def test_an_installed_module_is_told_by_its_distribution() -> None:
    assert records() == [
        {
            "kind": "architectures",
            "name": "torch.nn:Flatten",
            "target": "torch.nn:Flatten",
            "provider": "",
            "distribution": "torch",
            "version": TORCH,
        }
    ]
    assert provenance.changed(records(), registry()) == provenance.missing(records(), registry()) == []


def test_another_version_of_it_is_no_edit() -> None:
    (line,) = provenance.changed(records(version="1.0"), registry())
    assert line == (
        f"architecture 'torch.nn:Flatten' came from torch 1.0, and {TORCH} is installed; for the same results: pip install 'torch==1.0'"
    )
    assert provenance.missing(records(version="1.0"), registry()) == []


def test_a_distribution_that_is_gone_is_missing() -> None:
    gone = records(distribution="torch-of-yore", version="0.1")
    (problem,) = provenance.missing(gone, registry())
    assert str(problem) == (
        "architecture 'torch.nn:Flatten' came from torch-of-yore 0.1, which is not installed    pip install 'torch-of-yore==0.1'"
    )
    assert provenance.changed(gone, registry()) == []


def test_what_nobody_installed_is_told_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "nets.py"
    file.write_text("def net(in_features): ...\n")
    (entry,) = provenance.record([registry().get("architectures", f"{file}:net")])
    assert (entry["file"], entry["distribution"]) == (str(file), "")
    assert provenance.changed([entry], registry()) == []
    assert provenance.missing([entry], registry()) == []
    assert "has been edited" in provenance.changed([{**entry, "sha256": "0"}], registry())[0]
    assert packages.distribution_of("nets") is None


def test_a_registered_component_is_told_by_its_plugin() -> None:
    (entry,) = provenance.record([registry().get("agents", "drqv2")])
    assert entry["provider"] == "core"
    assert provenance.changed([entry], registry()) == provenance.missing([entry], registry()) == []
    assert "is installed; for the same results" in provenance.changed([{**entry, "version": "0"}], registry())[0]
    assert provenance.missing([{**entry, "name": "gone"}], registry())
