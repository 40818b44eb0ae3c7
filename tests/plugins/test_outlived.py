"""Runs outlive packages: another package of the same name, other versions, and packages that are gone."""

from __future__ import annotations

import contextlib
import importlib
import json
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from typer.testing import CliRunner

import unified
from runs.installed import install, uninstall
from unified.cli.resume import resume
from unified.core import registry
from unified.core.base.errors import Notice, UsageError
from unified.core.runs.launching import start
from unified.core.runs.run import Run
from unified.core.trainer.build import evaluate

resume_command = typer.Typer()
resume_command.command()(resume)

#: A package `{name}` with the agent "swift"; `{options}` are the lines of its options, `{body}` those of the agent.
AGENT = {
    "__init__.py": """
from unified import AgentComponent, hookimpl

@hookimpl
def register_agents():
    yield AgentComponent("swift", "unified_plugin_{name}.agent:Swift", "unified_plugin_{name}.config:SwiftOptions", "Swift.")
""",
    "config.py": """
from typing import Annotated, Any
from unified import RenamedFrom
from unified.plugins.agents.dqn.config import DQNOptions

class SwiftOptions(DQNOptions):
{options}
""",
    "agent.py": """
import torch
from unified.plugins.agents.dqn.agent import DQN

class Swift(DQN):
{body}
""",
}
HORIZON = '    horizon: int = 2\n    """Steps."""\n'
RENAMED = '    k: Annotated[int, RenamedFrom("horizon")] = 2\n    """Steps."""\n'
POLISH = '    polish: float = 0.5\n    """Polish."""\n'
SCALED = '    percent: int = 100\n    """Steps in percent."""\n'
UPGRADE = """
    @classmethod
    def upgrade(cls, values, since):
        if since == "1.0":
            values["percent"] = 100 * values.pop("horizon")
        return values
"""
NONE = '    """As it is."""\n'
#: An agent with one more layer, with a part that has another size, and with a part of another name.
EXTRA = "    def __init__(self, *args):\n        super().__init__(*args)\n        self.add_modules(extra=torch.nn.Linear({0}, 2))\n"
UPGRADED = """
    def upgrade_state(self, state, since):
        assert since == "1.0"
        return {**state, "parameters": {**state["parameters"], **{f"extra.{k}": v for k, v in self.extra.state_dict().items()}}}
"""

CALLBACK = {
    "__init__.py": """
from unified import CallbackComponent, LauncherComponent, hookimpl

@hookimpl
def register_callbacks():
    yield CallbackComponent("watch", "unified_plugin_watch.things:Watch")

@hookimpl
def register_launchers():
    yield LauncherComponent("rocket", "unified_plugin_watch.things:Rocket")
""",
    "things.py": """
import torch
from unified import Callback
from unified.core.trainer.launcher import Launcher

class Watch(Callback):
    def __init__(self, options):
        pass

class Rocket(Launcher):
    pass

class Slow(torch.optim.SGD):
    pass
""",
}


class Site:
    """A directory of packages on the path of this process."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def agent(self, name: str, version: str, options: str = HORIZON, body: str = NONE) -> None:
        values = {"name": name, "options": options, "body": body}
        files = {file: text.replace("{name}", name) for file, text in AGENT.items()}
        for key in ("options", "body"):
            files = {file: text.replace(f"{{{key}}}", values[key]) for file, text in files.items()}
        self.install(name, version, files)

    def install(self, name: str, version: str, files: dict[str, str]) -> None:
        install(self.place, name, version, files)
        self.refresh()

    def remove(self, name: str) -> None:
        uninstall(self.place, f"unified-plugin-{name}")
        self.refresh()

    def refresh(self) -> None:
        """What a new process begins with."""
        for module in [name for name in sys.modules if name.startswith("unified_plugin_") and "example" not in name]:
            del sys.modules[module]
        importlib.invalidate_caches()
        registry.reset()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    place = tmp_path / "site"
    place.mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.syspath_prepend(place)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found = Site(place)
    yield found
    found.place = tmp_path / "nothing"
    monkeypatch.undo()
    found.refresh()


def train(agent: str, frames: int = 40, **values: Any) -> Run:
    config = {
        "suite.discrete": True,
        "train.frames": frames,
        "evaluate": {"every": 0, "episodes": 1},
        "agent": {"name": agent, "batch_size": 8, "critic": {"hidden_dim": 8}, "learning_starts": 20},
        "callbacks": [],
    }
    trained = unified.train(suite="unified.testing.probes:Probes:both", config={**config, **values})
    return Run(trained.path)


def judged(run: Run) -> list[str]:
    """Evaluate a run as a new process does; the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        evaluate(Run(run.path), episodes=1)
    return [str(each.message) for each in caught if issubclass(each.category, Notice)]


