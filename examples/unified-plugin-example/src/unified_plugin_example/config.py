"""Options and presets. This module does not import torch."""

from __future__ import annotations

from pydantic import Field
from unified import Options, Part, Preset


class TwinOptions(Options):
    """The settings of the paper, except for fewer random steps: its tasks take a million steps, `harbour` a few thousand."""

    lr: float = Field(3e-4, gt=0)
    """Learning rate of all parts."""
    batch_size: int = Field(256, ge=1)
    """Transitions in a batch."""
    discount: float = Field(0.99, ge=0, le=1)
    """Discount γ per agent step."""
    tau: float = Field(0.005, gt=0, le=1)
    """Update rate of the target networks."""
    delay: int = Field(2, ge=1)
    """Critic updates per actor update."""
    explore_std: float = Field(0.1, gt=0)
    """Standard deviation of the exploration noise."""
    smooth_std: float = Field(0.2, gt=0)
    """Standard deviation of the target policy noise."""
    smooth_clip: float = Field(0.5, gt=0)
    """Clip range of the target policy noise."""
    learning_starts: int = Field(1000, ge=0)
    """Agent steps of uniform random actions before learning starts."""
    updates_per_step: float = Field(1.0, ge=0)
    """Updates per agent step."""
    encoder: Part = "example/norm_mlp"
    """Architecture of the encoder, a body."""
    actor: Part = "mlp"
    """Architecture of the actor, a head."""
    critic: Part = "mlp"
    """Architecture of each critic, a head."""


#: Later presets override earlier ones; recipes and the command line override all presets.
PRESETS = (
    Preset(
        "harbour",
        "harbour:*",
        {"agent.lr": 1e-3, "agent.batch_size": 128, "agent.delay": 1, "train.frames": 10_000, "evaluate.every": 2_000},
        "episodes have 100 steps and the task is easy, so a larger learning rate works",
    ),
)


class HarbourOptions(Options):
    """Options of the suite."""

    episode_steps: int = Field(100, ge=1)
    """Time limit of an episode, in agent steps."""
    current: float = Field(0.0, ge=-1, le=1)
    """Drift to the east per 100 steps, where the harbour is 2 wide."""


class MilestonesOptions(Options):
    """Options of `Milestones`."""

    levels: tuple[float, ...] = (25.0, 50.0, 75.0)
    """Evaluation returns to record."""


class LogbookOptions(Options):
    """Options of `Logbook`."""

    file: str = Field("logbook.txt", min_length=1)
    """File name of the logbook, in the directory of all runs."""
