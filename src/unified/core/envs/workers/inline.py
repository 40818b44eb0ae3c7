"""Environments in this process, and `EnvServer`, which carries out the requests to an environment (worker processes use it too)."""

from __future__ import annotations

import inspect
import math
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from unified.core.base.errors import Problem, UnifiedError, UsageError
from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, EpisodeFailed, Observation, Suite
from unified.core.envs.workers.protocol import Message, describe, raise_described

#: Greatest reward that the replay can hold.
FLOAT32_MAX = float(np.finfo(np.float32).max)


class WorkerLost(Exception):
    """The process of an environment is dead or silent."""


class EnvWorker(Protocol):
    """One environment, in this process or another: every `send` is followed by one `recv`."""

    spec: Spec

    def send(self, message: Message) -> None: ...

    def recv(self, timeout: float) -> Message:
        """The response to the last request.

        Raises:
            WorkerLost: If no response arrives within `timeout` seconds, or the process is dead.
            UnifiedError: If the environment raised an exception.
        """

    def restart(self) -> None:
        """Replace a lost environment by a new one."""

    def shut_down(self) -> None:
        """Request the end of the environment, without waiting."""

    def close(self) -> None:
        """End the environment and wait for it. A second call has no effect."""


class EnvServer:
    """Serves requests to one environment.

    | op | request | answer |
    |---|---|---|
    | `reset` | `seed`, `options` | the first observation |
    | `step` | `next`, `options` (of the next episode), action | observation, columns, and `reward`, `score`, `terminated`, … |
    | `save` | | `state` (its names, or nothing), its arrays |
    | `rebuild` | `seed`, `options`, `state`, actions `(T, *action)`, the state's arrays | the observation reached |
    | `render` | `height`, `width` | the picture |

    `options` is null if nobody set any. An observation with names is one record; the columns of the spec are arrays in its order. After an
    end a step answers with the first observation of the next episode too, as the last array. Where an episode fails, the answer is `failed`
    with the reason (and, from a step, that first observation).
    """

    def __init__(self, suite: Suite) -> None:
        self.environment: Environment = suite.environment()
        self.spec = self.environment.spec
        self._spaces = {name.removeprefix("obs").removeprefix("."): space for name, space in self.spec.spaces.items()}

    def serve(self, message: Message) -> Message:
        head = message.head
        try:
            match head["op"]:
                case "reset":
                    return Message({}, (self._reset(head["seed"], head.get("options")),))
                case "step":
                    return self._step(message.arrays[0], head["next"], head.get("options"))
                case "rebuild":
                    return Message({}, (self._checked(self._rebuild(head, *message.arrays)),))
                case "save":
                    state = self.environment.state_dict()
                    return Message({"state": None}) if state is None else Message({"state": list(state)}, tuple(state.values()))
                case "render":
                    return Message({}, (self.environment.render(head["height"], head["width"]),))
        except EpisodeFailed as failure:
            return Message({"failed": str(failure) or "EpisodeFailed"})
        raise ValueError(f"no such request: {head}")

    def _rebuild(self, head: dict[str, Any], actions: np.ndarray, *arrays: np.ndarray) -> Observation:
        """The unfinished episode from its state, or from its reset, by its actions."""
        if head["state"] is None:
            options = {} if head.get("options") is None else {"options": head["options"]}
            return self.environment.fast_forward(head["seed"], actions, **options)
        observation = self.environment.load_state_dict({name: array.copy() for name, array in zip(head["state"], arrays, strict=True)})
        for action in actions:
            observation = self.environment.step(action).observation
        return observation

    def _step(self, action: np.ndarray, next_seed: int, options: Mapping[str, Any] | None) -> Message:
        try:
            step = self.environment.step(action)
            reward = float(step.reward)
            raw_reward = reward if step.raw_reward is None else float(step.raw_reward)
            if not (abs(reward) <= FLOAT32_MAX and math.isfinite(raw_reward)):
                raise EpisodeFailed(f"the reward was {reward}" if math.isfinite(raw_reward) else f"the raw reward was {raw_reward}")
            head = {"reward": reward, "terminated": bool(step.terminated), "truncated": bool(step.truncated)}
            head |= {"raw_reward": raw_reward, "life_lost": bool(step.life_lost)}
            arrays = (self._checked(step.observation), *self._columns(step.extra))
        except EpisodeFailed as failure:
            return Message({"failed": str(failure) or "EpisodeFailed"}, self._next(next_seed, options))
        if not (step.terminated or step.truncated):
            return Message(head, arrays)
        arrays = tuple(array.copy() for array in arrays)  # environments may write the next episode into the same memory
        return Message(head, (*arrays, *self._next(next_seed, options)))

    def _next(self, seed: int, options: Mapping[str, Any] | None) -> tuple[np.ndarray, ...]:
        """The first observation of the next episode, or nothing where it could not start."""
        try:
            return (self._reset(seed, options),)
        except EpisodeFailed:
            return ()

    def _reset(self, seed: int, options: Mapping[str, Any] | None) -> np.ndarray:
        if options is None:
            return self._checked(self.environment.reset(seed))
        if "options" not in inspect.signature(self.environment.reset).parameters:
            hint = "declare it as reset(self, seed, options=None)"
            raise UsageError(Problem(f"{type(self.environment).__name__}.reset takes no options, and some were set for an episode", hint))
        return self._checked(self.environment.reset(seed, options))

    def _columns(self, extra: Mapping[str, Any]) -> tuple[np.ndarray, ...]:
        if extra.keys() != self.spec.columns.keys():
            given, wanted = ", ".join(extra) or "none", ", ".join(self.spec.columns) or "none"
            raise UnifiedError(f"a step has the extra columns {given} where the environment's spec has {wanted}")
        columns = tuple(np.asarray(extra[name], space.dtype) for name, space in self.spec.columns.items())
        for (name, space), column in zip(self.spec.columns.items(), columns, strict=True):
            if column.shape != space.shape:
                raise UnifiedError(f"the extra column {name} has the shape {column.shape} where the environment's spec says {space.shape}")
        return columns

    def _checked(self, observation: Observation) -> np.ndarray:
        """One observation as its spec says, a record where it has names.

        Raises:
            UnifiedError: If names, shapes or types differ from the spec.
            EpisodeFailed: If a number is not finite.
        """
        if isinstance(self.spec.observation, Space):
            return self._checked_array("", self.spec.observation, np.asarray(observation))
        if not isinstance(observation, Mapping) or observation.keys() != self._spaces.keys():
            found = f"has {', '.join(observation)}" if isinstance(observation, Mapping) else f"is {type(observation).__name__}"
            raise UnifiedError(f"an observation {found} where the environment's spec has {', '.join(self._spaces)}")
        record = self.spec.zeros(1)
        for name, space in self._spaces.items():
            record[name][0] = self._checked_array(f"{name}: ", space, np.asarray(observation[name]))
        return record[0:1].reshape(())

    def _checked_array(self, name: str, space: Space, array: np.ndarray) -> np.ndarray:
        if array.shape != space.shape or array.dtype != space.dtype:
            found = f"{array.dtype.name} {array.shape}"
            raise UnifiedError(f"{name}an observation is {found} where the environment's spec says {space.dtype} {space.shape}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise EpisodeFailed(f"{name}the observation was not finite")
        return array

    def close(self) -> None:
        self.environment.close()


class SyncWorker:
    """An `EnvWorker` whose environment lives in this process. Requests are carried out by `recv`."""

    def __init__(self, build: Callable[[], Suite], name: str) -> None:
        self._build, self._name = build, name
        self._request: Message | None = None
        self._server: EnvServer | None = EnvServer(build())
        self.spec = self._server.spec

    def send(self, message: Message) -> None:
        self._request = message

    def recv(self, timeout: float) -> Message:
        if self._server is None or self._request is None:
            raise RuntimeError("recv without send")
        try:
            return self._server.serve(self._request)
        except UnifiedError:
            raise
        except Exception as error:
            raise_described(describe(error, traceback.format_exc()).head, self._name)
            raise

    def restart(self) -> None:
        self.close()
        self._server = EnvServer(self._build())

    def shut_down(self) -> None:
        pass

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
