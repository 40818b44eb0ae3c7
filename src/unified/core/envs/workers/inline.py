"""Environments in this process, and `EnvServer`, which carries out the requests to an environment (worker processes use it too)."""

from __future__ import annotations

import inspect
import math
import os
import signal
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

import numpy as np

from unified.core.base.errors import Notice, Problem, UnifiedError, UsageError, error_text, one_line, shortened
from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, EpisodeFailed, Observation, Suite, UnsupportedRender
from unified.core.envs.workers.output import LogStream, OutputLog
from unified.core.envs.workers.protocol import Message

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
            UsageError: If the environment cannot do what was requested.
        """

    def restart(self) -> bool:
        """Replace a lost environment by a new one; returns whether this started a process. Several environments may share it.

        Raises:
            WorkerLost: If it does not start. It can be called again.
        """

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

    `options` is null if none were set. An observation with names is one record; the columns of the spec are arrays in its order. After an
    end a step answers with the first observation of the next episode too, as the last array. Where an episode fails, the answer is `failed`
    with the reason (and, from a step, that first observation), `trace` with the place in the environment. Where the next episode cannot
    begin, `start` is the reason. Whatever the environment raises fails its episode, except `UnsupportedRender` and Ctrl-C.
    """

    def __init__(self, suite: Suite) -> None:
        self.environment: Environment = suite.environment()
        self.spec = self.environment.spec
        self._spaces = {name.removeprefix("obs").removeprefix("."): space for name, space in self.spec.spaces.items()}

    def serve(self, message: Message) -> Message:
        head = message.head
        if head.get("options") is not None and "options" not in inspect.signature(self.environment.reset).parameters:
            hint = "declare it as reset(self, seed, options=None)"
            raise UsageError(Problem(f"{type(self.environment).__name__}.reset takes no options, and some were set for an episode", hint))
        try:
            match head["op"]:
                case "reset":
                    return Message({}, (self._reset(head["seed"], head.get("options")),))
                case "step":
                    return self._step(message.arrays[0], head["next"], head.get("options"), head.get("last", False))
                case "rebuild":
                    return Message({}, (self._checked(self._rebuild(head, *message.arrays)),))
                case "save":
                    state = self.environment.state_dict()
                    return Message({"state": None}) if state is None else Message({"state": list(state)}, tuple(state.values()))
                case "render":
                    return Message({}, (self.environment.render(head["height"], head["width"]),))
        except BaseException as error:
            return Message(failure_of(error))
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

    def _step(self, action: np.ndarray, next_seed: int, options: Mapping[str, Any] | None, last: bool) -> Message:
        try:
            step = self.environment.step(action)
            reward = float(step.reward)
            raw_reward = reward if step.raw_reward is None else float(step.raw_reward)
            if not abs(reward) <= FLOAT32_MAX:  # also where it is not a number
                raise EpisodeFailed(f"the reward was {reward}")
            if not abs(raw_reward) <= FLOAT32_MAX:
                raise EpisodeFailed(f"the raw reward was {raw_reward}")
            truncated = bool(step.truncated) or last
            head: dict[str, Any] = {"reward": reward, "raw_reward": raw_reward, "terminated": bool(step.terminated)}
            head["truncated"], head["life_lost"] = truncated, bool(step.life_lost)
            arrays = (self._checked(step.observation), *self._columns(step.extra))
        except BaseException as error:
            return self._and_next(failure_of(error), (), next_seed, options)
        if not (head["terminated"] or truncated):
            return Message(head, arrays)
        arrays = tuple(array.copy() for array in arrays)  # environments may write the next episode into the same memory
        return self._and_next(head, arrays, next_seed, options)

    def _and_next(self, head: dict[str, Any], arrays: tuple[np.ndarray, ...], seed: int, options: Mapping[str, Any] | None) -> Message:
        """The answer with the first observation of the next episode, or with the reason why it could not start."""
        try:
            return Message(head, (*arrays, self._reset(seed, options)))
        except BaseException as error:
            failure = failure_of(error)
            return Message({"trace": failure.get("trace", ""), **head, "start": failure["failed"]}, arrays)

    def _reset(self, seed: int, options: Mapping[str, Any] | None) -> np.ndarray:
        return self._checked(self.environment.reset(seed) if options is None else self.environment.reset(seed, options))

    def _columns(self, extra: Mapping[str, Any]) -> tuple[np.ndarray, ...]:
        if not extra and not self.spec.columns:
            return ()
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
        # The product with itself is the cheapest test: it is finite only if every number is. It overflows for large ones: test them again.
        if array.dtype.kind == "f" and not math.isfinite(np.vdot(array, array)) and not np.isfinite(array).all():
            raise EpisodeFailed(f"{name}the observation was not finite")
        return array

    def close(self) -> None:
        self.environment.close()


