"""A pool of EnvPool, with observations and actions of all environments as arrays of a `Spec`."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from unified.core.base.cores import usable_cores
from unified.core.base.errors import Problem, UsageError, error_text
from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import UnsupportedRender
from unified.plugins.suites.gym.spaces import action_of, action_range, describe, is_picture, leaves_of, observation_of, selected

#: Arguments of `envpool.make` by option, for the tasks that have them.
ARGUMENTS = {"clip_rewards": "reward_clip", "life_loss": "episodic_life", "sticky": "repeat_action_probability"}
#: The argument that sets the number of frames in an observation.
ONE_FRAME = "stack_num"
#: A time limit that stands for none.
ENDLESS = 2**31 - 1


class Stepped(NamedTuple):
    """The answer of a pool to actions, or the first observations.

    Args:
        observation: ``(k, *observation)``, of the spec.
        reward: ``(k,)`` float64.
        raw_reward: ``(k,)`` float64, of which returns are the sum.
        terminated: ``(k,)`` bool, whether the task ended. The time limit ends nothing.
        success: ``(k,)`` bool, whether the task counts the step as a success; false where it does not say.
    """

    observation: np.ndarray
    reward: np.ndarray
    raw_reward: np.ndarray
    terminated: np.ndarray
    success: np.ndarray


class Pool:
    """A pool of environments of one task. None of them resets by itself, and the caller truncates at the time limit.

    EnvPool reports a terminal state in the last step before the time limit as truncated. The pool is therefore made with a later limit.

    Args:
        task: Id of the task.
        options: Of the suite.
        seeds: One for each environment, below 2**31.

    Attributes:
        spec: The task; its `episode_frames` is the time limit in steps.

    Raises:
        UsageError: If EnvPool has no such task or cannot make it, or its spaces are not supported.
    """

    def __init__(self, task: str, options: Any, seeds: Sequence[int]) -> None:
        name, observe, given = f"envpool:{task}", getattr(options, "observe", ()), arguments(task, options)
        limit, self.is_drawn = given["max_episode_steps"], _is_drawn(task)
        given |= {"render_mode": "rgb_array"} if self.is_drawn else {}
        given["max_episode_steps"] = min(limit + 1, ENDLESS)
        given["num_threads"] = getattr(options, "threads", None) or min(len(seeds), usable_cores())
        with _explained(task):
            self._pool = import_module("envpool").make(task, env_type="gymnasium", num_envs=len(seeds), seed=list(seeds), **given)
            self._first, info = self._pool.reset()
        shown, self._taken = self._pool.observation_space, self._pool.action_space
        self._leaves = selected(name, list(leaves_of(shown)), observe)
        if not isinstance(self._taken, spaces.Discrete | spaces.Box):
            raise UsageError(Problem(f"{name} takes {self._taken}", "actions can be Discrete or a Box of numbers"))
        self.spec = Spec(
            observation=observation_of(name, shown, observe)[0],
            action=action_of(name, self._taken)[0],
            episode_frames=limit if limit < ENDLESS else None,
            deterministic=False,
            columns={} if {"success", "is_success"}.isdisjoint(info) else {"success": Space((), "bool")},
            interface={
                "action": describe(self._taken, exact=True),
                "observation": describe(shown, exact=False),
                "observe": list(observe),
            },
        )

    def first(self) -> np.ndarray:
        """The first observations ``(n, *observation)`` of a new pool."""
        return self._observed(self._first)

    def reset(self, ids: np.ndarray) -> np.ndarray:
        """Begin new episodes in the environments `ids`, in ascending order; returns their first observations ``(k, *observation)``."""
        shown, info = self._pool.reset(ids.astype(np.int32))
        return self._observed(shown)[np.argsort(info["env_id"])]

    def send(self, actions: np.ndarray) -> None:
        """Send an action of the spec to each environment, ``(n, *action)``."""
        self._pool.send(self._enacted(actions))

    def receive(self) -> Stepped:
        """The answers to `send`, in the order of the environments."""
        shown, reward, terminated, truncated, info = self._pool.recv()
        reward = np.asarray(reward, np.float64)
        success = np.asarray(info.get("success", info.get("is_success", np.zeros(len(reward)))))
        return Stepped(
            self._observed(shown), reward, np.asarray(info.get("reward", reward), np.float64), terminated | truncated, success > 0
        )

    def render(self, i: int) -> np.ndarray:
        """A picture of environment i ``(H, W, 3)`` uint8.

        Raises:
            UnsupportedRender: If the task cannot be rendered.
        """
        if not self.is_drawn:
            raise UnsupportedRender("EnvPool draws it by OpenGL, which must not share a process with Triton")
        return np.asarray(self._pool.render(env_ids=[i])[0])

    def close(self) -> None:
        self._pool.close()

    def _enacted(self, actions: np.ndarray) -> np.ndarray:
        """Actions of the spec as the pool takes them."""
        space = self._taken
        if isinstance(space, spaces.Discrete):
            choices: np.ndarray = (actions + space.start).astype(np.int32)
            return choices
        low, high = action_range(space)
        scaled = low + (np.clip(actions, -1.0, 1.0).astype(np.float64) + 1.0) * (high - low) / 2.0
        scaled = np.clip(scaled, low, high)  # the sum may round to the next number beyond a bound
        whole = space.dtype.kind in "iu"
        enacted: np.ndarray = (np.rint(scaled) if whole else scaled).astype(space.dtype).reshape(len(actions), *space.shape)
        return enacted

    def _observed(self, shown: Any) -> np.ndarray:
        """Observations of the pool ``(k, …)`` as those of the spec."""
        parts = {leaf.name: _rows(leaf.space, _at(shown, leaf.path)) for leaf in self._leaves}
        if len(parts) == 1:
            return next(iter(parts.values()))
        records = self.spec.zeros(len(next(iter(parts.values()))))
        for name, rows in parts.items():
            records[name] = rows
        return records


def _at(shown: Any, path: Sequence[Any]) -> np.ndarray:
    for key in path:
        shown = shown[key]
    return np.asarray(shown)


def _rows(space: Any, values: np.ndarray) -> np.ndarray:
    """One leaf of the observations of k environments, as `unified.plugins.suites.gym.spaces` converts a single one."""
    if isinstance(space, spaces.Discrete):
        one_hot: np.ndarray = np.eye(int(space.n), dtype=np.float32)[values - int(space.start)]
        return one_hot
    if not is_picture(space):
        return values.reshape(len(values), -1).astype(np.float32)
    if len(space.shape) == 2:
        values = values[:, None]
    elif space.shape[0] >= space.shape[2]:
        values = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(values, np.uint8 if space.dtype == np.uint8 else np.float32)


def arguments(task: str, options: Any) -> dict[str, Any]:
    """The arguments of `envpool.make` that the options set, and the time limit ``max_episode_steps``.

    Raises:
        UsageError: If EnvPool has no such task or cannot make it, it has several players, or an option is for other tasks.
    """
    with _explained(task):
        envpool = import_module("envpool")
        known = envpool.list_all_envs()
        if task not in known:
            close = difflib.get_close_matches(task, known, cutoff=0.6)
            hint = f"did you mean  {', '.join(f'envpool:{name}' for name in close)} ?" if close else "all tasks: envpool.list_all_envs()"
            raise UsageError(Problem(f"suite envpool has no task '{task}'", hint))
        config: Mapping[str, Any] = envpool.make_spec(task).config._asdict()
    if config["max_num_players"] != 1:
        raise UsageError(Problem(f"envpool:{task} has {config['max_num_players']} players", "choose a task with one"))
    given = {argument: getattr(options, option) for option, argument in ARGUMENTS.items() if getattr(options, option, None)}
    if foreign := [option for option, argument in ARGUMENTS.items() if argument in given and argument not in config]:
        raise UsageError(Problem(f"suite.{foreign[0]} is for Atari games, and envpool:{task} is none", "leave it out"))
    frames = {ONE_FRAME: 1} if ONE_FRAME in config else {}
    return {**given, **frames, "max_episode_steps": int(config["max_episode_steps"])}


def _is_drawn(task: str) -> bool:
    """Whether the task has pictures without OpenGL, which must not share a process with Triton."""
    module = import_module("envpool.registration").registry.specs[task][0]
    return not {"mujoco", "vizdoom", "gfootball"} & set(module.split("."))


@contextmanager
def _explained(task: str) -> Iterator[None]:
    """Raise errors of EnvPool as one line, and show no warnings of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # float32 rounds bounds of observations
            yield
    except ImportError as error:
        hint = "apt-get install libqt5gui5" if "Qt" in str(error) else "install what it needs"
        raise UsageError(Problem(f"envpool:{task} cannot be created: {str(error).split('. ')[0]}", hint)) from error
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(Problem(f"envpool:{task} cannot be created: {error_text(error)}", "see EnvPool's documentation")) from error
