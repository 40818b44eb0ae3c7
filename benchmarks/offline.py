"""Offline learning on replays made here: ``python benchmarks/offline.py [pendulum|cartpole] [updates=20000] [seeds=1] [only=bc,td3_bc]``.

Three replays of Pendulum: *mixed* is all that SAC saw while it learned, *expert* what it does afterwards, *random* uniform actions, 10,000
steps each. Every agent learns from each of them alone, and is then judged in the true environment. No return exceeds 0, so a critic
that says more is wrong: `q_max` is the greatest value of the policy's actions at the observations of the replay.

Runs and replays are kept under ``runs`` in the experiments ``offline-*``, and are made once.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch

import unified
from unified import Batch, Transitions
from unified.core.base.rng import Streams
from unified.core.replay.saved_index import read_index, spec_and_rows
from unified.core.trainer.build import built_suite, load_agent
from unified.replay import Replay
from unified.units import scored

ROOT = Path("runs")
QUIET: dict[str, Any] = {"callbacks": [], "root": str(ROOT)}
STEPS = 10_000


@dataclass(frozen=True)
class Row:
    """One agent on one replay.

    Args:
        agent: Name, with further values after it.
        replay: Name of the replay.
        wanted: Least mean return; ``None`` where it is compared with others, or shown only.
        values: Of the run.
    """

    agent: str
    replay: str
    wanted: float | None = None
    values: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        return f"{self.agent} on {self.replay}"


TASKS = {"pendulum": ("gym:Pendulum-v1", "sac", STEPS), "cartpole": ("gym:CartPole-v1", "dqn", 50_000)}
ROWS = {
    "pendulum": (
        *(Row(agent, "mixed", None if agent == "bc" else -250) for agent in ("bc", "td3_bc", "iql", "awac", "cql")),
        Row("bc", "mixed", -250, (("replay.top", 0.1),)),
        Row("bc", "expert"),
        *(Row(agent, "random") for agent in ("bc", "td3_bc", "iql", "awac", "cql")),
        *(Row(agent, "expert") for agent in ("td3_bc", "iql", "cql", "sac")),
    ),
    "cartpole": tuple(
        Row(agent, "mixed", None, values)
        for agent, values in (("bc", ()), ("dqn", ()), ("rem", ()), ("dqn", (("objective", "+cql"),)), ("iql", ()))
    ),
}


def saved(task: str, kind: str) -> str:
    """Name of a replay."""
    return f"offline-{task}-{kind}"


def make_replays(task: str) -> None:
    """Make the replays of a task, those that are not there yet."""
    suite, teacher, steps = TASKS[task]
    values = {**QUIET, "suite": suite, "train.frames": steps, "evaluate.episodes": 20}
    mixed = unified.train(config={**values, "agent": teacher, "experiment": "offline-mixed", "replay.save": saved(task, "mixed")})
    print(f"the teacher of {task}, {teacher}: {last(mixed)[1]:.4g} after {steps:,} steps", flush=True)
    if not (ROOT / "replays" / saved(task, "random")).exists():
        more = {"agent": "random", "train.learn": False, "experiment": "offline-random", "evaluate.every": 0}
        unified.train(config={**values, **more, "replay.save": saved(task, "random")})
    if not (ROOT / "replays" / saved(task, "expert")).exists():
        collect(mixed, saved(task, "expert"))


def collect(run: Any, name: str) -> None:
    """Save what the finished policy of a run does, with its exploration."""
    player = load_agent(run, "newest")
    agent, environment = player.agent, built_suite(run.config).environment()
    directory = ROOT / "replays" / f".{name}.rows"
    replay = Replay(environment.spec, Transitions(), 2 * STEPS, 1, Streams(1), directory=directory, action=agent.action_space)
    steps, episode = 0, 0
    while steps < STEPS:
        observation, over = environment.reset(seed=1_000_000 + episode), False
        replay.begin(0, observation)
        while not over:
            action = agent.act(Batch(obs=torch.from_numpy(np.asarray(observation))[None]), explore=True)
            step = environment.step(action.env_action[0].numpy())
            observation, over, steps = step.observation, step.terminated or step.truncated, steps + 1
            replay.add(0, action.action[0].numpy(), step.reward, step.terminated, step.truncated, observation)
        episode += 1
    replay.save_as(ROOT, name)


def last(run: Any) -> tuple[str, float, float | None]:
    """Name, value and spread of the last evaluation, never of the best one."""
    return scored([row for row in run.metrics() if row["kind"] == "evaluate"][-1])


def greatest_value(run: Any, name: str) -> float | None:
    """The greatest value that the critics give the policy's action at the observations of a replay, of each the least critic."""
    agent: Any = load_agent(run, "newest").agent
    if not hasattr(agent, "critic") or agent.action_space.discrete:
        return None
    index = read_index(ROOT / "replays" / name)
    spec, rows = spec_and_rows(index, name)
    replay = Replay(spec, Transitions(), rows, 1, Streams(1), action=agent.action_space)
    replay.load_saved(ROOT / "replays" / name)
    found = []
    with torch.no_grad():
        for batch in replay.stored():
            features = agent.encode(batch.obs)
            found.append(agent.critic(features, agent.policy(features).mode).mean.amin(dim=0).max().item())
    return max(found)


