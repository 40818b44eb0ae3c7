"""Gymnasium's MuJoCo tasks, version 5, with the physics of all environments in one call, bit for bit what its single environments compute.

Sums and products are in the order of Gymnasium's source, because another order rounds differently.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from unified.core.base.spec import Spec
from unified.core.envs.suite import Suite
from unified.plugins.suites.simulations import Fields, SimulationVectorEnv

#: Positions, velocities and forces are clipped to it where Gymnasium does.
CLIP = 10


class Simulated(SimulationVectorEnv):
    """A task of `gymnasium.envs.mujoco`. Weights and ranges are those of Gymnasium's environment `task`."""

    def __init__(self, suite: Suite, spec: Spec, num_envs: int, seed: int, stream: str) -> None:
        single: Any = suite.environment()
        self.task: Any = single.unwrapped
        self._dt = self.task.dt
        space = self.task.action_space
        self._low, self._high = space.low.astype(np.float64), space.high.astype(np.float64)
        super().__init__(suite, spec, num_envs, seed, stream, single, (self.task.model, self.task.data))

    @abstractmethod
    def judged(self, before: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Rewards ``(n,)`` and terminations ``(n,)`` of the step to `now`.

        Args:
            before: What `position` returned before the step.
            action: As Gymnasium's environment gets it, ``(n, A)`` float32.
        """

    def position(self) -> np.ndarray:
        """The position ``(n,)`` whose change is rewarded."""
        return self.now["qpos"][:, 0].copy()

    def stepped(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        # as unified.plugins.suites.gym.spaces has it
        within = np.minimum(np.maximum(actions, -1.0), 1.0).astype(np.float64)
        scaled = self._low + (within + 1.0) * (self._high - self._low) / 2.0
        action = np.minimum(np.maximum(scaled, self._low), self._high).astype(np.float32)
        before = self.position()
        self.simulate(action, self.task.frame_skip)
        return self.judged(before, action)

    def speed(self, before: np.ndarray) -> np.ndarray:
        change: np.ndarray = (self.position() - before) / self._dt
        return change

    def effort(self, action: np.ndarray) -> np.ndarray:
        """The cost of controls, in their type."""
        cost: np.ndarray = self.task._ctrl_cost_weight * np.square(action).sum(1)
        return cost


class HalfCheetah(Simulated):
    """HalfCheetah-v5 (Wawrzyński 2009)."""

    def seen(self, fields: Fields) -> np.ndarray:
        skipped = int(self.task._exclude_current_positions_from_observation)
        return np.concatenate((fields["qpos"][:, skipped:], fields["qvel"]), 1)

    def judged(self, before: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        return self.task._forward_reward_weight * self.speed(before) - self.effort(action), None


class Swimmer(HalfCheetah):
    """Swimmer-v5 (Coulom 2002)."""

    def seen(self, fields: Fields) -> np.ndarray:
        skipped = 2 * int(self.task._exclude_current_positions_from_observation)
        return np.concatenate((fields["qpos"][:, skipped:], fields["qvel"]), 1)


class Walker2d(Simulated):
    """Walker2d-v5 (Levine and Koltun 2013)."""

    def seen(self, fields: Fields) -> np.ndarray:
        skipped = int(self.task._exclude_current_positions_from_observation)
        return np.concatenate((fields["qpos"][:, skipped:], np.clip(fields["qvel"], -CLIP, CLIP)), 1)

    def healthy(self) -> np.ndarray:
        """Where the body stands upright, ``(n,)`` bool."""
        upright = _between(self.now["qpos"][:, 1], self.task._healthy_z_range)
        return upright & _between(self.now["qpos"][:, 2], self.task._healthy_angle_range)

    def judged(self, before: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        healthy = self.healthy()
        rewards = self.task._forward_reward_weight * self.speed(before) + healthy * self.task._healthy_reward
        return rewards - self.effort(action), _ended(healthy, self.task)


class Hopper(Walker2d):
    """Hopper-v5 (Erez, Tassa and Todorov 2011)."""

    def healthy(self) -> np.ndarray:
        state = np.concatenate((self.now["qpos"], self.now["qvel"]), 1)[:, 2:]
        within: np.ndarray = _between(state, self.task._healthy_state_range).all(1)
        return within & super().healthy()


class Ant(Simulated):
    """Ant-v5 (Schulman et al. 2015)."""

    further = ("xpos", "cfrc_ext")

    def position(self) -> np.ndarray:
        return self.now["xpos"][:, self.task.data.body(self.task._main_body).id, 0].copy()

    def _contact(self, fields: Fields) -> np.ndarray:
        return np.clip(fields["cfrc_ext"], *self.task._contact_force_range)

    def seen(self, fields: Fields) -> np.ndarray:
        skipped = 2 * int(self.task._exclude_current_positions_from_observation)
        parts = [fields["qpos"][:, skipped:], fields["qvel"]]
        if self.task._include_cfrc_ext_in_observation:
            parts.append(self._contact(fields)[:, 1:].reshape(len(parts[0]), -1))
        return np.concatenate(parts, 1)

    def judged(self, before: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        qpos, (low, high) = self.now["qpos"], self.task._healthy_z_range
        healthy = np.isfinite(qpos).all(1) & np.isfinite(self.now["qvel"]).all(1) & (low <= qpos[:, 2]) & (qpos[:, 2] <= high)
        rewards = self.speed(before) * self.task._forward_reward_weight + healthy * self.task._healthy_reward
        contact_cost = self.task._contact_cost_weight * _summed(np.square(self._contact(self.now)))
        return rewards - (self.effort(action) + contact_cost), _ended(healthy, self.task)


class Body(Simulated):
    """What the tasks of the humanoid observe."""

    def seen(self, fields: Fields) -> np.ndarray:
        skipped = 2 * int(self.task._exclude_current_positions_from_observation)
        parts = [fields["qpos"][:, skipped:], fields["qvel"]]
        for name, first in (("cinert", 1), ("cvel", 1), ("qfrc_actuator", 6), ("cfrc_ext", 1)):
            if getattr(self.task, f"_include_{name}_in_observation") is True:
                parts.append(fields[name][:, first:].reshape(len(parts[0]), -1))
        return np.concatenate(parts, 1)


class Humanoid(Body):
    """Humanoid-v5 (Tassa, Erez and Todorov 2012)."""

    further = ("xipos", "cinert", "cvel", "qfrc_actuator", "cfrc_ext")

    def position(self) -> np.ndarray:
        mass = self.task.model.body_mass
        weighted = [np.einsum("b,bj->j", mass, positions) for positions in self.now["xipos"]]
        centre: np.ndarray = (np.stack(weighted) / mass.sum())[:, 0]
        return centre

    def judged(self, before: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        healthy = _between(self.now["qpos"][:, 2], self.task._healthy_z_range)
        rewards = self.task._forward_reward_weight * self.speed(before) + healthy * self.task._healthy_reward
        contact_cost = self.task._contact_cost_weight * _summed(np.square(self.now["cfrc_ext"]))
        costs = self.effort(self.now["ctrl"]) + np.clip(contact_cost, *self.task._contact_cost_range)
        return rewards - costs, _ended(healthy, self.task)


class HumanoidStandup(Body):
    """HumanoidStandup-v5 (Tassa, Erez and Todorov 2012)."""

    further = ("cinert", "cvel", "qfrc_actuator", "cfrc_ext")

    def judged(self, before: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        height = (self.now["qpos"][:, 2] - 0) / self.task.model.opt.timestep
        impact = self.task._impact_cost_weight * _summed(np.square(self.now["cfrc_ext"]))
        impact = np.clip(impact, *self.task._impact_cost_range)
        return height - self.effort(self.now["ctrl"]) - impact + 1, None


class Reacher(Simulated):
    """Reacher-v5: an arm of two links that reaches for a point."""

    further = ("xpos",)

    def seen(self, fields: Fields) -> np.ndarray:
        angle, rest, velocity = fields["qpos"][:, :2], fields["qpos"][:, 2:], fields["qvel"][:, :2]
        return np.concatenate((np.cos(angle), np.sin(angle), rest, velocity, self._between(fields, "fingertip", "target")[:, :2]), 1)

    def _body(self, fields: Fields, name: str) -> np.ndarray:
        return fields["xpos"][:, self.task.data.body(name).id]

    def _between(self, fields: Fields, one: str, other: str) -> np.ndarray:
        return self._body(fields, one) - self._body(fields, other)

    def judged(self, before: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        distance = -_norms(self._between(self.now, "fingertip", "target")) * self.task._reward_dist_weight
        return distance + -np.square(action).sum(1) * self.task._reward_control_weight, None


class Pusher(Reacher):
    """Pusher-v5: an arm of seven joints that pushes a cylinder to a goal."""

    def seen(self, fields: Fields) -> np.ndarray:
        bodies = [self._body(fields, name) for name in ("tips_arm", "object", "goal")]
        return np.concatenate((fields["qpos"][:, :7], fields["qvel"][:, :7], *bodies), 1)

    def judged(self, before: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        near = -_norms(self._between(self.now, "object", "tips_arm")) * self.task._reward_near_weight
        distance = -_norms(self._between(self.now, "object", "goal")) * self.task._reward_dist_weight
        return distance + -np.square(action).sum(1) * self.task._reward_control_weight + near, None


class InvertedPendulum(Simulated):
    """InvertedPendulum-v5: a pole on a cart."""

    def seen(self, fields: Fields) -> np.ndarray:
        return np.concatenate((fields["qpos"], fields["qvel"]), 1)

    def judged(self, before: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        seen = self.seen(self.now)
        terminated = ~np.isfinite(seen).all(1) | (np.abs(seen[:, 1]) > 0.2)
        return (~terminated).astype(np.float64), terminated


class InvertedDoublePendulum(Simulated):
    """InvertedDoublePendulum-v5: two poles on a cart."""

    further = ("site_xpos", "qfrc_constraint")

    def seen(self, fields: Fields) -> np.ndarray:
        angle, velocity = fields["qpos"][:, 1:], np.clip(fields["qvel"], -CLIP, CLIP)
        force = np.clip(fields["qfrc_constraint"], -CLIP, CLIP)[:, :1]
        return np.concatenate((fields["qpos"][:, :1], np.sin(angle), np.cos(angle), velocity, force), 1)

    def judged(self, before: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        x, _, y = self.now["site_xpos"][:, 0].T
        v1, v2 = self.now["qvel"][:, 1:3].T
        terminated = y <= 1
        # Gymnasium squares single numbers, by the C library's pow
        distance = 0.01 * np.float_power(x, 2) + np.float_power(y - 2, 2)
        velocity = 0.001 * np.float_power(v1, 2) + 0.005 * np.float_power(v2, 2)
        return self.task._healthy_reward * ~terminated - distance - velocity, terminated


def _between(values: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    low, high = bounds
    within: np.ndarray = (low < values) & (values < high)
    return within


def _ended(healthy: np.ndarray, task: Any) -> np.ndarray | None:
    return ~healthy if task._terminate_when_unhealthy else None


def _summed(values: np.ndarray) -> np.ndarray:
    """The sum of each environment's array, in NumPy's order for one array."""
    return np.array([each.sum() for each in values])


def _norms(vectors: np.ndarray) -> np.ndarray:
    """Lengths ``(n,)``; several at once have another order of the sum."""
    return np.array([np.linalg.norm(vector) for vector in vectors])


#: By the entry point of Gymnasium's registration.
TASKS: dict[str, type[Simulated]] = {
    f"gymnasium.envs.mujoco.{entry}": task
    for entry, task in {
        "ant_v5:AntEnv": Ant,
        "half_cheetah_v5:HalfCheetahEnv": HalfCheetah,
        "hopper_v5:HopperEnv": Hopper,
        "humanoid_v5:HumanoidEnv": Humanoid,
        "humanoidstandup_v5:HumanoidStandupEnv": HumanoidStandup,
        "inverted_double_pendulum_v5:InvertedDoublePendulumEnv": InvertedDoublePendulum,
        "inverted_pendulum_v5:InvertedPendulumEnv": InvertedPendulum,
        "pusher_v5:PusherEnv": Pusher,
        "reacher_v5:ReacherEnv": Reacher,
        "swimmer_v5:SwimmerEnv": Swimmer,
        "walker2d_v5:Walker2dEnv": Walker2d,
    }.items()
}


def task_of(env: Any) -> type[Simulated] | None:
    """The implementation of an environment of Gymnasium without wrappers."""
    return TASKS.get(f"{type(env).__module__}:{type(env).__qualname__}")
