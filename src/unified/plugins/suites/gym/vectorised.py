"""Tasks of Gymnasium as array operations, bit for bit what Gymnasium's single environments compute.

Sums and products are in the order of Gymnasium's source, because another order rounds differently.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv, MountainCarEnv, PendulumEnv
from gymnasium.envs.registration import load_env_creator

from unified.array_vector_env import ArrayVectorEnv
from unified.core.base.spec import Spec
from unified.core.envs.step_batch import some
from unified.core.envs.suite import Suite
from unified.core.envs.vector_agreement import agree
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.core.envs.vector_protocol import VectorEnv
from unified.plugins.suites.gym import simulated
from unified.plugins.suites.gym.environment import find
from unified.plugins.suites.gym.first_draws import first_draws
from unified.plugins.suites.simulations import import_mujoco


class CartPole(ArrayVectorEnv):
    """CartPole-v1 (Barto, Sutton and Anderson 1983): a state is position, velocity, angle, angular velocity."""

    GRAVITY, CART, POLE, LENGTH, FORCE, TAU = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
    TOTAL, POLE_LENGTH = POLE + CART, POLE * LENGTH

    def __init__(self, suite: Suite, spec: Spec, num_envs: int, seed: int, stream: str) -> None:
        # NumPy is fastest with contiguous operands of one shape, so constants are whole rows, every result has its memory, and rows that
        # take the same operation lie beside each other.
        rows = np.zeros((6, num_envs))
        super().__init__(suite, spec, num_envs, seed, stream, rows[:4])
        change, loads, pulls, differences, product = (np.zeros((height, num_envs)) for height in (4, 3, 2, 2, 1))
        pulls[0] = 4.0 / 3.0
        self._rows = (rows[2], rows[4], rows[5], rows[3:5], rows[1:4:2])
        self._results = (change, change[0::2], change[1], change[3], loads[:2], loads[0], loads[2], loads[1:], pulls, pulls[1])
        self._quotient = (differences, *differences, product[0])
        constants = [self.GRAVITY, self.LENGTH, self.POLE_LENGTH, self.TOTAL]
        scale, total = _repeated([self.POLE_LENGTH, self.POLE], num_envs), np.full((2, num_envs), self.TOTAL)
        bounds = _repeated([2.4, np.inf, 12 * 2 * math.pi / 360, np.inf], num_envs)
        self._constants = (*_repeated(constants, num_envs), scale, total, np.full((4, num_envs), self.TAU), bounds)
        self._forces = np.array([-self.FORCE, self.FORCE])

    def initial_states(self, seeds: np.ndarray) -> np.ndarray:
        return _uniform(-0.05, 0.05, first_draws(seeds, 4))

    def advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        angle, cos, sin, to_square, velocities = self._rows
        change, first, acceleration, turn, push_load, push, pushed, load_pushed, pulls, pull = self._results
        differences, below, above, product = self._quotient
        gravity, length, pole_length, total, scale, totals, tau, bounds = self._constants
        np.cos(angle, cos)
        np.sin(angle, sin)
        np.square(to_square, push_load)  # of the angular velocity and of the cosine
        np.multiply(scale, push_load, push_load)
        np.multiply(push, sin, push)
        np.add(self._forces[actions], push, push)
        np.divide(push_load, totals, push_load)
        np.multiply(gravity, sin, pull)
        np.multiply(cos, push, pushed)
        np.subtract(pulls, load_pushed, differences)  # 4/3 - load, and pull - pushed
        np.multiply(length, below, below)
        np.divide(above, below, turn)
        np.multiply(pole_length, turn, product)
        np.multiply(product, cos, product)
        np.divide(product, total, product)
        np.subtract(push, product, acceleration)
        first[:] = velocities
        np.multiply(tau, change, change)
        np.add(self.states, change, self.states)
        np.absolute(self.states, change)
        outside = change > bounds
        return self._ones, outside[0] | outside[2] if some(outside) else None

    def observe(self, states: np.ndarray) -> np.ndarray:
        observation = np.empty((states.shape[1], 4), np.float32)
        observation.T[:] = states
        return observation


class Pendulum(ArrayVectorEnv):
    """Pendulum-v1: a state is angle, angular velocity. Actions in [-1, 1] are rescaled to the torque, as `spaces.action_of` does."""

    SPEED, TORQUE, DT, GRAVITY = 8, 2.0, 0.05, 10.0

    def __init__(self, suite: Suite, spec: Spec, num_envs: int, seed: int, stream: str) -> None:
        super().__init__(suite, spec, num_envs, seed, stream, np.zeros((2, num_envs)))

    def initial_states(self, seeds: np.ndarray) -> np.ndarray:
        high = np.array([[np.pi], [1.0]])
        return _uniform(-high, high, first_draws(seeds, 2))

    def advance(self, actions: np.ndarray) -> tuple[np.ndarray, None]:
        angle, velocity = self.states
        clipped = np.minimum(np.maximum(actions[:, 0], -1.0), 1.0).astype(np.float64)
        torque = ((clipped + 1.0) * self.TORQUE - self.TORQUE).astype(np.float32)
        off = (angle + np.pi) % (2 * np.pi) - np.pi
        # Gymnasium squares by the C library's pow, which now and then has another last bit than a product; so has np.power.
        square = np.array([value**2 for value in torque], np.float32)
        cost = np.float_power(off, 2.0) + 0.1 * np.float_power(velocity, 2.0) + 0.001 * square
        velocity += (3 * self.GRAVITY / 2.0 * np.sin(angle) + 3.0 * torque) * self.DT
        np.minimum(np.maximum(velocity, -self.SPEED), self.SPEED, out=velocity)
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

    def initial_states(self, seeds: np.ndarray) -> np.ndarray:
        position = _uniform(-0.6, -0.4, first_draws(seeds, 1))
        return np.concatenate([position, np.zeros_like(position)])

    def advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        position, velocity = self.states
        velocity += (actions - 1) * 0.001 + np.cos(3 * position) * -0.0025
        np.minimum(np.maximum(velocity, -0.07), 0.07, out=velocity)
        position += velocity
        np.minimum(np.maximum(position, -1.2), 0.6, out=position)
        velocity[(position == -1.2) & (velocity < 0)] = 0.0
        return -self._ones, (position >= 0.5) & (velocity >= 0)

    def observe(self, states: np.ndarray) -> np.ndarray:
        return np.array(states.T, np.float32, order="C")


#: Classic control, by Gymnasium's class.
TASKS: dict[Any, type[Any]] = {CartPoleEnv: CartPole, PendulumEnv: Pendulum, MountainCarEnv: MountainCar}
#: Steps over which a vectorised task is compared with Gymnasium's environments before it is used.
CHECKED_STEPS = 64


def vector_of(suite: Suite, num_envs: int, seed: int, stream: str) -> VectorEnv | None:
    """The vectorised implementation of a suite's task, or ``None`` where there is none.

    It is used only if it gives the bits of the installed Gymnasium on this processor, which a short comparison finds out.
    """
    registered, options = find(suite.task), suite.options
    plain = (
        options.action_repeat == 1
        and not options.pixels
        and not getattr(options, "observe", ())
        and not getattr(options, "action_mask", False)
    )
    if not plain or registered.additional_wrappers or not registered.max_episode_steps:
        return None
    task: Any = simulated.TASKS.get(str(registered.entry_point))
    if task is not None:
        import_mujoco()
    elif str(registered.entry_point).startswith("gymnasium.envs.classic_control") and not registered.kwargs:
        task = TASKS.get(load_env_creator(registered.entry_point))
    if task is None:
        return None
    with WorkerVectorEnv(suite, 2, 0, "comparison", "inline") as singles, task(suite, singles.spec, 2, 0, "comparison") as vector:
        if not agree(vector, singles, CHECKED_STEPS):
            return None
        made: VectorEnv = task(suite, singles.spec, num_envs, seed, stream)
    return made


def _uniform(low: Any, high: Any, draws: np.ndarray) -> np.ndarray:
    """Draws in [0, 1) as ``np.random.Generator.uniform`` scales them."""
    scaled: np.ndarray = low + (high - low) * draws
    return scaled


def _repeated(constants: list[float], num_envs: int) -> np.ndarray:
    """One row for each constant."""
    return np.repeat(np.array(constants)[:, None], num_envs, 1)
