"""`unified plugins new` writes complete, formatted packages that work at once."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from runs.beside import REPOSITORY, Beside, build_wheel
from unified.cli import scaffold
from unified.core.base.errors import UnifiedError, UsageError
from unified.core.components.descriptors import KINDS

#: Short and long names, and names whose class would hide a name that the code uses.
NAMES = ["xyz", "a-rather-long-name_of_40-characters-here", "agent", "suite", "critic", "none", "options"]


def invoke(*words: str) -> str:
    app = typer.Typer()
    app.command()(scaffold.new)
    result = CliRunner().invoke(app, list(words))
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.mark.parametrize("kind", scaffold.KINDS)
def test_every_file_is_named_and_filled_in(kind: str) -> None:
    files = scaffold.render("my-thing", [kind])
    assert {"pyproject.toml", "README.md", "LICENSE", ".gitignore", ".github/workflows/test.yml", "tests/test_conformance.py"} <= set(files)
    code = "src/unified_plugin_my_thing"
    assert {f"{code}/__init__.py", f"{code}/py.typed", f"{code}/{scaffold.KINDS[kind].module}"} <= set(files)
    assert (f"{code}/config.py" in files) is (kind in ("agent", "suite", "callback", "launcher"))
    for name, text in files.items():
        left = re.sub(r"\$\{\{.*?\}\}", "", text) if name.endswith(".yml") else re.sub(r"^\$ ", "", text, flags=re.M)
        assert "$" not in left, name
        assert "template" not in name
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["name"] == "unified-plugin-my-thing"
    assert project["entry-points"]["unified"] == {"my-thing": "unified_plugin_my_thing"}
    steps = yaml.safe_load(files[".github/workflows/test.yml"])["jobs"]["test"]["steps"]
    assert any("unified plugins check my-thing" in step.get("run", "") for step in steps)


@pytest.mark.parametrize("kind", [*scaffold.KINDS, "agent,suite", ",".join(scaffold.KINDS)])
@pytest.mark.parametrize("name", NAMES)
def test_what_it_writes_compiles_and_is_tidy(kind: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    scaffold.write(folder, scaffold.render(name, kind.split(",")))
    for path in folder.rglob("*.py"):
        compile(path.read_text(), str(path), "exec")
    for words in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *words, "."], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_a_package_holds_several_kinds() -> None:
    kinds = [*scaffold.KINDS]
    files = scaffold.render("lab", kinds)
    single = {kind: scaffold.render("lab", [kind]) for kind in kinds}
    assert set(files) == {name for each in single.values() for name in each}
    init = files["src/unified_plugin_lab/__init__.py"]
    assert [f"def register_{kind}s()" in init for kind in kinds] == [True] * len(kinds)
    assert "agent: lab\nsuite: lab:centre\n" in files["src/unified_plugin_lab/recipe.yaml"]
    assert "agent: drqv2\nsuite: gym:Pendulum-v1\n" in single["recipe"]["src/unified_plugin_lab/recipe.yaml"]
    assert "The agent, suite" in files["README.md"]


def test_every_kind_of_component_has_a_template() -> None:
    assert {f"{kind}s" for kind in scaffold.KINDS} == set(KINDS)


def test_the_class_has_the_chosen_name() -> None:
    alone = scaffold.render("td3", ["agent"], "TD3")
    assert "class TD3(OffPolicyAgent):" in alone["src/unified_plugin_td3/agent.py"]
    assert "class TD3Options(ActorCriticOptions):" in alone["src/unified_plugin_td3/config.py"]
    both = scaffold.render("td3", ["agent", "suite"], "TD3")
    assert "class TD3Agent(OffPolicyAgent):" in both["src/unified_plugin_td3/agent.py"]
    assert "class TD3Suite(Suite):" in both["src/unified_plugin_td3/suite.py"]
    assert "class Td3(OffPolicyAgent):" in scaffold.render("td3", ["agent"])["src/unified_plugin_td3/agent.py"]


@pytest.mark.parametrize(
    ("class_", "kind", "error"),
    [
        ("td3", "agent", "class name 'td3' cannot be used"),
        ("T D", "agent", "cannot be used"),
        ("None", "agent", "cannot be used"),
        ("Critic", "agent", "is used by the code of the package    for example  CriticAgent"),
        ("TD3", "recipe,command", "--class TD3: recipe and command without a class"),
    ],
)
def test_a_class_name_that_cannot_be_used_is_refused(class_: str, kind: str, error: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=error):
        invoke("xyz", "--kind", kind, "--class", class_, "--path", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_it_prints_the_files_and_the_next_commands(tmp_path: Path) -> None:
    printed = invoke("xyz", "--kind", "agent", "--path", str(tmp_path))
    folder = tmp_path / "unified-plugin-xyz"
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert written == set(scaffold.render("xyz", ["agent"]))
    lines = [line.strip() for line in printed.splitlines()]
    assert written <= set(lines)
    assert lines[-6:] == scaffold.next_commands("xyz", ["agent"], folder)
    assert "unified train --agent xyz --suite gym:Pendulum-v1 train.frames=5000" in lines


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "unified-plugin-xyz").mkdir()
    (tmp_path / "unified-plugin-xyz" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists already: nothing was written"):
        invoke("xyz", "--kind", "suite", "--path", str(tmp_path))
    assert [path.name for path in tmp_path.rglob("*")] == ["unified-plugin-xyz", "mine.txt"]


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnifiedError, match="cannot be written"):
        invoke("xyz", "--kind", "suite", "--path", str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("name", "kind", "error"),
    [
        ("drqv2", "agent", "agent 'drqv2' exists already, in unified-ml .* my-drqv2"),
        ("video", "callbacks", "callback 'video' exists already"),
        ("core", "suite", "a plugin 'core' is installed already"),
        ("Foo Bar", "agent", "did you mean  foo-bar"),
        ("MyAgent", "agent", "did you mean  my-agent"),
        ("unified-plugin-abc", "agent", "did you mean  abc"),
        ("9lives", "suite", "did you mean  lives"),
        ("-", "suite", "cannot be used    lower-case letters"),
        ("x" * 41, "suite", "at most 40"),
        ("a--b", "suite", "did you mean  a-b"),
        ("../x", "suite", "did you mean  x"),
        ("xyz", "agnet", "did you mean  agent"),
        ("xyz", "agent,suit", "there is no kind 'suit'    did you mean  suite"),
        ("laptop", "agent,recipe", "recipe 'laptop' exists already"),
        ("xyz", "", "one of agent, suite"),
    ],
)
def test_a_name_or_kind_that_cannot_be_used_is_refused(name: str, kind: str, error: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=error):
        invoke("--kind", kind, "--path", str(tmp_path), "--", name)
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_another_kind_is_free() -> None:
    assert scaffold.check("drqv2", "suite") == ["suite"]


def test_the_templates_are_in_the_wheel(tmp_path: Path) -> None:
    wheel = build_wheel(REPOSITORY, tmp_path)
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("unified/cli/templates/")}
    here = {f"unified/cli/templates/{path.relative_to(scaffold.TEMPLATES).as_posix()}" for path in scaffold.TEMPLATES.rglob("*.template")}
    assert packed == here


#: A run of a few seconds with the component of each kind.
TINY = ["train.frames=150", "train.log_every=100", "evaluate.every=0", "evaluate.episodes=1"]
SMALL = ["agent.learning_starts=100", "agent.batch_size=16"]
TRAINS = {
    "agent": ["--agent", "mine", "--suite", "gym:Pendulum-v1", *SMALL],
    "suite": ["--agent", "random", "--suite", "mine:edge"],
    "architecture": ["--agent", "drqv2", "--suite", "gym:Pendulum-v1", *SMALL, "agent.hidden_dim=16", "encoder=mine", "encoder.width=16"],
    "objective": ["--agent", "drqv2", "--suite", "gym:Pendulum-v1", *SMALL, "agent.hidden_dim=16", "encoder=mlp", "-o", "+mine"],
    "callback": ["--agent", "random", "--suite", "gym:Pendulum-v1", "callbacks=[+mine]", "callbacks.mine.keep=1"],
    "sampler": ["--agent", "dqn", "--suite", "gym:CartPole-v1", *SMALL, "replay.sampler=mine", "replay.sampler.newest=2"],
    "launcher": ["--agent", "random", "--suite", "gym:Pendulum-v1", "launcher=mine", "launcher.threads=2"],
    "recipe": ["-r", "mine", "agent.actor.hidden_dim=16", "agent.critic.hidden_dim=16", *SMALL],
    "command": ["--agent", "random", "--suite", "gym:Pendulum-v1"],
}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kinds", ["agent", ",".join(scaffold.KINDS)])
def test_the_package_works_as_it_is_written(kinds: str, tmp_path: Path) -> None:
    beside = Beside(tmp_path / "environment")
    printed = beside.unified("plugins", "new", "mine", "--kind", kinds, cwd=tmp_path)
    folder = tmp_path / "unified-plugin-mine"
    assert f"unified-plugin-mine/\n  {sorted(scaffold.render('mine', kinds.split(',')))[0]}" in printed
    beside.run("pip", "install", "--editable", ".[dev]", cwd=folder)
    beside.unified("plugins", "check", "mine", "--strict", cwd=folder)
    beside.run("pytest", "-k", "not conformance or imports", cwd=folder)  # `plugins check` has run the other checks
    for kind in kinds.split(","):
        listed = beside.unified("plugins", "list", f"{kind}s", cwd=folder)
        assert re.search(r"^( +|recipes +.*|commands +.*|launchers +.*)mine.* +unified-plugin-mine 0.1.0$", listed, re.M), kind
        beside.unified("train", *TRAINS[kind], f"experiment={kind}", *TINY, cwd=tmp_path)
    if "command" in kinds:
        assert re.search(r"^ +150 +-?[\d.]+$", beside.unified("mine", "command", cwd=tmp_path), re.M)
    again = beside.unified("plugins", "new", "mine", "--kind", kinds, "--path", "elsewhere", cwd=tmp_path, expect=2)
    assert "agent 'mine' exists already, in unified-plugin-mine 0.1.0" in again
