"""What objectives ask of agents, as types: a misspelt method or attribute is an error of mypy.

An objective names the protocol of its agent in its signature, ``def __call__(self, agent: HasPolicy, batch: Batch) -> Loss``, and declares
the same names in `Objective.asks`, which are checked before the start of a run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

from unified.core.learn.distributions import Policy, Value
from unified.core.replay.batch import Batch

if TYPE_CHECKING:
    from unified.core.base.spec import Space, Spec
    from unified.core.learn.actions import Action


class HasPolicy(Protocol):
    """An agent with a policy."""

    def policy(self, features: torch.Tensor, /) -> Policy:
        """π(·|s) at features ``(B, F)``."""


class HasNoise(Protocol):
    """An agent whose policy is sampled in an update."""

    def noise(self) -> torch.Generator:
        """The generator of the next draw of an action."""


class HasCritic(Protocol):
    """An agent with a critic: ``critic(features)`` or ``critic(features, action)`` returns a `Value`."""

    @property
    def critic(self) -> nn.Module: ...


class HasBootstrap(Protocol):
    """An agent that estimates the value of the next state."""

    def bootstrap(self, batch: Batch, /) -> Value:
        """V(s'), ``(E, B)``."""


class HasTemperature(Protocol):
    """An agent of maximum entropy."""

    @property
    def alpha(self) -> Callable[[], torch.Tensor]: ...

    @property
    def target_entropy(self) -> float: ...


class HasPosterior(Protocol):
    """An agent with an encoder of actions, for variational autoencoders."""

    @property
    def posterior(self) -> nn.Module: ...


class Acts(Protocol):
    """An agent that acts, on the task of a specification."""

    @property
    def spec(self) -> Spec: ...

    @property
    def action_space(self) -> Space: ...

    def act(self, batch: Batch, *, explore: bool) -> Action:
        """Actions for the observations of a batch."""


class TemporalDifference(HasCritic, HasBootstrap, Protocol):
    """An agent whose critic is learned by temporal differences."""


class ActorCritic(HasPolicy, HasNoise, HasCritic, Protocol):
    """An agent whose actor climbs its critic."""


class SoftActorCritic(ActorCritic, HasTemperature, Protocol):
    """An actor-critic of maximum entropy."""