def refused(run: Run) -> str:
    with pytest.raises(UsageError) as error:
        evaluate(Run(run.path), episodes=1)
    (problem,) = error.value.problems
    return str(problem)


def resumed(run: Run, *words: str, without: tuple[str, ...] = ()) -> Run:
    again = Run(run.path)
    return start(again.configure(words, without), again)


# Names -------------------------------------------------------------------------------------------------------------------------------


def test_both_spellings_are_one_run_in_a_directory_of_the_bare_name(site: Site) -> None:
    site.agent("one", "1.0")
    run = train("swift")
    assert run.identity[1] == "swift"
    assert (run.tree["agent"]["name"], run.tree["suite"]["name"]) == ("one/swift", "unified.testing.probes:Probes")
    assert run.tree["launcher"]["name"] == "core/local"
    before = run.config_path.read_bytes()
    assert train("one/swift").path == run.path
    assert run.config_path.read_bytes() == before


def test_another_package_of_the_same_name_changes_no_run(site: Site) -> None:
    site.agent("one", "1.0")
    run = train("swift")
    site.agent("other", "1.0")
    assert judged(run) == []
    assert resumed(run, "train.frames=60").path == run.path
    assert train("one/swift", 60).path == run.path
    with pytest.raises(UsageError, match=r'agent\.name: "one/swift" -> "other/swift"') as error:
        train("other/swift", 60)
    assert "agent.lr" not in str(error.value)
    assert "experiment=NAME" in str(error.value)
    site.remove("one")
    assert refused(run) == (
        "agent 'swift' came from unified-plugin-one 1.0, which is not installed    pip install 'unified-plugin-one==1.0'"
    )


def test_a_built_in_agent_of_the_same_name_changes_no_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.agent("one", "1.0")
    run = train("swift")
    origin = type(registry.registry().get("agents", "dqn").origin)
    add = registry.Registry._load

    def renamed(self: Any, entry_point: Any, record: Any) -> Any:  # the day when the built-ins have it
        found = add(self, entry_point, record)
        if record.provider == "core":
            found.append(unified.AgentComponent("swift", "json:loads", origin=origin("core", "unified-ml", "9")))
        return found

    monkeypatch.setattr(registry.Registry, "_load", renamed)
    site.refresh()
    assert registry.registry().get("agents", "swift").origin.provider == "core"
    assert judged(run) == []


def test_another_package_with_the_same_provider_is_named(site: Site) -> None:
    site.agent("one", "1.0")
    run = train("swift")
    site.remove("one")
    files = {file: text.replace("{name}", "one").replace("{options}", HORIZON).replace("{body}", NONE) for file, text in AGENT.items()}
    install(site.place, "one", "7", files, distribution="thief")
    site.refresh()
    with pytest.raises(UsageError, match=r"thief 7 has its name.*pip uninstall thief; pip install 'unified-plugin-one==1\.0'"):
        evaluate(Run(run.path), episodes=1)


# Options -----------------------------------------------------------------------------------------------------------------------------


def test_new_options_are_not_written_into_a_run(site: Site) -> None:
    site.agent("one", "1.0")
    run = train("swift")
    before = run.config_path.read_bytes()
    site.agent("one", "1.1", HORIZON + POLISH)
    resumed(run)
    train("swift")
    assert run.config_path.read_bytes() == before
    assert Run(run.path).config.agent.options.polish == 0.5
    site.agent("one", "1.0")
    judged(run)
    resumed(run)


@pytest.mark.parametrize(("options", "key", "value"), [(RENAMED, "k", 7), (SCALED + UPGRADE, "percent", 700)])
def test_an_author_renames_and_upgrades_options(site: Site, options: str, key: str, value: int) -> None:
    site.agent("one", "1.0")
    run = train("swift", **{"agent.horizon": 7})
    before = run.config_path.read_bytes()
    site.agent("one", "2.0", options)
    assert getattr(Run(run.path).config.agent.options, key) == value
    assert all("no longer" not in line for line in judged(run))
    resumed(run)
    train("swift", **{f"agent.{key}": value})
    with pytest.raises(UsageError, match=f"agent.{key}: {value} -> 1"):
        train("swift", **{f"agent.{key}": 1})
    assert run.config_path.read_bytes() == before


