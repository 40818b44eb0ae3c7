"""Learning anchors: ``python benchmarks/anchors.py [name …] [--seed 2]`` trains each over its seeds, or folds.

Each finished run becomes a row of `docs/anchors.csv`: what to type to repeat it, its score, and on what it was measured. The table of
docs/results.md is printed from that file by ``--table [name …]``, which trains nothing. Runs are kept under ``runs`` in an experiment of
their own and resumed like any other: an anchor that is there already costs nothing.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import io
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

import spr
import unified
from unified.core.base import files
from unified.core.base.cores import usable_cores
from unified.core.config.compose import compose
from unified.core.config.values import show
from unified.core.envs.dataset import DataSuite
from unified.core.trainer.build import built_suite
from unified.plugins.suites.atari.scores import SCORES
from unified.units import scored

#: Where everything is typed, and where the evidence lies.
REPOSITORY = Path(__file__).resolve().parents[1]
EVIDENCE = REPOSITORY / "docs" / "anchors.csv"
COLUMNS = (
    *("name", "part", "metric", "score", "sd", "success", "beside", "frames", "updates", "minutes"),
    *("threads", "unified", "torch", "python", "machine", "commit", "date", "command"),
)
#: Nothing on the screen but the table, and one thread, so that any number of cores gives the same bits.
QUIET: dict[str, Any] = {"callbacks": [], "threads": 1}


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


def judgements(run: Any) -> list[dict[str, Any]]:
    """Rows of all evaluations of a run."""
    return [row for row in run.metrics() if row["kind"] == "evaluate"]


def early(run: Any) -> tuple[str, float, None]:
    """How fast it learned: the mean of all evaluations."""
    return "mean return", mean(row["return"] for row in judgements(run)), None


@dataclass(frozen=True)
class Anchor:
    """What is trained, how often, and what it has to reach.

    Args:
        values: Of the run.
        wanted: Least mean score; ``None`` where only what stands beside it counts.
        success: Least share of successful episodes, in the mean; ``None`` where a task has no goal.
        parts: What differs from run to run: seeds, or folds.
        beside: The score of something else on the same part; or what is known of others with its source, in words.
        score: Of a run: the name of the number, the number, and its spread over episodes where it has one; that of the last evaluation
            unless given, and never that of the best.
    """

    values: dict[str, Any]
    wanted: float | None
    parts: tuple[dict[str, Any], ...] = tuple({"seed": seed} for seed in (1, 2, 3))
    beside: Callable[[dict[str, Any]], float] | str = ""
    score: Callable[[Any], tuple[str, float, float | None]] = lambda run: scored(judgements(run)[-1])
    success: float | None = None


FOLDS = tuple({"suite.fold": fold} for fold in range(5))
#: Less than an hour of wall time, of which evaluations and checkpoints take little. The machine decides how far it gets.
HOUR = {"train.hours": 0.75, "train.frames": None, "evaluate.every": 1_000_000, "checkpoint.every": 1_000_000}
#: Exploration, targets and updates for 150,000 steps where the published settings have millions; van Hasselt et al. 2019 ("When to use
#: parametric models in reinforcement learning?") have longer returns and more updates for such a budget too.
SOON = {
    **{
        "agent.learning_starts": 5_000,
        "agent.epsilon": "linear(1.0,0.02,20000)",
        "agent.updates_per_step": 0.5,
        "agent.target_update_interval": 1_000,
    },
    **{"agent.lr": 1e-4, "agent.n_step": 10, "agent.critic.dueling": True, "replay.capacity": 500_000},
}
#: The preset of `pqn` for CartPole, on another task.
PQN_500K = {"train.frames": 500_000, "agent.optimizer.schedule": "linear(1,0.0,15616)"}
#: Four updates for each step, and networks that are reset after every 5,000 of them, the last time with a whole cycle to go.
RESETS = {
    **{"train.frames": 30_000, "agent.updates_per_step": 4.0, "agent.reset_every": 5_000, "agent.no_resets_after": 112_000},
    **{"agent.tau": 0.005, "agent.target_acts": True, "agent.critic.noisy": False, "agent.shrink": 0.5},
    **{"agent.epsilon": "linear(1.0,0.02,5000)", "agent.critic.hidden_dim": 256, "agent.learning_starts": 1_000},
}
#: The loss of a critic of returns down to −100 must not outweigh the policy's in clipping.
EXPLORING = {
    **{"train.frames": 100_000, "train.num_envs": 16, "agent.n_steps": 64, "agent.gae_lambda": 0.98, "agent.epochs": 4},
    **{"agent.batch_size": 256, "agent.lr": 1e-3, "agent.ent_coef": 0.01, "agent.vf_coef": 0.001},
    **{"objective.rnd.coef": 5.0, "objective.rnd.hidden_dim": 64},
}
#: Episodes of the last evaluation enough for a share of them, and no earlier ones.
JUDGED = {"evaluate.every": 0, "evaluate.episodes": 100}
BITS = {"agent": "dqn", "suite": "goals:bit_flip", "suite.n": 15, "train.frames": 20_000, **JUDGED}
RANDOM, HUMAN = SCORES["pong"]
#: The preset of the agent on this task has the settings of the RL Baselines3 Zoo. What it reports is one run, ± is from episode to episode;
#: targets are the mean less 2 deviations over √3 seeds.
ZOO = "the RL Baselines3 Zoo, one run: "
#: The curves that the authors of TD3 published.
TD3 = "Fujimoto et al. 2018, 10 seeds: "
SDE = {"agent.use_sde": True, "agent.sde_sample_freq": 4}
ANCHORS = {
    "ppo-cartpole": Anchor({"agent": "ppo", "suite": "gym:CartPole-v1"}, 475),
    "pqn-cartpole": Anchor({"agent": "pqn", "suite": "gym:CartPole-v1"}, 475, beside="495 ± 7 (CleanRL)"),
    "pqn-acrobot": Anchor({"agent": "pqn", "suite": "gym:Acrobot-v1", **PQN_500K}, -107, beside="−95.6 ± 5.7 (CleanRL)"),
    "dqn-cartpole": Anchor({"agent": "dqn", "suite": "gym:CartPole-v1"}, 475),
    "dqn-cartpole-c51": Anchor({"agent": "dqn", "suite": "gym:CartPole-v1", "critic.head": "categorical"}, 475),
    "dqn-cartpole-quantile": Anchor({"agent": "dqn", "suite": "gym:CartPole-v1", "critic.head": "quantile"}, 475),
    **{f"{name}-cartpole": Anchor({"agent": name, "suite": "gym:CartPole-v1"}, 475) for name in ("rainbow", "iqn", "munchausen")},
    "rem-cartpole": Anchor({"agent": "rem", "suite": "gym:CartPole-v1", "agent.critic.members": 10}, 475),
    "sac-cartpole": Anchor({"agent": "sac", "suite": "gym:CartPole-v1", "train.frames": 50_000}, 450),
    **{
        f"{agent}-{task.partition('-')[0].lower()}": Anchor({"agent": agent, "suite": f"gym:{task}"}, wanted, beside=beside)
        for task, agent, wanted, beside in (
            ("Acrobot-v1", "dqn", -77 - 2 * 11.8 / 3**0.5, "−77 ± 12, RL Baselines3 Zoo"),
            ("Acrobot-v1", "qrdqn", -69 - 2 * 10.0 / 3**0.5, "−69 ± 10, RL Baselines3 Zoo"),
            ("Acrobot-v1", "munchausen", -85, ""),
            ("MountainCar-v0", "dqn", -101 - 2 * 9.9 / 3**0.5, "−101 ± 10, RL Baselines3 Zoo"),
            ("LunarLander-v3", "dqn", 154 - 2 * 79.2 / 3**0.5, "154 ± 79, RL Baselines3 Zoo, version 2"),
            ("LunarLander-v3", "qrdqn", None, "70 ± 225, RL Baselines3 Zoo, version 2; 168 ± 39 over 5 seeds"),
            ("LunarLander-v3", "iqn", None, "154 ± 79, dqn of RL Baselines3 Zoo, version 2"),
        )
    },
    "ppo-memory": Anchor({"agent": "ppo", "suite": "unified.testing:CartPoleWithoutVelocities", "agent.memory": "lstm"}, 475),
    "ppo-without-memory": Anchor(
        {"agent": "ppo", "suite": "unified.testing:CartPoleWithoutVelocities"}, None, beside="fails: it cannot know the velocities"
    ),
    "ppo-acrobot": Anchor({"agent": "ppo", "suite": "gym:Acrobot-v1"}, -95, beside=ZOO + "-73.5 ± 18.2"),
    "ppo-lunarlander": Anchor({"agent": "ppo", "suite": "gym:LunarLander-v3"}, 205, beside=ZOO + "242 ± 32"),
    "ppo-mountaincar": Anchor({"agent": "ppo", "suite": "gym:MountainCar-v0"}, -133, beside=ZOO + "-110.4 ± 19.5"),
    "ppo-pendulum-sde": Anchor(
        {"agent": "ppo", "suite": "gym:Pendulum-v1", "train.num_envs": 4, "agent.n_steps": 1024, **SDE}, -293, beside=ZOO + "-172.2 ± 104.2"
    ),
    "ppo-bipedalwalker": Anchor({"agent": "ppo", "suite": "gym:BipedalWalker-v3"}, 285, beside=ZOO + "287.9 ± 2.4"),
    "a2c-cartpole": Anchor({"agent": "a2c", "suite": "gym:CartPole-v1"}, 475, beside=ZOO + "500 ± 0"),
    "a2c-acrobot": Anchor({"agent": "a2c", "suite": "gym:Acrobot-v1"}, -103, beside=ZOO + "-83.4 ± 17.2"),
    "a2c-lunarlander": Anchor({"agent": "a2c", "suite": "gym:LunarLander-v3"}, 63, beside=ZOO + "155.8 ± 80.4"),
    "a2c-pendulum": Anchor({"agent": "a2c", "suite": "gym:Pendulum-v1"}, -282, beside=ZOO + "-163.0 ± 103.2"),
    "trpo-cartpole": Anchor({"agent": "trpo", "suite": "gym:CartPole-v1"}, 475, beside=ZOO + "500 ± 0"),
    "trpo-acrobot": Anchor({"agent": "trpo", "suite": "gym:Acrobot-v1"}, -105, beside=ZOO + "-83.1 ± 18.6"),
    "trpo-mountaincar": Anchor({"agent": "trpo", "suite": "gym:MountainCar-v0"}, -123, beside=ZOO + "-107.3 ± 13.2"),
    "trpo-pendulum": Anchor({"agent": "trpo", "suite": "gym:Pendulum-v1"}, -322, beside=ZOO + "-174.6 ± 127.6"),
    "trpo-lunarlander": Anchor({"agent": "trpo", "suite": "gym:LunarLander-v3"}, 4, beside=ZOO + "133.2 ± 112.2"),
    "sac-pendulum": Anchor({"agent": "sac", "suite": "gym:Pendulum-v1", "train.frames": 10_000}, -200),
    "sac-halfcheetah": Anchor({"agent": "sac", "suite": "gym:HalfCheetah-v5", "train.frames": 100_000}, 3_000),
    # Raffin et al., RL Baselines3 Zoo: -150 ± 90 for each of them, of which two deviations of the mean of 3 seeds are 104.
    **{
        f"{name}-pendulum-20k": Anchor(
            {"agent": name, "suite": "gym:Pendulum-v1", "train.frames": 20_000},
            -250,
            beside=ZOO + {"ddpg": "-152 ± 94", "td3": "-152 ± 90", "sac": "-150 ± 90", "tqc": "-151 ± 88", "crossq": "-150 ± 90"}[name],
        )
        for name in ("ddpg", "td3", "sac", "tqc", "crossq")
    },
    # 3,000 steps with 20 updates each.
    "redq-pendulum-3k": Anchor({"agent": "redq", "suite": "gym:Pendulum-v1", "train.frames": 3_000}, -250),
    "droq-pendulum-3k": Anchor({"agent": "droq", "suite": "gym:Pendulum-v1", "train.frames": 3_000}, -250),
    # Noise that lasts leaves the valley, and independent noise does not: the zoo has 93.5 with the first.
    "ddpg-mountaincar": Anchor(
        {"agent": "ddpg", "suite": "gym:MountainCarContinuous-v0", "evaluate.every": 50_000}, 90, beside="93.5 (RL Baselines3 Zoo)"
    ),
    "ddpg-mountaincar-white": Anchor(
        {"agent": "ddpg", "suite": "gym:MountainCarContinuous-v0", "evaluate.every": 50_000, "agent.noise": "gaussian"},
        None,
        beside="about 0",
    ),
    # The same with sac: noise that is a function of the state for 32 steps, and independent draws of the policy.
    "sac-mountaincar-sde": Anchor({"agent": "sac", "suite": "gym:MountainCarContinuous-v0"}, 90, beside=ZOO + "94.7 ± 1.1"),
    "sac-mountaincar-white": Anchor(
        {"agent": "sac", "suite": "gym:MountainCarContinuous-v0", "agent.use_sde": False}, None, beside="about 0"
    ),
    # The curves of the authors of TD3, mean ± deviation of 10 seeds.
    "td3-reacher": Anchor(
        {"agent": "td3", "suite": "gym:Reacher-v4", "train.frames": 20_000, "agent.learning_starts": 1_000}, -5.5, beside=TD3 + "-4.8 ± 0.2"
    ),
    "td3-invertedpendulum": Anchor(
        {"agent": "td3", "suite": "gym:InvertedPendulum-v4", "train.frames": 50_000, "agent.learning_starts": 1_000},
        1_000,
        beside=TD3 + "1000 ± 0",
    ),
    "td3-halfcheetah": Anchor(
        {"agent": "td3", "suite": "gym:HalfCheetah-v4", "train.frames": 100_000, "agent.learning_starts": 10_000},
        5_514 - 2 * 554 / 3**0.5,
        beside=TD3 + "5514 ± 554",
    ),
    # Lee et al. 2025, table of scores at 100,000 frames: 15 seeds.
    "sac-cartpole-swingup": Anchor(
        {"agent": "sac", "suite": "dmc:cartpole_swingup", "suite.pixels": False, "train.frames": 100_000, "agent.updates_per_step": 2},
        853 - 2 * 9 / 3**0.5,
        beside="Lee et al. 2025, 15 seeds: 853 ± 9",
    ),
    "simba-walker-walk": Anchor(
        {
            **{"agent": "simba", "suite": "dmc:walker_walk", "suite.pixels": False, "train.frames": 100_000},
            **{"agent.normalize_observations": True},
            **{"agent.critic.hidden_dim": 256, "agent.updates_per_step": 1},
        },
        850,
        beside="Lee et al. 2025, critics of 512 units and 2 updates for each step: 951 ± 32",
    ),
    # 32,768 goals, of which random episodes hardly reach any: without hindsight nothing is learned (Andrychowicz et al. 2017).
    "dqn-bitflip15": Anchor({**BITS, "replay.sampler": "hindsight"}, None, success=0.95, beside="about 0 without hindsight"),
    "dqn-bitflip15-alone": Anchor(BITS, None, beside="about 0 (Andrychowicz et al. 2017, beyond 13 bits)"),
    # These need gymnasium-robotics. The zoo has -1.66 ± 0.87 for TQC; mrl solves the task in 10,000 steps.
    **{
        f"{agent}-fetchreach": Anchor(
            {"agent": agent, "suite": "robotics:FetchReach-v4", **JUDGED},
            -2.5,
            success=0.95,
            beside="-1.66 ± 0.87 (TQC, RL Baselines3 Zoo)",
        )
        for agent in ("sac", "ddpg")
    },
    "td3-pointmaze": Anchor({"agent": "td3", "suite": "robotics:PointMaze_UMaze-v3", **JUDGED}, None, success=0.9),
    "dqn-pong": Anchor(
        {"agent": "dqn", "suite": "atari:pong", **HOUR, **SOON},
        None,
        ({"seed": 1},),
        f"{RANDOM} at random, {HUMAN} a person",
    ),
    "spr-resets-cartpole": Anchor({"agent": "spr", "suite": "gym:CartPole-v1", **RESETS}, 475),
    "rnd-mountaincar": Anchor(
        {"agent": "ppo", "suite": "gym:MountainCar-v0", "objective": "+rnd", **EXPLORING}, -199, beside="−200 without"
    ),
    "spr": Anchor(
        {**spr.COMMON, **spr.ARMS["dqn +spr"]},
        None,
        beside=lambda part: mean(spr.curve("dqn", part["seed"]).values()),
        score=early,
    ),
    "digits": Anchor({"suite": "digits"}, 0.98, FOLDS, baseline(support_vectors, "digits")),
    "digits-by-reward": Anchor({"suite": "digits", "objective": "reinforce_critic", "encoder": "mlp", "train.epochs": 100}, 0.95),
    "diabetes": Anchor({"suite": "diabetes", "train.epochs": 150}, None, FOLDS, baseline(ridge, "diabetes")),
    "digits-flow": Anchor({"suite": "digits", "objective": "flow"}, None),
    "digits-vae": Anchor({"suite": "digits", "objective": "vae"}, None),
    "digits-gan": Anchor({"suite": "digits", "objective": "adversarial"}, None),
}


# One run ------------------------------------------------------------------------------------------------------------------------


def values_of(name: str, anchor: Anchor, part: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a run of an anchor is given."""
    experiment = "-".join(["anchor", name, *(f"{value}" for key, value in part.items() if key != "seed")])
    return {**QUIET, "experiment": experiment, **anchor.values, **part}


