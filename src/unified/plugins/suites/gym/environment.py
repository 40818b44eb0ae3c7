"""A Gymnasium environment. Does not import torch."""

from __future__ import annotations

import difflib
import importlib
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np
from gymnasium import error as gym_error
from gymnasium.envs.classic_control import CartPoleEnv, MountainCarEnv, PendulumEnv
from gymnasium.envs.registration import load_env_creator
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from unified.core.base.errors import Problem, UsageError, error_text
from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, EnvironmentState, Observation, Step, UnsupportedRender
from unified.plugins.suites.gym.masked import ActionMask
from unified.plugins.suites.gym.simulated import task_of
from unified.plugins.suites.gym.spaces import Convert, action_of, describe, observation_of
from unified.plugins.suites.pictures import resize
from unified.plugins.suites.simulations import Layout


class GymEnvironment(Environment):
    """A task with the spaces of `unified.plugins.suites.gym.spaces`, or with rendered images ``(3, size, size)`` uint8 as observations.

    Args:
        task: Gymnasium id, or a name for `env` in messages.
        options: With action_repeat, pixels, size, observe, action_mask.
        env: An environment to use, which is closed at the end.
    """

    _see: Convert

    def __init__(self, task: str, options: Any, env: Any = None) -> None:
        self._task, self._repeat = task if env is not None else f"gym:{task}", options.action_repeat
        self._pixels, self._size = options.pixels, getattr(options, "size", 84)
        self._env: Any = _make(task) if env is None else env
        if getattr(options, "action_mask", False):
            if self._pixels:
                raise UsageError(
                    Problem("suite.action_mask=true is for observations, and suite.pixels=true shows images alone", "leave one out")
                )
            self._env = ActionMask(self._env, self._task)
        observation: Space | dict[str, Space]
        action, self._enact = action_of(self._task, self._env.action_space)
        if self._pixels:
            observation, self._see = Space((3, self._size, self._size), "uint8", 0, 255), _same
        else:
            observation, self._see = observation_of(self._task, self._env.observation_space, getattr(options, "observe", ()))
        # An unregistered environment counts as deterministic, which is checked when a run is resumed.
        spec = self._env.spec
        self.spec = Spec(
            observation=observation,
            action=action,
            action_repeat=self._repeat,
            episode_frames=None if spec is None else spec.max_episode_steps,
            deterministic=spec is None or not spec.nondeterministic,
            columns={"success": Space((), "bool")} if self.tells_success else {},
            interface={
                "action": describe(self._env.action_space, exact=True),
                "observation": None if self._pixels else describe(self._env.observation_space, exact=False),
                "observe": list(getattr(options, "observe", ())),
            },
        )

    def reset(self, seed: int, options: Mapping[str, Any] | None = None) -> Observation:
        return self._observe(self._begin(seed, options))

    def step(self, action: np.ndarray) -> Step:
        observation, reward, terminated, truncated, info = self._act(action)
        extra = {"success": self.succeeded(terminated, info)} if self.spec.columns else {}
        return Step(self._observe(observation), reward, terminated, truncated, extra=extra)

    def fast_forward(self, seed: int, actions: np.ndarray, options: Mapping[str, Any] | None = None) -> Observation:
        """Step without rendering, and render the last observation."""
        observation = self._begin(seed, options)
        for action in actions:
            observation = self._act(action)[0]
        return self._observe(observation)

    @property
    def tells_success(self) -> bool:
        """Whether steps say if they succeed: those of tasks with goals do."""
        return hasattr(self._env.unwrapped, "compute_reward")

    def succeeded(self, terminated: bool, info: Mapping[str, Any]) -> bool:
        """Whether a step succeeds."""
        return bool(info.get("is_success", info.get("success", False)))

    @property
    def unwrapped(self) -> Any:
        """Gymnasium's environment without wrappers."""
        return self._env.unwrapped

    def state_dict(self) -> EnvironmentState | None:
        """The state of a classic control or MuJoCo task whose random generator is used by resets alone; ``None`` for other tasks."""
        limit, task = self._time_limit(), self._env.unwrapped
        if limit is None:
            return None
        taken = np.array(task.state, np.float64) if self._layout is None else self._layout.taken(task.model, task.data)
        return {"state": taken, "elapsed": np.array(limit._elapsed_steps)}

    def load_state_dict(self, state: EnvironmentState) -> Observation:
        limit = self._time_limit()
        if limit is None:
            return super().load_state_dict(state)
        observation, _ = self._env.reset(seed=0)  # a new environment refuses to step before a reset
        task = self._env.unwrapped
        limit._elapsed_steps = int(state["elapsed"])
        if self._layout is not None:
            self._layout.put(task.model, task.data, state["state"])
            return self._observe(task._get_obs())
        task.state = state["state"].copy()
        if self._pixels:
            return self._observe(observation)
        return self._observe(task._get_obs() if isinstance(task, PendulumEnv) else np.array(task.state, np.float32))

    def _time_limit(self) -> Any:
        """The time limit of a task that has no other state than its `state`; ``None`` if it is another task or has other wrappers."""
        env, limit = self._env, None
        while isinstance(env, gymnasium.Wrapper):
            if type(env) not in (TimeLimit, OrderEnforcing, PassiveEnvChecker):
                return None
            limit = env if type(env) is TimeLimit else limit
            env = env.env
        return limit if type(env) in (CartPoleEnv, PendulumEnv, MountainCarEnv) or self._layout is not None else None

    @cached_property
    def _layout(self) -> Layout | None:
        """The state of a MuJoCo task; ``None`` for other tasks and for images, which show the simulation before its last step."""
        task = self._env.unwrapped
        simulated = None if self._pixels else task_of(task)
        return None if simulated is None else Layout(task.model, task.data, simulated.further)

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

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Rewards ``(B,)`` of goals ``(B, D)``, by the ``compute_reward`` of the environment (Gymnasium-Robotics, `GoalEnv`)."""
        return _of_rows(self._env.unwrapped.compute_reward, achieved, desired)

    def compute_terminated(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Whether goals terminate the episode, by ``compute_terminated`` of the environment; never if it has no such method."""
        compute = getattr(self._env.unwrapped, "compute_terminated", None)
        return np.zeros(len(achieved), bool) if compute is None else _of_rows(compute, achieved, desired).astype(bool)

    def _begin(self, seed: int, options: Mapping[str, Any] | None) -> Any:
        """The first observation of an episode."""
        try:
            answer = self._env.reset(seed=seed, options=options)
        except TypeError as error:
            if "unexpected keyword argument" not in str(error):
                raise
            hint = "declare it as  def reset(self, *, seed=None, options=None)"
            raise UsageError(Problem(f"{self._task}: reset must take seed and options: {error}", hint)) from error
        if not isinstance(answer, tuple) or len(answer) != 2 or not isinstance(answer[1], Mapping):
            raise UsageError(Problem(f"{self._task}: reset must return (observation, info), not {_outline(answer)}"))
        return answer[0]

    def _act(self, action: np.ndarray) -> tuple[Any, float, bool, bool, Mapping[str, Any]]:
        reward, env_action = 0.0, self._enact(action)
        for _ in range(self._repeat):
            answer = self._env.step(env_action)
            if not isinstance(answer, tuple) or len(answer) != 5:
                wanted = "(observation, reward, terminated, truncated, info)"
                raise UsageError(Problem(f"{self._task}: step must return {wanted}, not {_outline(answer)}"))
            observation, earned, terminated, truncated, info = answer
            reward += float(earned) if isinstance(earned, float) else self._number(earned)
            if terminated is not True and terminated is not False:
                terminated = self._flag("terminated", terminated)
            if truncated is not True and truncated is not False:
                truncated = self._flag("truncated", truncated)
            if terminated or truncated:
                break
        return observation, reward, terminated, truncated, info

    def _number(self, reward: Any) -> float:
        """A reward: a number, or an array of one number."""
        if isinstance(reward, float | int | np.number | np.bool_):
            return float(reward)
        if getattr(reward, "size", 0) == 1 and np.asarray(reward).dtype.kind in "biuf":
            return float(np.asarray(reward).item())
        raise UsageError(Problem(f"{self._task}: the reward of step must be a number, not {_outline(reward)}"))

    def _flag(self, name: str, flag: Any) -> bool:
        """`terminated` or `truncated`: a bool, or an array of one bool."""
        if isinstance(flag, bool | np.bool_) or (np.ndim(flag) < 2 and np.size(flag) == 1 and np.asarray(flag).dtype.kind in "biu"):
            return bool(flag)
        raise UsageError(Problem(f"{self._task}: {name} of step must be True or False, not {_outline(flag)}"))

    def _observe(self, observation: Any) -> Observation:
        if self._pixels:
            return np.ascontiguousarray(self.render(self._size, self._size).transpose(2, 0, 1))
        seen: Observation = self._see(observation)
        return seen


