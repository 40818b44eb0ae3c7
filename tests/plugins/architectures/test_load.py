"""Parts of other runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import unified
from unified.core.base.errors import UsageError
from unified.core.trainer.build import load_agent

SMALL = {
    **{"agent": "dqn", "suite": "gym:CartPole-v1", "device": "cpu", "callbacks": [], "encoder": "mlp", "encoder.hidden_dim": 8},
    **{"agent.critic.hidden_dim": 8, "agent.batch_size": 4, "agent.learning_starts": 8, "train.frames": 12, "evaluate.episodes": 1},
}


def test_runs_that_load_parts_of_each_other_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [unified.train(config={**SMALL, "experiment": name}) for name in ("one", "two")]
    for run, other in zip(runs, reversed(runs), strict=True):
        path = Path(run.path) / "config.json"
        tree = json.loads(path.read_text())
        tree["agent"]["encoder"] = {"name": "load", "run": other.name}
        path.write_text(json.dumps(tree))
    with pytest.raises(UsageError, match="runs load parts of each other in a circle"):
        load_agent(unified.Run.find("one"))


def tuned(name: str, frames: int, source: str = "source", **options: Any) -> unified.Run:
    part = {"encoder": "load", "encoder.run": f"{source}/dqn/gym/CartPole-v1/seed-1"}
    part |= {f"encoder.{key}": value for key, value in options.items()}
    small = {key: value for key, value in SMALL.items() if not key.startswith("encoder")}
    return unified.train(config={**small, **part, "experiment": name, "train.frames": frames, "checkpoint.every": 8})


def test_a_run_resumes_and_acts_without_the_run_whose_part_it_has_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    unified.train(config={**SMALL, "experiment": "source"})
    tuned("first", 12)
    straight = tuned("straight", 24, "first", frozen=True)  # a part of a part
    run = tuned("alone", 12, "first", frozen=True)
    shutil.rmtree(tmp_path / "runs/source")
    shutil.rmtree(tmp_path / "runs/first")
    resumed = tuned("alone", 24, "first", frozen=True)
    assert max(row["frames"] for row in resumed.metrics()) == 24
    ends = [each.checkpoint("newest").load("parameters") for each in (straight, resumed)]
    assert all(torch.equal(one, ends[1][name]) for name, one in ends[0].items())
    assert not any(parameter.requires_grad for parameter in load_agent(run, "newest").agent.encoder.parameters())
    with pytest.raises(UsageError, match="first/dqn"):
        tuned("another", 12, "first")


def test_a_copy_that_was_changed_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    unified.train(config={**SMALL, "experiment": "source"})
    run = tuned("alone", 12)
    (copy,) = Path(run.path, "loaded").iterdir()
    assert sorted(str(path.relative_to(copy)) for path in copy.rglob("*.*") if path.is_file()) == [
        "checkpoints/000000012/manifest.json",
        "checkpoints/000000012/parameters.json",
        "checkpoints/000000012/parameters.safetensors",
        "config.json",
    ]
    config = copy / "config.json"
    config.write_text(config.read_text().replace('"hidden_dim": 8', '"hidden_dim": 9'))
    with pytest.raises(UsageError, match=r"config\.json was changed"):
        tuned("alone", 24)
