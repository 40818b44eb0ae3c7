"""Options of the suite dmc. Torch-free."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unified.core.components.options import Options


class DMCOptions(Options):
    """How a task of dm_control is seen and acted on."""

    pixels: bool = True
    """Observe pictures, or the state as one vector."""
    size: int = Field(84, ge=8)
    """Height and width of the pictures, in pixels."""
    action_repeat: int = Field(2, ge=1)
    """Frames for which an action is repeated; one picture is drawn for all of them."""
    render: Literal["auto", "fast", "exact"] = "auto"
    """Without shadows and multisampling, or the reference's pixels; auto is exact on a GPU and fast in software."""
    gl: Literal["auto", "egl", "osmesa"] = "auto"
    """OpenGL back-end; auto is EGL on a GPU, else OSMesa, else EGL in software."""
    camera: int | None = Field(None, ge=-1)
    """Camera that the agent sees through; by default 2 for quadrupeds and 0 for the others; -1 is the free one."""
