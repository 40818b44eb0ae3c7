"""Classic control tasks of Gymnasium as array operations, bit for bit what Gymnasium's single environments compute.

Sums and products are in the order of Gymnasium's source, because another order rounds differently.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv, MountainCarEnv, PendulumEnv
from gymnasium.envs.registration import load_env_creator

from unified.core.base.spec import Spec
from unified.core.envs.array_vector_env import ArrayVectorEnv
from unified.core.envs.suite import Suite
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.core.envs.vector_protocol import VectorEnv
from unified.plugins.suites.gym.environment import find
from unified.plugins.suites.gym.first_draws import first_draws


class CartPole(ArrayVectorEnv):
    """CartPole-v1 (Barto, Sutton and Anderson 1983): a state is position, velocity, angle, angular velocity."""

    GRAVITY, CART, POLE, LENGTH, FORCE, TAU = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
    TOTAL, POLE_LENGTH = POLE + CART, POLE * LENGTH

    def __init__(self, suite: Suite, spec: Spec, num_envs: int, seed: int, stream: str) -> None:
        # With operands of one shape and without gaps NumPy is fastest, so constants are whole rows and results have a place of their own.
        rows = np.zeros((6, num_envs))
        super().__init__(suite, spec, num_envs, seed, stream, rows[:4])
        self._angle, self._cos, self._sin, self._to_square = rows[2], rows[4], rows[5], rows[3:5]
        self._places, self._velocities = rows[0:4:2], rows[1:4:2]
        self._change = np.zeros((4, num_envs))
        self._first_derivative, self._acceleration, self._turn = self._change[0::2], self._change[1], self._change[3]
        self._squares, self._a, self._b = np.zeros((2, num_envs)), np.zeros(num_envs), np.zeros(num_envs)
        self._push, self._load = self._squares
        self._scale = _columns([self.POLE_LENGTH, self.POLE], num_envs)
        self._total, self._tau = np.full((2, num_envs), self.TOTAL), np.full((4, num_envs), self.TAU)
        self._gravity, self._thirds, self._length, self._pole_length = _columns([self.GRAVITY, 4.0 / 3.0, self.LENGTH, self.POLE_LENGTH], num_envs)
        self._forces = np.array([-self.FORCE, self.FORCE])
        self._bounds = _columns([2.4, 12 * 2 * math.pi / 360], num_envs)

    def initial_states(self, seeds: Sequence[int]) -> np.ndarray:
        return _uniform(-0.05, 0.05, first_draws(seeds, 4))

    def advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        np.cos(self._angle, out=self._cos)
        np.sin(self._angle, out=self._sin)
        np.square(self._to_square, out=self._squares)  # of the angular velocity and of the cosine
        np.multiply(self._scale, self._squares, out=self._squares)
        np.multiply(self._push, self._sin, out=self._push)
        np.add(self._forces[actions], self._push, out=self._push)
        np.divide(self._squares, self._total, out=self._squares)
        np.multiply(self._gravity, self._sin, out=self._a)
        np.multiply(self._cos, self._push, out=self._b)
        np.subtract(self._a, self._b, out=self._a)
        np.subtract(self._thirds, self._load, out=self._b)
        np.multiply(self._length, self._b, out=self._b)
        np.divide(self._a, self._b, out=self._turn)
        np.multiply(self._pole_length, self._turn, out=self._a)
        np.multiply(self._a, self._cos, out=self._a)
        np.divide(self._a, self._total[0], out=self._a)
        np.subtract(self._push, self._a, out=self._acceleration)
        self._first_derivative[:] = self._velocities
        np.multiply(self._tau, self._change, out=self._change)
        np.add(self.states, self._change, out=self.states)
        outside = np.absolute(self._places) > self._bounds
        return self._ones, outside[0] | outside[1]

    def observe(self, states: np.ndarray) -> np.ndarray:
        return np.array(states.T, np.float32, order="C")


class Pendulum(ArrayVectorEnv):
    """Pendulum-v1: a state is angle, angular velocity. Actions in [-1, 1] are rescaled to the torque, as `spaces.action_of` does."""

    SPEED, TORQUE, DT, GRAVITY = 8, 2.0, 0.05, 10.0

    def __init__(self, suite: Suite, spec: Spec, num_envs: int, seed: int, stream: str) -> None:
        super().__init__(suite, spec, num_envs, seed, stream, np.zeros((2, num_envs)))

    def initial_states(self, seeds: Sequence[int]) -> np.ndarray:
        high = np.array([[np.pi], [1.0]])
        return _uniform(-high, high, first_draws(seeds, 2))

    def advance(self, actions: np.ndarray) -> tuple[np.ndarray, None]:
        angle, velocity = self.states
        scaled = (np.clip(actions[:, 0], -1.0, 1.0).astype(np.float64) + 1.0) * self.TORQUE - self.TORQUE
        torque = scaled.astype(np.float32)
        off = (angle + np.pi) % (2 * np.pi) - np.pi
        cost = _power(off) + 0.1 * _power(velocity) + 0.001 * _power(torque)
        velocity += (3 * self.GRAVITY / 2.0 * np.sin(angle) + 3.0 * torque) * self.DT
        np.clip(velocity, -self.SPEED, self.SPEED, out=velocity)
        angle += velocity * self.DT
        return 0.0 - cost, None

    def observe(self, states: np.ndarray) -> np.ndarray:
        observation = np.empty((states.shape[1], 3), np.float32)
        observation[:, 0], observation[:, 1], observation[:, 2] = np.cos(states[0]), np.sin(states[0]), states[1]
        return observation


class MountainCar(ArrayVectorEnv):
    """MountainCar-v0 (Moore 1990): a state is position, velocity."""

    def __init__(self, suite: Suite, spec: Spec, num_envs: int, seed: int, stream: str) -> None:
        super().__init__(suite, spec, num_envs, seed, stream, np.zeros((2, num_envs)))

    def initial_states(self, seeds: Sequence[int]) -> np.ndarray:
        position = _uniform(-0.6, -0.4, first_draws(seeds, 1))
        return np.concatenate([position, np.zeros_like(position)])

    def advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        position, velocity = self.states
        velocity += (actions - 1) * 0.001 + np.cos(3 * position) * -0.0025
        np.clip(velocity, -0.07, 0.07, out=velocity)
        position += velocity
        np.clip(position, -1.2, 0.6, out=position)
        velocity[(position == -1.2) & (velocity < 0)] = 0.0
        return -self._ones, (position >= 0.5) & (velocity >= 0)

    def observe(self, states: np.ndarray) -> np.ndarray:
        return np.array(states.T, np.float32, order="C")


#: By Gymnasium's class.
TASKS: dict[Any, type[Any]] = {CartPoleEnv: CartPole, PendulumEnv: Pendulum, MountainCarEnv: MountainCar}
#: Steps over which a vectorised task is compared with Gymnasium's environments before it is used.
CHECKED_STEPS = 64


def vector_of(suite: Suite, num_envs: int, seed: int, stream: str) -> VectorEnv | None:
    """The vectorised implementation of a suite's task, or ``None`` where there is none.

    It is used only if it gives the bits of the installed Gymnasium on this processor, which a short comparison finds out.
    """
    registered, options = find(suite.task), suite.options
    entry = str(registered.entry_point)
    task = TASKS.get(load_env_creator(entry)) if entry.startswith("gymnasium.envs.classic_control") else None
    plain = options.action_repeat == 1 and not options.pixels and not getattr(options, "observe", ())
    if task is None or not plain or registered.kwargs or registered.additional_wrappers or not registered.max_episode_steps:
        return None
    with WorkerVectorEnv(suite, 4, 0, "comparison", "inline") as singles, task(suite, singles.spec, 4, 0, "comparison") as vector:
        if not agree(vector, singles, CHECKED_STEPS):
            return None
        made: VectorEnv = task(suite, singles.spec, num_envs, seed, stream)
    return made


def agree(one: VectorEnv, other: VectorEnv, steps: int) -> bool:
    """Whether two implementations give the same bits from a reset on, over `steps` steps of random actions."""
    generator, space = np.random.default_rng(0), one.spec.action
    same = np.array_equal(one.reset(), other.reset())
    for _ in range(steps):
        size = (one.num_envs, *space.shape)
        actions = generator.integers(space.n, size=size) if space.n else generator.uniform(-1, 1, size).astype(space.dtype)
        one.step_async(actions)
        other.step_async(actions)
        pairs = zip(vars(one.step_wait()).values(), vars(other.step_wait()).values(), strict=True)
        same = same and all(np.array_equal(a, b) for a, b in pairs) and np.array_equal(one.observations, other.observations)
    return same


def _uniform(low: Any, high: Any, draws: np.ndarray) -> np.ndarray:
    """Draws in [0, 1) as ``np.random.Generator.uniform`` scales them."""
    scaled: np.ndarray = low + (high - low) * draws
    return scaled


def _power(values: np.ndarray) -> np.ndarray:
    """The squares as the C library's pow computes them for single numbers: now and then another last bit than that of a product."""
    return np.array([value**2 for value in (values if values.dtype == np.float32 else values.tolist())], values.dtype)


def _columns(constants: list[float], num_envs: int) -> np.ndarray:
    """One row for each constant."""
    return np.repeat(np.array(constants)[:, None], num_envs, 1)
