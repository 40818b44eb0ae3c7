"""Learning anchors: ``python benchmarks/anchors.py [name …]`` trains each over its seeds, or folds, and prints what it reached.

Runs are kept under ``runs`` in an experiment of their own and resumed like any other: an anchor that is there already costs nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

import numpy as np

import spr
import unified
from unified.core.config.compose import compose
from unified.core.envs.dataset import DataSuite
from unified.core.trainer.build import built_suite
from unified.plugins.suites.atari.scores import SCORES
from unified.units import scored

#: Nothing on the screen but the table.
QUIET: dict[str, Any] = {"callbacks": []}


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
        beside: The score of something else on the same part; or what is known of others, in words.
        score: Of a run: the name of the number, the number, and its spread where it has one; that of the last evaluation unless given.
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
            beside={"ddpg": "-152 ± 94", "td3": "-152 ± 90", "sac": "-150 ± 90", "tqc": "-151 ± 88", "crossq": "-150 ± 90"}[name],
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
        {"agent": "td3", "suite": "gym:Reacher-v4", "train.frames": 20_000, "agent.learning_starts": 1_000}, -5.5, beside="-4.8 ± 0.2"
    ),
    "td3-invertedpendulum": Anchor(
        {"agent": "td3", "suite": "gym:InvertedPendulum-v4", "train.frames": 50_000, "agent.learning_starts": 1_000},
        1_000,
        beside="1000 ± 0",
    ),
    "td3-halfcheetah": Anchor(
        {"agent": "td3", "suite": "gym:HalfCheetah-v4", "train.frames": 100_000, "agent.learning_starts": 10_000},
        5_514 - 2 * 554 / 3**0.5,
        beside="5514 ± 554",
    ),
    # Lee et al. 2025, table of scores at 100,000 frames: 15 seeds.
    "sac-cartpole-swingup": Anchor(
        {"agent": "sac", "suite": "dmc:cartpole_swingup", "suite.pixels": False, "train.frames": 100_000, "agent.updates_per_step": 2},
        853 - 2 * 9 / 3**0.5,
        beside="853 ± 9",
    ),
    "simba-walker-walk": Anchor(
        {
            **{"agent": "simba", "suite": "dmc:walker_walk", "suite.pixels": False, "train.frames": 100_000},
            **{"agent.normalize_observations": True},
            **{"agent.critic.hidden_dim": 256, "agent.updates_per_step": 1},
        },
        850,
        beside="951 ± 32 with critics of 512 units and 2 updates for each step",
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


def spread(scores: list[float]) -> str:
    """Mean and deviation."""
    return f"{mean(scores):.4g} ± {stdev(scores):.2g}"


def reached(name: str, anchor: Anchor) -> str:
    """One line of the table."""
    scores, others, successes, metric, start = [], [], [], "", time.perf_counter()
    for part in anchor.parts:
        experiment = "-".join(["anchor", name, *(f"{value}" for key, value in part.items() if key != "seed")])
        run = unified.train(config={**QUIET, "experiment": experiment, **anchor.values, **part})
        metric, score, deviation = anchor.score(run)
        scores.append(score)
        successes += [row["success"] for row in judgements(run)[-1:] if "success" in row]
        if callable(anchor.beside):
            others.append(anchor.beside(part))
    kind = "fold" if "suite.fold" in anchor.parts[0] else "seed"
    over = f"{len(scores)} {kind}{'s' if len(scores) > 1 else ''}"
    beside = spread(others) if others else anchor.beside
    targets = [] if anchor.wanted is None else [f"≥ {anchor.wanted:g}"]
    targets += [] if anchor.success is None else [f"success ≥ {anchor.success:g}"]
    minutes = (time.perf_counter() - start) / 60
    if len(scores) > 1:
        told = f"{spread(scores)} ({', '.join(f'{score:.4g}' for score in scores)})"
    else:
        told = f"{score:.4g} ± {deviation or 0.0:.2g} from episode to episode"
    if successes:
        told += f"; success {mean(successes):.3g} ({', '.join(f'{success:.3g}' for success in successes)})"
    return f"| {name} | {metric} {told} | {over} | {beside} | {', '.join(targets)} | {minutes:.1f} min |"


def main(names: list[str]) -> None:
    if unknown := [name for name in names if name not in ANCHORS]:
        sys.exit(f"no anchor {', '.join(unknown)}; there are {', '.join(ANCHORS)}")
    print("| task | result | over | comparison | target | time |\n|---|---|---|---|---|---|", flush=True)
    for name in names or ANCHORS:
        print(reached(name, ANCHORS[name]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
