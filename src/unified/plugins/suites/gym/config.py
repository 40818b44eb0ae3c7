"""Options of the suite gym. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified.core.components.options import Options


class GymOptions(Options):
    """Observations and actions of Gymnasium environments."""

    action_repeat: int = Field(1, ge=1)
    """Frames per action."""
    pixels: bool = False
    """Observe rendered images instead of the observations."""
    size: int = Field(84, ge=8)
    """Height and width of the images in pixels."""
    observe: tuple[str, ...] = ()
    """Keys of a Dict observation to use: [image] or [position,velocity]; none uses all."""
    action_mask: bool = False
    """Observe info["action_mask"], the valid actions: agents whose policy is over choices take these only, others are refused."""