def trained(task: str, row: Row, updates: int, seed: int) -> Any:
    """The run of a row."""
    label = "-".join([row.replay, *(f"{key.rpartition('.')[2]}{value}" for key, value in row.values)]).replace("+", "")
    values = {
        **{**QUIET, "agent": row.agent, "suite": TASKS[task][0], "seed": seed, "experiment": f"offline-{label}"},
        **{"offline": True, "replay.load": saved(task, row.replay), "train.updates": updates},
        **{"evaluate.every": 0, "evaluate.episodes": 20, "checkpoint.every": 0, **dict(row.values)},
    }
    return unified.train(config=values)


def verdicts(task: str, scores: dict[str, float], greatest: dict[str, float]) -> list[str]:
    """What has to hold between the rows, and whether it does."""
    found = []

    def holds(what: str, *needed: str, test: Any) -> None:
        if all(name in scores for name in needed):
            found.append(f"{'holds' if test() else 'FAILS'}: {what}")

    if task == "pendulum":
        bc, expert = "bc on mixed", "bc on expert"
        holds("bc is clearly worse on mixed than on expert", bc, expert, test=lambda: scores[bc] < scores[expert] - 50)
        for agent in ("td3_bc", "iql", "awac", "cql"):
            name = f"{agent} on mixed"
            holds(f"{name} is at least bc on mixed, and -250", name, bc, test=lambda n=name: scores[n] >= max(scores[bc], -250))
        if (name := "cql on expert") in greatest:
            holds(f"no value of {name} is possible beyond 0: {greatest[name]:.4g}", name, test=lambda: greatest["cql on expert"] <= 0)
        if (name := "sac on expert") in greatest:
            holds(f"negative control, values of {name} exceed 0: {greatest[name]:.4g}", name, test=lambda: greatest["sac on expert"] > 0)
    return found


def main(words: list[str]) -> None:
    given = dict(word.split("=", 1) for word in words if "=" in word)
    tasks = [word for word in words if "=" not in word] or list(TASKS)
    updates, seeds, only = int(given.get("updates", 20_000)), int(given.get("seeds", 1)), given.get("only", "")
    for task in tasks:
        make_replays(task)
        scores: dict[str, float] = {}
        greatest: dict[str, float] = {}
        print("| agent and replay | return | q_max | target | time |\n|---|---|---|---|---|", flush=True)
        for row in ROWS[task]:
            if only and row.agent not in only.split(","):
                continue
            start, runs = time.perf_counter(), [trained(task, row, updates, seed) for seed in range(1, seeds + 1)]
            returns = [last(run)[1] for run in runs]
            values = [value for run in runs if (value := greatest_value(run, saved(task, row.replay))) is not None]
            said = " ".join([row.name, *(f"{key}={value}" for key, value in row.values)])
            scores[said], spread = mean(returns), f" ± {stdev(returns):.2g}" if seeds > 1 else f" ± {last(runs[0])[2] or 0:.2g} (episodes)"
            if values:
                greatest[said] = max(values)
            wanted, most = "" if row.wanted is None else f"≥ {row.wanted:g}", f"{max(values):.4g}" if values else ""
            minutes = (time.perf_counter() - start) / 60
            print(f"| {said} | {scores[said]:.4g}{spread} | {most} | {wanted} | {minutes:.1f} min |", flush=True)
        print("\n".join(["", *verdicts(task, scores, greatest)]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
