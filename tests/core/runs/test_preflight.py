"""What a run begins with and is not there is told before anything is made, and of a run that is there it is not asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium
import pytest

import unified
from unified.core.base.errors import PluginFailed, Problem, UsageError
from unified.core.config.compose import compose
from unified.core.runs.lookup import find_replay
from unified.core.runs.run import Run
from unified.plugins.agents.random.agent import Random


class Picky(Random):
    """An agent whose options name a file."""

    class Options(unified.Options):
        file: str = "there.txt"
        """A file that has to be there."""

        def lacking(self, run: Path) -> list[Problem]:
            assert run == Path("runs/default/Picky/digits/default/seed-1")
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
    return [str(problem) for problem in Run.planned(compose(list(words), [], python)).lacking()]


def test_everything_that_is_not_there_is_told_at_once() -> None:
    kept("walker_walk")
    assert told("suite=digits", "encoder=load:walker", "evaluate.features=nobody", "replay.save=.hidden") == [
        "replay.save=.hidden is no name    a short name without slashes that does not start with a dot",
        "evaluate.features: there is no run 'nobody' in runs    all: unified runs list",
        "agent.encoder: run drqv2/dmc/walker_walk/seed-1 has no checkpoint yet    unified runs show drqv2/dmc/walker_walk/seed-1",
    ]
    assert told("suite=digits") == []
    (problem,) = told("suite=digits", f"replay.save={'x' * 300}")
    assert "(312 characters) is no name" in problem


def test_options_of_a_plugin_say_what_they_need() -> None:
    assert told("suite=digits", agent=Picky) == ["agent: there is no file there.txt    agent.file=FILE"]
    Path("there.txt").touch()
    assert told("suite=digits", agent=Picky) == []


def test_a_run_that_was_refused_leaves_nothing() -> None:
    with pytest.raises(UsageError, match="there is no file"):
        unified.train(agent=Picky, suite="digits", config={"callbacks": []})
    assert not Path("runs").exists()


def test_of_a_run_that_has_begun_nothing_is_asked() -> None:
    Path("there.txt").touch()
    config = compose([], [], {"agent": Picky, "suite": "digits"})
    made = Run.create_or_open(config)
    Path("there.txt").unlink()
    with pytest.raises(UsageError, match="there is no file"):  # a start that came to nothing binds nobody
        Run.create_or_open(config)
    made.log({"kind": "train", "frames": 1})
    assert Run.create_or_open(config).path == made.path


def test_options_that_fail_are_named() -> None:
    class Broken(Picky):
        class Options(Picky.Options):
            def lacking(self, run: Path) -> list[Problem]:
                return [self.fiel]  # type: ignore[attr-defined]

    with pytest.raises(PluginFailed, match="agent failed to check what it refers to: AttributeError"):
        told("suite=digits", agent=Broken)
    with pytest.warns(UserWarning, match="shadows"), pytest.raises(TypeError, match="options have a method of this name"):
        type("Taken", (unified.Options,), {"__annotations__": {"lacking": str}, "__module__": __name__})


def test_groups_and_lists_are_asked_too() -> None:
    kept("walker_walk")
    assert told("suite=digits", "encoder=[load,mlp]", "encoder.0.run=walker_walk") == [
        "agent.encoder.0: run drqv2/dmc/walker_walk/seed-1 has no checkpoint yet    unified runs show drqv2/dmc/walker_walk/seed-1"
    ]


def test_another_run_s_name_must_not_fit_the_run_that_begins() -> None:
    other = Path("runs/default/ac2/digits/default/seed-1")
    (other / "checkpoints" / "000000400").mkdir(parents=True)
    (other / "config.json").write_text("{}")
    new = ("suite=digits", "experiment=tuned")
    assert told(*new, "encoder=load:ac2/digits/default/seed-1") == told(*new, "encoder=load:default") == []
    first, *fits = told(*new, "encoder=load:digits")
    assert first == "agent.encoder: 'digits' fits 2 runs; name one of them:"
    assert [line.strip() for line in fits] == ["default/ac2/digits/default/seed-1", "tuned/ac2/digits/default/seed-1"]
    assert told(*new, "encoder=load:tuned") == [
        "agent.encoder: 'tuned' would be this run itself    the whole name of another one: unified runs list"
    ]
    (unfit,) = told(*new, "encoder=load:default", "encoder.checkpoint=800")
    assert "has no checkpoint 800    it has those at 400 frames" in unfit
    assert told(*new, "encoder=load:default", "encoder.checkpoint=400") == []


def test_a_replay_is_found_by_any_name_of_its_run() -> None:
    path = kept("walker_walk", replay={"cut": {"segments": []}})
    kept("cartpole_balance")
    name = "drqv2/dmc/walker_walk/seed-1"
    for found in (name, f"default/{name}", f"runs/default/{name}", str((Path("runs/default") / name).absolute()), "walker", "drqv2 walk"):
        assert find_replay(found, Path("runs")).resolve() == (path / "replay").resolve()
    with pytest.raises(UsageError, match="run drqv2/dmc/cartpole_balance/seed-1 holds no replay"):
        find_replay("drqv2/dmc/cartpole_balance/seed-1", Path("runs"))
    with pytest.raises(UsageError, match=r"replay\.load: 'drqv2' fits 2 runs; name one of them"):
        find_replay("drqv2", Path("runs"))
    with pytest.raises(UsageError, match="no such replay"):
        find_replay("x" * 300, Path("runs"))


def test_a_replay_has_one_name_whatever_comes_after_it() -> None:
    """The run that loads counts as existing, as for a part of another run: the name means the same when it does."""
    kept("walker_walk", replay={"cut": {"segments": []}})
    name = "drqv2/dmc/walker_walk/seed-1"
    new = ("suite=dmc:walker_walk", "agent=drqv2", "experiment=two")
    first, *fits = told(*new, "replay.load=walker")
    assert first == "replay.load: 'walker' fits 2 runs; name one of them:"
    assert [line.strip() for line in fits] == [f"default/{name}", f"two/{name}"]
    assert told(*new, "replay.load=two") == ["replay.load=two would be this run itself    the whole name of another one: unified runs list"]
    for found in ("default", name):
        config = compose([*new, f"replay.load={found}"])
        Run.create_or_open(config)
        assert find_replay(found, Path("runs"), coming=Path("runs/two") / name) == Path("runs/default") / name / "replay"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["suite=gym:CartPol-v1"], "did you mean  gym:CartPole-v1"),
        (["suite=gym:NoSuch-v1"], "suite gym has no task 'NoSuch-v1'"),
        (["suite=gym:HalfCheetah-v3"], "did you mean  gym:HalfCheetah-v5 ?"),
        (["suite=gym:ALE/Pong-v5"], "did you mean  atari:pong ?"),
        (["suite=gym:no_such_package:Id-v0"], "no_such_package cannot be imported"),
        (["suite=[gym:CartPole-v1,gym:NoSuch-v1]", "agent=ac2"], "suite gym has no task 'NoSuch-v1'"),
        (["suite=vision:cifar10", "suite.download=false", "suite.root=/nowhere"], "vision:cifar10 needs files that are missing"),
        (["suite=vision:folder", "suite.path=/nowhere"], "suite.path=/nowhere is not a folder"),
        (["device=cuda:77"], "device=cuda:77: "),
    ],
)
def test_a_dry_run_refuses_what_cannot_start(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from unified.cli.main import main

    monkeypatch.delitem(gymnasium.registry, "ALE/Pong-v5", raising=False)  # registered once the emulator is imported
    with pytest.raises(SystemExit) as exit_:
        main(["train", *words, "--dry-run"])
    assert exit_.value.code == 2
    assert says in capsys.readouterr().err
