"""The contract of suites: families of tasks behind one adapter. Torch-free: environments live in processes that never import torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from pydantic import BaseModel

    from unified.core.base.spec import Spec
    from unified.core.envs.vector_protocol import VectorEnv


#: One observation: an array, or several by the names of the spec.
Observation: TypeAlias = "np.ndarray | Mapping[str, np.ndarray]"


class Step(NamedTuple):
    """The answer of an environment to one action.

    Args:
        observation: The next observation, an array or several by the names of the spec.
        reward: For learning; `raw_reward` is for evaluation.
        terminated: Whether the task ended in this state (nothing follows, its value is 0).
        truncated: Whether only the time limit was reached.
        raw_reward: The term of the return that people read, if `reward` is another number (clipped, shaped).
        life_lost: Whether what follows counts for nothing (a lost life), though the episode goes on.
        extra: The values of `Spec.columns`, all of them.
    """

    observation: Observation
    reward: float
    terminated: bool
    truncated: bool
    raw_reward: float | None = None
    life_lost: bool = False
    extra: Mapping[str, Any] = MappingProxyType({})


#: The state of an environment: arrays by name.
EnvironmentState: TypeAlias = "dict[str, np.ndarray]"


class EpisodeFailed(Exception):
    """The episode cannot go on (a diverged simulation, say). It is discarded and counted, and the run goes on with the next one."""


class Environment(ABC):
    """One interactive task, a deterministic function of its seeds, reset options and actions if ``spec.deterministic`` is true."""

    spec: Spec

    @abstractmethod
    def reset(self, seed: int, options: Mapping[str, Any] | None = None) -> Observation:
        """Start the episode of `seed` (below 2**31) and return its first observation.

        Args:
            seed: Of the episode.
            options: Plain JSON data that shapes this episode, a goal for example. It is passed only if somebody set it
                (`WorkerVectorEnv.set_reset_options`), so an environment without options is declared ``reset(self, seed)``.
        """

    @abstractmethod
    def step(self, action: np.ndarray) -> Step:
        """Act once (`spec.action_repeat` frames).

        Raises:
            EpisodeFailed: If the episode cannot go on.
        """

    def fast_forward(self, seed: int, actions: np.ndarray, options: Mapping[str, Any] | None = None) -> Observation:
        """Rebuild an unfinished episode from its seed, its actions ``(T, *action)`` and its reset options, if it had some.

        Override it if the observations on the way can be skipped (rendering).

        Returns:
            The observation reached.
        """
        observation = self.reset(seed) if options is None else self.reset(seed, options)
        for action in actions:
            observation = self.step(action).observation
        return observation

    def state_dict(self) -> EnvironmentState | None:
        """The complete state of the unfinished episode as arrays by name, its random generators included; ``None`` if it cannot be taken.

        With it a checkpoint stays small and a resume fast however long an episode is, and an environment that is not a function of its
        seed and actions can be resumed exactly. Without it the episode is rebuilt by repeating its actions, and one that is very long or
        not deterministic is truncated when the run is resumed. Bytes are stored as ``np.frombuffer(data, np.uint8)``.
        """
        return None

    def load_state_dict(self, state: EnvironmentState) -> Observation:
        """Go on with the episode of `state`, in any environment of the same task, reset or not; returns its newest observation.

        Raises:
            NotImplementedError: If `state_dict` returns ``None``.
        """
        raise NotImplementedError(f"{type(self).__name__} has no state_dict")

    def render(self, height: int, width: int) -> np.ndarray:
        """The present state as a person would look at it, ``(height, width, 3)`` uint8."""
        raise UnsupportedRender(type(self).__name__)

    def close(self) -> None:  # noqa: B027  (nothing to release is the common case)
        """Release everything. Closing twice does no harm."""


class UnsupportedRender(Exception):
    """This environment has no picture."""


class Suite(ABC):
    """A family of tasks. Light to construct: the environment's libraries are imported by `environment`, in the process that runs it.

    Args:
        task: The name after the colon in ``dmc:humanoid_run``.
        options: The validated options of the suite, an instance of its config model.
    """

    #: Where environments live: in a process of their own, in this one, or wherever the measured step time says.
    placement: Literal["auto", "process", "inline"] = "auto"

    def __init__(self, task: str, options: BaseModel | Any) -> None:
        self.task, self.options = task, options

    @abstractmethod
    def environment(self) -> Environment:
        """A new environment of the task, built in the calling process."""

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Rewards ``(B,)`` float32 of reaching `achieved` where `desired` was the goal, ``(B, *goal)`` each. Of goal tasks only.

        It is called in the process that learns, for goals that an episode did not pursue (hindsight). An environment should compute
        its own reward with it.
        """
        raise NotImplementedError(f"suite {type(self).__name__} has no compute_reward")

    def compute_terminated(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Whether the episode terminates for having reached `achieved` where `desired` was the goal: bool ``(B,)``. By default never."""
        import numpy as np

        return np.zeros(len(achieved), bool)

    def vector(self, num_envs: int, seed: int, stream: str) -> VectorEnv | None:
        """The suite's own vectorised implementation of the task, built in the calling process; ``None`` if it has none.

        It is used unless ``train.env_backend`` is ``inline`` or ``process``. Episode e of environment i must be
        the one that `environment` gives after a reset with ``derive(seed, stream, i, e, bits=31)``.

        Args:
            num_envs: Number of environments.
            seed: Seed of the run.
            stream: Name of the random stream of the resets.
        """
        return None

    def extra_metrics(self, row: Mapping[str, Any]) -> Mapping[str, float]:
        """Further metrics of an evaluation, by name: a normalised return, for example.

        Args:
            row: The metrics of the evaluation: ``return, return_sd, length, episodes``, or those of a data set.
        """
        return {}

    def notes(self) -> list[str]:
        """Lines worth telling before the run starts, e.g. which renderer was chosen and why."""
        return []
