"""Hyper-parameters of AWAC, and how they differ by task. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified import Preset
from unified.agents import ActorCriticOptions, ActorOptions, TwinCriticOptions


class AWACActorOptions(ActorOptions):
    """Options of the actor."""

    depth: int = Field(3, ge=0)
    """Hidden layers."""


class AWACCriticOptions(TwinCriticOptions):
    """Options of the critics."""

    depth: int = Field(3, ge=0)
    """Hidden layers."""


class AWACOptions(ActorCriticOptions):
    """The settings of CORL (Tarasov et al. 2022) for locomotion; `PRESETS` holds what differs by task."""

    beta: float = Field(1.0, ge=0)
    """Inverse temperature 1/λ of the weights exp(A / λ) by which actions are imitated; 0 for behaviour cloning."""
    max_weight: float = Field(100.0, gt=0)
    """Greatest of these weights."""
    actor: AWACActorOptions = AWACActorOptions()
    """The policy."""
    critic: AWACCriticOptions = AWACCriticOptions()
    """The critics."""


PRESETS = (
    Preset(
        "pendulum",
        "gym:Pendulum-v*",
        {"train.updates": 20_000, "agent.beta": 0.05, "agent.critic.v_min": -1500.0, "agent.critic.v_max": 0.0},
        "returns of about -1,000 to 0: advantages are a hundred times those of the published tasks",
    ),
)
