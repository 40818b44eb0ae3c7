"""Comparison of two implementations of the same vectorised environments."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from unified.core.envs.step_batch import StepBatch
from unified.core.envs.vector_protocol import VectorEnv


def agree(one: VectorEnv, other: VectorEnv, steps: int) -> bool:
    """Whether two implementations have the same bits from a reset on, over `steps` steps of random actions.

    Everything that they return is compared, and their states, where both have them: states are often more precise than observations.
    Afterwards the environments are in the middle of their episodes.
    """
    generator, space = np.random.default_rng(0), one.spec.action
    low, high = (np.where(np.isfinite(bound), bound, limit) for bound, limit in zip(space.bounds(), (-1.0, 1.0), strict=True))
    same = np.array_equal(one.reset(), other.reset())
    for _ in range(steps):
        if not same:
            return False
        size = (one.num_envs, *space.shape)
        actions = generator.integers(space.n, size=size) if space.n else generator.uniform(low, high, size).astype(space.dtype)
        one.step_async(actions)
        other.step_async(actions)
        same = _same_steps(one.step_wait(), other.step_wait()) and np.array_equal(one.observations, other.observations)
        same = same and _same_states(one, other)
    return same


def _same_steps(one: StepBatch, other: StepBatch) -> bool:
    names = [each.name for each in fields(StepBatch)]
    first, second = (
        {**{name: getattr(steps, name) for name in names}, **steps.extra, "extra": list(steps.extra)} for steps in (one, other)
    )
    return first.keys() == second.keys() and all(np.array_equal(values, second[name]) for name, values in first.items())


def _same_states(one: VectorEnv, other: VectorEnv) -> bool:
    for mine, theirs in zip(one.state_dict()["lanes"], other.state_dict()["lanes"], strict=True):
        if mine["state"] is None or theirs["state"] is None:
            continue
        if not all(np.array_equal(values, theirs["state"][name]) for name, values in mine["state"].items()):
            return False
    return True
