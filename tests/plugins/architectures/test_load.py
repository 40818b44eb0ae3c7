"""Parts of other runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
