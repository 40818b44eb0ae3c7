"""Options of the suite atari: the preprocessing of Machado et al. 2018. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified.core.components.options import Options


class AtariOptions(Options):
    """How a game is seen and played."""

    size: int = Field(84, ge=8)
    """Height and width of the pictures, in pixels."""
    grey: bool = True
    """Pictures in grey, or in colour."""
    frame_skip: int = Field(4, ge=1)
    """Frames for which an action is repeated; what is seen is the brighter of the last two, since games draw in turns."""
    sticky: float = Field(0.25, ge=0, lt=1)
    """Probability, in each frame, that the console repeats what it did in the frame before."""
    noops: int = Field(30, ge=0)
    """Frames at most in which nothing is done before an episode; how many is drawn anew for each."""
    full_actions: bool = False
    """All 18 actions of the joystick, or those alone that do something in the game."""
    episode_frames: int = Field(108_000, ge=1)
    """Frames after which an episode is cut off (half an hour of play)."""
    clip_rewards: bool = True
    """Learn from the signs of rewards, -1, 0 or 1; returns are the game's score all the same."""
    life_loss: bool = False
    """Learn as if nothing came after a lost life; the episode goes on, and its return is of the whole game."""
