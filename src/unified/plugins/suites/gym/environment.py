"""One Gymnasium task. Never imports torch."""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import error as gym_error
from gymnasium import spaces

from unified.core.errors import Problem, UsageError
from unified.core.spec import Space, Spec
from unified.core.suite import Environment, Step, UnsupportedRender

#: Bounds of this size mean that there are none; such actions are taken as they are.
UNBOUNDED = 1e9

Convert = Callable[[Any], Any]


class GymEnvironment(Environment):
    """A task with Box or Discrete spaces.

    Vectors become float32, images ``(H, W, C)`` become ``(C, H, W)`` uint8, a choice among n becomes a one-hot vector ``(n,)``; or, with
    `pixels`, the picture that the task draws, ``(3, size, size)`` uint8. Bounded continuous actions are in [-1, 1] and are rescaled.

    Args:
        task: Gymnasium's id; the name of `env` in messages, where that is given.
        options: With action_repeat, pixels, size.
        env: The environment itself instead, which is closed in the end.
    """

    _see: Convert

    def __init__(self, task: str, options: Any, env: Any = None) -> None:
        self._task, self._repeat = task if env is not None else f"gym:{task}", options.action_repeat
        self._pixels, self._size = options.pixels, getattr(options, "size", 84)
        self._env: Any = _make(task) if env is None else env
        action, self._enact = _action(self._task, self._env.action_space)
        if self._pixels:
            observation, self._see = Space((3, self._size, self._size), "uint8", 0, 255), _same
        else:
            observation, self._see = _observation(self._task, self._env.observation_space)
        # One that nobody registered says nothing: it is taken for deterministic, which is checked when a run is resumed.
        spec = self._env.spec
        self.spec = Spec(
            observation=observation,
            action=action,
            action_repeat=self._repeat,
            episode_frames=None if spec is None else spec.max_episode_steps,
            deterministic=spec is None or not spec.nondeterministic,
        )

    def reset(self, seed: int) -> np.ndarray:
        observation, _ = self._env.reset(seed=seed)
        return self._observe(observation)

    def step(self, action: np.ndarray) -> Step:
        observation, reward, terminated, truncated = self._act(action)
        return Step(self._observe(observation), reward, terminated, truncated)

    def fast_forward(self, seed: int, actions: np.ndarray) -> np.ndarray:
        """The task alone, and one picture at the end."""
        observation, _ = self._env.reset(seed=seed)
        for action in actions:
            observation = self._act(action)[0]
        return self._observe(observation)

    def render(self, height: int, width: int) -> np.ndarray:
        try:
            picture = self._env.render()
        except (gym_error.Error, ImportError, AttributeError) as error:
            raise UnsupportedRender(f"{self._task} cannot be drawn: {error} (most tasks need: pip install pygame)") from error
        if not isinstance(picture, np.ndarray) or picture.ndim != 3:
            raise UnsupportedRender(f"{self._task} has no picture")
        return resize(picture, height, width)

    def close(self) -> None:
        if self._env is not None:
            self._env.close()
            self._env = None

    def _act(self, action: np.ndarray) -> tuple[Any, float, bool, bool]:
        reward, enacted = 0.0, self._enact(action)
        for _ in range(self._repeat):
            observation, earned, terminated, truncated, _ = self._env.step(enacted)
            reward += float(earned)
            if terminated or truncated:
                break
        return observation, reward, bool(terminated), bool(truncated)

    def _observe(self, observation: Any) -> np.ndarray:
        if self._pixels:
            return np.ascontiguousarray(self.render(self._size, self._size).transpose(2, 0, 1))
        seen: np.ndarray = self._see(observation)
        return seen


def find(task: str) -> Any:
    """Gymnasium's registration of `task`.

    Raises:
        UsageError: If there is none.
    """
    try:
        return gymnasium.spec(task)
    except (gym_error.Error, ImportError) as error:
        close = difflib.get_close_matches(task, gymnasium.registry, cutoff=0.5)
        hint = f"did you mean  {', '.join(close)} ?" if close else f"Gymnasium says: {_plain(error)}"
        raise UsageError(Problem(f"suite gym has no task '{task}'", hint)) from error


