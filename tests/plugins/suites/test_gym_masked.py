"""Valid actions of Gymnasium environments, from ``info`` to the agent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import unified
from unified.core.base.errors import UsageError
from unified.plugins.suites.gym.config import GymOptions
from unified.plugins.suites.gym.environment import GymEnvironment


class Picky(gymnasium.Env[Any, Any]):
    """Three actions, two of which are valid at a time; an invalid one is an error."""

    action_space, observation_space = spaces.Discrete(3), spaces.Box(-1.0, 1.0, (2,))
    played = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return self._shown()

    def step(self, action: Any) -> Any:
        assert self.mask[action], f"action {action} is not valid: {self.mask}"
        self.steps += 1
        type(self).played += 1
        shown, info = self._shown()
        return shown, float(action), self.steps == 7, False, info

    def _shown(self) -> Any:
        self.mask = np.ones(3, np.int8)
        self.mask[self.np_random.integers(3)] = 0
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), {"action_mask": self.mask.copy()}


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    gymnasium.register("Picky-v0", Picky)
    yield
    del gymnasium.registry["Picky-v0"]


def test_the_mask_is_an_observation() -> None:
    environment = GymEnvironment("Picky-v0", GymOptions(action_mask=True))
    assert {name: space.shape for name, space in environment.spec.spaces.items()} == {"obs.observation": (2,), "obs.action_mask": (3,)}
    seen = environment.reset(0)
    for _ in range(5):
        mask = environment.unwrapped.mask
        assert seen["action_mask"].tolist() == mask.tolist()
        seen = environment.step(np.array(int(mask.argmax()))).observation


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("CartPole-v1", {}, "gives no info"),
        ("Pendulum-v1", {}, "is for one choice"),
        ("Picky-v0", {"pixels": True}, "shows images alone"),
    ],
)
def test_what_has_no_mask_is_refused(task: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        GymEnvironment(task, GymOptions(action_mask=True, **options)).reset(0)


@pytest.mark.parametrize(
    ("agent", "values"),
    [
        ("ppo", {"agent.n_steps": 16, "agent.epochs": 2, "agent.hidden_dim": 8, "agent.normalize_observations": True}),
        ("a2c", {"agent.hidden_dim": 8}),
        ("dqn", {"agent.learning_starts": 20, "agent.batch_size": 8, "critic.hidden_dim": 8}),
    ],
)
def test_agents_train_evaluate_and_act_without_an_invalid_action(agent: str, values: dict[str, Any], tmp_path: Path) -> None:
    Picky.played = 0
    run = unified.train(
        config={
            **{"agent": agent, "suite": "gym:Picky-v0", "suite.action_mask": True, "train.frames": 120, "train.num_envs": 2},
            **{"train.env_backend": "inline", "evaluate.episodes": 2, "callbacks": [], "device": "cpu", "root": str(tmp_path), **values},
        }
    )
    assert Picky.played > 120
    assert not [row for row in run.events() if row["event"] == "warning"]
    player, environment = unified.load(run), GymEnvironment("Picky-v0", GymOptions(action_mask=True))
    shown = environment.reset(3)
    for explore in (True, False, True, False):
        action = player.act({"observation": shown["observation"], "action_mask": environment.unwrapped.mask}, explore=explore)
        assert environment.unwrapped.mask[action] == 1
        shown = environment.step(np.asarray(action)).observation
