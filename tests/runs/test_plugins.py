"""Installed packages and real runs: what is not named changes nothing, and what fails ends a run with its name and loses nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runs.commands import STATE, assert_same, events, newest, run_directory, unified
from runs.installed import install, uninstall

#: Each test runs the command line several times.
pytestmark = pytest.mark.slow

IMPORTS = "from unified import AgentComponent, CallbackComponent, ObjectiveComponent, hookimpl\n"

#: It seeds and draws from every generator there is, when it is imported and, where a run names it, while that goes on.
NOISY = (
    IMPORTS
    + """
import random
random.seed(0)

@hookimpl
def register_callbacks():
    yield CallbackComponent("noise", "unified_plugin_noisy.noise:Noise", summary="Draws from every generator there is.")
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
    def encode_batch(self, batch):
        if self.updates == 29 and Path("break").exists():
            raise ValueError("it was only a matter of time")
        return super().encode_batch(batch)

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
    unified(*(word for word in STATE if word != "callbacks=[]"), "callbacks=[noise]", cwd=work)
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
    assert "objective cracked failed in its loss: ZeroDivisionError: no loss" in said
    assert "agent" not in said.partition("objective cracked")[0]


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
    unified("resume", "Pendulum", "train.frames=200", cwd=work)
    assert any(advice in event["message"] for event in events(directory, "warning"))

    uninstall(site, "unified-plugin-fragile")
    said = unified("resume", "Pendulum", cwd=work, expect=2)
    assert "agent 'fragile' came from unified-plugin-fragile 1.1, which is not installed" in said
    assert "pip install 'unified-plugin-fragile==1.1'" in said

    install(site, "fragile", "1.1", {"__init__.py": "import flux_capacitor\n"})
    assert "which is broken: ModuleNotFoundError: No module named 'flux_capacitor'" in unified("evaluate", "Pendulum", cwd=work, expect=2)


#: A suite whose 50th step raises while the file "break" lies there, a callback that ends the run, and parts that cannot be made.
ROUGH = """
from unified import AgentComponent, CallbackComponent, ObjectiveComponent, SuiteComponent, hookimpl

@hookimpl
def register_suites():
    yield SuiteComponent("rough", "unified_plugin_rough.suite:Rough", tasks="unified_plugin_rough:TASKS", summary="Raises.")

@hookimpl
def register_callbacks():
    yield CallbackComponent("enough", "unified_plugin_rough.rest:Enough", summary="Ends a run.")

@hookimpl
def register_agents():
    yield AgentComponent("clumsy", "unified_plugin_rough.rest:Clumsy", "unified.plugins.agents.drqv2.config:DrQV2Options", "Has no phases.")

@hookimpl
def register_objectives():
    yield ObjectiveComponent("stuck", "unified_plugin_rough.rest:Stuck", summary="Cannot be made.")

TASKS = ("road", "ditch", "nowhere")
"""
SUITE = """
from pathlib import Path
from unified import Suite
from unified.testing.environments import CounterEnvironment, CounterOptions

class Stony(CounterEnvironment):
    def step(self, action):
        if self.steps == 30 and Path("break").exists():
            raise RuntimeError("a stone")
        return super().step(action)

class Rough(Suite):
    def __init__(self, task, options):
        super().__init__(task, options)
        if task == "nowhere":
            raise KeyError("no map")

    def environment(self):
        if self.task == "ditch":
            raise LookupError("no bridge")
        return Stony(CounterOptions(length=50))
"""
REST = """
from unified import Objective, UnifiedError, hookimpl
from unified.plugins.agents.drqv2.agent import DrQV2

class Enough:
    def __init__(self, options):
        self.seen = "nothing"

    @hookimpl
    def setup(self):
        self.seen = "nothing"

    @hookimpl
    def on_log(self, row):
        self.seen = row["frames"]
        if row["frames"] == 120:
            raise UnifiedError("good enough")

    @hookimpl
    def checkpoint_save(self):
        return {"seen": self.seen}

    @hookimpl
    def checkpoint_load(self, state):
        self.seen = state["seen"]
        print("seen", self.seen)

class Clumsy(DrQV2):
    def phases(self):
        raise IndexError("no phase")

class Stuck(Objective):
    def __init__(self):
        raise OSError("jammed")

    def __call__(self, agent, batch):
        return None
"""


def rough(site: Path) -> list[str]:
    """Installs it; returns a command that trains on it."""
    install(site, "rough", "1.0", {"__init__.py": ROUGH, "suite.py": SUITE, "rest.py": REST})
    words = [word if word != "gym:Pendulum-v1" else "rough:road" for word in STATE]
    return [*words, "train.frames=200"]


@pytest.mark.parametrize("placement", ["inline", "process"])
def test_a_suite_that_always_raises_ends_the_run_with_its_name_and_the_mended_one_goes_on(site: Path, work: Path, placement: str) -> None:
    words = [*rough(site), f"train.env_backend={placement}", "train.max_failures=2"]
    (work / "break").touch()
    said = unified(*words, cwd=work, expect=2)
    directory = run_directory(work)
    assert "3 episodes of environment 0 of suite rough:road failed in a row" in said
    assert "it raised RuntimeError: a stone" in said
    assert "unified_plugin_rough/suite.py:9" in said
    assert re.search(r"unified resume \S*rough/road\S*", said)
    assert 'raise RuntimeError("a stone")' in (directory / "environments.log").read_text()
    (stop,) = events(directory, "stop")
    assert json.loads((newest(directory) / "manifest.json").read_text())["frames"] == stop["frames"] == 93
    (work / "break").unlink()
    unified("resume", "road", cwd=work)
    assert events(directory, "restored")[-1]["exact"]
    assert events(directory, "finish")[-1]["frames"] == 200


def test_a_callback_can_end_a_run_that_goes_on_later_with_its_state(site: Path, work: Path) -> None:
    words = [word for word in rough(site) if word != "callbacks=[]"]
    said = unified(*words, "callbacks=[enough]", cwd=work, expect=1)
    directory = run_directory(work)
    assert "good enough" in said
    assert "the run ended at 120 frames" in said
    assert re.search(r"to continue: unified resume \S*rough/road\S*", said)
    assert json.loads((newest(directory) / "manifest.json").read_text())["exact"]
    assert "seen 120" in unified("resume", "road", cwd=work)  # after setup, which knows nothing
    straight = work / "straight"
    straight.mkdir()
    unified(*words, "callbacks=[]", cwd=straight)
    assert_same(run_directory(straight), directory)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["suite=rough:nowhere"], "suite rough failed to be made: KeyError: 'no map'"),
        (["suite=rough:ditch", "train.env_backend=inline"], "suite rough failed to be made: LookupError: no bridge"),
        (["suite=rough:ditch", "train.env_backend=process"], "environment 0 of suite rough:ditch raised LookupError: no bridge"),
        (["agent=clumsy"], "agent clumsy failed to be made: IndexError: no phase"),
        (["objective=[+stuck]"], "objective stuck failed to be made: OSError: jammed"),
    ],
)
def test_what_cannot_be_made_is_named(site: Path, work: Path, words: list[str], says: str) -> None:
    said = unified(*rough(site), *words, cwd=work, expect=1)
    assert says in said
    assert "error.txt" in said
