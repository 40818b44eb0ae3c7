"""Networks and their builders: encoders, actors and critics as the built-in agents make them.

`Sight` is the encoder of an agent with the rules for stacking frames; `make_actor` and `make_critic` follow `ActorOptions` and
`CriticOptions` of `unified.agents`. How values and policies are represented is in `unified.heads`.
"""

from __future__ import annotations

from unified.core.learn.networks import output_shape
from unified.core.learn.normalize import RunningMoments
from unified.plugins.architectures.actors import Actor, Columns, MaskedActor, epsilon_greedy, make_actor, policy_head, uniform
from unified.plugins.architectures.augment.augment import make_augmentations
from unified.plugins.architectures.augment.shift import RandomShift
from unified.plugins.architectures.critics import (
    ChoiceCritic,
    Critic,
    greedy_choice,
    make_critic,
    reduced,
    soft_log_policy,
    soft_maximum,
    value_head,
)
from unified.plugins.architectures.encoders import Sight, action_mask
from unified.plugins.architectures.flow import FlowActor, FlowHead, VelocityMLP
from unified.plugins.architectures.mlp.network import MLP, Bottleneck, EnsembleMLP

__all__ = [
    "MLP",
    "Actor",
    "Bottleneck",
    "ChoiceCritic",
    "Columns",
    "Critic",
    "EnsembleMLP",
    "FlowActor",
    "FlowHead",
    "MaskedActor",
    "RandomShift",
    "RunningMoments",
    "Sight",
    "VelocityMLP",
    "action_mask",
    "epsilon_greedy",
    "greedy_choice",
    "make_actor",
    "make_augmentations",
    "make_critic",
    "output_shape",
    "policy_head",
    "reduced",
    "soft_log_policy",
    "soft_maximum",
    "uniform",
    "value_head",
]
