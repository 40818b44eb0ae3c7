"""Steps of vectorised environments with random actions, and their comparison."""

from __future__ import annotations

import numpy as np

from unified.core.envs.step_batch import StepBatch
from unified.core.envs.vector_protocol import VectorEnv


def actions_of(env: VectorEnv, number: int) -> np.ndarray:
    space, generator = env.spec.action, np.random.default_rng(number)
    size = (env.num_envs, *space.shape)
    return generator.integers(space.n, size=size) if space.n else generator.uniform(-1.2, 1.2, size).astype(space.dtype)


def play(env: VectorEnv, steps: range) -> list[StepBatch]:
    rows = []
    for step in steps:
        env.step_async(actions_of(env, step))
        rows.append(env.step_wait())
    return rows


def assert_same(one: list[StepBatch], other: list[StepBatch]) -> None:
    assert len(one) == len(other)
    for number, (a, b) in enumerate(zip(one, other, strict=True)):
        for name, values in vars(a).items():
            np.testing.assert_array_equal(values, getattr(b, name), err_msg=f"{name} of step {number}", strict=True)
