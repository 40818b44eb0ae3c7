"""Options of the objectives. Torch-free."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unified.core.options import Options


class SurrogateOptions(Options):
    """How far a policy may move from the one that acted."""

    clip: float = Field(0.2, gt=0)
    """Greatest change ε of an action's probability ratio that is rewarded."""


class StateValueOptions(Options):
    """How much it counts."""

    weight: float = Field(0.5, ge=0)
    """Factor of the loss beside the others of its phase."""


class EntropyOptions(Options):
    """How much it counts."""

    weight: float = Field(0.01, ge=0)
    """Factor of the entropy beside the other terms of its phase."""


class ImitateOptions(Options):
    """How closely."""

    smoothing: float = Field(0.0, ge=0, lt=1)
    """Share ε of the probability that is spread over all choices (label smoothing); for policies over choices."""


class VAEOptions(Options):
    """What the two terms are worth."""

    beta: float = Field(1.0, ge=0)
    """Weight β of the divergence."""
    variance: float = Field(0.05, gt=0)
    """Of each number that is decoded, within [-1, 1]: the less, the more exact."""


class AdversarialOptions(Options):
    """Which loss, and how smooth the critic has to be."""

    loss: Literal["nonsaturating", "hinge", "relativistic"] = "relativistic"
    """The game: nonsaturating, hinge or relativistic."""
    r1: float = Field(0.1, ge=0)
    """Weight γ of the critic's slope at what is real."""
    r2: float = Field(0.1, ge=0)
    """Weight γ of the critic's slope at what is made."""


class SPROptions(Options):
    """How far ahead, and how much it counts; as in the paper on Atari, its `scripts/run.py`."""

    weight: float = Field(5.0, ge=0)
    """Factor of the loss, 2 - 2 cos for each step, beside the others of its phase."""
    jumps: int = Field(5, ge=1)
    """Steps K that are predicted."""
    tau: float | None = Field(None, gt=0, le=1)
    """Rate at which the encoder and the projector of what is predicted follow; null: 1, a copy, where the agent augments, else 0.01."""
    hidden: int = Field(256, ge=1)
    """Units, or channels, between the two layers of the dynamics."""
    projection: int = Field(256, ge=1)
    """Numbers that are compared."""
