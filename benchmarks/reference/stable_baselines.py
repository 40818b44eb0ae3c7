"""Stable-Baselines3 and SBX for `control`: ``python stable_baselines.py LIBRARY NAME SKIP COUNT`` prints steps per second after SKIP steps.

LIBRARY is ``stable_baselines3`` or ``sbx``. Both run with their defaults (Raffin et al. 2021), which are those of the examples in their
documentation, except for the start of learning, the size of the replay and the exploration, which are equal on all sides.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

import gymnasium
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_atari_env, make_vec_env
from stable_baselines3.common.vec_env import VecFrameStack

#: Name -> class, of algorithms that are compared on Pendulum; those of `CONTRIB` are in Stable-Baselines3-contrib.
CONTINUOUS = {"sac": "SAC", "td3": "TD3", "tqc": "TQC", "crossq": "CrossQ"}
CONTRIB = ("tqc", "crossq")


class Watch(BaseCallback):
    """Notes when the timed steps begin and end."""

    def __init__(self, skip: int) -> None:
        super().__init__()
        self.skip = skip
        self.marks: list[tuple[float, int]] = []

    def _on_step(self) -> bool:
        if self.num_timesteps >= self.skip:
            self.marks = [*self.marks[:1], (time.perf_counter(), self.num_timesteps)]
        return True


def model(library: str, name: str, skip: int) -> Any:
    algorithms = importlib.import_module(library)
    device = {"device": "cpu"} if library == "stable_baselines3" else {}  # JAX chooses its own
    if name == "dqn":
        import ale_py

        gymnasium.register_envs(ale_py)
        # 84×84 in grey, the maximum of the last two of four frames, up to 30 no-ops, clipped rewards, no sticky actions, a stack of four.
        env = VecFrameStack(make_atari_env("PongNoFrameskip-v4", n_envs=1, seed=0), n_stack=4)
        learning = {"learning_starts": skip // 2, "batch_size": 32, "train_freq": 4, "gradient_steps": 1}
        return algorithms.DQN("CnnPolicy", env, buffer_size=20_000, exploration_initial_eps=0.05, **learning, **device)
    if name in CONTINUOUS:
        home = importlib.import_module("sb3_contrib") if library == "stable_baselines3" and name in CONTRIB else algorithms
        learning = {"learning_starts": skip // 2, "batch_size": 256, "train_freq": 1, "gradient_steps": 1}
        networks = {"pi": [256, 256], "qf": [1024, 1024] if name == "crossq" else [256, 256]}
        return getattr(home, CONTINUOUS[name])("MlpPolicy", "Pendulum-v1", policy_kwargs={"net_arch": networks}, **learning, **device)
    return algorithms.PPO("MlpPolicy", make_vec_env("CartPole-v1", n_envs=8, seed=0), **device)


def main(library: str, name: str, skip: int, count: int) -> None:
    watch = Watch(skip)
    model(library, name, skip).learn(skip + count, callback=watch)
    (start, first), (end, last) = watch.marks
    print(json.dumps((last - first) / (end - start)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
