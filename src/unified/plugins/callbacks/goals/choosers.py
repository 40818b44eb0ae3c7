"""Choosers: which of some achieved goals an episode pursues."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

#: Episodes with a chosen goal that the cut-off looks back to, and the shares of successes at which it falls and rises.
WINDOW, FALLS_AT, RISES_AT = 10, 0.7, 0.3


@dataclass
class Candidates:
    """Goals that one episode might pursue.

    Args:
        goals: Achieved goals ``(K, D)``.
        viable: Which of them are within reach, ``(K,)``.
        value: Estimated return of each ``(K,)``; zeros where nothing asks for it.
        densities: Computes their log-densities ``(K,)``.
        successes: Computes how likely each is reached ``(K,)``.
    """

    goals: np.ndarray
    viable: np.ndarray
    value: np.ndarray
    densities: Callable[[np.ndarray], np.ndarray]
    successes: Callable[[np.ndarray], np.ndarray]

    @cached_property
    def log_density(self) -> np.ndarray:
        return self.densities(self.goals)

    def least(self, score: np.ndarray) -> int:
        """The viable candidate of least score."""
        return int(np.where(self.viable, score, np.inf).argmin())

    def drawn(self, logits: np.ndarray, generator: np.random.Generator) -> int:
        """A viable candidate, drawn in proportion to exp(logits)."""
        logits = np.where(self.viable, logits, -np.inf)
        weights = np.exp(logits - logits.max())
        return int(generator.choice(len(weights), p=weights / weights.sum()))


#: A chooser: candidates, at least one of them viable, a generator and the options, to a number among them.
Chooser = Callable[[Candidates, np.random.Generator, Any], int]


def mega(candidates: Candidates, generator: np.random.Generator, options: Any) -> int:
    """The goal of least density: it maximises the entropy of achieved goals greedily. Pitis et al. 2020, section 3."""
    return candidates.least(candidates.log_density)


def diverse(candidates: Candidates, generator: np.random.Generator, options: Any) -> int:
    """A goal in proportion to pᵅ; candidates are drawn from p, so that -1 is uniform over what was achieved. Pong et al. 2020, Skew-Fit."""
    return candidates.drawn(options.alpha * candidates.log_density, generator)


def achieved(candidates: Candidates, generator: np.random.Generator, options: Any) -> int:
    """Any goal: as often as it was achieved."""
    return candidates.drawn(np.zeros(len(candidates.goals)), generator)


def minq(candidates: Candidates, generator: np.random.Generator, options: Any) -> int:
    """The goal of least value among those within reach: the farthest one."""
    return candidates.least(candidates.value)


def goal_disc(candidates: Candidates, generator: np.random.Generator, options: Any) -> int:
    """The goal that is reached half of the time, as goals of intermediate difficulty are. Florensa et al. 2018."""
    return candidates.least(np.abs(candidates.successes(candidates.goals) - 0.5))


#: By name; omega is mega where it does not keep the task's goal.
CHOOSERS: dict[str, Chooser] = {
    "mega": mega,
    "omega": mega,
    "diverse": diverse,
    "achieved": achieved,
    "minq": minq,
    "goal_disc": goal_disc,
}


def share_of_own(own: np.ndarray, achieved: np.ndarray, beta: float) -> float:
    """Probability with which OMEGA keeps the task's goal: 1 / max(β + KL(p_dg ‖ p_ag), 1). Pitis et al. 2020, section 3.3.

    Args:
        own: Log-densities of some of the task's goals under the task's goals, ``(N,)``.
        achieved: Of the same under achieved goals, in the same coordinates.
        beta: β.
    """
    return float(1.0 / max(beta + np.mean(own - achieved), 1.0))


class Cutoff:
    """Least value of goals within reach, of one environment: it follows the successes of its last episodes with chosen goals.

    Of the last 10 of them, at least 7 successes lower it by 1, and at most 3 raise it by 1; then counting begins anew. It is never above
    its start, and never below the least value of candidates so far.

    Args:
        initial: Where it starts; it is not greater than that.
        bound: It is never less than that.
    """

    def __init__(self, initial: float, bound: float) -> None:
        self.initial, self.bound = max(initial, bound), bound
        self.value = self.least = self.initial
        self.successes: deque[float] = deque(maxlen=WINDOW)

    def adapt(self, values: np.ndarray) -> float:
        """The cut-off for candidates of these values ``(K,)``."""
        if len(self.successes) == WINDOW:
            self.least = max(self.bound, min(float(values.min()), self.least))
            share = float(np.mean(self.successes))
            if share >= FALLS_AT:
                self.value = max(self.least, self.value - 1.0)
            elif share <= RISES_AT:
                self.value = min(self.initial, self.value + 1.0)
            if share >= FALLS_AT or share <= RISES_AT:
                self.successes.clear()
        return self.value

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value, "least": self.least, "successes": list(self.successes)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.value, self.least = state["value"], state["least"]
        self.successes = deque(state["successes"], maxlen=WINDOW)


def lowest_cutoff(discount: float, steps: float) -> float:
    """The value, in rewards of -1 per step, of a goal that takes 80% of an episode: -(1 - γ^(0.8 T)) / (1 - γ), γ at most 0.99."""
    gamma = min(discount, 0.99)
    return -float(1.0 - gamma ** (0.8 * steps)) / (1.0 - gamma)


def in_costs(value: np.ndarray, rewards: tuple[float, float], discount: float) -> np.ndarray:
    """Values of rewards within bounds as those of rewards -1 and 0 (the best one): what a cut-off is stated in.

    Rewards of 0 and 1 that go on at the goal are worth 1 / (1 - γ) there: the best of all values is 0 in costs.
    """
    low, high = rewards
    if not np.isfinite([low, high]).all() or low >= high or discount >= 1.0:
        return value
    found: np.ndarray = (value - high / (1.0 - discount)) / (high - low)
    return found