def command(values: Mapping[str, Any]) -> str:
    """What to type in this repository for the same run.

    >>> command({"callbacks": [], "agent": "ppo", "suite": "gym:CartPole-v1", "train.frames": None, "seed": 2})
    "unified train --agent ppo --suite gym:CartPole-v1 'callbacks=[]' train.frames=null seed=2"
    """
    words = ["unified", "train"]
    for key in ("agent", "suite"):
        words += [f"--{key}", str(values[key]).replace(f"{REPOSITORY}{os.sep}", f".{os.sep}")] if key in values else []
    words += [f"{key}={show(value)}" for key, value in values.items() if key not in ("agent", "suite")]
    return shlex.join(words)


def label(part: Mapping[str, Any]) -> str:
    """``seed=1``, ``suite.fold=0``."""
    return " ".join(f"{key}={show(value)}" for key, value in part.items())


def commit() -> str:
    """The commit of this repository, with a ``+`` where files that git tracks have changed since; empty outside git."""
    asked = (
        ["git", "rev-parse", "--short=10", "HEAD"],
        ["git", "status", "--porcelain", "--untracked-files=no", "--", "src", "benchmarks"],
    )
    try:
        found, changed = (subprocess.run(each, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout for each in asked)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found.strip() + ("+" if changed.strip() else "")


def evidence(name: str, anchor: Anchor, part: Mapping[str, Any], run: unified.Run, commit: str) -> dict[str, str]:
    """The row of a finished run."""
    newest = run.checkpoints.newest()
    assert newest is not None
    metric, score, sd = anchor.score(run)
    last, ends, terms = judgements(run)[-1], finished(run), newest.manifest["bits_depend_on"]
    end = next(each for each in ends if each["frames"] == ends[-1]["frames"])  # later ones are of commands that found nothing to do
    row = {
        **{"name": name, "part": label(part), "command": command(values_of(name, anchor, part))},
        **{"metric": metric, "score": f"{score:.6g}", "sd": "" if sd is None else f"{sd:.3g}"},
        **{"success": f"{last['success']:.3g}" if "success" in last else ""},
        **{"beside": f"{anchor.beside(dict(part)):.6g}" if callable(anchor.beside) else ""},
        **{"frames": last["frames"], "updates": last["updates"], "minutes": f"{end['elapsed_s'] / 60:.1f}"},
        **{"threads": terms["threads"], "unified": unified.__version__, "torch": terms["torch"], "python": platform.python_version()},
        **{"machine": f"{platform.system()} {terms['machine']}, {terms['processor']}, {usable_cores()} cores"},
        **{"commit": commit, "date": end["time"][:10]},
    }
    return {column: str(row[column]) for column in COLUMNS}


def finished(run: unified.Run) -> list[dict[str, Any]]:
    """The ends of a run, of which there is one more each time that it is trained; none of a run that does not exist yet."""
    file = run.path / "events.jsonl"
    events = map(json.loads, file.read_text(encoding="utf-8").splitlines() if file.is_file() else [])
    return [event for event in events if event["event"] == "finish"]


def trained(name: str, anchor: Anchor, part: Mapping[str, Any], file: Path = EVIDENCE, **where: Any) -> dict[str, str]:
    """Train a part of an anchor to its end, keep its row, and return it. What had been trained before keeps its commit.

    Args:
        **where: More for `unified.train`: ``root``.
    """
    now, values = commit(), {**values_of(name, anchor, part), **where}
    ends = finished(unified.Run.planned(compose([], [], values)))
    run = unified.train(config=values)
    known = {(row["name"], row["part"]): row["commit"] for row in kept(file)}
    idle = ends and ends[-1]["frames"] == finished(run)[-1]["frames"]
    row = evidence(name, anchor, part, run, known.get((name, label(part)), "") if idle else now)
    keep(row, file)
    return row


# The file of evidence -----------------------------------------------------------------------------------------------------------


def kept(file: Path = EVIDENCE) -> list[dict[str, str]]:
    """All rows."""
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))) if file.is_file() else []