def test_an_upgrade_that_raises_is_one_line(site: Site) -> None:
    site.agent("one", "1.0")
    run = train("swift")
    site.agent("one", "2.0", SCALED + "    @classmethod\n    def upgrade(cls, values, since):\n        raise KeyError('x')\n")
    with pytest.raises(UsageError) as error:
        Run(run.path).config  # noqa: B018
    assert "cannot upgrade its options from version 1.0: KeyError: 'x'    pip install 'unified-plugin-one==1.0'" in str(error.value)


def test_an_option_that_was_removed_locks_no_run(site: Site) -> None:
    site.agent("one", "1.0")
    run = train("swift", **{"agent.horizon": 7})
    site.agent("one", "2.0", NONE)
    assert judged(run)[0] == "agent.horizon no longer exists and is ignored"
    with pytest.raises(UsageError, match=r"agent\.horizon no longer exists    without it: unified resume \S+ --without agent\.horizon"):
        resumed(run, "train.frames=60")
    with pytest.raises(UsageError, match=r"agent\.horizon: 7 -> \(not set\)"):
        train("swift", 60)
    resumed(run, "train.frames=60", without=("agent.horizon",))
    assert "horizon" not in run.config_path.read_text()
    (change,) = [event["changed"] for event in Run(run.path).events() if event["event"] == "config"]
    assert change == {"agent.horizon": "7 -> (not set)", "train.frames": "40 -> 60"}


# Callbacks, launchers, optimisers --------------------------------------------------------------------------------------------------------


def test_evaluation_needs_agent_and_suite_alone(site: Site) -> None:
    site.install("watch", "1.0", CALLBACK)
    slow = "unified_plugin_watch.things:Slow"
    run = train("dqn", **{"callbacks": ["watch"], "launcher": "rocket", "agent.optimizer.name": slow})
    site.remove("watch")
    assert judged(run) == []
    assert unified.load(run.path).frames == 40
    with pytest.raises(UsageError) as error:
        resumed(run)
    assert [str(problem).partition("which")[2] for problem in error.value.problems] == [
        f" is not installed    unified resume {run.lasting_name} --without {name}   or pip install 'unified-plugin-watch==1.0'"
        for name in ("watch", "rocket")
    ]


def test_a_run_goes_on_without_a_callback_and_a_launcher(site: Site) -> None:
    site.install("watch", "1.0", CALLBACK)
    run = train("dqn", **{"callbacks": ["watch"], "launcher": "rocket"})
    site.remove("watch")
    resumed(run, "train.frames=60", without=("watch", "rocket"))
    run = Run(run.path)
    assert run.config.callbacks == []
    assert run.config.launcher.name == "local"
    (change,) = [event["changed"] for event in run.events() if event["event"] == "config"]
    assert change["launcher.name"] == '"watch/rocket" -> "core/local"'
    assert max(row["frames"] for row in run.metrics()) == 60
    for name in ("wotch", "agent", "suite"):
        with pytest.raises(UsageError, match="no callback, launcher or option of this name"):
            resumed(run, without=(name,))


def test_the_command_says_what_to_type_and_takes_it(site: Site) -> None:
    site.install("watch", "1.0", CALLBACK)
    run = train("dqn", callbacks=["watch"])
    site.remove("watch")
    refusal = CliRunner().invoke(resume_command, [run.name])
    assert isinstance(refusal.exception, UsageError)
    _, _, typed = str(refusal.exception).partition(f"unified resume {run.lasting_name} ")
    without = typed.partition("   or ")[0].split()
    resumption = CliRunner().invoke(resume_command, [run.name, *without, "train.frames=60"])
    assert resumption.exception is None
    assert max(row["frames"] for row in Run(run.path).metrics()) == 60


@pytest.mark.parametrize("edit", [{"callbacks": ["console"]}, {"launcher": 3}, {"packages": []}, {"packages": None}, {"callbacks": None}])
def test_a_configuration_that_was_edited_is_refused_in_words_or_read(site: Site, edit: dict[str, Any]) -> None:
    run = train("dqn")
    run.config_path.write_text(json.dumps({**run.tree, **edit}))
    for go_on in (lambda: resumed(run), lambda: resumed(run, without=("console",)), lambda: train("dqn", 60), lambda: judged(run)):
        with contextlib.suppress(UsageError):
            go_on()


