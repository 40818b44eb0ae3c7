"""Options of the suite gym. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified.core.components.options import Options


class GymOptions(Options):
    """How a Gymnasium environment is acted on."""

    action_repeat: int = Field(1, ge=1)
    """Frames for which an action is repeated."""
    pixels: bool = False
    """Observe rendered pictures instead of what the environment tells."""
    size: int = Field(84, ge=8)
    """Height and width of the pictures, in pixels."""
    observe: tuple[str, ...] = ()
    """Of a task that shows several things by name, those that are observed: [image] or [position,velocity]; none for all of them."""
