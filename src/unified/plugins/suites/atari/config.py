"""Options of the suite atari: the preprocessing of Machado et al. 2018. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified.core.components.options import Options

#: Frames of half an hour, after which games end in the literature.
WHOLE_GAME = 108_000


class AtariOptions(Options):
    """Preprocessing of a game."""

    size: int = Field(84, ge=8)
    """Height and width of the images in pixels."""
    grey: bool = True
    """Greyscale instead of colour."""
    frame_skip: int = Field(4, ge=1)
    """Frames per action; the observation is the pixelwise maximum of the last two frames, since games flicker."""
    sticky: float = Field(0.25, ge=0, lt=1)
    """Probability that a frame repeats the action of the frame before (sticky actions)."""
    noops: int = Field(30, ge=0)
    """Maximum number of no-op frames at the start of an episode; the number is random."""
    full_actions: bool = False
    """All 18 actions of the joystick instead of the minimal set of the game."""
    episode_frames: int = Field(WHOLE_GAME, ge=1)
    """Time limit of an episode in frames (half an hour of play)."""
    clip_rewards: bool = True
    """Learn from the sign of rewards; reported returns are the score of the game."""
    life_loss: bool = False
    """Treat a lost life as terminal for learning; the episode continues, and its return is the score of the whole game."""
