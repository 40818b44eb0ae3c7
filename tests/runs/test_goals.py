"""Runs on tasks with goals and with several observations: resumed exactly, learned, evaluated by success."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unified
from unified import UsageError, hookimpl
from unified.testing.workshop import differences

QUIET: dict[str, Any] = {"callbacks": [], "device": "cpu", "train.env_backend": "inline", "precision": "fp32"}


def assert_resumed_exactly(root: Path, frames: int, **values: Any) -> unified.Run:
    """A run that is trained on from half of its budget has the bits of one that is trained straight through; returns it."""

    def train(where: str, budget: int) -> unified.Run:
        callbacks = [Goals()] if values.get("goals") else []
        config = {**QUIET, "root": str(root / where), "train.frames": budget, "evaluate.episodes": 1, "train.log_every": 20}
        config |= {key.replace("__", "."): value for key, value in values.items() if key != "goals"}
        return unified.train(config={**config, "callbacks": callbacks})

    straight = train("straight", frames)
    train("twice", frames // 2)
    twice = train("twice", frames)
    groups = []
    for run in (straight, twice):
        checkpoint = run.checkpoints.newest()
        assert checkpoint is not None
        assert checkpoint.manifest["exact"]
        groups.append({group: checkpoint.load(group) for group in ("parameters", "optimizer", "replay", "collector", "callbacks")})
    assert not differences(*groups)
    return twice


def test_a_hindsight_batch_is_the_same_after_a_resume(tmp_path: Path) -> None:
    small = {"agent__batch_size": 16, "agent__critic__hidden_dim": 16, "agent__learning_starts": 20, "suite__n": 5}
    run = assert_resumed_exactly(tmp_path, 140, agent="dqn", suite="goals:bit_flip", replay__sampler="hindsight", **small)
    rows = [row for row in run.metrics() if row["kind"] == "evaluate"]
    assert rows
    assert all(0 <= row["success"] <= 1 for row in rows)


#: Agents that learn choices and numbers from transitions.
AGENTS = {"dqn": "bit_flip", "ddpg": "point_reach", "td3": "point_reach", "sac": "point_reach", "tqc": "point_reach"}


@pytest.mark.parametrize("agent", AGENTS)
def test_every_off_policy_agent_learns_by_hindsight_and_resumes_exactly(agent: str, tmp_path: Path) -> None:
    """With mixed goals, a warm-up that ends after the resume, n-step returns, ends at the first visit and prioritised rows."""
    small: dict[str, Any] = {"agent__batch_size": 16, "agent__critic__hidden_dim": 8, "agent__learning_starts": 20, "agent__n_step": 2}
    small |= {"suite__n": 5} if agent == "dqn" else {"agent__actor__hidden_dim": 8, "agent__normalize_observations": True}
    sampler = {"strategy": "rfaab_1_4_3_1_1", "warm_up": 70, "ends": "first_visit", "prioritised": 0.6, "priority_beta": "0.5"}
    values = {**small, "replay__sampler": "hindsight", **{f"replay__sampler__{name}": value for name, value in sampler.items()}}
    run = assert_resumed_exactly(tmp_path, 100, agent=agent, suite=f"goals:{AGENTS[agent]}", train__num_envs=2, **values)
    rows = run.metrics()
    assert all(0 <= row["success"] <= 1 for row in rows if row["kind"] == "evaluate")
    assert any("success" in row for row in rows if row["kind"] == "train")


class Pursued:
    """Keeps what the environments showed: the goals that were pursued among it."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []

    @hookimpl
    def on_experience(self, trainer: Any, steps: Any) -> None:
        for shown in (steps.observation, steps.reset_observation[steps.over]):
            self.rows += [np.concatenate([row[name] for name in row.dtype.names]) for row in shown]


def test_relabelled_goals_are_normalised_by_the_statistics_of_pursued_ones_and_do_not_move_them(tmp_path: Path) -> None:
    """HER: statistics of the goal columns that are those of relabelled rows."""
    small = {"agent.batch_size": 16, "agent.actor.hidden_dim": 8, "agent.critic.hidden_dim": 8, "agent.normalize_observations": True}
    values = {"train.frames": 100, "evaluate.every": 0, "evaluate.episodes": 1, "agent.learning_starts": 20, "root": str(tmp_path)}
    seen = Pursued()
    config = {**QUIET, **small, **values, "replay.sampler": "hindsight", "replay.sampler.strategy": "final", "callbacks": [seen]}
    policy = unified.load(unified.train(agent="td3", suite="goals:point_reach", config=config))
    norm, rows = policy.agent.observation_norm, np.stack(seen.rows).astype(np.float64)
    assert norm is not None
    relabelled = {name: torch.full((1, 2), 0.25) for name in policy.spec.observation}  # goals that nobody pursued
    found = np.concatenate([norm(relabelled)[name][0].numpy() for name in relabelled])
    expected = (0.25 - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0) + 1e-8)
    assert found == pytest.approx(expected.clip(-10, 10), rel=1e-4)


