"""Run directories as the trainer leaves them, written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_run(
    root: Path,
    *,
    agent: str = "drqv2",
    task: str = "cartpole_balance",
    seed: int = 1,
    experiment: str = "default",
    returns: tuple[float, ...] = (10.0, 500.0, 900.0),
    every: int = 10_000,
    end: str = "finish",
    tree: dict[str, Any] | None = None,
) -> Path:
    """A run with one evaluation for each of `returns`; `end` is its last event."""
    path = root / experiment / agent / "dmc" / task / f"seed-{seed}"
    path.mkdir(parents=True)
    tree = tree or {
        "experiment": experiment,
        "seed": seed,
        "agent": agent,
        "suite": f"dmc:{task}",
        "train": {"frames": every * (len(returns) - 1)},
    }
    metrics: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = [{"time": "2026-11-21T07:00:00+00:00", "event": "start"}]
    for index, ret in enumerate(returns):
        frames = index * every
        counts = {"frames": frames, "steps": frames // 2, "updates": frames // 4}
        if frames:
            metrics.append(
                {"kind": "train", **counts, "episodes": frames // 1000, "return": ret - 50, "return_sd": 30.0, "critic_loss": 0.25}
            )
        spread = {"return_sd": 12.0, "return_min": ret - 20, "return_max": ret + 20, "length": 500.0, "episodes": 10}
        metrics.append({"kind": "evaluate", **counts, "return": ret, **spread})
        events.append({"time": f"2026-11-21T07:{index:02d}:30+00:00", "event": "evaluate", "frames": frames, "elapsed_s": 180.0 * index})
    if end:
        events.append({"time": "2026-11-21T08:00:00+00:00", "event": end})
    (path / "config.json").write_text(json.dumps(tree))
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics))
    (path / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in events))
    return path
