"""A run as callbacks see it, made of plain objects: no trainer, no torch."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np


def rows(frames: int = 36_000, every: int = 3_000) -> list[dict[str, Any]]:
    """Metrics of a run that learns, as ``metrics.jsonl`` holds them."""
    noise, found = np.random.default_rng(1), []
    for at in range(0, frames + 1, 1000):
        level = 20 + 940 / (1 + math.exp(-(at - frames / 2) / (frames / 10)))
        counts = {"frames": at, "steps": at // 2, "updates": at // 4}
        if at:
            ret = level - 60 + noise.normal(0, 20)
            found.append({"kind": "train", **counts, "episodes": at // 1000, "return": ret, "return_sd": 61.0, "critic_loss": 0.5})
        if at % every == 0:
            spread = {"return_sd": 20.0, "return_min": level - 35, "return_max": level + 30, "length": 500.0, "episodes": 10}
            found.append({"kind": "evaluate", **counts, "return": level, **spread})
    return found


def speed(frames: int) -> dict[str, Any]:
    share = {"env": 0.22, "sample": 0.05, "update": 0.67, "other": 0.06}
    return {"frames": frames, "frames_per_s": 58.2, "updates_per_s": 14.62, "elapsed_s": frames / 58, "left_s": 220.9, "share": share} | {
        "replay_steps": frames // 2,
        "replay_bytes": 126_000_000,
        "checkpoint_age_s": 40.0,
    }


def watched(path: Path, metrics: list[dict[str, Any]] | None = None, budget: int | None = 36_000) -> tuple[Any, Any]:
    """A run and its trainer."""
    path = path / "default/drqv2/dmc/cartpole_balance/seed-1"
    path.mkdir(parents=True)
    metrics = rows() if metrics is None else metrics
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics))
    changed = [("agent", "drqv2", "recipe laptop"), ("agent.batch_size", 64, "recipe laptop"), ("seed", 1, "the command line")]
    config = SimpleNamespace(
        agent=SimpleNamespace(name="drqv2"),
        suite=SimpleNamespace(name="dmc", task="cartpole_balance"),
        experiment="default",
        seed=1,
        objectives=[],
        changed=lambda: changed,
    )
    run = SimpleNamespace(
        path=path, name="cartpole_balance", lasting_name="drqv2/dmc/cartpole_balance/seed-1", config=config, metrics=lambda: metrics
    )
    clock = SimpleNamespace(frames=0, steps=0, updates=0, elapsed=0.0, done=False)
    clock.budget_frames, clock.budget_updates, clock.budget_hours = budget, None, None
    notes = ["render OSMesa, fast: no shadows (no GPU found; suite.render=exact for the reference's pixels)"]
    trainer = SimpleNamespace(config=config, clock=clock, evaluator=SimpleNamespace(record=None), best_score=None, notes=notes)
    return run, trainer


def at(trainer: Any, row: dict[str, Any]) -> None:
    """Set the clock to a row's."""
    clock = trainer.clock
    clock.frames, clock.steps, clock.updates = row["frames"], row["steps"], row["updates"]
    clock.elapsed = clock.frames / 58
    clock.done = clock.budget_frames is not None and clock.frames >= clock.budget_frames
    if row["kind"] == "evaluate":
        trainer.best_score = max(trainer.best_score or -math.inf, row["return"])
