"""What a run begins with and is not there is told before anything is made, and of a run that is there it is not asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import unified
from unified.core.config import compose
from unified.core.errors import Problem, UsageError
from unified.core.run import Run
from unified.core.run.lacking import lacking
from unified.core.run.replays import find_named
from unified.plugins.agents.random.agent import Random


class Picky(Random):
    """An agent whose options name a file."""

    class Options(unified.Options):
        file: str = "there.txt"
        """A file that has to be there."""

        def lacking(self, root: Path) -> list[Problem]:
            return [] if Path(self.file).is_file() else [Problem(f"there is no file {self.file}", "agent.file=FILE")]

    def __init__(self, spec: Any, options: Any, build: Any) -> None:
        raise AssertionError("nothing is built")


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def kept(name: str, **files: Any) -> Path:
    """A run's directory."""
    path = Path("runs/default/drqv2/dmc", name, "seed-1")
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    for file, content in files.items():
        (path / file).mkdir()
        (path / file / "index.json").write_text(json.dumps(content))
    return path


def told(*words: str, **python: Any) -> list[str]:
    config = compose(list(words), [], python)
    return [str(problem) for problem in lacking(config, Path(config.root))]


def test_everything_that_is_not_there_is_told_at_once() -> None:
    kept("walker_walk")
    assert told("suite=digits", "encoder=load:walker", "evaluate.features=nobody", "replay.save=.hidden") == [
        "replay.save=.hidden is no name    a name without slashes that does not start with a dot",
        "evaluate.features: there is no run 'nobody' in runs    all: unified runs list",
        "agent.encoder: run walker_walk has no checkpoint yet    unified runs show walker_walk",
    ]
    assert told("suite=digits") == []


def test_options_of_a_plugin_say_what_they_need() -> None:
    assert told("suite=digits", agent=Picky) == ["agent: there is no file there.txt    agent.file=FILE"]
    Path("there.txt").touch()
    assert told("suite=digits", agent=Picky) == []


def test_a_run_that_was_refused_leaves_nothing() -> None:
    with pytest.raises(UsageError, match="there is no file"):
        unified.train(agent=Picky, suite="digits", config={"with": []})
    assert not Path("runs").exists()


def test_of_a_run_that_is_there_nothing_is_asked() -> None:
    Path("there.txt").touch()
    config = compose([], [], {"agent": Picky, "suite": "digits"})
    made = Run.create_or_open(config)
    Path("there.txt").unlink()
    assert lacking(config, Path("runs"))
    assert Run.create_or_open(config).path == made.path


def test_a_replay_is_found_by_enough_of_a_run_s_name() -> None:
    path = kept("walker_walk", replay={"cut": {"segments": []}})
    kept("cartpole_balance")
    assert find_named("runs", "walker") == path / "replay"
    assert told("suite=dmc:walker_walk", "agent=drqv2", "replay.load=walker") == []
    with pytest.raises(UsageError, match="run default/drqv2/dmc/cartpole_balance/seed-1 holds no replay"):
        find_named("runs", "cartpole")
    with pytest.raises(UsageError, match=r"no such replay.*\n.*fits 2 runs"):
        find_named("runs", "drqv2")
