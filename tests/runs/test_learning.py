"""Optimisers, schedules, pieces and averages in whole runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import unified as library
from runs.commands import STATE, events, killed_and_the_same, result_of, run_directory
from unified.core.base.errors import UsageError
from unified.core.trainer.build import load_agent

MOVING = [
    *(
        "agent.optimizer=sgd",
        "agent.optimizer.momentum=0.9",
        "agent.optimizer.weight_decay=1e-4",
        "agent.optimizer.gradient_accumulation=4",
    ),
    *("agent.optimizer.schedule=cosine(0,1,40,0,400)", "agent.optimizer.parts.actor=rmsprop", "agent.optimizer.parts.actor.lr=1e-3"),
    *("agent.ema=true", "agent.ema_tau=0.05"),
]


MUON = [
    *("agent.optimizer=torch.optim:Muon", "agent.optimizer.options.ns_steps=3", "agent.optimizer.vectors=adamw"),
    *("agent.optimizer.vectors.lr=1e-3", "agent.optimizer.weight_decay=0.01", "agent.optimizer.no_decay=true"),
]
needs_muon = pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")


@pytest.mark.slow
@pytest.mark.parametrize("words", [MOVING, pytest.param(MUON, marks=needs_muon)], ids=["sgd-rmsprop", "muon-adamw"])
def test_killed_and_resumed_it_is_the_same_run(words: list[str], tmp_path: Path) -> None:
    killed_and_the_same([*STATE, *words], tmp_path)


@needs_muon
def test_ppo_with_muon_is_the_same_run_if_it_is_resumed(tmp_path: Path) -> None:
    small = {
        "suite": "gym:CartPole-v1",
        "agent": "ppo",
        "train.num_envs": 2,
        "agent.n_steps": 64,
        "agent.batch_size": 32,
        "agent.epochs": 2,
    }
    small |= {"callbacks": [], "evaluate.episodes": 1}
    changes = {word.partition("=")[0]: word.partition("=")[2] for word in MUON}
    states = []
    for name, budgets in (("straight", [384]), ("resumed", [192, 384])):
        for frames in budgets:
            library.train(config={**small, **changes, "root": str(tmp_path / name / "runs"), "train.frames": frames})
        directory = run_directory(tmp_path / name)
        states.append(result_of(directory)["tensors"])
        assert len(events(directory, "resume")) == len(budgets) - 1
    assert {"optimizer.safetensors", "parameters.safetensors"} <= states[0].keys()
    assert states[0] == states[1]


def train(tmp_path: Path, **config: Any) -> library.Run:
    values = {"root": str(tmp_path / "runs"), "callbacks": [], **{key.replace("__", "."): value for key, value in config.items()}}
    return library.train(suite="digits", config=values)


def test_a_part_of_a_run_with_averages_is_the_average(tmp_path: Path) -> None:
    first = train(tmp_path, encoder="mlp", train__epochs=2, experiment="first", agent__ema=True)
    load = {"encoder__name": "load:first#encoder", "encoder__root": str(tmp_path / "runs"), "encoder__frozen": True}
    second = train(tmp_path, train__epochs=1, experiment="second", **load)
    theirs, ours = load_agent(first).agent, load_agent(second).agent.encoder.state_dict()
    average, raw = theirs.get_submodule("encoder_average").state_dict(), theirs.train().get_submodule("encoder").state_dict()
    assert all(torch.equal(value, average[name]) for name, value in ours.items())
    assert not all(torch.equal(value, raw[name]) for name, value in ours.items())
    with pytest.raises(UsageError, match="its parts: "):
        train(tmp_path, experiment="third", **{**load, "encoder__name": "load:first#encoder_average"})


def test_a_part_that_there_is_not_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean  encoder"):
        train(tmp_path, encoder="mlp", agent__optimizer__parts__encodr__lr=1e-5)
    assert not list((tmp_path / "runs").rglob("metrics.jsonl"))
