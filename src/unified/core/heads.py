"""Values and policies are distributions: the two contracts behind which every head stands.

What makes one critic or policy differ from another is how a value is represented, backed up and compared, and how an action is. The
algorithms are written once against these contracts; the members are architectures.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import torch


class Value(ABC):
    """An estimate of a return, for a batch; an ensemble of E members where the leading dimension says so."""

    @property
    @abstractmethod
    def mean(self) -> torch.Tensor:
        """Expected return, ``(B,)``, or ``(E, B)`` for an ensemble."""

    @abstractmethod
    def least(self) -> Self:
        """The member with the least mean, chosen row by row: a whole member, not a minimum of its parts (clipped double Q-learning)."""

    @abstractmethod
    def backup(self, reward: torch.Tensor, discount: torch.Tensor) -> torch.Tensor:
        """What ``reward + discount * self`` is in this representation: the target that `loss` takes."""

    @abstractmethod
    def loss(self, target: torch.Tensor) -> torch.Tensor:
        """Distance to a target for each row ``(B,)``, summed over the members of an ensemble."""


class Policy(ABC):
    """A distribution over actions for a batch of observations."""

    @property
    @abstractmethod
    def mode(self) -> torch.Tensor:
        """The action to play when not exploring, ``(B, A)``."""

    @abstractmethod
    def rsample(self, generator: torch.Generator) -> torch.Tensor:
        """A draw ``(B, A)`` through which gradients flow."""

    @abstractmethod
    def log_prob(self, action: torch.Tensor) -> torch.Tensor:
        """Log-density of the actions, ``(B,)``."""

    def sample(self, generator: torch.Generator) -> torch.Tensor:
        """A draw ``(B, A)`` without gradient."""
        with torch.no_grad():
            return self.rsample(generator)
