from __future__ import annotations

import json
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
import typer
import yaml
from typer.testing import CliRunner

from unified.cli import train as command
from unified.cli.main import app
from unified.cli.running import train_run, until_stopped
from unified.core.base.errors import UsageError
from unified.core.config.compose import compose


def test_options_are_short_for_words():
    assert command.words([], []) == []
    assert command.words(["dmc:walker_walk"], ["td", "+spr"], agent=["drqv2", "sac"], seed=[3]) == [
        "agent=drqv2",
        "agent=sac",
        "seed=3",
        "suite=dmc:walker_walk",
        "objective=[td,+spr]",
    ]


CONFIG = SimpleNamespace(
    code=(),
    tree={
        "seed": 1,
        "agent": {"name": "drqv2", "lr": 1e-4, "stddev": "linear(1.0,0.1,100000)", "empty": {}},
        "objective": [],
        "load": None,
    },
    sources={"seed": "default", "agent.name": "the command line", "agent.lr": "recipe laptop"},
)


def test_a_dry_run_prints_every_leaf_with_its_source_and_is_a_recipe():
    text = command.as_yaml(CONFIG)
    assert yaml.safe_load(text) == CONFIG.tree
    line = next(line for line in text.splitlines() if line.strip().startswith("lr"))
    assert line.endswith("# recipe laptop")
    assert json.loads(command.as_json(CONFIG)) == CONFIG.tree


def test_on_a_terminal_defaults_are_dim():
    plain, dim = command.as_yaml(CONFIG), command.as_yaml(CONFIG, dim=True)
    assert "\x1b" not in plain
    assert [line for line in dim.splitlines() if "\x1b" in line] == ["seed: 1" + dim.splitlines()[0][7:]]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["agent=random", "suite=gym:CartPole-v1"],
        ["suite=dmc:humanoid_run", "seed=7", "agent.lr=3e-5", "train.hours=0.5", "train.frames=null"],
        ["encoder=mlp", "encoder.depth=3", "objective=[+td]"],
        ["encoder=[mlp,mlp]", "encoder.1.depth=3", "suite.pixels=false"],
        ["callbacks=[]"],
        ["callbacks=[video,tensorboard]", "callbacks.video.every=3"],
        ["replay.save=a: b #c", "experiment=1e5", "root=./null"],
        ["replay.save=null ", "experiment=2026-11-21", "replay.load=é'\""],
    ],
)
@pytest.mark.parametrize(("form", "suffix"), [(command.as_yaml, ".yaml"), (command.as_json, ".json")])
def test_what_a_dry_run_prints_is_a_recipe_of_the_very_same(words, form, suffix, tmp_path):
    config = compose(words, default_recipe=True)
    path = tmp_path / f"printed{suffix}"
    path.write_text(form(config), encoding="utf-8")
    again = compose([], [str(path)])
    assert again.tree == config.tree
    assert again.digest() == config.digest()
    assert {source for key, source in again.sources.items() if key in ("seed", "train.frames", "agent.name")} == {f"recipe {path}"}


def test_a_dry_run_can_be_redirected(tmp_path):
    def run(*words: str) -> bytes:
        done = subprocess.run(
            [sys.executable, "-m", "unified", "train", "--dry-run", *words], capture_output=True, check=True, cwd=tmp_path
        )
        assert done.stderr == b""
        return done.stdout

    (tmp_path / "mine.yaml").write_bytes(run("--suite", "dmc:walker_walk", "agent.pad=5"))
    assert run("-r", "mine.yaml", "--format", "json") == run("--suite", "dmc:walker_walk", "agent.pad=5", "--format", "json")
    assert not (tmp_path / "runs").exists()


def test_a_format_without_a_dry_run_starts_nothing():
    result = CliRunner().invoke(app, ["train", "--format", "json"])
    assert isinstance(result.exception, UsageError)
    assert "--dry-run --format json" in str(result.exception)


def test_an_empty_objective_is_not_no_objective():
    assert command.words([], [""]) == ["objective="]


def test_objectives_may_be_typed_as_a_list():
    assert command.words([], ["[td,dpg]"]) == command.words([], ["td", "dpg"]) == ["objective=[td,dpg]"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_exits_with_its_signal_and_says_how_to_go_on(number, code, capsys):
    from unified.core.trainer.interrupts import Stopped

    def stop() -> None:
        raise Stopped("cartpole_balance", number, 21_000)

    with pytest.raises(typer.Exit) as exit_:
        until_stopped(stop)
    assert exit_.value.exit_code == code
    assert "unified resume cartpole_balance" in capsys.readouterr().err


def test_a_run_that_ends_is_no_news():
    until_stopped(lambda: None)


def test_the_end_of_training_and_of_a_resume_is_printed_where_no_callback_does(monkeypatch, capsys):
    run = SimpleNamespace(path="runs/mine", lasting_name="mine")
    monkeypatch.setattr("unified.core.runs.launching.start", lambda config, run: run)
    train_run(SimpleNamespace(callbacks=[]), run)
    assert capsys.readouterr().out == "runs/mine is finished: unified evaluate mine\n"
    train_run(SimpleNamespace(callbacks=["console"]), run)
    assert capsys.readouterr().out == ""