def keep(row: Mapping[str, str], file: Path = EVIDENCE) -> None:
    """Add a row, or replace that of the same name and part. Several processes may do so at once."""
    with alone(file.parent):
        rows = {(each["name"], each["part"]): each for each in [*kept(file), row]}
        order = {name: number for number, name in enumerate(ANCHORS)}
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows[key] for key in sorted(rows, key=lambda key: (order.get(key[0], len(order)), key)))
        files.replace(file, text.getvalue().encode())


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Within it, no other process is."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


# The table ----------------------------------------------------------------------------------------------------------------------

HEAD = "| command | last scores | mean ± sd | comparison | target | held |\n|---|---|---|---|---|---|"


def spread(scores: Sequence[float]) -> str:
    """Mean and deviation."""
    return f"{mean(scores):.4g} ± {stdev(scores):.2g}" if len(scores) > 1 else f"{scores[0]:.4g}"


def table(rows: Iterable[Mapping[str, str]], names: Sequence[str] = ()) -> str:
    """The Markdown table of docs/results.md: a line for each anchor of which there is a row."""
    found: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        if row["name"] in (names or ANCHORS):
            found.setdefault(row["name"], []).append(row)
    return "\n".join([HEAD, *(line(ANCHORS[name], found[name]) for name in ANCHORS if name in found)])


