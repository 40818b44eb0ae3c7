"""`unified plugins` and the way every command is found: fast, light, and whole where a plugin is broken."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from unified.cli import main as command
from unified.cli.show import prefix
from unified.core import registry as registry_module
from unified.core.components.descriptors import KINDS, AgentComponent, ArchitectureComponent, CommandComponent, SuiteComponent
from unified.core.components.hookspecs import hookimpl
from unified.core.config.describe import options
from unified.core.registry import Registry, registry

RUN = "import sys\nfrom unified.cli.main import main\nsys.argv = ['unified', *sys.argv[1:]]\n"
LIGHT = "heavy = {'torch', 'numpy', 'gymnasium', 'dm_control', 'matplotlib', 'mujoco'} & set(sys.modules)\nassert not heavy, heavy"


def unified(*arguments: str) -> tuple[int, str, str]:
    run = subprocess.run([sys.executable, "-m", "unified", *arguments], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout, run.stderr


@pytest.fixture
def broken(monkeypatch):
    """The built-ins beside a plugin that cannot be imported, and one whose parts lead nowhere."""

    def fail() -> Any:
        raise ImportError("no module named 'flux'")

    half: Any = ModuleType("half")
    half.register_agents = hookimpl(lambda: [AgentComponent("lost", "json:Y", "json:Z", presets="json:P", summary="Lost.")])
    half.register_suites = hookimpl(lambda: [SuiteComponent("gone", "json:S", tasks="json:T")])
    half.register_commands = hookimpl(lambda: [CommandComponent("hello", "hello_command:app", summary="Says hello.")])
    entries = [
        SimpleNamespace(name="broken", value="x", dist=SimpleNamespace(name="unified-plugin-broken", version="1.0"), load=fail),
        SimpleNamespace(name="half", value="y", dist=SimpleNamespace(name="unified-plugin-half", version="2.0"), load=lambda: half),
    ]
    from importlib import metadata

    monkeypatch.setitem(sys.modules, "hello_command", ModuleType("hello_command"))
    known = Registry([*metadata.entry_points(group="unified"), *entries])
    monkeypatch.setattr(registry_module, "_current", [known])
    return known


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(command.app, list(arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["plugins", "list"],
        ["plugins", "list", "--json"],
        ["plugins", "show", "drqv2"],
        ["plugins", "show", "dmc"],
    ],
)
def test_nothing_heavy_is_imported(arguments):
    code = f"{RUN}\ntry:\n    main()\nexcept SystemExit as e:\n    assert not e.code\n{LIGHT}"
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


def test_a_dry_run_and_a_refusal_import_nothing_heavy():
    code = f"{RUN}\ntry:\n    main()\nexcept SystemExit as e:\n    print(e.code)\n{LIGHT}"
    for arguments, code_wanted in ((["--dry-run"], "0"), (["--agent", "drqv3"], "2")):
        run = subprocess.run([sys.executable, "-c", code, "train", *arguments], check=True, capture_output=True, text=True)
        assert run.stdout.splitlines()[-1] == code_wanted


def test_mistakes_are_told_together_without_a_traceback():
    status, out, err = unified("train", "--agent", "drqv3", "--suite", "dmc:humanoid_rum", "agent.lrr=1e-4", "train.frames=-5")
    assert (status, out) == (2, "")
    lines = err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("error: ") for line in lines)
    assert "did you mean  drqv2 ?" in lines[0]
    assert lines[-1] == "error: agent.lrr was not checked, since the agent is unknown"


def test_unknown_commands_get_a_suggestion():
    status, _, err = unified("trian")
    assert status == 2
    assert err.strip() == "error: there is no command 'trian'   did you mean  train ?"


def test_help_names_every_command():
    result = invoke("--help")
    assert result.exit_code == 0
    for name, entry in command.COMMANDS.items():
        assert name in result.output
        assert command.import_module_attribute(entry.target) is not None


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_has_help(name):
    assert invoke(name, "--help").exit_code == 0


def test_list():
    result = invoke("plugins", "list")
    assert result.exit_code == 0
    assert "droq · drqv2" in result.output
    assert "dmc (51 tasks) · envpool" in result.output
    assert "not loaded" not in result.output
    assert "drqv2" not in invoke("plugins", "list", "suites").output
    assert invoke("plugins", "list", "suite").output == invoke("plugins", "list", "suites").output
    assert "did you mean  agents ?" in str(invoke("plugins", "list", "agnts").exception)


def test_list_as_json():
    found = json.loads(invoke("plugins", "list", "--json").stdout)
    by_name = {(component["kind"], component["name"]): component for component in found["components"]}
    assert by_name["agents", "drqv2"]["provider"] == "core"
    assert "humanoid_run" in by_name["suites", "dmc"]["tasks"]
    assert by_name["suites", "gym"]["tasks"] is None
    assert found["plugins"][0]["state"] == "active"


def test_show_an_agent():
    text = invoke("plugins", "show", "drqv2").output
    for name, field in registry().get("agents", "drqv2").options_model().model_fields.items():
        assert f"agent.{name} " in text or f"agent.{name}." in text
        assert name in ("critic", "optimizer") or field.description.split()[0] in text
    assert "humanoid" in text
    assert "agent.feature_dim=100" in text
    assert "unified train --agent drqv2" in text


def test_show_a_suite():
    text = invoke("plugins", "show", "dmc").output
    assert "51 tasks" in text
    for task in registry().get("suites", "dmc").load_tasks():
        assert task in text
    assert "suite.render" in text
    assert "auto|fast|exact" in text
    assert invoke("plugins", "show", "dmc:walker_walk").output == text


@pytest.mark.parametrize("kind", ["architectures", "objectives", "callbacks", "launchers", "recipes"])
def test_everything_can_be_shown(kind):
    for name in registry().names(kind):
        result = invoke("plugins", "show", name)
        assert result.exit_code == 0
        assert "for example   unified train" in result.output


EXAMPLE = Path(__file__).parents[2] / "examples" / "unified-plugin-example" / "src"


def test_the_example_and_every_key_that_is_shown_compose(plugin_registry, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE)
    known = plugin_registry(example=importlib.import_module("unified_plugin_example"))
    assert known.plugins[-1].state == "active"
    keys = 0
    for component in [component for kind in KINDS if kind != "commands" for component in known.all(kind)]:
        text = invoke("plugins", "show", known.name_of(component)).output
        head = text.index(f"{component.kind.removesuffix('s')} {component.name} ·")
        found = re.search(r"^  for example   unified (train .*)$", text[head:], re.M)
        assert found is not None
        rows = options(component.options_model(), prefix(known, component))
        said = [f"{key}={default}" for key, _, default, _ in rows]
        assert all(f"\n  {key} " in text for key, *_ in rows)
        words = shlex.split(found[1])
        said = [word for word in said if not any(typed.startswith(f"{word.partition('=')[0]}=") for typed in words)]
        result = invoke(*words, *said, "--dry-run", "--format", "json")
        lacks = component.name == "load" and "there is no run 'RUN'" in str(result.exception)
        lacks |= bool(component.extra) and f"pip install 'unified-ml[{component.extra}]'" in str(result.exception)
        assert result.exit_code == 0 or lacks, (found[1], said, result.exception)
        keys += len(rows)
    assert keys > 50
    assert "objective.decorrelate.weight" in invoke("plugins", "show", "decorrelate").output


def test_an_example_may_be_the_components_own(plugin_registry):
    net = ArchitectureComponent("net", "torch.nn:Identity", summary="A head.", example="critic=net --suite gym:Pendulum-v1")
    agents = [
        AgentComponent("one", "unified.core.learn.agent:Agent"),
        AgentComponent("two", "unified.core.learn.agent:Agent", example="-r laptop"),
    ]
    plugin_registry(
        mine=SimpleNamespace(register_agents=hookimpl(lambda: agents), register_architectures=hookimpl(lambda: [net])),
    )
    assert "for example   unified train critic=net --suite gym:Pendulum-v1\n" in invoke("plugins", "show", "net").output
    assert "for example   unified train --agent one --suite gym:Pendulum-v1\n" in invoke("plugins", "show", "one").output
    assert "for example   unified train --agent two -r laptop\n" in invoke("plugins", "show", "two").output


def test_show_a_plugin_and_what_is_unknown():
    assert "plugin core · core" in invoke("plugins", "show", "core").output
    assert "did you mean  drqv2 ?" in str(invoke("plugins", "show", "drqv3").exception)


def test_a_broken_plugin_is_listed_and_shown_with_its_traceback(broken):
    text = invoke("plugins", "list").output
    assert "drqv2" in text
    assert "broken" in text
    assert "no module named 'flux'" in text
    assert "unified plugins show broken" in text
    shown = invoke("plugins", "show", "broken").output
    assert "Traceback" in shown
    assert "ImportError: no module named 'flux'" in shown


def test_what_leads_nowhere_is_shown_all_the_same(broken):
    result = invoke("plugins", "show", "lost")
    assert result.exit_code == 0
    assert "its options cannot be loaded" in result.output
    assert "its presets cannot be loaded" in result.output
    result = invoke("plugins", "show", "gone")
    assert result.exit_code == 0
    assert "its tasks cannot be loaded" in result.output


def test_commands_of_plugins(broken, monkeypatch):
    import typer

    app = typer.Typer()
    app.command()(lambda: typer.echo("hello"))
    monkeypatch.setattr(sys.modules["hello_command"], "app", app, raising=False)
    assert "Says hello." in invoke("--help").output
    assert invoke("hello").output == "hello\n"


def test_a_command_of_a_plugin_never_stands_for_a_built_in_one(plugin_registry, monkeypatch):
    module: Any = ModuleType("train_command")
    module.run = lambda: print("another train")
    monkeypatch.setitem(sys.modules, "train_command", module)
    found = [CommandComponent(name, "train_command:run", summary="Another one.") for name in ("train", "own")]
    plugin_registry(mine=SimpleNamespace(register_commands=hookimpl(lambda: found)))
    text = invoke("--help").output
    assert re.search(rf"^  train +{re.escape(command.COMMANDS['train'].help)}$", text, re.M)
    assert re.search(r"^  mine/train +Another one\.$", text, re.M)
    assert "Train an agent on a task" in invoke("train", "--help").output
    assert invoke("mine/train").output == invoke("own").output == "another train\n"
    assert "mine/train · own" in invoke("plugins", "list", "commands").output.replace("own · mine/train", "mine/train · own")
    assert {each["name"] for each in json.loads(invoke("plugins", "list", "commands", "--json").output)["components"]} == {
        "mine/train",
        "own",
    }
    shown = invoke("plugins", "show", "train").output
    assert "command mine/train" in shown
    assert "for example   unified mine/train --help" in shown
    from unified.testing.kit import carry_out, cases, components_of

    assert [outcome.text for case in cases(components_of("mine")) if (outcome := carry_out(case)).state == "failed"] == []


def test_a_command_of_a_plugin_that_leads_nowhere_is_an_error_of_that_command(broken):
    assert "cannot be loaded" in str(invoke("hello").exception)
    assert invoke("plugins", "list").exit_code == 0


def test_errors_are_wrapped_for_a_terminal(monkeypatch, capsys):
    from unified.core.base.errors import Problem, UsageError

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    command.report(UsageError(Problem("short", "hint"), Problem("wrong", "one of " + ", ".join(f"task_{i}" for i in range(30)))))
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0] == "error: short   hint"
    assert lines[2].startswith("       one of task_0")


def test_what_code_prints_when_it_is_imported_spoils_no_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loud.py").write_text("print('key: value')\ndef net(in_features, width=8): ...\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "loud.py").write_text((tmp_path / "loud.py").read_text())
    for name in ("./loud.py:net", "package.loud:net", "./package/loud.py:net"):
        code, out, err = unified("train", f"encoder={name}", "encoder.width=4", "--dry-run", "--format", "json")
        assert code == 0
        assert json.loads(out)["agent"]["encoder"]["width"] == 4
        assert err == "key: value\n"


def test_show_takes_code_that_is_not_packaged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "envs.py").write_text(
        "from unified import Options, Suite\nclass Mazes(Suite):\n    '''Ways out.'''\n    tasks = ('small', 'large')\n"
        "    class Options(Options):\n        '''Of mazes.'''\n        walls: int = 3\n        '''How many.'''\n"
        "    def environment(self): ...\n"
    )
    said = CliRunner().invoke(command.app, ["plugins", "show", "./envs.py:Mazes"]).stdout
    assert "suite ./envs.py:Mazes · not packaged" in said
    assert "Ways out." in said
    assert re.search(r"suite\.walls +int +3 +How many\.", said)
    assert "unified train --suite ./envs.py:Mazes:small" in said
    code, _, error = unified("plugins", "show", "./envs.py:Maces")
    assert (code, error.strip()) == (2, "error: ./envs.py has no Maces   did you mean  Mazes ?")
