from __future__ import annotations

import json
import signal
from types import SimpleNamespace

import pytest
import typer
import yaml

from unified.cli import train as command
from unified.cli.running import until_stopped


def test_options_are_short_for_words():
    assert command.words(None, None, [], None, None) == []
    assert command.words("drqv2", "dmc:walker_walk", ["td", "+spr"], 3, "wide") == [
        "agent=drqv2",
        "suite=dmc:walker_walk",
        "seed=3",
        "experiment=wide",
        "objective=[td,+spr]",
    ]


CONFIG = SimpleNamespace(
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
    assert json.loads(command.as_json(CONFIG)) == {"config": CONFIG.tree, "sources": CONFIG.sources}


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