def find(task: str) -> Any:
    """The registration of `task`; ``package:Id-v0`` imports the package first, as `gymnasium.make` does.

    Raises:
        UsageError: If there is none.
    """
    package, _, name = task.rpartition(":")
    if package:
        try:
            importlib.import_module(package)
        except Exception as error:  # a package may raise anything
            hint = "install it beside unified" if isinstance(error, ModuleNotFoundError) else ""
            raise UsageError(Problem(f"gym:{task}: the package {package} cannot be imported: {error_text(error)}", hint)) from error
    try:
        return gymnasium.spec(name)
    except (gym_error.Error, ImportError) as error:
        close = newest(name) or difflib.get_close_matches(name, gymnasium.registry, cutoff=0.75)
        hint = f"did you mean  {', '.join(f'gym:{each}' for each in close)} ?" if close else ""
        if not close:
            hint = (
                f"of another package?  gym:PACKAGE:{name}, as in  gym:minigrid:MiniGrid-Empty-5x5-v0"
                if not package
                else f"Gymnasium says: {_plain(error)}"
            )
        raise UsageError(Problem(f"suite gym has no task '{task}'", hint)) from error


def newest(name: str) -> list[str]:
    """The newest version of an environment, by an id with another version or with none; empty if there is no environment of this name."""
    bare = re.sub(r"-v\d+$", "", name).lower()
    versions = [spec for spec in gymnasium.registry.values() if re.sub(r"-v\d+$", "", spec.id).lower() == bare]
    return [max(versions, key=lambda spec: spec.version or 0).id] if versions else []


