"""Options of everything, and presets. Torch-free: all of it is read before a run is built."""

from __future__ import annotations

from pydantic import Field
from unified import Options, Part, Preset


class TwinOptions(Options):
    """The paper's settings, but for fewer random steps: its tasks take a million steps, ours some thousand."""

    lr: float = Field(3e-4, gt=0)
    """Learning rate of Adam, for every part."""
    batch_size: int = Field(256, ge=1)
    """Transitions of an update."""
    discount: float = Field(0.99, ge=0, le=1)
    """γ of one agent step."""
    tau: float = Field(0.005, gt=0, le=1)
    """Rate at which the target actor and the target critics follow."""
    delay: int = Field(2, ge=1)
    """Updates of the critics for each of the actor."""
    explore_std: float = Field(0.1, gt=0)
    """Deviation of the noise in actions that are played."""
    smooth_std: float = Field(0.2, gt=0)
    """Deviation of the noise in the actions of a target."""
    smooth_clip: float = Field(0.5, gt=0)
    """Greatest noise in the actions of a target."""
    learning_starts: int = Field(1000, ge=0)
    """Agent steps of uniform random actions before learning starts."""
    updates_per_step: float = Field(1.0, ge=0)
    """Updates for each agent step."""
    encoder: Part = "example/norm_mlp"
    """Architecture of the encoder, a body."""
    actor: Part = "mlp"
    """Architecture of the actor, a head."""
    critic: Part = "mlp"
    """Architecture of each critic, a head."""


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
