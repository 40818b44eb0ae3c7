"""Whether predicting what comes next helps early: ``python benchmarks/spr.py [seeds]`` trains DQN on `catch` with and without ``-o +spr``.

Both see the same number of steps and make the same number of updates, with the same options; each curve is a mean over seeds, ± their
standard deviation. Runs are kept under ``runs`` in an experiment of their own and resumed like any other.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import unified

#: Fixed before anything was compared.
COMMON: dict[str, Any] = {
    **{"agent": "dqn", "suite": f"{Path(__file__).with_name('catch.py')}:Catch", "encoder": "cnn", "encoder.channels": 16},
    **{"agent.stack": 1, "agent.batch_size": 32, "agent.lr": 3e-4, "agent.learning_starts": 300, "agent.epsilon": "linear(1.0,0.05,1500)"},
    **{"agent.tau": 0.01, "agent.discount": 0.97, "critic.hidden_dim": 128, "critic.depth": 1},
    **{
        "train.frames": 3_000,
        "train.env_backend": "inline",
        "train.log_every": 500,
        "checkpoint.every": 0,
        "callbacks": [],
        "device": "cpu",
    },
    **{"evaluate.every": 500, "evaluate.episodes": 50, "evaluate.num_envs": 10},
}
ARMS: dict[str, dict[str, Any]] = {
    "dqn": {},
    "dqn +spr": {"objective": "+spr", "objective.spr.hidden_dim": 128, "objective.spr.projection": 128},
}


def curve(arm: str, seed: int) -> dict[int, float]:
    """Return of each judgement by the frames it came after."""
    run = unified.train(config={**COMMON, **ARMS[arm], "seed": seed, "experiment": f"spr-{arm.replace(' +', '-')}"})
    return {row["frames"]: row["return"] for row in run.metrics() if row["kind"] == "evaluate"}


def spread(values: list[float]) -> str:
    return f"{mean(values):+.2f} ± {stdev(values):.2f}" if len(values) > 1 else f"{values[0]:+.2f}"


def main(seeds: int) -> None:
    curves: dict[str, list[dict[int, float]]] = {arm: [] for arm in ARMS}
    took = dict.fromkeys(ARMS, 0.0)
    for seed in range(1, seeds + 1):
        for arm in ARMS:
            start = time.perf_counter()
            curves[arm].append(curve(arm, seed))
            took[arm] += time.perf_counter() - start
    print(f"| return after | {' | '.join(ARMS)} |\n|---|{'---|' * len(ARMS)}")
    for frames in curves["dqn"][0]:
        print(f"| {frames:,} steps | {' | '.join(spread([each[frames] for each in curves[arm]]) for arm in ARMS)} |")
    whole = {arm: [mean(each.values()) for each in curves[arm]] for arm in ARMS}
    print(f"| mean of all | {' | '.join(spread(whole[arm]) for arm in ARMS)} |")
    print(f"| seeds | {' | '.join(', '.join(f'{score:+.2f}' for score in whole[arm]) for arm in ARMS)} |")
    print(f"| seconds a run | {' | '.join(f'{took[arm] / seeds:.0f}' for arm in ARMS)} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
