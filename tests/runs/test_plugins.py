"""Installed packages and real runs: what is not named changes nothing, and what fails ends a run with its name and loses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runs.commands import STATE, assert_same, events, newest, run_directory, unified
from runs.installed import install, uninstall

IMPORTS = "from unified import AgentComponent, CallbackComponent, ObjectiveComponent, hookimpl\n"

#: Everything that a badly behaved package may try: it draws random numbers, and implements every hook of a run in its module.
NOISY = (
    IMPORTS
    + """
import random
random.seed(0)

@hookimpl
def register_callbacks():
    yield CallbackComponent("noise", "unified_plugin_noisy.noise:Noise", summary="Draws from every generator there is.")

@hookimpl
def on_experience(trainer):
    raise SystemExit("a run that does not name it must not call it")

@hookimpl
def after_update(trainer, metrics):
    raise SystemExit("nor this")
"""
)
NOISE = """
import random
import numpy, torch
from unified import hookimpl

class Noise:
    def __init__(self, options):
        pass

    @hookimpl
    def on_experience(self, trainer):
        random.random(), numpy.random.random(), torch.rand(3)

    @hookimpl
    def after_update(self):
        torch.manual_seed(0)
"""

#: An agent whose 30th update raises while the file "break" lies in the current directory, and an objective that always does.
FRAGILE = (
    IMPORTS
    + """
@hookimpl
def register_agents():
    yield AgentComponent("fragile", "unified_plugin_fragile.agent:Fragile", "unified.plugins.agents.drqv2.config:DrQV2Options", "Breaks.")

@hookimpl
def register_objectives():
    yield ObjectiveComponent("cracked", "unified_plugin_fragile.agent:Cracked", summary="Raises.")
"""
)
AGENT = """
from pathlib import Path
from unified import Objective
from unified.plugins.agents.drqv2.agent import DrQV2

class Fragile(DrQV2):
    def perceive(self, batch):
        if self.updates == 29 and Path("break").exists():
            raise ValueError("it was only a matter of time")
        return super().perceive(batch)

class Cracked(Objective):
    def __call__(self, agent, batch):
        raise ZeroDivisionError("no loss")
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on the path of every command that the test runs."""
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(place))
    return place


@pytest.fixture
def work(tmp_path: Path) -> Path:
    place = tmp_path / "work"
    place.mkdir()
    return place


def test_an_installed_package_that_a_run_does_not_name_changes_no_bit(straight: Path, site: Path, work: Path) -> None:
    install(site, "noisy", "1.0", {"__init__.py": NOISY, "noise.py": NOISE})
    assert "noise" in unified("plugins", "list", cwd=work)
    unified(*STATE, cwd=work)
    assert_same(straight, run_directory(work))


def test_even_one_that_is_named_and_draws_random_numbers_changes_no_bit(straight: Path, site: Path, work: Path) -> None:
    install(site, "noisy", "1.0", {"__init__.py": NOISY, "noise.py": NOISE})
    unified(*(word for word in STATE if word != "with=[]"), "with=[noise]", cwd=work)
    assert_same(straight, run_directory(work))


def test_an_agent_that_raises_ends_the_run_with_its_name_and_the_mended_one_goes_on(site: Path, work: Path) -> None:
    install(site, "fragile", "1.0", {"__init__.py": FRAGILE, "agent.py": AGENT})
    words = [word if word != "drqv2" else "fragile" for word in STATE]
    (work / "break").touch()
    said = unified(*words, cwd=work, expect=1)
    directory = run_directory(work)
    assert "agent fragile failed while learning: ValueError: it was only a matter of time" in said
    assert "unified_plugin_fragile/agent.py:9" in said
    assert "unified resume" in said
    assert "it was only a matter of time" in (directory / "error.txt").read_text()
    (stop,) = events(directory, "stop")
    manifest = json.loads((newest(directory) / "manifest.json").read_text())
    assert manifest["frames"] == stop["frames"] + 1  # the step that was being made
    assert manifest["updates"] == 29  # those that were done; the 30th is owed
    (work / "break").unlink()
    unified("resume", "Pendulum", cwd=work)
    assert events(directory, "finish")[-1]["frames"] == 480


def test_an_objective_that_raises_is_the_one_that_is_named(site: Path, work: Path) -> None:
    install(site, "fragile", "1.0", {"__init__.py": FRAGILE, "agent.py": AGENT})
    said = unified(*STATE, "-o", "+cracked", cwd=work, expect=1)
    assert "objective Cracked failed in its loss: ZeroDivisionError: no loss" in said
    assert "agent" not in said.partition("objective Cracked")[0]


def test_a_run_names_the_packages_it_was_made_with_and_says_what_to_install(site: Path, work: Path) -> None:
    package = {"__init__.py": FRAGILE, "agent.py": AGENT}
    install(site, "fragile", "1.0", package)
    words = [word if word != "drqv2" else "fragile" for word in STATE]
    unified(*words, "train.frames=160", cwd=work)
    directory = run_directory(work)
    components = json.loads((newest(directory) / "manifest.json").read_text())["components"]
    assert components[0] == {
        "kind": "agents",
        "name": "fragile",
        "target": "unified_plugin_fragile.agent:Fragile",
        "provider": "fragile",
        "distribution": "unified-plugin-fragile",
        "version": "1.0",
    }
    assert {entry["name"] for entry in components} >= {"fragile", "gym", "td", "dpg", "local"}

    install(site, "fragile", "1.1", package)
    advice = "unified-plugin-fragile 1.0, and 1.1 is installed; for the same results: pip install 'unified-plugin-fragile==1.0'"
    assert advice in unified("evaluate", "Pendulum", "-n", "1", cwd=work)
    unified("resume", "Pendulum", cwd=work)
    assert any(advice in event["message"] for event in events(directory, "warning"))

    uninstall(site, "unified-plugin-fragile")
    said = unified("resume", "Pendulum", cwd=work, expect=2)
    assert "agent 'fragile' came from unified-plugin-fragile 1.1, which is not installed" in said
    assert "pip install 'unified-plugin-fragile==1.1'" in said

    install(site, "fragile", "1.1", {"__init__.py": "import flux_capacitor\n"})
    assert "which is broken: ModuleNotFoundError: No module named 'flux_capacitor'" in unified("evaluate", "Pendulum", cwd=work, expect=2)
