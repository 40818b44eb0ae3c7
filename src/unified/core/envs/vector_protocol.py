"""The contract of vectorised environments, n environments of one task that step together, and what its implementations share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np

from unified.core.base.spec import Spec
from unified.core.envs.step_batch import StepBatch


class VectorEnv(Protocol):
    """n environments of one task, which reset themselves: the step that ends an episode returns the last and the next observation.

    Episode e of environment i is reset with ``derive(seed, stream, i, e, bits=31)``, so an episode is a function of that seed and of its
    actions, whichever implementation runs it. Collectors and evaluators accept every implementation. Arrays that an implementation
    returns are read-only for its callers; a later step does not change them.

    Attributes:
        spec: The task of all environments.
        num_envs: n.
        observations: The current observations ``(n, *observation)``, on which the next actions are computed.
        env_failures: One line for each failure, the last 100; the caller may clear them.
        failed_episodes: Number of failed episodes.
        restarts: Number of worker processes that died or hung and were replaced.
        exact: Whether the last `load_state_dict` restored every unfinished episode bit for bit.
        rebuilt: The same for each environment, ``(n,)`` bool; where it is false the unfinished episode is truncated.
    """

    spec: Spec
    num_envs: int
    observations: np.ndarray
    env_failures: deque[str]
    failed_episodes: int
    restarts: int
    exact: bool
    rebuilt: np.ndarray

    def reset(self, stream: str | None = None) -> np.ndarray:
        """Begin a new episode in every environment; returns the first observations ``(n, *observation)``.

        Args:
            stream: Change to the random stream of this name and begin with its episode 0; ``None`` begins the next episode of the
                present stream.
        """

    def set_reset_options(self, env_id: int, options: Mapping[str, Any] | None) -> None:
        """Set the options that the next episode of an environment is reset with (`Environment.reset`); ``None`` takes them back.

        Raises:
            UsageError: If the implementation has no reset options.
        """

    def limit_episodes(self, steps: int) -> None:
        """Truncate the episodes of an evaluation after this many steps; a task may have no time limit of its own."""

    def step_async(self, actions: np.ndarray) -> None:
        """Send one action to each environment, ``(n, *action)``."""

    def step_wait(self) -> StepBatch:
        """Wait for the step that `step_async` began."""

    def render(self, i: int, height: int, width: int) -> np.ndarray:
        """The present state of environment i as a picture ``(height, width, 3)`` uint8.

        Raises:
            UnsupportedRender: If the task cannot be rendered.
        """

    def state_dict(self) -> dict[str, Any]:
        """The unfinished episodes, for `load_state_dict` of any implementation."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the unfinished episodes of `state`; an episode that cannot be restored is truncated and the next one begins.

        Raises:
            UnifiedError: If `state` has another number of environments.
        """

    def close(self) -> None:
        """Release everything. Closing twice does no harm."""


class Steppable(ABC):
    """The order of the calls of a vectorised environment: no other call between `step_async` and `step_wait`, none after `close`."""

    spec: Spec
    num_envs: int
    _closed = False

    @property
    @abstractmethod
    def _stepping(self) -> bool:
        """Whether `step_async` was called and `step_wait` not yet."""

    @abstractmethod
    def close(self) -> None:
        """Release everything. Closing twice does no harm."""

    @cached_property
    def _action_form(self) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type of the actions of a step."""
        space = self.spec.action
        return (self.num_envs, *space.shape), np.dtype(space.dtype)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _idle(self, what: str) -> None:
        """Refuse a call out of order.

        Args:
            what: Name of the method that was called.

        Raises:
            RuntimeError: After `close`, and between `step_async` and `step_wait`.
        """
        if self._closed:
            raise RuntimeError(f"{what}() after close()")
        if self._stepping:
            raise RuntimeError(f"{what}() between step_async() and step_wait()")

    def _next_actions(self, actions: np.ndarray, *, was_reset: bool) -> np.ndarray:
        """A copy of the actions of `step_async`, of the spec's type.

        Raises:
            RuntimeError: If the call is out of order, or the environments were not reset.
            ValueError: If the actions have another shape than ``(n, *action)``.
        """
        self._idle("step_async")
        shape, kind = self._action_form
        actions = np.array(actions, dtype=kind)
        if actions.shape != shape:
            raise ValueError(f"actions have the shape {actions.shape} where {shape} is needed")
        if not was_reset:
            raise RuntimeError("reset the environments before the first step")
        return actions
