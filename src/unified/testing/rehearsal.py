"""Small runs: a few hundred frames on a probe, without output."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unified.core.config.compose import compose
from unified.core.config.config import Config

if TYPE_CHECKING:
    from unified.core.runs.run import Run

PROBES = "unified.testing.probes:Probes"
#: Options of small runs: one core, short evaluations, no callbacks.
SMALL: Mapping[str, Any] = {
    "device": "cpu",
    "precision": "fp32",
    "callbacks": [],
    "train.frames": 120,
    "train.log_every": 40,
    "train.env_backend": "inline",
    "replay.capacity": 1000,
    "evaluate.every": 60,
    "evaluate.episodes": 2,
    "checkpoint.every": 60,
}
#: An agent with small networks that learns from the first steps.
LEARNER: Mapping[str, Any] = {
    "agent": "core/drqv2",
    **{"agent.batch_size": 8, "agent.hidden_dim": 16, "agent.feature_dim": 8, "agent.learning_starts": 20, "agent.stddev": "0.5"},
}


def tiny_config(root: Path | str, task: str = "both", **values: Any) -> Config:
    """The configuration of a small run on a probe.

    Args:
        root: Directory of all runs.
        task: One of `unified.testing.probes.TASKS`.
        **values: Other values, by key with ``__`` for dots or nested: ``agent="xyz", agent__lr=0.1, train={"frames": 300}``.

    Raises:
        UsageError: If the configuration is invalid.
    """
    changed = {key.replace("__", "."): value for key, value in values.items()}
    base = dict(SMALL) if "agent" in changed else {**SMALL, **LEARNER}
    given = {"root": str(root), "suite": f"{PROBES}:{task}", **base}
    layers = [_flat(given), _flat(changed)]
    return compose([], [], {key: value for layer in layers for key, value in layer.items()})


def tiny_run(root: Path | str, task: str = "both", **values: Any) -> Run:
    """Train a small run and return it; see `tiny_config`."""
    from unified.core.runs.launching import start

    return start(tiny_config(root, task, **values))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted key."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found
