"""A task of episodes of all lengths, of which some fail, and a slow reference that plays it one episode at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from unified.core.base.rng import Streams, derive
from unified.core.base.spec import Space, Spec
from unified.core.components.options import Options
from unified.core.envs.suite import Environment, EpisodeFailed, Step, Suite
from unified.core.learn.actions import Action
from unified.core.learn.agent import Agent
from unified.core.replay.batch import Batch


class CourseOptions(Options):
    """What the course looks like."""

    length: int = 6
    """Time limit in steps. An episode ends before it at a step that its seed draws, or at it."""
    fails: int = 0
    """One episode in so many fails, at its reset or at a step; 0: none does."""
    discrete: bool = False
    """Choose between three actions instead of giving two numbers."""
    pixels: bool = False
    """Observe a picture instead of a vector."""


class Course(Suite):
    """Every observation is random, so that acting on any other one shows in the return."""

    Options = CourseOptions
    placement = "inline"

    def environment(self) -> Environment:
        return CourseEnvironment(self.options)


class CourseEnvironment(Environment):
    """The reward is highest where the action fits a random target; a vector shows the last action, too."""

    def __init__(self, options: Any) -> None:
        self.options = options
        self.spec = Spec(
            observation=Space((3, 24, 24), "uint8", 0, 255) if options.pixels else Space((3,), "float32"),
            action=Space((), "int64", 0, 2, 3) if options.discrete else Space((2,), "float32", -1.0, 1.0),
        )

    def reset(self, seed: int) -> np.ndarray:
        self.random = np.random.default_rng(seed)
        self.steps, self.end = 0, int(self.random.integers(1, self.options.length + 1))
        fails = self.options.fails and self.random.integers(self.options.fails) == 0
        self.failure = int(self.random.integers(0, self.end + 1)) if fails else -1
        return self._observe(0.0)

    def step(self, action: np.ndarray) -> Step:
        self.steps += 1
        number = float(np.mean(action, dtype=np.float64))
        reward = 1.0 - (number - self.random.uniform(-1, 1)) ** 2
        over, limit = self.steps >= self.end, self.options.length
        return Step(self._observe(number), reward, over and self.end < limit, over and self.end == limit)

    def render(self, height: int, width: int) -> np.ndarray:
        return np.full((height, width, 3), self.steps, np.uint8)

    def _observe(self, number: float) -> np.ndarray:
        if self.steps == self.failure:
            raise EpisodeFailed("as its seed says")
        if self.options.pixels:
            return self.random.integers(0, 256, self.spec.observation.shape, np.uint8)
        return np.array([*self.random.uniform(-1, 1, 2), number], np.float32)


class Linear(torch.nn.Module):
    """An agent that acts on all frames of the stack, each with a weight of its own, and notes what it has seen.

    It computes in whole numbers, so that a row's action is the same among any other rows.
    """

    def __init__(self, spec: Spec, stack: int) -> None:
        super().__init__()
        self.spec, self.device, self.streams = spec, torch.device("cpu"), Streams(0)
        self.view = Stacked(stack)
        self.seen: list[np.ndarray] = []
        self.modes: list[bool] = []

    named_observations, reward_norm = False, None
    receive = Agent.receive

    def initial_state(self, count: int) -> dict[str, torch.Tensor]:
        return {}

    def act(self, batch: Batch, *, explore: bool) -> Action:
        self.seen.append(batch.obs.numpy().copy())
        self.modes.append(self.training)
        whole = (batch.obs.flatten(1).double() * 1024).round().long()
        number = (whole * torch.arange(1, whole.shape[1] + 1)).sum(1) + 7 * explore
        if self.spec.action.discrete:
            choice = number % (self.spec.action.n or 1)
            return Action(choice, choice, {"log_prob": number.float(), "unwanted": number})
        env_action = (number % 201 - 100).float()[:, None].expand(-1, *self.spec.action.shape) / 100
        return Action(2 * env_action, env_action, {"log_prob": number.float(), "unwanted": number})


class Stacked(NamedTuple):
    """As much of a view as acting needs."""

    stack: int


# The slow reference ---------------------------------------------------------------------------------------------------------------

Act = Callable[[np.ndarray, bool], np.ndarray]  # of an observation, and whether it is the first of its episode


class Played(NamedTuple):
    """An episode of the reference."""

    return_: float
    length: int


def episode(environment: Environment, seed: int, act: Act) -> Played | None:
    """One episode, or ``None`` if it failed."""
    try:
        observation, first, ret, length = environment.reset(seed), True, 0.0, 0
        while True:
            step = environment.step(act(observation, first))
            observation, first, ret, length = step.observation, False, ret + step.reward, length + 1
            if step.terminated or step.truncated:
                return Played(ret, length)
    except EpisodeFailed:
        return None


def episodes(environment: Environment, seed: int, stream: str, index: int, act: Act) -> Iterator[Played]:
    """The episodes of environment `index` that do not fail, in the order of their seeds."""
    number = 0
    while True:
        played = episode(environment, derive(seed, stream, index, number, bits=31), act)
        number += 1
        if played is not None:
            yield played


def evaluation(environment: Environment, seed: int, stream: str, wanted: int, acts: list[Act]) -> list[Played]:
    """An evaluation of `wanted` episodes in n environments with `acts` for each: episode k is played by environment k modulo n."""
    lanes = [episodes(environment, seed, stream, index, act) for index, act in enumerate(acts)]
    return [next(lanes[number % len(acts)]) for number in range(wanted)]


def stacking(agent: Any, stack: int) -> Act:
    """An agent that acts on one environment, with the last `stack` observations of the episode side by side."""
    seen: list[np.ndarray] = []

    def act(observation: np.ndarray, first: bool) -> np.ndarray:
        if first:
            seen[:] = [observation] * stack
        seen.append(observation)
        stacked = np.concatenate(seen[-stack:])
        action: np.ndarray = agent.act(Batch(obs=torch.from_numpy(stacked[None].copy())), explore=False).env_action[0].cpu().numpy()
        return action

    return act