def line(anchor: Anchor, rows: Sequence[Mapping[str, str]]) -> str:
    """An anchor in the table: N stands for its seeds or folds; a spread over episodes is shown where there is one run."""
    scores, others = [float(row["score"]) for row in rows], [float(row["beside"]) for row in rows if row["beside"]]
    key = rows[0]["part"].partition("=")[0]
    typed = " ".join(f"{key}=N" if word == rows[0]["part"] else word for word in rows[0]["command"].split(" "))
    reached = spread(scores) if len(rows) > 1 else f"{scores[0]:.4g} ± {float(rows[0]['sd'] or 0):.2g} over episodes"
    beside = spread(others) if others else "" if callable(anchor.beside) else anchor.beside
    missing = len(anchor.parts) - len(rows)
    successes = [float(row["success"]) for row in rows if row.get("success")]
    pairs = [(scores, anchor.wanted, ""), (successes, anchor.success, "success ")]
    targets = [(found, least, what) for found, least, what in pairs if least is not None]
    held = ("yes" if all(found and mean(found) >= least for found, least, _ in targets) else "no") if targets else ""
    held += f" ({len(rows)} of {len(anchor.parts)})" if missing > 0 else ""
    singles = ", ".join(f"{row['part'].removeprefix(f'{key}=')}: {float(row['score']):.4g}" for row in rows)
    singles += f"; success {', '.join(f'{each:.3g}' for each in successes)}" if successes else ""
    wanted = ", ".join(f"{what}≥ {least:.4g}" for _, least, what in targets)
    cells = (f"`{typed}`", f"{rows[0]['metric']} {singles}", reached, beside, wanted, held.strip())
    return f"| {' | '.join(cells)} |"


