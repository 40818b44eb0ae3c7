"""`unified plugins check`: what it prints, and how it ends."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from unified.cli.check import check
from unified.core.base.errors import UsageError
from unified.core.components.descriptors import ArchitectureComponent, CommandComponent
from unified.core.components.hookspecs import hookimpl

app = typer.Typer()
app.command()(check)


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def installed(plugin_registry):
    """A function that installs a network that is right, or one with a dead parameter, as a plugin ``nets``."""

    def install(name: str, **others: Any) -> None:
        found = [ArchitectureComponent("net", f"testing.wrong_others:{name}", summary="A layer.")]
        plugin_registry(nets=SimpleNamespace(register_architectures=hookimpl(lambda: found)), **others)

    return install


def test_a_line_for_each_check_and_the_count_at_the_end(installed):
    installed("Right")
    result = invoke("nets")
    assert result.exit_code == 0
    *lines, count = result.output.splitlines()
    assert "ok        architecture:net-trains_every_parameter" in lines
    assert all(line.startswith("ok ") for line in lines)
    assert count.startswith(f"{len(lines)} checks of 1 components in ")
    assert count.endswith(f"{len(lines)} ok")
    assert "is_documented" not in result.output
    assert "is_documented" in invoke("nets", "--strict").output


def test_a_failure_says_what_was_seen_and_ends_with_1(installed):
    installed("DeadParameter")
    result = invoke("net")
    assert result.exit_code == 1
    lines = result.output.splitlines()
    at = lines.index("FAILED    architecture:net-trains_every_parameter")
    assert lines[at + 1].strip().startswith("contract: Gradients reach every parameter")
    assert lines[at + 2].strip() == "seen:     float32 (7,) to (5,): none for scale"
    assert lines[at + 3].strip().startswith("change: ")
    assert lines[-1].endswith("1 failed")
    assert "Traceback" not in result.output


def test_an_unknown_name_is_a_usage_error_with_a_suggestion(installed):
    installed("Right")
    result = invoke("nest")
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == 2
    assert "did you mean  net" in str(result.exception)


def test_without_a_name_every_third_party_plugin_is_checked_and_those_that_failed_are_named(installed):
    installed("Right", bad=ImportError("no module named 'flux'"))
    result = invoke()
    assert result.exit_code == 1
    assert "FAILED    plugin bad, broken: ImportError: no module named 'flux'" in result.output
    assert "ok        architecture:net-imports" in result.output
    assert "drqv2" not in result.output
    assert result.output.splitlines()[-1].endswith("1 plugins could not be loaded")


def test_without_third_parties_it_is_the_built_ins(plugin_registry, monkeypatch):
    from unified.testing import kit

    plugin_registry()
    seen: list[str] = []
    monkeypatch.setattr(kit, "carry_out", lambda case: seen.append(case.id) or kit.Outcome(case, "skipped", "not today"))
    result = invoke()
    assert result.exit_code == 1
    assert result.output.endswith("; nothing was checked\n")
    assert {"agent:drqv2-saves_and_loads", "suite:dmc-closes_twice", "recipe:laptop-composes"} <= set(seen)
    assert f"{len(seen)} skipped" in result.output
    assert "skipped   agent:drqv2-imports   not today" in result.output


def test_a_plugin_without_components_is_no_success(plugin_registry):
    plugin_registry(empty=SimpleNamespace())
    result = invoke("empty")
    assert result.exit_code == 1
    assert "nothing was checked" in result.output


def test_options_and_a_task_are_passed_on(installed):
    result = invoke("dqn", "critic.head=quantile", "--task", "gym:CartPole-v1")
    assert result.exit_code == 0, result.output
    assert "ok        agent:dqn-acts_in_every_space   gym:CartPole-v1" in result.output.splitlines()
    assert isinstance(invoke("dqn", "critic.hed=quantile").exception, UsageError)


def test_json(installed):
    installed("DeadParameter", bad=ImportError("x"))
    result = invoke("--json")
    assert result.exit_code == 1
    told = json.loads(result.output)
    states = {entry["id"]: entry["state"] for entry in told["checks"]}
    assert states["architecture:net-trains_every_parameter"] == "failed"
    assert told["count"] == {"ok": len(states) - 1, "failed": 1}
    assert told["not_loaded"] == [{"provider": "bad", "state": "broken", "error": "ImportError: x"}]
    entry = next(entry for entry in told["checks"] if entry["state"] == "failed")
    assert (entry["component"], entry["kind"], entry["level"]) == ("nets/net", "architectures", "contract")
    assert "none for scale" in entry["text"]


def test_what_a_component_raises_is_one_line_with_its_place(plugin_registry):
    broken = [CommandComponent("oops", "testing.wrong_others:oops", summary="Fails.")]
    plugin_registry(x=SimpleNamespace(register_commands=hookimpl(lambda: broken)))
    result = invoke("oops")
    assert result.exit_code == 1
    assert "FAILED    command:oops-imports" in result.output
    assert "oops" in result.output
    assert "Traceback" not in result.output


MINE = '''
"""What a person has lying about."""
import numpy as np
from torch import nn

from unified import Environment, Space, Spec, Step, hookimpl


def net(in_features, out_features, hidden=8):
    """Two layers."""
    return nn.Sequential(nn.Linear(in_features, hidden), nn.ReLU(), nn.Linear(hidden, out_features))


class Line(Environment):
    """Walks along a line."""

    def __init__(self):
        self.spec = Spec(Space((1,), "float32"), Space((1,), "float32", -1.0, 1.0), episode_frames=20)

    def reset(self, seed):
        self.x, self.n = seed / 7, 0
        return np.array([self.x], np.float32)

    def step(self, action):
        self.x, self.n = self.x + float(action[0]), self.n + 1
        return Step(np.array([self.x], np.float32), -abs(self.x), False, self.n >= 20)


class Watches:
    """Counts."""

    def __init__(self, options):
        self.logs = 0

    @hookimpl
    def on_log(self):
        self.logs += 1

    @hookimpl
    def checkpoint_save(self):
        return {"logs": self.logs}
'''


@pytest.mark.parametrize(
    ("what", "ok", "failed"),
    [
        ("net", "architecture:net-gives_the_shape_it_says   float32 (7,) to (5,)", ""),
        ("Line", "suite:Line-shows_the_last_observation", ""),
        ("Watches", "callback:Watches-watches_without_failing", "callback:Watches-keeps_its_state"),
    ],
)
def test_what_no_plugin_provides_is_checked_by_its_place(tmp_path, monkeypatch, what, ok, failed):
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    result = invoke(f"./mine.py:{what}")
    assert f"ok        {ok}" in result.output.splitlines()
    assert [line for line in result.output.splitlines() if line.startswith("FAILED")] == ([f"FAILED    {failed}"] if failed else [])
