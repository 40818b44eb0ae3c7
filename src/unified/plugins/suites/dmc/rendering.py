"""dm_control's rendering in this process: no OpenGL until a picture is wanted, and then the one that was chosen."""

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
    """Import dm_control with no OpenGL in the process; `activate` brings it later, should a picture be wanted."""
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
    """Load the renderer's OpenGL into this process, for dm_control to draw with.

    Raises:
        UsageError: If it cannot be loaded.
    """
    without_gl()
    render: Any = importlib.import_module("dm_control._render")
    if renderer.gl == render.BACKEND:
        return
    if "torch" in sys.modules and importlib.util.find_spec("triton") is not None:
        importlib.import_module("triton")  # the other order ends in a segmentation fault: Mesa's LLVM and Triton's in one process
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
    """Neither shadows nor multisampling. To be said before the first picture: the GL context is made for what the model says then."""
    model.vis.quality.shadowsize = 0
    model.vis.quality.offsamples = 0