def check(task: str, options: Any) -> None:
    """Check that a task is registered and that its package is installed.

    Raises:
        UsageError: If not.
    """
    spec = find(task)
    if not callable(spec.entry_point):
        with _explained(task, spec):
            try:
                load_env_creator(spec.entry_point)
            except AttributeError as error:  # its module lacks the class; an AttributeError of the class itself is a bug of its author
                raise ImportError(str(error)) from error
    elif (latest := newest(spec.id)) != [spec.id] and spec.entry_point.__module__.startswith("gymnasium."):
        raise UsageError(Problem(f"gym:{task} is an old version that Gymnasium no longer has", f"did you mean  gym:{latest[0]} ?"))


def _make(task: str) -> Any:
    """Create the environment of an id."""
    check(task, None)
    spec = find(task)
    with _explained(task, spec):
        return make(spec)


@contextmanager
def _explained(task: str, spec: Any) -> Iterator[None]:
    """Raise errors of Gymnasium as a UsageError that says what to install."""
    try:
        yield
    except (gym_error.Error, ImportError) as error:
        problem = Problem(f"gym:{task} cannot be created: {_plain(error)}", "install what it needs")
        if "box2d" in str(spec.entry_point):
            problem = Problem(f"gym:{task} needs Box2D or pygame, and one of them is not installed", "pip install 'unified-ml[gym-box2d]'")
        raise UsageError(problem) from error


def make(what: Any) -> Any:
    """Create the environment of an id or registration (`gymnasium.envs.registration.EnvSpec`), with rendering if it can be rendered."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return gymnasium.make(what, render_mode="rgb_array", disable_env_checker=True)
        except (TypeError, ValueError, AttributeError):  # the task cannot be rendered
            return gymnasium.make(what, disable_env_checker=True)


def _of_rows(function: Any, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
    """What a function of goals gives for each row ``(B, D)``: ``(B,)``.

    A function that is for single goals gives one number for all rows, or fails (point mazes that terminate); then it gets them one by one.
    """
    try:
        found = np.asarray(function(achieved, desired, {}))
    except (TypeError, ValueError):  # "the truth value of an array is ambiguous"
        found = np.zeros(())
    if found.shape == (len(achieved),):
        return found
    return np.array([np.asarray(function(one, other, {})).item() for one, other in zip(achieved, desired, strict=True)])


def _outline(value: Any) -> str:
    """A value in a few words, for messages."""
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    return f"{value!r:.60}" if value is None or isinstance(value, str | int | float) else f"a {type(value).__name__}"


def _same(observation: Any) -> Any:
    return observation


def _plain(error: Exception) -> str:
    return str(error).split("\n")[0]
