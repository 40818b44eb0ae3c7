"""Rendering of dm_control in this process: OpenGL is loaded at the first image, with the chosen back-end."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import Any

from unified.core.base.errors import Problem, UsageError
from unified.plugins.suites.opengl import INSTALL, Renderer

#: dm_control's module and class for each back-end.
CONTEXTS = {
    "egl": ("dm_control._render.pyopengl.egl_renderer", "EGLContext"),
    "osmesa": ("dm_control._render.pyopengl.osmesa_renderer", "OSMesaContext"),
    "glfw": ("dm_control._render.glfw_renderer", "GLFWContext"),
}


def without_gl() -> None:
    """Import dm_control without OpenGL; `activate` loads it when an image is needed."""
    if "dm_control._render" not in sys.modules:
        before = os.environ.get("MUJOCO_GL")
        os.environ["MUJOCO_GL"] = "disable"
        try:
            importlib.import_module("dm_control._render")
        finally:
            os.environ.pop("MUJOCO_GL")
            if before is not None:
                os.environ["MUJOCO_GL"] = before


def activate(renderer: Renderer) -> None:
    """Load the OpenGL of the renderer into this process, for dm_control.

    Raises:
        UsageError: If it cannot be loaded.
    """
    without_gl()
    render: Any = importlib.import_module("dm_control._render")
    if renderer.gl == render.BACKEND:
        return
    if "torch" in sys.modules and importlib.util.find_spec("triton") is not None:
        importlib.import_module("triton")  # the other order is a segmentation fault: Mesa's LLVM and Triton's in one process
    os.environ["MUJOCO_GL"] = renderer.gl
    if renderer.gl != "glfw":
        os.environ["PYOPENGL_PLATFORM"] = renderer.gl
    module, name = CONTEXTS[renderer.gl]
    try:
        render.Renderer = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, OSError) as error:
        raise UsageError(
            Problem(f"{renderer.gl} cannot be loaded ({error})", f"install it: {INSTALL}, or choose: suite.gl=osmesa")
        ) from error
    render.BACKEND = renderer.gl
    render.USING_GPU = renderer.gl != "osmesa"


def simplify(model: Any) -> None:
    """Disable shadows and multisampling. Call it before the first image, since the GL context is created with these settings."""
    model.vis.quality.shadowsize = 0
    model.vis.quality.offsamples = 0
