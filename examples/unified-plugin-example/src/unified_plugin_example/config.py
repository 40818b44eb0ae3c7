"""Options and presets. This module does not import torch."""

from __future__ import annotations

from pydantic import Field
from unified import Options, Preset
from unified.agents import ActorCriticOptions


class TwinOptions(ActorCriticOptions):
    """The settings of the paper, except for fewer random steps: its tasks take a million steps, `harbour` a few thousand."""

    delay: int = Field(2, ge=1)
    """Updates of the critics per update of the actor and of the target networks."""
    explore_std: float = Field(0.1, gt=0)
    """Standard deviation of the exploration noise."""
    smooth_std: float = Field(0.2, gt=0)
    """Standard deviation of the target policy noise."""
    smooth_clip: float = Field(0.5, gt=0)
    """Clip range of the target policy noise."""


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
