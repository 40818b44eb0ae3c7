"""The fixtures isolate: what one test installs no other sees, and runs lie in its own directory."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from unified.core.base.errors import UsageError
from unified.core.components.descriptors import AgentComponent
from unified.core.components.hookspecs import hookimpl
from unified.core.registry import registry


@pytest.fixture(scope="module")
def outside() -> Any:
    """The registry of the process, as the tests of this file find it."""
    return registry()


@hookimpl
def register_agents() -> list[AgentComponent]:
    return [AgentComponent("passer_by", "unified.plugins.agents.random.agent:Random", summary="Passes by.")]


def test_the_registry_of_the_process_is_the_one_that_was_made(outside, plugin_registry):
    module: Any = ModuleType("somewhere.passing")
    module.register_agents = register_agents
    known = plugin_registry(module, other=SimpleNamespace(register_agents=register_agents))
    assert registry() is known
    assert registry() is not outside
    assert known.get("agents", "passing/passer_by").origin.distribution == "unified-plugin-passing"
    with pytest.raises(UsageError, match="passing/passer_by"):
        known.get("agents", "passer_by")
    assert [plugin.provider for plugin in known.plugins] == ["core", "other", "passing"]
    assert "drqv2" in known.names("agents")


def test_the_next_test_has_the_old_one_again(outside):
    assert registry() is outside
    assert "passer_by" not in registry().names("agents")


def test_without_the_built_ins_and_again(plugin_registry):
    assert plugin_registry(core=False).names("agents") == []
    assert plugin_registry(x=SimpleNamespace(register_agents=register_agents), core=False).names("agents") == ["passer_by"]
    assert registry().names("agents") == ["passer_by"]


def test_a_plugin_that_fails_is_a_record(plugin_registry):
    known = plugin_registry(bad=RuntimeError("on purpose"))
    (record,) = [plugin for plugin in known.plugins if plugin.provider == "bad"]
    assert (record.state, record.error) == ("broken", "RuntimeError: on purpose")
    assert "drqv2" in known.names("agents")


def test_compose_sees_what_was_installed(plugin_registry):
    from unified.core.config.compose import compose

    plugin_registry(x=SimpleNamespace(register_agents=register_agents))
    assert compose(["agent=passer_by", "suite=gym:Pendulum-v1"]).agent.component.origin.provider == "x"


def test_a_tiny_run_is_a_run(tiny_run, tmp_path, capsys):
    run = tiny_run("observation", suite__rounds=4)
    assert run.finished
    assert run.path.is_relative_to(tmp_path)
    assert max(row["frames"] for row in run.metrics()) == 120
    assert any("critic_loss" in row for row in run.metrics())
    assert capsys.readouterr().out == ""
    again = tiny_run("observation", suite__rounds=4, train={"frames": 160})
    assert again.path == run.path
    assert again.metrics()[-1]["frames"] == 160


def test_a_tiny_run_takes_any_agent_and_value(tiny_run, plugin_registry):
    plugin_registry(x=SimpleNamespace(register_agents=register_agents))
    run = tiny_run("action", agent="passer_by", seed=5, suite__discrete=True, train__frames=100)
    assert run.identity[1] == "passer_by"
    assert run.identity[4] == "seed-5"
    assert run.metrics()[-1]["frames"] == 100
    with pytest.raises(UsageError, match=r"train\.framse"):
        tiny_run(train__framse=1)


def test_the_plugin_of_pytest_is_light():
    code = (
        "import sys, unified.testing.fixtures\nheavy = {'torch', 'numpy', 'pydantic', 'typer'} & set(sys.modules)\nassert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
