"""An agent under another name with other values: composed, shown and checked like any agent."""

from __future__ import annotations

from importlib import metadata
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from unified.cli import main as command
from unified.core import registry as registry_module
from unified.core.components.descriptors import AgentComponent, Preset
from unified.core.components.hookspecs import hookimpl
from unified.core.config.compose import compose
from unified.core.registry import Registry, registry
from unified.testing.settings import configure
from unified.testing.workshop import default_options, tiny_options

PRESETS = (Preset("easy", "gym:Pendulum-v*", {"agent.tau": 0.5}, "a test"),)
VALUES = {"agent.lr": 5e-3, "agent.tau": 0.25, "agent.critic.head": "quantile", "agent.critic.head.atoms": 7, "replay.capacity": 5_000}


@pytest.fixture(autouse=True)
def shy(monkeypatch: pytest.MonkeyPatch) -> AgentComponent:
    """Variants of td3, whose preset for Pendulum sets agent.lr=1e-3; the second is a variant of the first."""
    td3 = registry().get("agents", "td3")
    assert isinstance(td3, AgentComponent)
    found = td3.variant("shy", VALUES, "Shy.", presets=f"{__name__}:PRESETS")
    plugin: Any = ModuleType("shy")
    plugin.register_agents = hookimpl(lambda: [found, found.variant("shyer", {"agent.critic.members": 5}, "Shyer.")])
    entry = SimpleNamespace(name="shy", value="y", dist=SimpleNamespace(name="unified-plugin-shy", version="1.0"), load=lambda: plugin)
    monkeypatch.setattr(registry_module, "_current", [Registry([*metadata.entry_points(group="unified"), entry])])
    shy = registry().get("agents", "shy")
    assert isinstance(shy, AgentComponent)
    return shy


def test_values_lie_above_the_presets_of_the_base_and_below_its_own_presets() -> None:
    config = compose(["agent=shy", "suite=gym:Pendulum-v1"])
    assert (config.agent.name, config.agent.options.lr, config.agent.options.tau) == ("shy", 5e-3, 0.5)
    assert config.replay.capacity == 5_000
    assert (config.agent.options.critic.head.name, config.agent.options.critic.head.options.atoms) == ("quantile", 7)
    assert config.agent.options.critic.members == 2
    elsewhere = compose(["agent=shy", "suite=gym:HalfCheetah-v4"])
    assert (elsewhere.agent.options.tau, elsewhere.agent.options.learning_starts) == (0.25, 25_000)


def test_the_command_line_overrides_and_drops_the_options_of_another_selection() -> None:
    config = compose(["agent=shy", "suite=gym:Pendulum-v1", "critic.head=scalar", "agent.tau=1"])
    assert (config.agent.options.critic.head.name, config.agent.options.tau) == ("scalar", 1.0)


def test_a_variant_of_a_variant_has_the_values_of_both() -> None:
    options = compose(["agent=shyer", "suite=gym:HalfCheetah-v4"]).agent.options
    assert (options.critic.members, options.critic.head.name, options.tau) == (5, "quantile", 0.25)


def test_the_kit_builds_it_with_its_values_and_others_beside_them(shy: AgentComponent) -> None:
    options: Any = default_options(shy)
    assert (options.lr, options.critic.head.options.atoms) == (5e-3, 7)
    assert default_options(registry().get("agents", "shyer")).critic.members == 5
    (changed,) = configure([shy], ["critic.reduce=average", "batch_size=16"])
    other: Any = tiny_options(changed)
    assert (other.critic.reduce, other.batch_size, other.critic.head.options.atoms, other.lr) == ("average", 16, 7, 5e-3)
    assert default_options(registry().get("agents", "td3")).lr == 3e-4


def test_it_is_shown_with_its_base_and_its_values() -> None:
    shown = CliRunner().invoke(command.app, ["plugins", "show", "shy"]).output
    assert "agent td3 with other values, those of the preset shy" in shown
    assert "agent.critic.head.atoms=7" in shown
    assert "shy · shyer" in CliRunner().invoke(command.app, ["plugins", "list", "agents"]).output
