"""The agent learns the suite with the architecture of this package."""

from __future__ import annotations

from pathlib import Path

import unified


def evaluated(root: Path, **values: object) -> float:
    run = unified.train(suite="harbour:reach", config={"callbacks": [], "evaluate.every": 0, "root": str(root)}, **values)
    return float([row for row in run.metrics() if row["kind"] == "evaluate"][-1]["return"])


def test_it_learns_to_stay_at_the_buoy(tmp_path: Path) -> None:
    at_random = evaluated(tmp_path, agent="random", train={"frames": 100})
    learned = evaluated(tmp_path, agent="twin", train={"frames": 2500})
    assert learned > 75 > at_random + 20