# States ------------------------------------------------------------------------------------------------------------------------------


def test_a_state_that_does_not_fit_is_one_sentence(site: Site) -> None:
    site.agent("one", "1.0", body=EXTRA.format(3))
    run = train("swift")
    for version, size, shape in (("1.0", 4, "(2, 4)"), ("2.0", 5, "(2, 5)")):
        site.agent("one", version, body=EXTRA.format(size))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = refused(run)
        assert text.startswith("part extra of agent swift does not fit checkpoint ")
        assert f"which unified-plugin-one 1.0 trained: extra.weight is {shape}, and (2, 3) in the checkpoint   " in text
        assert ("pip install 'unified-plugin-one==1.0'" in text) == (version == "2.0")
        with pytest.raises(UsageError, match="part extra of agent swift does not fit"):
            resumed(run, "train.frames=60")


@pytest.mark.parametrize("upgraded", [False, True])
def test_an_author_upgrades_states(site: Site, upgraded: bool) -> None:
    site.agent("one", "1.0")
    run = train("swift")
    site.agent("one", "2.0", body=EXTRA.format(3) + UPGRADED * upgraded)
    if not upgraded:
        with pytest.warns(Notice, match=r"1\.0, and 2\.0 is installed"):
            assert "extra.weight is not in the checkpoint; extra.bias is not in the checkpoint" in refused(run)
        return
    judged(run)
    resumed(run, "train.frames=60")
    assert torch.equal(unified.load(run.path, "newest").agent.extra.weight, unified.load(run.path, "newest").agent.extra.weight)


# Every order ----------------------------------------------------------------------------------------------------------------------------

VERSIONS = {"1.0": HORIZON, "2.0": RENAMED + POLISH}


def set_up(site: Site, state: dict[str, str]) -> None:
    for name, version in state.items():
        site.remove(name)
        if version:
            site.agent(name, version, VERSIONS[version])


def steps(state: dict[str, str]) -> Iterator[dict[str, str]]:
    """Install, upgrade, downgrade or remove one of the packages."""
    for name, version in state.items():
        yield from ({**state, name: other} for other in ("", *VERSIONS) if other != version)


def check(runs: dict[str, Run], state: dict[str, str], writer: str, longer: bool) -> str:
    """Evaluate and resume both runs; the version that wrote the run of the first package last."""
    for name, run in runs.items():
        if not state[name]:
            assert f"pip install 'unified-plugin-{name}==" in refused(run)
            continue
        judged(run)
        before = run.config_path.read_bytes()
        extend = longer and name == "one"
        try:
            resumed(run, *([f"train.frames={Run(run.path).tree['train']['frames'] + 8}"] if extend else []))
        except UsageError as error:
            assert "without it: unified resume" in str(error)  # noqa: PT017
            assert (writer, state[name]) == ("2.0", "1.0")
            extend = False
        if extend:
            writer = state[name]
        else:
            assert run.config_path.read_bytes() == before
    return writer


@pytest.mark.slow
@pytest.mark.parametrize("longer", [False, True])
def test_all_orders_of_four_steps(site: Site, tmp_path: Path, longer: bool) -> None:
    """A run evaluates while its package is installed in any version, and else says what to type.

    What happens depends on the installed versions and on the version that wrote the run last: each pair of them is checked once, with the
    files that the first order that leads to it has left.
    """
    runs: dict[str, Run] = {}
    for name in ("one", "other"):
        set_up(site, {"one": "", "other": "", name: "1.0"})
        runs[name] = train("swift", experiment=name)
    reached: dict[tuple[str, ...], str] = {}
    orders = 0

    def walk(state: dict[str, str], writer: str, files: Path, left: int) -> None:
        nonlocal orders
        orders += not left
        for number, following in enumerate(steps(state) if left else ()):
            key, kept = (*following.values(), writer), files.with_name(f"{files.name}{number}")
            if key not in reached:
                shutil.rmtree("runs")
                shutil.copytree(files, "runs")
                set_up(site, following)
                reached[key] = check(runs, following, writer, longer)
                shutil.copytree("runs", kept)
                places[key] = kept
            walk(following, reached[key], places[key], left - 1)

    places: dict[tuple[str, ...], Path] = {}
    shutil.copytree("runs", tmp_path / "kept")
    walk({"one": "", "other": ""}, "1.0", tmp_path / "kept", 4)
    assert orders == 4**4
    assert len(reached) == (18 if longer else 9)