def failure_of(error: BaseException) -> dict[str, Any]:
    """What an exception of an environment answers; one that is no failure of its episode is raised again."""
    interrupted = isinstance(error, KeyboardInterrupt) and (
        type(error) is not KeyboardInterrupt or signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if interrupted or isinstance(error, UnsupportedRender):
        raise error
    if isinstance(error, EpisodeFailed):
        return {"failed": shortened(str(error)) or "EpisodeFailed"}
    reason = shortened(str(error)) if isinstance(error, UnifiedError) else f"it raised {one_line(error)}"
    trace = "".join(traceback.format_tb(error.__traceback__, limit=-20))
    return {"failed": reason, "trace": f"Traceback (most recent call last):\n{trace}{error_text(error)}\n"}


class Guard:
    """A context around what environments of this process do. It can be entered within itself.

    Their output goes to a log, a process that they fork ends where it would return, and the working directory, torch's default type and
    its gradient mode are restored. In other threads than the main one, output is not redirected.

    Args:
        log: Receives their output; without a file it is printed.
        failures: Receives a line for each kind of setting that had to be restored.
    """

    def __init__(self, log: OutputLog, failures: deque[str]) -> None:
        self.log, self._failures = log, failures
        self._stream = None if log.path is None else LogStream(log)
        self.entered, self._process, self._main = 0, os.getpid(), threading.main_thread().ident
        self._warned: set[str] = set()

    def __enter__(self) -> None:
        self.entered += 1
        if self.entered > 1:
            return
        self._settings = _settings()
        self._streams = None
        if self._stream is not None and threading.get_ident() == self._main:
            self._streams = sys.stdout, sys.stderr
            sys.stdout = sys.stderr = self._stream

    def __exit__(self, *_: object) -> None:
        if os.getpid() != self._process:
            os._exit(0)
        self.entered -= 1
        if self.entered:
            return
        if self._streams is not None:
            sys.stdout, sys.stderr = self._streams
        if _settings() != self._settings:
            self._restore()

    def _restore(self) -> None:
        directory, kind, gradients = self._settings
        now = _settings()
        if now[0] != directory and directory is not None:
            os.chdir(directory)
        if "torch" in sys.modules and kind is not None:
            sys.modules["torch"].set_default_dtype(kind)
            sys.modules["torch"].set_grad_enabled(gradients)
        names = ("the working directory", "torch's default type", "torch's gradient mode")
        for what, before, after in zip(names, self._settings, now, strict=True):
            if before != after and what not in self._warned and before is not None:
                self._warned.add(what)
                self._failures.append(f"an environment changed {what} to {after}; it is restored after each of its steps")


def _settings() -> tuple[str | None, Any, Any]:
    """The settings of this process that an environment may not change."""
    torch = sys.modules.get("torch")
    try:
        directory = os.getcwd()
    except OSError:
        directory = None
    return (directory, None, None) if torch is None else (directory, torch.get_default_dtype(), torch.is_grad_enabled())


class SyncWorker:
    """An `EnvWorker` whose environment lives in this process. Requests are carried out by `recv`."""

    def __init__(self, build: Callable[[], Suite], name: str, guard: Guard) -> None:
        self._build, self._name, self._guard = build, name, guard
        self._request: Message | None = None
        with guard:
            self._server: EnvServer | None = EnvServer(build())
        self.spec = self._server.spec

    def send(self, message: Message) -> None:
        self._request = message

    def recv(self, timeout: float) -> Message:
        if self._server is None or self._request is None:
            raise RuntimeError("recv without send")
        if self._guard.entered:  # by the step of all environments
            answer = self._server.serve(self._request)
        else:
            with self._guard:
                answer = self._server.serve(self._request)
        if trace := answer.head.get("trace"):
            self._guard.log.write(f"--- {self._name}\n{trace}".encode())
        return answer

    def restart(self) -> bool:
        self.close()
        with self._guard:
            self._server = EnvServer(self._build())
        return False

    def shut_down(self) -> None:
        pass

    def close(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        try:
            with self._guard:
                server.close()
        except BaseException as error:
            with suppress(UnsupportedRender):
                reason = failure_of(error)["failed"]
                warnings.warn(f"{self._name} could not be closed: {reason}", Notice, stacklevel=2)
