"""Hyper-parameters of IQL, the published ones, and how they differ by task. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified import Preset
from unified.agents import ActorCriticOptions, CriticOptions


class IQLOptions(ActorCriticOptions):
    """The settings of Kostrikov et al. 2021 for locomotion; `PRESETS` holds what differs by task."""

    expectile: float = Field(0.7, gt=0, lt=1)
    """κ: V(s) is this expectile of the values of the actions that were taken; 0.5 their mean, towards 1 the best of them."""
    beta: float = Field(3.0, ge=0)
    """Inverse temperature of the weights exp(β A) by which actions are imitated; 0 for behaviour cloning."""
    max_weight: float = Field(100.0, gt=0)
    """Greatest of these weights."""
    value: CriticOptions = CriticOptions()
    """V(s)."""


PRESETS = (
    Preset(
        "published",
        "*",
        {"agent.optimizer.parts.actor.schedule": "cosine(1,0,1000000)"},
        "Kostrikov et al. 2021, section 5: the learning rate of the actor falls to 0 over a million updates",
    ),
    Preset(
        "antmaze",
        "robotics:AntMaze_*",
        {"agent.expectile": 0.9, "agent.beta": 10.0},
        "Kostrikov et al. 2021, section 5.1, with rewards of -1 and 0: offline also replay.reward_shift=-1",
    ),
    Preset(
        "pendulum",
        "gym:Pendulum-v*",
        {
            **{"train.updates": 20_000, "agent.beta": 0.05, "agent.optimizer.parts.actor.schedule": "cosine(1,0,20000)"},
            **{"agent.critic.v_min": -1500.0, "agent.critic.v_max": 0.0},
        },
        "returns of about -1,000 to 0: advantages are a hundred times those of the published tasks",
    ),
)
