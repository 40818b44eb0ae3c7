"""Whatever starts a run or goes on with it asks the launcher of its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import unified
from unified.core.base.errors import UsageError
from unified.core.runs.launching import start
from unified.core.runs.run import Run

COUNTING = """
from pathlib import Path

from unified import launch
from unified.core.base.errors import Problem, UsageError


class Counting:
    def launch(self, config, run):
        with Path(__file__).with_name("launched.txt").open("a") as file:
            file.write(f"{run.path}\\n")
        return launch(config, run)


class Refusing:
    def launch(self, config, run):
        raise UsageError(Problem("the queue is closed", "another one"))
"""
SMALL: dict[str, Any] = {
    "agent": "random",
    "suite": "unified.testing.probes:Probes:both",
    "callbacks": [],
    "evaluate.every": 0,
    "device": "cpu",
}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cluster.py").write_text(COUNTING)
    return tmp_path


def launched(cluster: Path) -> list[Path]:
    return [Path(line) for line in (cluster / "launched.txt").read_text().splitlines()]


def test_train_and_resume_ask_the_launcher(cluster: Path) -> None:
    values = {**SMALL, "launcher": "./cluster.py:Counting"}
    run = unified.train(config={**values, "train.frames": 20})
    assert launched(cluster) == [run.path]
    from unified.cli.main import app

    said = CliRunner().invoke(app, ["resume", run.name])
    assert (said.exit_code, said.output.count("\n")) == (0, 1), said.output
    assert "nothing to resume" in said.output
    assert launched(cluster) == [run.path]
    said = CliRunner().invoke(app, ["resume", run.name, "train.frames=30"])
    assert said.exit_code == 0, said.output
    assert [path.resolve() for path in launched(cluster)] == [run.path.resolve()] * 2
    words = [f"{key}={'[]' if value == [] else value}" for key, value in values.items()]
    said = CliRunner().invoke(app, ["train", *words, "train.frames=40"])
    assert said.exit_code == 0, said.output
    assert [path.resolve() for path in launched(cluster)] == [run.path.resolve()] * 3
    assert Run(run.path).metrics()[-1]["frames"] == 40


def test_a_run_that_was_moved_goes_on_where_it_is(cluster: Path) -> None:
    run = unified.train(config={**SMALL, "launcher": "./cluster.py:Counting", "train.frames": 20})
    run.root.rename(cluster / "elsewhere")
    moved = Run.find(str(cluster / "elsewhere" / run.path.relative_to(run.root)))
    assert start(moved.config, moved) is moved
    assert launched(cluster)[-1] == moved.path
    assert not run.root.exists()


def test_a_launcher_that_refuses_leaves_nothing_behind(cluster: Path) -> None:
    with pytest.raises(UsageError, match="the queue is closed"):
        unified.train(config={**SMALL, "launcher": "./cluster.py:Refusing"})
    assert not (cluster / "runs").exists()
