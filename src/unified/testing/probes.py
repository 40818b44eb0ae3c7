"""Probe environments: tasks with known values. Each tests one component of an agent.

They build on each other, so that the first failing probe locates the error:

| task | reward | correct result | if it fails, check |
|---|---|---|---|
| `constant` | 1, always | value 1 | the loss of the critic, its optimiser |
| `observation` | the cue, ±1 | value = cue | whether the critic sees the observation |
| `delayed` | 0, then 1 | values γ, then 1 | the discount and the bootstrap |
| `action` | best at one action | that action, value 1 | the loss of the policy |
| `both` | best where the action fits the cue | an action for each cue, value 1 | what the policy is conditioned on |

Uniform random actions return 1 on `constant` and `delayed`, 0 on average on `observation`, and on `action` and `both` 5/12 on average,
or 0 where actions are discrete.

The cue is one number, -1, 0 or 1: observed as a vector ``(1,)`` float32, or with ``pixels=true`` as the brightness of a picture
``(3, 12, 12)`` uint8 (0, 127, 255). The action is one number in [-1, 1], or with ``discrete=true`` a choice between two.
Source: Andy Jones 2021, "Debugging RL, without the agonizing pain", on probe environments.

Torch-free and deterministic: an episode is a function of its seed and actions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from unified.core.base import suggest
from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space, Spec
from unified.core.components.options import Options as Base
from unified.core.envs.suite import Environment, Step, Suite

__all__ = ["Both", "ByAction", "Constant", "Delayed", "Observation", "Probe", "ProbeOptions", "Probes"]

#: Brightness of the image of each cue.
_BRIGHTNESS = {-1.0: 0, 0.0: 127, 1.0: 255}


class ProbeOptions(Base):
    """Options of the probes."""

    discrete: bool = False
    """Two discrete actions instead of a continuous action in [-1, 1]."""
    pixels: bool = False
    """Observe an image instead of a number."""
    size: int = Field(12, ge=1)
    """Height and width of the image in pixels."""
    rounds: int = Field(1, ge=1)
    """Repetitions of the task in one episode, each with a new cue; their discounted values add up."""


class Probe(Environment):
    """The base of all probes: `rounds` times a cue, an action and a reward; then a terminal state with the cue 0."""

    #: Steps of a round.
    length = 1
    #: Range of rewards with continuous and with discrete actions.
    rewards: tuple[tuple[float, float], tuple[float, float]] = ((-1.0, 1.0), (-1.0, 1.0))

    def __init__(self, options: ProbeOptions) -> None:
        self.options = options
        side = options.size
        self.spec = Spec(
            observation=Space((3, side, side), "uint8", 0, 255) if options.pixels else Space((1,), "float32", -1.0, 1.0),
            action=Space((), "int64", 0, 1, 2) if options.discrete else Space((1,), "float32", -1.0, 1.0),
            reward_range=self.rewards[options.discrete],
        )
        self._cues: np.ndarray = np.zeros(options.rounds)
        self._steps = 0

    def cue(self) -> float:
        """The current cue, -1, 0 or 1."""
        return 0.0

    def reward(self, action: float) -> float:
        """The reward of an action in [-1, 1]; discrete actions are -1 and 1."""
        raise NotImplementedError

    def reset(self, seed: int) -> np.ndarray:
        self._cues, self._steps = np.random.default_rng(seed).integers(0, 2, self.options.rounds) * 2.0 - 1.0, 0
        return self._observe(self.cue())

    def step(self, action: np.ndarray) -> Step:
        number = float(np.asarray(action).reshape(()))
        reward = self.reward(2.0 * number - 1.0 if self.options.discrete else number)
        self._steps += 1
        over = self._steps >= self.length * self.options.rounds
        return Step(self._observe(0.0 if over else self.cue()), reward, over, False)

    def render(self, height: int, width: int) -> np.ndarray:
        return np.full((height, width, 3), _BRIGHTNESS[self.cue() if self._steps < self.length * self.options.rounds else 0.0], np.uint8)

    @property
    def _drawn(self) -> float:
        """The cue of this round, -1 or 1 with equal chances."""
        return float(self._cues[self._steps // self.length])

    def _fit(self, action: float, target: float) -> float:
        """The reward of an action for a target of ±1: 1 for the right discrete action; else 1 - (action - target / 2)²."""
        if self.options.discrete:
            return 1.0 if action == target else -1.0
        return 1.0 - (action - target / 2) ** 2

    def _observe(self, cue: float) -> np.ndarray:
        if self.options.pixels:
            return np.full(self.spec.observation.shape, _BRIGHTNESS[cue], np.uint8)
        return np.array([cue], np.float32)


class Constant(Probe):
    """The reward is always 1 and the episode ends: the value is 1 for any observation (always 0) and action."""

    rewards = ((1.0, 1.0), (1.0, 1.0))

    def reward(self, action: float) -> float:
        return 1.0


class Observation(Probe):
    """The reward is the cue: the value of an observation is its cue, -1 or 1, for any action."""

    def cue(self) -> float:
        return self._drawn

    def reward(self, action: float) -> float:
        return self._drawn


class Delayed(Probe):
    """The cue -1 has reward 0 and leads to the cue 1 with reward 1: the values are γ and 1 for any action."""

    length = 2
    rewards = ((0.0, 1.0), (0.0, 1.0))

    def cue(self) -> float:
        return 1.0 if self._steps % 2 else -1.0

    def reward(self, action: float) -> float:
        return float(self._steps % 2)


class ByAction(Probe):
    """The reward is 1 - (action - 1/2)², or ±1 for the choice 1 or 0: the best action is 1/2, or the choice 1, and its value 1.

    Uniform actions are worth 1 - (1/3 + 1/4) = 5/12, or 0.
    """

    rewards = ((-1.25, 1.0), (-1.0, 1.0))

    def reward(self, action: float) -> float:
        return self._fit(action, 1.0)


class Both(Probe):
    """The reward is 1 - (action - cue/2)², or ±1 for the choice that is (cue + 1)/2 or is not: the best action is worth 1 at each cue.

    A policy that ignores the cue gets at most 3/4 (the action 0), or 0; uniform actions get 5/12, or 0.
    """

    rewards = ((-1.25, 1.0), (-1.0, 1.0))

    def cue(self) -> float:
        return self._drawn

    def reward(self, action: float) -> float:
        return self._fit(action, self._drawn)


TASKS = ("constant", "observation", "delayed", "action", "both")
_ENVIRONMENTS: dict[str, type[Probe]] = dict(zip(TASKS, (Constant, Observation, Delayed, ByAction, Both), strict=True))


class Probes(Suite):
    """``unified.testing.probes:Probes`` with one of `TASKS`; see the table above."""

    Options = ProbeOptions

    def __init__(self, task: str, options: Any = None) -> None:
        given = {} if options is None else vars(options)
        self._probe_options = options if isinstance(options, ProbeOptions) else ProbeOptions(**given)
        super().__init__(task, self._probe_options)

    def environment(self) -> Environment:
        """A new environment of the task.

        Raises:
            UsageError: If there is no such task.
        """
        if self.task not in _ENVIRONMENTS:
            hint = suggest.did_you_mean(self.task, TASKS) or f"one of {', '.join(TASKS)}"
            raise UsageError(Problem(f"there is no probe {self.task!r}", hint))
        return _ENVIRONMENTS[self.task](self._probe_options)
