"""Plugins are found alike, and one that is broken spoils nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from unified.core import registry as module
from unified.core.components import KINDS, AgentComponent, CommandComponent, SuiteComponent
from unified.core.errors import UsageError
from unified.core.hookspecs import API_VERSION, Registration, hookimpl
from unified.core.registry import Registry, registry


class Entry:
    """An entry point made by hand."""

    def __init__(self, name: str, plugin: Any, distribution: str = "", value: str = "somewhere") -> None:
        self.name, self.value, self._plugin = name, value, plugin
        self.dist = SimpleNamespace(name=distribution or f"unified-plugin-{name}", version="1.2")

    def load(self) -> Any:
        return self._plugin() if callable(self._plugin) and not isinstance(self._plugin, ModuleType) else self._plugin


def plugin(*names: str, **attributes: Any) -> ModuleType:
    made: Any = ModuleType("made")

    @hookimpl
    def register_agents() -> list[AgentComponent]:
        return [AgentComponent(name, "nowhere.agent:Agent") for name in names]

    made.register_agents = register_agents
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def core(*names: str) -> Entry:
    return Entry("core", plugin(*names), "unified-ml", "unified.plugins")


def test_the_built_ins_come_through_the_packages_own_entry_point():
    known = registry()
    (record,) = [record for record in known.plugins if record.provider == "core"]
    assert (record.distribution, record.state, record.error) == ("unified-ml", "active", "")
    assert record.milliseconds > 0
    assert {"drqv2", "random"} <= set(known.names("agents"))
    assert {"dmc", "gym"} <= set(known.names("suites"))
    assert registry() is known


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_leads_somewhere(kind):
    for found in registry().found(kind):
        component = found.component
        assert component.summary
        component.options_model()
        if component.target:
            assert component.load() is not None
        if isinstance(component, AgentComponent | SuiteComponent):
            assert all(preset.reason for preset in component.load_presets())


def explode() -> Any:
    raise SystemExit(3)


def missing() -> Any:
    import flux_capacitor  # noqa: F401


def misspelt() -> Any:
    return compile("def (", "plugin.py", "exec")


@hookimpl
def fails_halfway():
    yield AgentComponent("half", "a:b")
    raise ValueError("no more")


@hookimpl
def not_an_agent():
    yield SuiteComponent("maze", "a:b")


@hookimpl
def takes_more(unheard_of):
    return []


def unmarked():
    return []


def named(name: str, target: str = "a:b") -> Any:
    return hookimpl(lambda: [AgentComponent(name, target)])


BROKEN = {
    "missing": (missing, "ModuleNotFoundError: No module named 'flux_capacitor'"),
    "misspelt": (misspelt, "SyntaxError"),
    "exits": (explode, "SystemExit"),
    "halfway": (lambda: plugin(register_agents=fails_halfway), "ValueError: no more"),
    "wrong-kind": (lambda: plugin(register_agents=not_an_agent), "yields SuiteComponent, not AgentComponent"),
    "wrong-hook": (lambda: plugin(register_agent=named("x")), "no hook 'register_agent'   did you mean  register_agents ?"),
    "arguments": (lambda: plugin(register_agents=takes_more), "unheard_of"),
    "unmarked": (lambda: plugin(register_agents=unmarked), "@hookimpl"),
    "unspeakable": (lambda: plugin(register_agents=named("a/b")), "cannot be typed"),
    "untargeted": (lambda: plugin(register_agents=named("x", "nowhere")), "module:Attribute"),
    "twice": (lambda: plugin("x", "x"), "twice"),
    "version": (lambda: plugin("x", API_VERSION="1"), "not a whole number"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_a_record_and_nothing_else(name):
    loader, says = BROKEN[name]
    known = Registry([Entry(name, loader), core("drqv2"), Entry("fine", plugin("abc"))])
    by_name = {record.provider: record for record in known.plugins}
    assert by_name[name].state == "broken"
    assert says in by_name[name].error
    assert known.names("agents") == ["abc", "drqv2"]
    assert known.names("suites") == []
    with pytest.raises(UsageError, match=f"not loaded: {name}"):
        known.get("agents", "unheard-of")


def test_a_traceback_is_kept_whole():
    (record,) = Registry([Entry("missing", missing)]).plugins
    assert "import flux_capacitor" in record.traceback
    assert Path(__file__).name in record.traceback


def test_ctrl_c_is_not_swallowed():
    def interrupted() -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Registry([Entry("slow", interrupted)])


def test_another_api_version_is_incompatible():
    known = Registry([Entry("new", plugin("x", API_VERSION=API_VERSION + 1)), Entry("same", plugin("y", API_VERSION=API_VERSION))])
    assert [record.state for record in known.plugins] == ["incompatible", "active"]
    assert "pip install -U unified-ml" in known.plugins[0].error


def test_a_plugin_can_be_switched_off(monkeypatch):
    monkeypatch.setenv(module.DISABLE_VARIABLE, "one, two")
    known = Registry([Entry("one", plugin("x")), Entry("three", plugin("y"))])
    assert [record.state for record in known.plugins] == ["disabled", "active"]
    assert known.names("agents") == ["y"]


def test_core_owns_its_names_and_qualified_ones_reach_the_others():
    known = Registry([Entry("mine", plugin("drqv2")), core("drqv2")])
    assert known.resolve("agents", "drqv2").provider == "core"
    assert known.resolve("agents", "mine/drqv2").provider == "mine"
    assert known.names("agents") == ["drqv2", "mine/drqv2"]


def test_two_third_parties_of_one_name_must_be_told_apart():
    known = Registry([Entry("a", plugin("xyz")), Entry("b", plugin("xyz"))])
    with pytest.raises(UsageError, match="say which: a/xyz or b/xyz"):
        known.get("agents", "xyz")
    assert known.resolve("agents", "b/xyz").provider == "b"


def test_provider_names_are_not_shared():
    known = Registry([Entry("xyz", plugin("a"), "first"), Entry("xyz", plugin("b"), "second"), Entry("core", plugin("c"), "impostor")])
    states = {record.distribution: record.state for record in known.plugins}
    assert states == {"first": "active", "second": "conflicting", "impostor": "conflicting"}
    assert known.names("agents") == ["a"]


def test_unknown_names_come_with_a_suggestion():
    known = Registry([core("drqv2", "random")])
    with pytest.raises(UsageError, match="did you mean  drqv2 "):
        known.get("agents", "drqv3")
    with pytest.raises(UsageError, match="there is drqv2, random"):
        known.get("agents", "zzz")
    with pytest.raises(UsageError, match="pip install"):
        Registry([]).get("agents", "drqv2")


def test_an_installed_distribution_is_found_by_its_metadata(tmp_path, monkeypatch):
    (tmp_path / "unified_plugin_abc.py").write_text(
        "from unified.core.components import CommandComponent\nfrom unified.core.hookspecs import hookimpl\n\n\n"
        "@hookimpl\ndef register_commands():\n    return CommandComponent('hello', 'unified_plugin_abc:app')\n"
    )
    info = tmp_path / "unified_plugin_abc-0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: unified-plugin-abc\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text("[unified]\nabc = unified_plugin_abc\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        known = Registry()
    finally:
        sys.modules.pop("unified_plugin_abc", None)
    record = next(record for record in known.plugins if record.provider == "abc")
    assert (record.distribution, record.version, record.state) == ("unified-plugin-abc", "0.3", "active")
    assert isinstance(known.get("commands", "hello"), CommandComponent)


def test_every_hook_says_what_it_is_and_shows_how():
    for name, hook in vars(Registration).items():
        if name.startswith("register_"):
            assert name.removeprefix("register_") in KINDS
            assert ">>> @hookimpl" in (hook.__doc__ or "")