def _make(task: str) -> Any:
    """The environment of an id."""
    find(task)
    try:
        return make(task)
    except (gym_error.Error, ImportError) as error:
        raise UsageError(Problem(f"gym:{task} cannot be made: {_plain(error)}", "install what it needs")) from error


def make(what: Any) -> Any:
    """The environment of an id or of a registration (`gymnasium.envs.registration.EnvSpec`), ready to draw where it can."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return gymnasium.make(what, render_mode="rgb_array", disable_env_checker=True)
        except (TypeError, ValueError, AttributeError):  # a task without pictures
            return gymnasium.make(what, disable_env_checker=True)


def _action(task: str, space: Any) -> tuple[Space, Convert]:
    """What the policy produces, and what the task takes for it."""
    if isinstance(space, spaces.Discrete):
        start = int(space.start)
        return Space((), "int64", 0, int(space.n) - 1, int(space.n)), lambda action: int(action) + start
    if isinstance(space, spaces.Box) and len(space.shape) <= 1 and space.dtype.kind == "f":
        low, high = space.low.astype(np.float64).ravel(), space.high.astype(np.float64).ravel()
        bounded = (np.abs(low) < UNBOUNDED) & (np.abs(high) < UNBOUNDED)
        low, high = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)

        def enact(action: np.ndarray) -> np.ndarray:
            scaled = low + (np.clip(action, -1.0, 1.0).astype(np.float64) + 1.0) * (high - low) / 2.0
            enacted: np.ndarray = scaled.astype(space.dtype).reshape(space.shape)
            return enacted

        return Space((math.prod(space.shape),), "float32", -1.0, 1.0), enact
    raise UsageError(Problem(f"{task} takes {space}", "actions can be a Box of one axis or Discrete"))


def _observation(task: str, space: Any) -> tuple[Space, Convert]:
    """What the agent sees, and how it is made from what the task tells."""
    if isinstance(space, spaces.Discrete):
        n, start = int(space.n), int(space.start)
        eye = np.eye(n, dtype=np.float32)
        return Space((n,), "float32", 0.0, 1.0), lambda choice: eye[int(choice) - start]
    if isinstance(space, spaces.Box) and len(space.shape) == 3:
        height, width, channels = space.shape
        bounds = (0, 255) if space.dtype == np.uint8 else (-math.inf, math.inf)
        dtype = "uint8" if space.dtype == np.uint8 else "float32"
        return Space((channels, height, width), dtype, *bounds), lambda image: np.ascontiguousarray(image.transpose(2, 0, 1), dtype)
    if isinstance(space, spaces.Box) and len(space.shape) <= 1:
        low, high = (tuple(float(x) for x in np.ravel(bound)) for bound in (space.low, space.high))
        return Space((math.prod(space.shape),), "float32", low, high), lambda vector: np.array(vector, np.float32).reshape(-1)
    raise UsageError(Problem(f"{task} shows {space}", "observations can be a Box of one axis or three (an image), or Discrete"))


def resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """``(H, W, C)`` uint8 as ``(height, width, C)``: means of areas where it shrinks, repeated pixels where it grows."""
    for axis, size in enumerate((height, width)):
        length = picture.shape[axis]
        edges = np.arange(size) * length // size
        if size >= length:
            picture = picture.take(edges, axis)
        else:
            counts = np.diff(np.append(edges, length)).reshape(-1, *[1] * (2 - axis))
            picture = (np.add.reduceat(picture.astype(np.uint32), edges, axis) / counts + 0.5).astype(np.uint8)
    return np.ascontiguousarray(picture)


def _same(observation: Any) -> Any:
    return observation


def _plain(error: Exception) -> str:
    return str(error).split("\n")[0]
