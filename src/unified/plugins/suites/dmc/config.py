"""Options of the suite dmc. Torch-free."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unified.core.components.options import Options


class DMCOptions(Options):
    """Observations, actions and rendering of dm_control tasks."""

    pixels: bool = True
    """Observe images; false observes the state as a vector."""
    size: int = Field(84, ge=8)
    """Height and width of the images in pixels."""
    action_repeat: int = Field(2, ge=1)
    """Frames per action; one image is rendered for all of them."""
    render: Literal["auto", "fast", "exact"] = "auto"
    """Fast (no shadows and multisampling) or exact (the reference's pixels); auto is exact on a GPU and fast in software."""
    gl: Literal["auto", "egl", "osmesa"] = "auto"
    """OpenGL back-end; auto is EGL on a GPU, else OSMesa, else EGL in software."""
    camera: int | None = Field(None, ge=-1)
    """Camera of the observations; by default 2 for quadrupeds and 0 for others; -1 is the free camera."""