def due(name: str, anchor: Anchor) -> str:
    """The line of an anchor that was not run yet."""
    values, part = values_of(name, anchor, anchor.parts[0]), anchor.parts[0]
    typed = command(values).replace(f" {label(part)}", f" {next(iter(part))}=N")
    wanted = "" if anchor.wanted is None else f"≥ {anchor.wanted:.4g}"
    return f"| `{typed}` | not run yet | | {'' if callable(anchor.beside) else anchor.beside} | {wanted} | |"


def parts_of(name: str, anchor: Anchor, seed: int | None) -> tuple[dict[str, Any], ...]:
    """What is trained of an anchor: everything, or a seed, also one that is not among its parts."""
    if seed is None:
        return anchor.parts
    if "seed" not in anchor.parts[0]:
        sys.exit(f"{name} has no seeds: its parts are {', '.join(map(label, anchor.parts))}")
    return ({"seed": seed},)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"anchors, by default all: {', '.join(ANCHORS)}")
    parser.add_argument("--seed", type=int, help="train this seed alone")
    parser.add_argument("--table", action="store_true", help=f"print the table of what {EVIDENCE.relative_to(REPOSITORY)} holds")
    parser.add_argument("--commands", action="store_true", help="print what to type for each run")
    chosen = parser.parse_args(arguments)
    if unknown := [name for name in chosen.names if name not in ANCHORS]:
        sys.exit(f"no anchor {', '.join(unknown)}; there are {', '.join(ANCHORS)}")
    if chosen.table:
        print(table(kept(), chosen.names))
        return
    for name in chosen.names or ANCHORS:
        anchor = ANCHORS[name]
        for part in parts_of(name, anchor, chosen.seed):
            print(command(values_of(name, anchor, part)), flush=True)
            if not chosen.commands:
                row = trained(name, anchor, part)
                print(f"    {row['metric']} {row['score']} ± {row['sd'] or 0} in {row['minutes']} min", flush=True)


if __name__ == "__main__":
    main()
