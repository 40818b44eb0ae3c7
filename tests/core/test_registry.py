"""Plugins are found alike, and one that is broken spoils nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from unified.core import registry as module
from unified.core.base.errors import UnifiedError, UsageError
from unified.core.components.descriptors import KINDS, AgentComponent, CommandComponent, SuiteComponent
from unified.core.components.filters import take_switches
from unified.core.components.hookspecs import API_VERSION, Registration, hookimpl
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
        return [AgentComponent(name, "unified.core.learn.agent:Agent") for name in names]

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
    for component in registry().all(kind):
        assert component.origin.distribution == "unified-ml"
        assert component.summary
        component.options_model()
        if component.target:
            try:
                assert component.load() is not None
            except UsageError as error:
                assert component.extra
                assert f"pip install 'unified-ml[{component.extra}]'" in str(error)  # noqa: PT017
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
    yield AgentComponent("half", "json:load")
    raise ValueError("no more")


@hookimpl
def not_an_agent():
    yield SuiteComponent("maze", "json:load")


@hookimpl
def takes_more(unheard_of):
    return []


def unmarked():
    return []


def named(name: str, target: str = "json:load") -> Any:
    return hookimpl(lambda: [AgentComponent(name, target)])


BROKEN = {
    "missing": (missing, "ModuleNotFoundError: No module named 'flux_capacitor'"),
    "misspelt": (misspelt, "SyntaxError"),
    "exits": (explode, "SystemExit"),
    "halfway": (lambda: plugin(register_agents=fails_halfway), "ValueError: no more"),
    "wrong-kind": (lambda: plugin(register_agents=not_an_agent), "yields SuiteComponent, not AgentComponent"),
    "wrong-hook": (lambda: plugin(register_agent=named("x")), "no hook 'register_agent'   did you mean  register_agents ?"),
    "of-a-run": (lambda: plugin("x", on_log=hookimpl(lambda row: None)), "put it in a subclass of unified.Callback"),
    "arguments": (lambda: plugin(register_agents=takes_more), "unheard_of"),
    "unmarked": (lambda: plugin(register_agents=unmarked), "@hookimpl"),
    "unspeakable": (lambda: plugin(register_agents=named("a/b")), "cannot be typed"),
    "dotted": (lambda: plugin(register_agents=named("a.b")), "'a.b', which cannot be typed: letters, digits, _ and - only"),
    "dotted.provider": (lambda: plugin("x"), "'dotted.provider' cannot be typed"),
    "untargeted": (lambda: plugin(register_agents=named("x", "nowhere")), "module:Attribute"),
    "nowhere": (lambda: plugin(register_agents=named("x", "json.nowhere:Agent")), "agent 'x': there is no module 'json.nowhere'"),
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


def test_what_a_plugin_prints_spoils_no_answer(capsys):
    def load() -> ModuleType:
        print("while it is imported")
        found: Any = plugin("a")

        @hookimpl
        def register_agents():
            print("while it is asked")
            yield AgentComponent("a", "unified.core.learn.agent:Agent")

        found.register_agents = register_agents
        return found

    assert Registry([core("b"), Entry("x", load)]).names("agents") == ["a", "b"]
    assert capsys.readouterr() == ("", "while it is imported\nwhile it is asked\n")


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
    monkeypatch.setenv("UNIFIED_DISABLE_PLUGINS", "one, Unified_Plugin.TWO")
    known = Registry([core("drqv2"), Entry("one", plugin("x")), Entry("two", plugin("z")), Entry("three", plugin("y"))])
    assert [record.state for record in known.plugins] == ["active", "disabled", "active", "disabled"]
    assert known.names("agents") == ["drqv2", "y"]
    with pytest.raises(UsageError, match="switched off: one, two"):
        known.get("agents", "x")


@pytest.mark.parametrize(("said", "there"), [("", ["drqv2"]), ("two,unknown", ["drqv2", "z"]), ("unified-plugin-one", ["drqv2", "x"])])
def test_all_but_some_can_be_switched_off(monkeypatch, said, there):
    monkeypatch.setenv("UNIFIED_PLUGINS", said)
    assert Registry([core("drqv2"), Entry("one", plugin("x")), Entry("two", plugin("z"))]).names("agents") == there


def test_strictness_ends_everything_where_a_plugin_fails(monkeypatch):
    monkeypatch.setattr(module, "installed_entry_points", lambda: [core("drqv2"), Entry("missing", missing)])
    monkeypatch.setenv("UNIFIED_STRICT_PLUGINS", "1")
    module.reset()
    with pytest.raises(UnifiedError, match=r"plugin missing \(unified-plugin-missing 1\.2\) is broken.*flux_capacitor"):
        registry()
    monkeypatch.setenv("UNIFIED_DISABLE_PLUGINS", "missing")
    assert registry().names("agents") == ["drqv2"]
    module.reset()


def test_switches_are_taken_from_anywhere_on_the_line():
    environment = {"UNIFIED_DISABLE_PLUGINS": "a"}
    words = ["train", "-p", "no:b", "--agent", "x", "--no-plugins", "-pno:c", "-p", "d", "--", "--no-plugins"]
    assert take_switches(words, environment) == (["train", "--agent", "x", "-p", "d", "--", "--no-plugins"], ["b", "c"])
    assert environment == {"UNIFIED_DISABLE_PLUGINS": "a,b,c", "UNIFIED_PLUGINS": ""}


def test_core_owns_its_names_and_qualified_ones_reach_the_others():
    known = Registry([Entry("mine", plugin("drqv2")), core("drqv2")])
    assert known.get("agents", "drqv2").origin.provider == "core"
    assert known.get("agents", "mine/drqv2").origin.provider == "mine"
    assert known.names("agents") == ["drqv2", "mine/drqv2"]


def test_two_third_parties_of_one_name_must_be_told_apart():
    known = Registry([Entry("a", plugin("xyz")), Entry("b", plugin("xyz"))])
    with pytest.raises(UsageError, match="choose one: a/xyz or b/xyz"):
        known.get("agents", "xyz")
    assert known.get("agents", "b/xyz").origin.provider == "b"


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
        "from unified.core.components.descriptors import CommandComponent\nfrom unified.core.components.hookspecs import hookimpl\n\n\n"
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


def install(place: Path, name: str, version: str, body: str) -> None:
    """A distribution as pip leaves it, in a directory."""
    module_name = f"unified_plugin_{name}_{version.replace('.', '_')}"
    (place / f"{module_name}.py").write_text(body)
    info = place / f"unified_plugin_{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: unified-plugin-{name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[unified]\n{name} = {module_name}\n")


def test_metadata_that_lies_in_the_current_directory_is_no_installation(tmp_path, monkeypatch):
    installed, here = tmp_path / "site", tmp_path / "downloads"
    for place, version in ((installed, "1.0"), (here, "6.6.6")):
        place.mkdir()
        install(place, "abc", version, "")
    install(here, "evil", "1.0", "raise SystemExit('imported')")
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(installed)
    monkeypatch.syspath_prepend("")
    records = {record.provider: record for record in Registry().plugins}
    assert records["abc"].version == "1.0"
    assert "evil" not in records
    assert records["core"].state == "active"


def test_every_hook_says_what_it_is_and_shows_how():
    for name, hook in vars(Registration).items():
        if name.startswith("register_"):
            assert name.removeprefix("register_") in KINDS
            assert ">>> @hookimpl" in (hook.__doc__ or "")
