"""An environment of dm_control. Does not import torch."""

from __future__ import annotations

import difflib
import math
from typing import Any

import numpy as np

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, EnvironmentState, EpisodeFailed, Step, UnsupportedRender
from unified.plugins.suites.dmc.rendering import activate, simplify, without_gl
from unified.plugins.suites.dmc.simulated import TASKS
from unified.plugins.suites.opengl import Renderer, choose
from unified.plugins.suites.simulations import Layout

#: Larger bounds count as unbounded (the LQR tasks); such actuators take the action without rescaling.
UNBOUNDED = 1e9


class DMCEnvironment(Environment):
    """A task with action repeat inside, so that each agent step renders one image.

    The observation is an image ``(3, size, size)`` uint8, or all observables as a vector ``(D,)`` float32. Actions are in
    [-1, 1] and rescaled to the bounds of the actuators; the reward of an agent step is the sum over its repeats.

    Args:
        task: ``"humanoid_run"``.
        options: With pixels, size, action_repeat, render, gl, camera.
        needs_gl: Load OpenGL at once and not at the first image.
    """

    def __init__(self, task: str, options: Any, needs_gl: bool) -> None:
        self._options = options
        self._renderer: Renderer | None = None
        without_gl()
        if needs_gl:
            self._use_gl()
        from dm_control import suite
        from dm_control.rl.control import PhysicsError

        domain, name = _split(task, suite.ALL_TASKS)
        self._diverged = PhysicsError
        self._env: Any = suite.load(domain, name, task_kwargs={"random": 0}, visualize_reward=False)
        self._camera_id = _camera_id(domain, options.camera, self._env.physics.model.ncam)
        self._cameras: dict[tuple[int, int], Any] = {}
        self._drawn: Any = None
        self._prepare()
        bounds = self._env.action_spec()
        self._low, self._high = np.asarray(bounds.minimum, np.float64), np.asarray(bounds.maximum, np.float64)
        bounded = (np.abs(self._low) < UNBOUNDED) & (np.abs(self._high) < UNBOUNDED)
        self._low, self._high = np.where(bounded, self._low, -1.0), np.where(bounded, self._high, 1.0)
        self._repeat = options.action_repeat
        self.spec = self._describe(domain, bounds.shape)
        simulated = None if options.pixels else TASKS.get(task)
        physics = self._env.physics
        self._layout = None if simulated is None else Layout(physics.model.ptr, physics.data.ptr, simulated.further)

    def reset(self, seed: int) -> np.ndarray:
        return self._observe(self._reset(seed))

    def step(self, action: np.ndarray) -> Step:
        last, reward = self._act(action)
        ended = last.last()
        return Step(self._observe(last), reward, ended and last.discount == 0, ended and last.discount != 0)

    def fast_forward(self, seed: int, actions: np.ndarray) -> np.ndarray:
        """Step the physics without rendering, and render the last observation."""
        last = self._reset(seed)
        for action in actions:
            last, _ = self._act(action)
        return self._observe(last)

    def state_dict(self) -> EnvironmentState | None:
        """The state of a task of `simulated.TASKS` that is observed without images; ``None`` for other tasks."""
        if self._layout is None:
            return None
        physics = self.physics
        elapsed = np.array(self._env._step_count // self._repeat)
        return {"state": self._layout.taken(physics.model.ptr, physics.data.ptr), "elapsed": elapsed}

    def load_state_dict(self, state: EnvironmentState) -> np.ndarray:
        if self._layout is None:
            return super().load_state_dict(state)  # type: ignore[return-value]
        self._layout.put(self.physics.model.ptr, self.physics.data.ptr, state["state"])
        self._env._step_count, self._env._reset_next_step = int(state["elapsed"]) * self._repeat, False
        return self._flat(self.task.get_observation(self.physics))

    @property
    def physics(self) -> Any:
        """dm_control's physics."""
        return self._env.physics

    @property
    def task(self) -> Any:
        """dm_control's task."""
        return self._env.task

    @property
    def substeps(self) -> int:
        """Steps of the physics in one step of dm_control's environment."""
        return int(self._env._n_sub_steps)

    def scaled(self, action: np.ndarray) -> np.ndarray:
        """Actions in [-1, 1], rescaled to the bounds of the actuators."""
        scaled: np.ndarray = self._low + (np.clip(action, -1.0, 1.0).astype(np.float64) + 1.0) * (self._high - self._low) / 2.0
        return scaled

    def render(self, height: int, width: int) -> np.ndarray:
        if self._renderer is None:
            try:
                self._use_gl()
            except UsageError as error:
                raise UnsupportedRender(str(error)) from error
        return np.ascontiguousarray(self._draw(height, width))

    def close(self) -> None:
        if self._env is not None:
            self._cameras.clear()
            self._drawn = None
            self._env.close()
            self._env.physics.free()
            self._env = None

    def _reset(self, seed: int) -> Any:
        self._env.task._random = np.random.RandomState(seed)
        try:
            return self._env.reset()
        except self._diverged as error:
            raise EpisodeFailed(f"PhysicsError: {error}") from error

    def _act(self, action: np.ndarray) -> tuple[Any, float]:
        """The last time step of the repeats and the sum of their rewards."""
        scaled, reward = self.scaled(action), 0.0
        for _ in range(self._repeat):
            try:
                last = self._env.step(scaled)
            except self._diverged as error:
                raise EpisodeFailed(f"PhysicsError: {error}") from error
            reward += float(last.reward or 0.0)
            if last.last():
                break
        return last, reward

    def _observe(self, step: Any) -> np.ndarray:
        if self._options.pixels:
            return np.ascontiguousarray(self._draw(self._options.size, self._options.size).transpose(2, 0, 1))
        return self._flat(step.observation)

    @staticmethod
    def _flat(observation: Any) -> np.ndarray:
        return np.concatenate([np.ravel(value) for value in observation.values()]).astype(np.float32)

    def _use_gl(self) -> None:
        self._renderer = choose(self._options.gl, self._options.render)
        activate(self._renderer)

    def _prepare(self) -> None:
        """Set the quality and drop old cameras, before the first image and after the task compiled another model."""
        if self._renderer is None or self._env.physics.model is self._drawn:
            return
        self._drawn = self._env.physics.model
        self._cameras.clear()
        if self._renderer.mode == "fast":
            simplify(self._drawn)

    def _draw(self, height: int, width: int) -> np.ndarray:
        """Render ``(height, width, 3)`` with a cached camera: creating one costs as much as an image."""
        physics = self._env.physics
        self._prepare()
        camera = self._cameras.get((height, width))
        if camera is None:
            from dm_control.mujoco import engine

            buffer = physics.model.vis.global_
            if height > buffer.offheight or width > buffer.offwidth:
                raise UnsupportedRender(f"images of this task have at most {buffer.offheight}×{buffer.offwidth}, not {height}×{width}")
            camera = self._cameras[height, width] = engine.Camera(physics, height, width, self._camera_id)
        picture: np.ndarray = camera.render()
        return picture

    def _describe(self, domain: str, action: tuple[int, ...]) -> Spec:
        size, limit = self._options.size, self._env._step_limit
        observation = Space((3, size, size), "uint8", 0, 255)
        if not self._options.pixels:
            first = self._env.observation_spec().values()
            observation = Space((sum(math.prod(entry.shape) for entry in first),), "float32")
        return Spec(
            observation=observation,
            action=Space(action, "float32", -1.0, 1.0),
            reward_range=(-math.inf, math.inf) if domain == "lqr" else (0.0, float(self._repeat)),
            action_repeat=self._repeat,
            episode_frames=None if math.isinf(limit) else math.ceil(limit),
        )


def _split(task: str, known: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    """Domain and task of ``"ball_in_cup_catch"``."""
    names = {f"{domain}_{name}": (domain, name) for domain, name in known}
    if task not in names:
        close = difflib.get_close_matches(task, names)
        hint = f"did you mean  {', '.join(close)} ?" if close else "all: unified plugins show dmc"
        raise UsageError(Problem(f"suite dmc has no task '{task}'", hint))
    return names[task]


def _camera_id(domain: str, wanted: int | None, count: int) -> int:
    """The camera of the published pixel benchmarks: the first, the third for the quadruped, or the free camera if there is none."""
    if wanted is None:
        return min(2 if domain == "quadruped" else 0, count - 1)
    if not -1 <= wanted < count:
        raise UsageError(Problem(f"suite.camera={wanted}: the cameras of {domain} are 0 to {count - 1}", "-1 is the free camera"))
    return wanted
