"""Tasks of dm_control with the physics of all environments in one call, bit for bit what its single environments compute.

Sums, products and powers are those of dm_control's source, because others round differently: it raises single numbers to a power by the
C library, and arrays by products. Tasks that change their model at a reset, or keep a state in Python, are not here.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from unified.core.base.spec import Spec
from unified.core.envs.suite import Suite
from unified.core.envs.vector_agreement import agree
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.core.envs.vector_protocol import VectorEnv
from unified.plugins.suites.simulations import Fields, SimulationVectorEnv, import_mujoco

#: Steps over which an implementation is compared with dm_control's environments before it is used.
CHECKED_STEPS = 64
#: Elements of a rotation matrix.
XX, XZ, ZX, ZY, ZZ = 0, 2, 6, 7, 8
FOREVER = float("inf")


class Simulated(SimulationVectorEnv):
    """A task of dm_control's suite. Speeds and variants are those of dm_control's `task`."""

    stage = "VEL"  # dm_control brings positions and velocities up to date after each step

    def __init__(self, suite: Suite, spec: Spec, num_envs: int, seed: int, stream: str) -> None:
        single: Any = suite.environment()
        self.task, self._scaled, self._substeps = single.task, single.scaled, single.substeps
        physics = single.physics
        self._id, self._sensor_at = physics.model.name2id, physics.model.sensor_adr
        super().__init__(suite, spec, num_envs, seed, stream, single, (physics.model.ptr, physics.data.ptr))

    @abstractmethod
    def rewards(self) -> np.ndarray:
        """The rewards ``(n,)`` of `now`."""

    def stepped(self, actions: np.ndarray) -> tuple[np.ndarray, None]:
        control, total = self._scaled(actions), np.zeros(self.num_envs)
        warnings = self.batch.warning[..., 1].copy()
        for _ in range(self.spec.action_repeat):
            self.simulate(control, self._substeps)
            total += self.rewards()
        self._broken |= (self.batch.warning[..., 1] > warnings).any(1)
        return total, None

    # Parts of the simulation by dm_control's names

    def rotation(self, fields: Fields, body: str) -> np.ndarray:
        """``(k, 9)``."""
        return fields["xmat"][:, self._id(body, "body")]

    def body(self, fields: Fields, name: str) -> np.ndarray:
        """The position of a body, ``(k, 3)``."""
        return fields["xpos"][:, self._id(name, "body")]

    def sensor(self, fields: Fields, name: str, count: int = 3) -> np.ndarray:
        """``(k, count)``."""
        start = self._sensor_at[self._id(name, "sensor")]
        return fields["sensordata"][:, start : start + count]


class Acrobot(Simulated):
    """Swing up and balance two links (Spong 1995)."""

    further = ("xmat", "site_xpos")

    def seen(self, fields: Fields) -> np.ndarray:
        arms = fields["xmat"][:, [self._id("upper_arm", "body"), self._id("lower_arm", "body")]]
        return np.concatenate((arms[..., XZ], arms[..., ZZ], fields["qvel"]), 1)

    def rewards(self) -> np.ndarray:
        target, tip = (self._id(name, "site") for name in ("target", "tip"))
        distance = _norms(self.now["site_xpos"][:, target] - self.now["site_xpos"][:, tip])
        radius = self._model.site_size[target, 0]
        return _indicator(distance, (0, radius)) if self.task._sparse else soft(distance, (0, radius), 1)


class BallInCup(Simulated):
    """Catch the ball in the cup."""

    further = ("xpos", "site_xpos")

    def seen(self, fields: Fields) -> np.ndarray:
        return np.concatenate((fields["qpos"], fields["qvel"]), 1)

    def rewards(self) -> np.ndarray:
        target = self._id("target", "site")
        distance = np.abs(self.now["site_xpos"][:, target, ::2] - self.body(self.now, "ball")[:, ::2])
        free = self._model.site_size[target, ::2] - self._model.geom_size[self._id("ball", "geom"), 0]
        return (distance < free).all(1).astype(np.float64)


class Cartpole(Simulated):
    """Balance one or more poles on a cart, or swing them up (Barto, Sutton and Anderson 1983)."""

    further = ("xmat",)

    def seen(self, fields: Fields) -> np.ndarray:
        poles = fields["xmat"][:, 2:, [ZZ, XZ]].reshape(len(fields["xmat"]), -1)
        return np.concatenate((fields["qpos"][:, :1], poles, fields["qvel"]), 1)

    def rewards(self) -> np.ndarray:
        cart, cosines = self.now["qpos"][:, 0], np.ascontiguousarray(self.now["xmat"][:, 2:, ZZ])
        if self.task._sparse:
            return _indicator(cart, self.task._CART_RANGE) * _indicator(cosines, self.task._ANGLE_COSINE_RANGE).prod(1)
        upright = ((cosines + 1) / 2).mean(1)
        centred = (1 + soft(cart, (0.0, 0.0), 2)) / 2
        small_control = (4 + quadratic(self.now["ctrl"])[:, 0]) / 5
        small_velocity = (1 + softs(self.now["qvel"][:, 1:], 5).min(1)) / 2
        return upright * small_control * small_velocity * centred


class Cheetah(Simulated):
    """Run (Wawrzyński 2009)."""

    further = ("sensordata",)

    def seen(self, fields: Fields) -> np.ndarray:
        return np.concatenate((fields["qpos"][:, 1:], fields["qvel"]), 1)

    def rewards(self) -> np.ndarray:
        return linear(self.sensor(self.now, "torso_subtreelinvel")[:, 0], (10, FOREVER), 10, 0)


class Hopper(Simulated):
    """Stand, or hop (Lillicrap et al. 2015)."""

    further = ("xipos", "sensordata")

    def seen(self, fields: Fields) -> np.ndarray:
        touch = [self.sensor(fields, f"touch_{part}", 1) for part in ("toe", "heel")]
        return np.concatenate((fields["qpos"][:, 1:], fields["qvel"], np.log1p(np.concatenate(touch, 1))), 1)

    def rewards(self) -> np.ndarray:
        heights = self.now["xipos"][..., 2]
        standing = _indicator(heights[:, self._id("torso", "body")] - heights[:, self._id("foot", "body")], (0.6, 2))
        if self.task._hopping:
            return standing * linear(self.sensor(self.now, "torso_subtreelinvel")[:, 0], (2, FOREVER), 1.0, 0.5)
        return standing * ((quadratic(self.now["ctrl"]).mean(1) + 4) / 5)


class Humanoid(Simulated):
    """Stand, walk or run (Tassa, Erez and Todorov 2012)."""

    further = ("xmat", "xpos", "sensordata")

    def seen(self, fields: Fields) -> np.ndarray:
        if self.task._pure_state:
            return np.concatenate((fields["qpos"], fields["qvel"]), 1)
        parts = [fields["qpos"][:, 7:], self.body(fields, "head")[:, 2:], self._extremities(fields)]
        parts += [self.rotation(fields, "torso")[:, [ZX, ZY, ZZ]], self.sensor(fields, "torso_subtreelinvel"), fields["qvel"]]
        return np.concatenate(parts, 1)

    def _extremities(self, fields: Fields) -> np.ndarray:
        """Positions of hands and feet relative to the torso, ``(k, 12)``; BLAS multiplies several at once in another order."""
        torso, frames = self.body(fields, "torso"), self.rotation(fields, "torso").reshape(-1, 3, 3)
        limbs = [self.body(fields, f"{side}_{limb}") - torso for side in ("left", "right") for limb in ("hand", "foot")]
        positions = [np.hstack([limb[k].dot(frame) for limb in limbs]) for k, frame in enumerate(frames)]
        return np.array(positions)

    def rewards(self) -> np.ndarray:
        standing = soft(self.body(self.now, "head")[:, 2], (1.4, FOREVER), 1.4 / 4)
        upright = linear(self.rotation(self.now, "torso")[:, ZZ], (0.9, FOREVER), 1.9, 0)
        small_control = (4 + quadratic(self.now["ctrl"]).mean(1)) / 5
        velocity = np.ascontiguousarray(self.sensor(self.now, "torso_subtreelinvel", 2))
        speed = self.task._move_speed
        if speed == 0:
            return small_control * (standing * upright) * softs(velocity, 2).mean(1)
        move = (5 * linear(_norms(velocity), (speed, FOREVER), speed, 0) + 1) / 6
        return small_control * (standing * upright) * move


class Pendulum(Simulated):
    """Swing up and balance a pole."""

    further = ("xmat",)

    def seen(self, fields: Fields) -> np.ndarray:
        return np.concatenate((self.rotation(fields, "pole")[:, [ZZ, XZ]], fields["qvel"]), 1)

    def rewards(self) -> np.ndarray:
        return _indicator(self.rotation(self.now, "pole")[:, ZZ], (np.cos(np.deg2rad(8)), 1))


class Walker(Simulated):
    """Stand, walk or run on two legs in a plane (Lillicrap et al. 2015)."""

    further = ("xmat", "xpos", "sensordata")

    def seen(self, fields: Fields) -> np.ndarray:
        orientations = fields["xmat"][:, 1:, [XX, XZ]].reshape(len(fields["xmat"]), -1)
        return np.concatenate((orientations, self.body(fields, "torso")[:, 2:], fields["qvel"]), 1)

    def rewards(self) -> np.ndarray:
        standing = soft(self.body(self.now, "torso")[:, 2], (1.2, FOREVER), 0.6)
        stand = (3 * standing + (1 + self.rotation(self.now, "torso")[:, ZZ]) / 2) / 4
        if (speed := self.task._move_speed) == 0:
            return stand
        move = linear(self.sensor(self.now, "torso_subtreelinvel")[:, 0], (speed, FOREVER), speed / 2, 0.5)
        return stand * (5 * move + 1) / 6


# dm_control.utils.rewards.tolerance


def _within(values: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    within: np.ndarray = (bounds[0] <= values) & (values <= bounds[1])
    return within


def _distance(values: np.ndarray, bounds: tuple[float, float], margin: float) -> np.ndarray:
    distance: np.ndarray = np.where(values < bounds[0], bounds[0] - values, values - bounds[1]) / margin
    return distance


def _indicator(values: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    return np.where(_within(values, bounds), 1.0, 0.0)


def soft(values: np.ndarray, bounds: tuple[float, float], margin: float) -> np.ndarray:
    """1 within the bounds and a Gaussian beyond them, for what dm_control has as single numbers."""
    scaled = _distance(values, bounds, margin) * np.sqrt(-2 * np.log(0.1))
    return np.where(_within(values, bounds), 1.0, np.exp(-0.5 * np.float_power(scaled, 2)))


def softs(values: np.ndarray, margin: float) -> np.ndarray:
    """A Gaussian around 0, for what dm_control has as arrays."""
    scaled = _distance(values, (0.0, 0.0), margin) * np.sqrt(-2 * np.log(0.1))
    return np.where(_within(values, (0.0, 0.0)), 1.0, np.exp(-0.5 * scaled**2))


def linear(values: np.ndarray, bounds: tuple[float, float], margin: float, at_margin: float) -> np.ndarray:
    """1 within the bounds, and a line beyond them that is `at_margin` at the margin."""
    scaled = _distance(values, bounds, margin) * (1 - at_margin)
    return np.where(_within(values, bounds), 1.0, np.where(np.abs(scaled) < 1, 1 - scaled, 0.0))


def quadratic(values: np.ndarray) -> np.ndarray:
    """A parabola that is 1 at 0 and 0 at 1 and beyond, for what dm_control has as arrays."""
    distance = _distance(values, (0.0, 0.0), 1)
    return np.where(_within(values, (0.0, 0.0)), 1.0, np.where(np.abs(distance) < 1, 1 - distance**2, 0.0))


def _norms(vectors: np.ndarray) -> np.ndarray:
    """Lengths ``(n,)``; several at once have another order of the sum."""
    return np.array([np.linalg.norm(vector) for vector in vectors])


#: By the name of the task.
TASKS: dict[str, type[Simulated]] = {
    **dict.fromkeys(("acrobot_swingup", "acrobot_swingup_sparse"), Acrobot),
    "ball_in_cup_catch": BallInCup,
    **{f"cartpole_{name}": Cartpole for name in ("balance", "balance_sparse", "swingup", "swingup_sparse", "two_poles", "three_poles")},
    "cheetah_run": Cheetah,
    **dict.fromkeys(("hopper_hop", "hopper_stand"), Hopper),
    **{f"humanoid_{name}": Humanoid for name in ("stand", "walk", "run", "run_pure_state")},
    "pendulum_swingup": Pendulum,
    **{f"walker_{name}": Walker for name in ("stand", "walk", "run")},
}


def vector_of(suite: Suite, num_envs: int, seed: int, stream: str) -> VectorEnv | None:
    """The vectorised implementation of a suite's task, or ``None`` where there is none.

    It is used only if it gives the bits of the installed dm_control on this processor, which a short comparison finds out.
    """
    task: Any = TASKS.get(suite.task)
    if task is None or suite.options.pixels:
        return None
    import_mujoco()
    with WorkerVectorEnv(suite, 2, 0, "comparison", "inline") as singles:
        spec = singles.spec
        if spec.episode_frames is None or spec.episode_frames % spec.action_repeat:
            return None
        with task(suite, spec, 2, 0, "comparison") as vector:
            if not agree(vector, singles, CHECKED_STEPS):
                return None
    made: VectorEnv = task(suite, spec, num_envs, seed, stream)
    return made
