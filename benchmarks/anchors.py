"""Learning anchors: ``python benchmarks/anchors.py [name …]`` trains each over its seeds, or folds, and prints what it reached.

Runs are kept under ``runs`` in an experiment of their own and resumed like any other: an anchor that is there already costs nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any

import numpy as np

import unified
from unified.core.config import compose
from unified.core.data import DataSuite
from unified.core.trainer.build import built_suite
from unified.units import scored

#: Nothing on the screen but the table.
QUIET: dict[str, Any] = {"with": []}


def baseline(estimator: Callable[[], Any], suite: str) -> Callable[[dict[str, Any]], float]:
    """The score of an estimator of scikit-learn on the very rows of a fold: accuracy, or R²."""

    def score(part: dict[str, Any]) -> float:
        data = built_suite(compose([f"suite={suite}", *(f"{key}={value}" for key, value in part.items() if key != "seed")]))
        assert isinstance(data, DataSuite)
        train, test = data.rows("train"), data.rows("test")
        fitted = estimator().fit(train.inputs.reshape(len(train), -1), train.targets.reshape(len(train), -1).squeeze())
        return float(fitted.score(test.inputs.reshape(len(test), -1), test.targets.reshape(len(test), -1).squeeze()))

    return score


def support_vectors() -> Any:
    from sklearn.svm import SVC

    return SVC(C=10.0)  # a radial basis; of 1, 10 and 100 the best on these folds


def ridge() -> Any:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 3, 20)))


@dataclass(frozen=True)
class Anchor:
    """What is trained, how often, and what it has to reach.

    Args:
        values: Of the run.
        wanted: Least mean score; ``None`` where only what stands beside it counts.
        parts: What differs from run to run: seeds, or folds.
        beside: The score of something else on the same part.
    """

    values: dict[str, Any]
    wanted: float | None
    parts: tuple[dict[str, Any], ...] = tuple({"seed": seed} for seed in (1, 2, 3))
    beside: Callable[[dict[str, Any]], float] | None = field(default=None)


FOLDS = tuple({"suite.fold": fold} for fold in range(5))
ANCHORS = {
    "ppo-cartpole": Anchor({"agent": "ppo", "suite": "gym:CartPole-v1"}, 475),
    "dqn-cartpole": Anchor({"agent": "dqn", "suite": "gym:CartPole-v1"}, 475),
    "dqn-cartpole-c51": Anchor({"agent": "dqn", "suite": "gym:CartPole-v1", "critic.head": "categorical"}, 475),
    "dqn-cartpole-quantile": Anchor({"agent": "dqn", "suite": "gym:CartPole-v1", "critic.head": "quantile"}, 475),
    "sac-pendulum": Anchor({"agent": "sac", "suite": "gym:Pendulum-v1", "train.frames": 10_000}, -200),
    "sac-halfcheetah": Anchor({"agent": "sac", "suite": "gym:HalfCheetah-v5", "train.frames": 100_000}, 3_000),
    "digits": Anchor({"suite": "digits"}, 0.98, FOLDS, baseline(support_vectors, "digits")),
    "digits-by-reward": Anchor({"suite": "digits", "objective": "reward", "encoder": "mlp", "train.epochs": 100}, 0.95),
    "diabetes": Anchor({"suite": "diabetes", "train.epochs": 150}, None, FOLDS, baseline(ridge, "diabetes")),
    "digits-flow": Anchor({"suite": "digits", "objective": "flow"}, None),
    "digits-vae": Anchor({"suite": "digits", "objective": "vae"}, None),
    "digits-gan": Anchor({"suite": "digits", "objective": "adversarial"}, None),
}


def reached(name: str, anchor: Anchor) -> str:
    """One line of the table."""
    scores, others, metric, start = [], [], "", time.perf_counter()
    for part in anchor.parts:
        experiment = "-".join(["anchor", name, *(f"{value}" for key, value in part.items() if key != "seed")])
        run = unified.train(config={**QUIET, "experiment": experiment, **anchor.values, **part})
        last = [row for row in run.metrics() if row["kind"] == "evaluate"][-1]
        metric, score, _ = scored(last)
        scores.append(score)
        if anchor.beside is not None:
            others.append(anchor.beside(part))
    over = f"{len(scores)} {'folds' if 'suite.fold' in anchor.parts[0] else 'seeds'}"
    beside = f"{mean(others):.4g} ± {stdev(others):.2g}" if others else ""
    wanted = "" if anchor.wanted is None else f"≥ {anchor.wanted:g}"
    minutes = (time.perf_counter() - start) / 60
    each = ", ".join(f"{score:.4g}" for score in scores)
    return f"| {name} | {metric} {mean(scores):.4g} ± {stdev(scores):.2g} ({each}) | {over} | {beside} | {wanted} | {minutes:.1f} min |"


def main(names: list[str]) -> None:
    if unknown := [name for name in names if name not in ANCHORS]:
        sys.exit(f"no anchor {', '.join(unknown)}; there are {', '.join(ANCHORS)}")
    print("| anchor | reached | over | beside | wanted | took |\n|---|---|---|---|---|---|", flush=True)
    for name in names or ANCHORS:
        print(reached(name, ANCHORS[name]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
