"""Options of everything, and presets. Torch-free: all of it is read before a run is built."""

from __future__ import annotations

from pydantic import Field
from unified import Options, Preset
from unified.agents import ActorCriticOptions


class TwinOptions(ActorCriticOptions):
    """The paper's settings, but for fewer random steps: its tasks take a million steps, ours some thousand."""

    delay: int = Field(2, ge=1)
    """Updates of the critics for each of the actor and of the target networks."""
    explore_std: float = Field(0.1, gt=0)
    """Standard deviation of the noise in actions that are played."""
    smooth_std: float = Field(0.2, gt=0)
    """Standard deviation of the noise in target actions."""
    smooth_clip: float = Field(0.5, gt=0)
    """Greatest noise in target actions."""


#: Later ones win over earlier ones; recipes and what is typed win over all.
PRESETS = (
    Preset(
        "harbour",
        "harbour:*",
        {"agent.lr": 1e-3, "agent.batch_size": 128, "agent.delay": 1, "train.frames": 10_000, "evaluate.every": 2_000},
        "an episode is a hundred steps and the waters are simple: larger steps do no harm",
    ),
)


class HarbourOptions(Options):
    """The waters."""

    episode_steps: int = Field(100, ge=1)
    """Steps after which an episode is cut off."""
    current: float = Field(0.0, ge=-1, le=1)
    """Drift to the east, in harbour halves per hundred steps."""


class MilestonesOptions(Options):
    """Of `Milestones`."""

    levels: tuple[float, ...] = (25.0, 50.0, 75.0)
    """Evaluation returns that are waited for."""


class LogbookOptions(Options):
    """Of `Logbook`."""

    file: str = Field("logbook.txt", min_length=1)
    """Name of the logbook in the directory of all runs."""
