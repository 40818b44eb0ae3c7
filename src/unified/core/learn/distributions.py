"""Values and policies are distributions: the two contracts behind which every head stands.

What makes one critic or policy differ from another is how a value is represented, backed up and compared, and how an action is. The
algorithms are written once against these contracts; the members are architectures.

Shapes: B rows, E members of an ensemble (always there, 1 for a single critic), A choices of an action, D numbers of an action each of which
is a choice of its own.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

import torch


class Value(ABC):
    """Estimates of a return: ``(E, B)`` of states or actions, ``(E, B, A)`` of all choices, ``(E, B, D, A)`` where these are D at once."""

    @property
    @abstractmethod
    def mean(self) -> torch.Tensor:
        """Expected returns, ``(E, B)``, ``(E, B, A)`` or ``(E, B, D, A)``."""

    @property
    def greedy(self) -> torch.Tensor:
        """The choices of greatest mean, averaged over the members: ``(B,)`` or ``(B, D)``, int64."""
        return self.mean.mean(dim=0).argmax(dim=-1)

    @abstractmethod
    def gather(self, action: torch.Tensor) -> Self:
        """Of all choices, the one that was made ``(B,)``: ``(E, B, A)`` becomes ``(E, B)``.

        Of D choices ``(B, D)`` it is the average of their values: ``(E, B, D, A)`` becomes ``(E, B)`` (decoupled Q-learning, Seyde et al.
        2023, "Solving continuous control via Q-learning", equation 2).
        """

    @abstractmethod
    def expectation(self, probabilities: torch.Tensor) -> Self:
        """The average over all choices with these probabilities ``(B, A)`` or ``(B, D, A)``: ``(E, B)``, as `at` is of one choice."""

    @abstractmethod
    def rows(self, which: slice) -> Self:
        """Some of the rows."""

    @abstractmethod
    def members(self, which: torch.Tensor | slice) -> Self:
        """Some members, by their indices ``(K,)`` or a slice, as an ensemble of these."""

    @abstractmethod
    def min(self) -> Self:
        """The member with the least mean, chosen row by row, as an ensemble of one: a whole member, not a minimum of its parts.

        Source: Fujimoto et al. 2018, clipped double Q-learning.
        """

    @abstractmethod
    def mean_over_ensemble(self) -> Self:
        """The average over the members, as an ensemble of one."""

    @abstractmethod
    def mixture(self, weights: torch.Tensor) -> Self:
        """The convex combination of the members with these weights ``(B, E)``, as an ensemble of one. Source: Agarwal et al. 2020, REM."""

    @abstractmethod
    def shift(self, delta: torch.Tensor) -> Self:
        """Every return greater by a number for each row ``(B,)``: an entropy bonus."""

    @abstractmethod
    def backup(self, reward: torch.Tensor, discount: torch.Tensor) -> Self:
        """``reward + discount * self`` for rewards and discounts ``(B,)``: the target that `loss` takes.

        With discount 0 it is the reward alone, whatever this value is: so a known return becomes a target.
        """

    @abstractmethod
    def clamped(self, low: float, high: float) -> Self:
        """Every return within these bounds: those beyond become the bound."""

    @abstractmethod
    def loss(self, target: Self) -> torch.Tensor:
        """Distance to a target, for each row ``(B,)``, summed over the members; a target of one member is everyone's."""

    @torch.no_grad()
    def td_error(self, target: Self) -> torch.Tensor:
        """Size of the TD error of each row ``(B,)``, never negative: its priority in a prioritised replay. Averaged over the members.

        It is |δ|, the distance between the means, where a head does not override it, and not the loss: neither the exponent of a loss nor
        the number of critics may change how often a row is drawn. Source: Schaul et al. 2016, section 3.3 (p = |δ|).
        """
        return (self.mean - target.mean).abs().mean(dim=0)


class Policy(ABC):
    """A distribution over actions for a batch of observations: numbers ``(B, D)``, or choices ``(B,)`` or ``(B, D)``, int64."""

    @property
    @abstractmethod
    def mode(self) -> torch.Tensor:
        """The action to play when not exploring."""

    @property
    def probabilities(self) -> torch.Tensor | None:
        """Of all choices, ``(B, A)`` or ``(B, D, A)``; ``None`` where actions are numbers."""
        return None

    @abstractmethod
    def rsample(self, generator: torch.Generator) -> torch.Tensor:
        """A draw through which gradients flow.

        Raises:
            TypeError: If actions are choices: no gradient flows through one. `expectation` serves both.
        """

    @abstractmethod
    def log_prob(self, action: torch.Tensor) -> torch.Tensor:
        """Log-density, or log-probability, of the actions: ``(B,)``."""

    def misfit(self, action: torch.Tensor, log_prob: torch.Tensor) -> torch.Tensor:
        """How badly the policy fits the actions, ``(B,)``: 0 for a perfect fit and never negative, the priority of imitation.

        By default the difference between the log-density at the mode and at the action. The density alone would not do: it has no upper
        bound, so that -log π is negative for the rows that fit well.

        Args:
            action: As for `log_prob`.
            log_prob: What `log_prob` returned for them, ``(B,)``.
        """
        return (self.log_prob(self.mode) - log_prob).clamp_min(0.0)

    def uniform_log_prob(self) -> torch.Tensor:
        """Average of the log-probabilities of all choices, ``(B,)``: what label smoothing adds.

        Raises:
            TypeError: If actions are numbers.
        """
        raise TypeError(f"{type(self).__name__} has no choices whose labels could be smoothed: objective.nll.smoothing=0")

    @abstractmethod
    def entropy(self) -> torch.Tensor:
        """Entropy ``(B,)``, with gradient."""

    def detach(self) -> Self:
        """The same distribution without a graph and in memory of its own: it stays as it is when the parameters move."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, torch.Tensor):
                setattr(other, name, value.detach().clone())
            elif isinstance(value, Policy):
                setattr(other, name, value.detach())
        return other

    def kl(self, other: Self) -> torch.Tensor:
        """KL(self ‖ other) of each row ``(B,)``, in closed form, with gradients for both.

        Raises:
            TypeError: If the distribution has none.
        """
        raise TypeError(f"{type(self).__name__} has no KL divergence in closed form")

    def sample(self, generator: torch.Generator) -> torch.Tensor:
        """A draw without gradient."""
        with torch.no_grad():
            return self.rsample(generator).detach()

    def sample_and_log_prob(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """A draw and its log-probability ``(B,)``, both with what gradient there is: exact where `log_prob` has to invert a squashing."""
        action = self.rsample(generator)
        return action, self.log_prob(action)

    def expectation(
        self,
        value: Callable[[torch.Tensor | None], Value],
        generator: torch.Generator,
    ) -> tuple[Value, torch.Tensor]:
        """The value of acting so, ``(E, B)``, and E[log π] ``(B,)``, with gradients for the policy.

        Numbers are drawn once, and gradients flow through the draw; over choices the expectation is exact. What is written with this works
        for both.

        Args:
            value: Gives the value of an action, or of all choices where it is given None.
            generator: For the draw.
        """
        action, log_prob = self.sample_and_log_prob(generator)
        return value(action), log_prob
