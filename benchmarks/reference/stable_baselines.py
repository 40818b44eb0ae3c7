"""The other side of `control`: ``python stable_baselines.py NAME SKIP COUNT`` prints steps per second, those after SKIP.

Stable-Baselines3 at its defaults (Raffin et al. 2021), which are those of its documentation's examples, but for what makes both sides learn
as much from the first: when learning starts, how much is kept, and exploration that is as rare from the first as it is later.
"""

from __future__ import annotations

import json
import sys
import time

import gymnasium
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_atari_env, make_vec_env
from stable_baselines3.common.vec_env import VecFrameStack


class Watch(BaseCallback):
    """When the counted steps began, and when they ended."""

    def __init__(self, skip: int) -> None:
        super().__init__()
        self.skip = skip
        self.marks: list[tuple[float, int]] = []

    def _on_step(self) -> bool:
        if self.num_timesteps >= self.skip:
            self.marks = [*self.marks[:1], (time.perf_counter(), self.num_timesteps)]
        return True


def model(name: str, skip: int) -> DQN | SAC | PPO:
    if name == "dqn":
        import ale_py

        gymnasium.register_envs(ale_py)
        # 84×84 in grey, the brighter of the last two of four frames, up to 30 no-ops, clipped rewards, no sticky actions; four in a stack.
        env = VecFrameStack(make_atari_env("PongNoFrameskip-v4", n_envs=1, seed=0), n_stack=4)
        learning = {"learning_starts": skip // 2, "batch_size": 32, "train_freq": 4, "gradient_steps": 1}
        return DQN("CnnPolicy", env, buffer_size=20_000, exploration_initial_eps=0.05, device="cpu", **learning)
    if name == "sac":
        return SAC("MlpPolicy", "Pendulum-v1", learning_starts=skip // 2, batch_size=256, device="cpu")
    return PPO("MlpPolicy", make_vec_env("CartPole-v1", n_envs=8, seed=0), device="cpu")


def main(name: str, skip: int, count: int) -> None:
    watch = Watch(skip)
    model(name, skip).learn(skip + count, callback=watch)
    (start, first), (end, last) = watch.marks
    print(json.dumps((last - first) / (end - start)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
