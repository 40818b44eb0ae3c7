"""Twelve packages that do everything wrong, installed at once: each is named, and nobody's day is spoilt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runs.commands import STATE, assert_same, run_directory, unified
from runs.installed import install

#: One of them is slow on purpose.
pytestmark = pytest.mark.slow

IMPORTS = "from unified import AgentComponent, hookimpl\n"


def agents(body: str, signature: str = "register_agents()") -> str:
    return f"{IMPORTS}\n@hookimpl\ndef {signature}:\n    {body}\n"


FINE = 'yield AgentComponent("{0}", "unified_plugin_{0}:Agent")'

#: Name of the entry point -> source, state, and what must be said about it.
HOSTILE: dict[str, tuple[str, str, str]] = {
    "importerror": ("raise ImportError('no module named flux')", "broken", "ImportError: no module named flux"),
    "syntax": ("def (", "broken", "SyntaxError"),
    "mistyped": (
        agents(FINE.format("mistyped"), "register_agent()"),
        "broken",
        "no hook 'register_agent'   did you mean  register_agents ?",
    ),
    "signature": (agents("return []", "register_agents(registry)"), "broken", "registry"),
    "halfway": (agents(FINE.format("halfway") + "\n    raise ValueError('half-way')"), "broken", "ValueError: half-way"),
    "duplicate": (agents('yield AgentComponent("drqv2", "unified_plugin_duplicate:Agent")'), "active", "duplicate/drqv2"),
    "twin": (agents(FINE.format("twin")), "conflicting", "has the provider name 'twin' already"),
    "future": (f"API_VERSION = 99\n{agents(FINE.format('future'))}", "incompatible", "written for plugin API 99"),
    "needs": ("import flux_capacitor", "broken", "ModuleNotFoundError: No module named 'flux_capacitor'"),
    "exits": ("import sys\nsys.exit('goodbye')", "broken", "SystemExit: goodbye"),
    "slow": (f"import time\ntime.sleep(3)\n{agents(FINE.format('slow'))}", "active", "it slows every command"),
    "nowhere": (
        agents('yield AgentComponent("lost", "unified_plugin_nowhere.agent:Lost")'),
        "broken",
        "no module 'unified_plugin_nowhere.agent'",
    ),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """All of them, in a directory on the path."""
    place = tmp_path_factory.mktemp("hostile")
    for name, (source, _, _) in HOSTILE.items():
        install(place, name, "6.6", {"__init__.py": source})
    install(place, "twin", "1.0", {"__init__.py": agents(FINE.format("twin"))}, distribution="another-twin", target="another_twin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(place))
        yield place


def records(text: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {(plugin["provider"], plugin["distribution"]): plugin for plugin in json.loads(text)["plugins"]}


def test_each_is_listed_with_its_package_and_the_reason(site: Path, tmp_path: Path) -> None:
    listed = records(unified("plugins", "list", "--json", cwd=tmp_path))
    text = unified("plugins", "list", cwd=tmp_path)
    assert len(HOSTILE) == 12
    for name, (_, state, says) in HOSTILE.items():
        record = listed[name, f"unified-plugin-{name}"]
        assert record["state"] == state, (name, record)
        assert says in record["error"] or state == "active"
        (line,) = [line for line in text.splitlines() if says in line]
        assert f"unified-plugin-{name} 6.6" in line
    assert listed["core", "unified-ml"]["state"] == listed["twin", "another-twin"]["state"] == "active"
    assert listed["slow", "unified-plugin-slow"]["milliseconds"] > 3000
    assert "3.0 s" in next(line for line in text.splitlines() if "it slows every command" in line)


def test_everything_else_works(site: Path, straight: Path, tmp_path: Path) -> None:
    assert "train" in unified("--help", cwd=tmp_path)
    shown = unified("plugins", "show", "drqv2", cwd=tmp_path)
    assert "agent.lr" in shown
    unified(*STATE, cwd=tmp_path)
    assert_same(straight, run_directory(tmp_path))


def test_a_culprit_shows_its_traceback(site: Path, tmp_path: Path) -> None:
    shown = unified("plugins", "show", "halfway", cwd=tmp_path)
    assert "Traceback" in shown
    assert "raise ValueError('half-way')" in shown
    assert "unified-plugin-halfway 6.6" in shown


def test_an_unknown_name_says_who_could_not_be_loaded(site: Path, tmp_path: Path) -> None:
    said = unified("train", "--agent", "halfway", cwd=tmp_path, expect=2)
    assert "agent 'halfway' does not exist" in said
    assert "not loaded: " in said


def test_they_can_be_left_out(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = unified("plugins", "list", "-p", "no:slow", "-p", "no:unified-plugin-exits", cwd=tmp_path)
    assert "every command waits" not in without
    assert "SystemExit" not in without
    assert unified("--no-plugins", "plugins", "list", "--json", cwd=tmp_path).count('"state": "disabled"') == len(HOSTILE) + 1
    monkeypatch.setenv("UNIFIED_DISABLE_PLUGINS", "slow,halfway")
    listed = records(unified("plugins", "list", "--json", cwd=tmp_path))
    assert listed["slow", "unified-plugin-slow"]["state"] == listed["halfway", "unified-plugin-halfway"]["state"] == "disabled"
    monkeypatch.setenv("UNIFIED_PLUGINS", "duplicate")
    listed = records(unified("plugins", "list", "--json", cwd=tmp_path))
    assert {provider for (provider, _), record in listed.items() if record["state"] == "active"} == {"core", "duplicate"}


def test_strictness_ends_every_command_and_names_them_all(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIFIED_STRICT_PLUGINS", "1")
    said = unified("plugins", "list", cwd=tmp_path, expect=1)
    for name, (_, state, says) in HOSTILE.items():
        assert (f"plugin {name} (unified-plugin-{name} 6.6) is {state}" in said) == (state != "active"), (name, said)
        assert state == "active" or says in said
