"""`unified plugins new`: what it writes is whole, tidy and works at once."""

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

#: Short and long, and such that a class called after it would hide a name that its code needs.
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
    files = scaffold.render("my-thing", kind)
    assert {"pyproject.toml", "README.md", "LICENSE", ".gitignore", ".github/workflows/test.yml", "tests/test_conformance.py"} <= set(files)
    code = "src/unified_plugin_my_thing"
    assert {f"{code}/__init__.py", f"{code}/py.typed", f"{code}/{scaffold.KINDS[kind].module}"} <= set(files)
    by_signature = kind in ("architecture", "objective")
    assert (f"{code}/config.py" in files) is not by_signature
    for name, text in files.items():
        left = re.sub(r"\$\{\{.*?\}\}", "", text) if name.endswith(".yml") else re.sub(r"^\$ ", "", text, flags=re.M)
        assert "$" not in left, name
        assert "template" not in name
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["name"] == "unified-plugin-my-thing"
    assert project["entry-points"]["unified"] == {"my-thing": "unified_plugin_my_thing"}
    steps = yaml.safe_load(files[".github/workflows/test.yml"])["jobs"]["test"]["steps"]
    assert any("unified plugins check my-thing" in step.get("run", "") for step in steps)


@pytest.mark.parametrize("kind", scaffold.KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_what_it_writes_compiles_and_is_tidy(kind: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    scaffold.write(folder, scaffold.render(name, kind))
    for path in folder.rglob("*.py"):
        compile(path.read_text(), str(path), "exec")
    for words in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *words, "."], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_it_says_what_it_wrote_and_what_to_type(tmp_path: Path) -> None:
    said = invoke("xyz", "--kind", "agent", "--path", str(tmp_path))
    folder = tmp_path / "unified-plugin-xyz"
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert written == set(scaffold.render("xyz", "agent"))
    lines = [line.strip() for line in said.splitlines()]
    assert written <= set(lines)
    assert lines[-6:] == scaffold.next_commands("xyz", "agent", folder)
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
    ("name", "kind", "said"),
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
        ("xyz", "launcher", "no template for a launcher .*unified plugins hooks register_launchers$"),
        ("xyz", "", "one of agent, suite"),
    ],
)
def test_what_cannot_be_is_refused(name: str, kind: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        invoke("--kind", kind, "--path", str(tmp_path), "--", name)
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_another_kind_is_free() -> None:
    assert scaffold.check("drqv2", "suite") == "suite"


def test_the_templates_are_in_the_wheel(tmp_path: Path) -> None:
    wheel = build_wheel(REPOSITORY, tmp_path)
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("unified/cli/templates/")}
    here = {f"unified/cli/templates/{path.relative_to(scaffold.TEMPLATES).as_posix()}" for path in scaffold.TEMPLATES.rglob("*.template")}
    assert packed == here


#: A run of seconds with what each kind of package brings.
TINY = ["train.frames=150", "train.log_every=100", "evaluate.every=0", "evaluate.episodes=1"]
SMALL = ["agent.learning_starts=100", "agent.batch_size=16"]
TRAINS = {
    "agent": ["--agent", "mine", "--suite", "gym:Pendulum-v1", *SMALL],
    "suite": ["--agent", "random", "--suite", "mine:edge"],
    "architecture": ["--agent", "drqv2", "--suite", "gym:Pendulum-v1", *SMALL, "agent.hidden_dim=16", "encoder=mine", "encoder.width=16"],
    "objective": ["--agent", "drqv2", "--suite", "gym:Pendulum-v1", *SMALL, "agent.hidden_dim=16", "encoder=mlp", "-o", "+mine"],
    "callback": ["--agent", "random", "--suite", "gym:Pendulum-v1", "callbacks=[+mine]", "callbacks.mine.keep=1"],
}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", scaffold.KINDS)
def test_it_works_as_it_is_written(kind: str, tmp_path: Path) -> None:
    beside = Beside(tmp_path / "environment")
    said = beside.unified("plugins", "new", "mine", "--kind", kind, cwd=tmp_path)
    folder = tmp_path / "unified-plugin-mine"
    assert f"unified-plugin-mine/\n  {sorted(scaffold.render('mine', kind))[0]}" in said
    beside.run("pip", "install", "--editable", ".[dev]", cwd=folder)
    listed = beside.unified("plugins", "list", scaffold.KINDS[kind].plural, cwd=folder)
    assert re.search(r"^ +mine.* +unified-plugin-mine 0.1.0$", listed, re.M)
    beside.unified("plugins", "check", "mine", "--strict", cwd=folder)
    beside.run("pytest", "-k", "not conformance or imports", cwd=folder)  # the rest of the kit has just been asked
    beside.unified("train", *TRAINS[kind], *TINY, cwd=tmp_path)
    again = beside.unified("plugins", "new", "mine", "--kind", kind, "--path", "elsewhere", cwd=tmp_path, expect=2)
    assert f"{kind} 'mine' exists already, in unified-plugin-mine 0.1.0" in again