class Goals:
    """Sets the goal of every episode, as a curriculum would, and keeps what it chose in checkpoints."""

    critical = True

    def __init__(self, wrong: bool = False) -> None:
        self.chosen, self.wrong = 0, wrong

    @hookimpl
    def setup(self, trainer: Any) -> None:
        if self.wrong:
            raise ValueError("no goals")

    @hookimpl
    def on_experience(self, trainer: Any, steps: Any) -> None:
        for env_id in np.flatnonzero(~steps.ended):
            self.chosen += 1
            trainer.source.set_reset_options(int(env_id), {"goal": [0.001 * (self.chosen % 900), 0.5]})

    @hookimpl
    def checkpoint_save(self) -> dict[str, int]:
        return {"chosen": self.chosen}

    @hookimpl
    def checkpoint_load(self, state: dict[str, int]) -> None:
        self.chosen = state["chosen"]


def test_goals_that_a_callback_chooses_are_the_same_after_a_resume(tmp_path: Path) -> None:
    small = {"agent__batch_size": 16, "agent__actor__hidden_dim": 8, "agent__critic__hidden_dim": 8, "agent__learning_starts": 30}
    sampler = {"replay__sampler": "hindsight", "replay__sampler__strategy": "final", "train__num_envs": 2}
    assert_resumed_exactly(tmp_path, 140, agent="sac", suite="goals:point_reach", goals=True, **small, **sampler)


def test_a_critical_callback_ends_the_run_when_it_fails(tmp_path: Path) -> None:
    with pytest.raises(unified.UnifiedError, match="no goals"):
        unified.train(agent="random", suite="goals:point_reach", config={**QUIET, "root": str(tmp_path), "callbacks": [Goals(True)]})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("agent", "options"),
    [
        ("sac", {"agent.learning_starts": 64, "agent.critic.hidden_dim": 32, "agent.actor.hidden_dim": 32, "agent.pad": 0}),
        ("ppo", {"agent.n_steps": 64, "agent.epochs": 8, "agent.ent_coef": 0.01}),
    ],
)
def test_a_picture_and_a_vector_are_learned_together(agent: str, options: dict[str, Any], tmp_path: Path) -> None:
    """Each observation alone gives 3/4."""
    small = {"agent.stack": 1, "agent.lr": 3e-3, "agent.batch_size": 64, "agent.encoder": "cnn", "agent.encoder.channels": 4}
    budget = {"train.frames": 700 if agent == "sac" else 2000, "train.num_envs": 4, "evaluate.every": 0, "evaluate.episodes": 32}
    values = {**QUIET, **small, **budget, **options, "agent.discount": 0.0, "root": str(tmp_path)}
    run = unified.train(agent=agent, suite="unified.testing:Mixed", config=values)
    assert run.metrics()[-1]["return"] > 0.9
    policy = unified.load(run)
    seen = {"image": np.full((1, 16, 16), 255, np.uint8), "vector": np.full(1, -1, np.float32)}
    assert policy.act(seen).shape == ()
    with pytest.raises(UsageError, match="observation has image; this agent takes image, vector"):
        policy.act({"image": seen["image"]})


def test_an_agent_of_one_observation_refuses_a_picture_beside_a_vector(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the agent takes one observation, and image cannot be joined"):
        unified.train(agent="ac2", suite="unified.testing:Mixed", config={**QUIET, "root": str(tmp_path)})


def test_a_plain_agent_gets_named_vectors_joined(tmp_path: Path) -> None:
    small = {"agent.batch_size": 8, "agent.learning_starts": 20, "train.frames": 40, "evaluate.episodes": 1}
    run = unified.train(agent="ac2", suite="goals:point_reach", config={**QUIET, **small, "root": str(tmp_path)})
    policy = unified.load(run)
    assert policy.agent.spec.observation.shape == (6,)
    assert policy.act({name: np.zeros(2, np.float32) for name in policy.spec.observation}).shape == (2,)
