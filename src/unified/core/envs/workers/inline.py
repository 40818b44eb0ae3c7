"""Environments in this process, and the server of requests to an environment, which processes use too."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from unified.core.base.errors import UnifiedError
from unified.core.base.spec import Spec
from unified.core.envs.suite import Environment, EpisodeFailed, Suite
from unified.core.envs.workers.protocol import Message, describe, raise_described


class WorkerLost(Exception):
    """The process of an environment is dead or silent."""


class EnvWorker(Protocol):
    """One environment, in this process or another one: each `send` is followed by one `recv`."""

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

    | op | request | response |
    |---|---|---|
    | `reset` | `seed` | the first observation |
    | `step` | `next` (seed of the next episode), action | observation, `reward`, `terminated`, `truncated`, `score`, `lost` |
    | `save` | | `state` (its names, or nothing), its arrays |
    | `rebuild` | `seed`, `state`, actions `(T, *action)`, the state's arrays | the observation reached |
    | `render` | `height`, `width` | the picture |

    After an end a step answers with the first observation of the next episode too. Where an episode fails, the answer is `failed` with the
    reason (and, from a step, that first observation).
    """

    def __init__(self, suite: Suite) -> None:
        self.environment: Environment = suite.environment()
        self.spec = self.environment.spec
        self._float = np.dtype(self.spec.observation.dtype).kind == "f"

    def serve(self, message: Message) -> Message:
        head = message.head
        try:
            match head["op"]:
                case "reset":
                    return Message({}, (self._reset(head["seed"]),))
                case "step":
                    return self._step(message.arrays[0], head["next"])
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

    def _rebuild(self, head: dict[str, Any], actions: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
        """Rebuild the unfinished episode from its state, or from its reset, with its actions."""
        if head["state"] is None:
            return self.environment.fast_forward(head["seed"], actions)
        observation = self.environment.load_state_dict({name: array.copy() for name, array in zip(head["state"], arrays, strict=True)})
        for action in actions:
            observation = self.environment.step(action).observation
        return observation

    def _step(self, action: np.ndarray, next_seed: int) -> Message:
        try:
            step = self.environment.step(action)
            reward = float(step.reward)
            score = reward if step.raw_reward is None else float(step.raw_reward)
            if not (math.isfinite(reward) and math.isfinite(score)):
                raise EpisodeFailed(f"the reward was {reward}" if math.isfinite(score) else f"the score was {score}")
            head = {"reward": reward, "terminated": bool(step.terminated), "truncated": bool(step.truncated)}
            head |= {"score": score, "lost": bool(step.life_lost)}
            observation = self._checked(step.observation)
        except EpisodeFailed as failure:
            return Message({"failed": str(failure) or "EpisodeFailed"}, self._next(next_seed))
        if not (step.terminated or step.truncated):
            return Message(head, (observation,))
        observation = observation.copy()  # environments may write the next episode into the same memory
        return Message(head, (observation, *self._next(next_seed)))

    def _next(self, seed: int) -> tuple[np.ndarray, ...]:
        """The first observation of the next episode; empty if it could not start."""
        try:
            return (self._reset(seed),)
        except EpisodeFailed:
            return ()

    def _reset(self, seed: int) -> np.ndarray:
        return self._checked(self.environment.reset(seed))

    def _checked(self, observation: np.ndarray) -> np.ndarray:
        space, observation = self.spec.observation, np.asarray(observation)
        if observation.shape != space.shape or observation.dtype != space.dtype:
            found = f"{observation.dtype.name} {observation.shape}"
            raise UnifiedError(f"an observation is {found}, but the spec of the environment has {space.dtype} {space.shape}")
        if self._float and not np.isfinite(observation).all():
            raise EpisodeFailed("the observation was not finite")
        return observation

    def close(self) -> None:
        self.environment.close()


class SyncWorker:
    """An `EnvWorker` with an environment in this process. A request is served when `recv` is called."""

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
