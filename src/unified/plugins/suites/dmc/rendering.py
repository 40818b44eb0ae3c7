"""Which OpenGL draws dm_control's pictures, and how: found without loading any of it, and made ready in the process that draws."""

from __future__ import annotations

import ctypes.util
import importlib
import importlib.util
import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from unified.core.errors import Problem, UsageError

#: What to install where there is no OpenGL at all.
INSTALL = "apt-get install libosmesa6"
#: dm_control's module and class for each back-end.
CONTEXTS = {
    "egl": ("dm_control._render.pyopengl.egl_renderer", "EGLContext"),
    "osmesa": ("dm_control._render.pyopengl.osmesa_renderer", "OSMesaContext"),
    "glfw": ("dm_control._render.glfw_renderer", "GLFWContext"),
}


@dataclass(frozen=True)
class Renderer:
    """How pictures are drawn.

    Args:
        gl: ``"egl"``, ``"osmesa"`` or ``"glfw"`` (only where ``MUJOCO_GL`` asks for it).
        mode: ``"exact"`` as dm_control draws them, or ``"fast"``: neither shadows nor multisampling, 5 to 11 times the speed in software.
        gpu: Whether a GPU draws.
        reason: Why it is this one.
    """

    gl: str
    mode: str
    gpu: bool
    reason: str

    def __str__(self) -> str:
        name = {"egl": "EGL", "osmesa": "OSMesa", "glfw": "GLFW"}[self.gl]
        if self.mode == "fast":
            return f"render {name}, fast: no shadows ({self.reason}; suite.render=exact for the reference's pixels)"
        slow = "" if self.gpu else "; suite.render=fast is 5 times as fast or more"
        return f"render {name}, exact ({self.reason}{slow})"


def choose(gl: str = "auto", render: str = "auto") -> Renderer:
    """The renderer for the options `gl` and `render`: an explicit option, else ``MUJOCO_GL``, else EGL on an NVIDIA GPU, else software.

    Nothing is loaded: software GL brings an LLVM into the process, which must not meet Triton's.

    Raises:
        UsageError: If what is asked for, or anything at all, is not installed.
    """
    gpu = _gpu()
    found = {"egl": _library("EGL"), "osmesa": _library("OSMesa"), "glfw": True}
    wanted, reason = gl, "suite.gl"
    if gl == "auto":
        wanted, reason = os.environ.get("MUJOCO_GL", "").lower(), "MUJOCO_GL"
    if wanted not in CONTEXTS:
        reason = "an NVIDIA GPU" if gpu else "no GPU found"
        wanted = next((name for name in (("egl", "osmesa") if gpu else ("osmesa", "egl")) if found[name]), "")
        if not wanted:
            raise UsageError(Problem("no OpenGL to draw pixels with: neither OSMesa nor EGL is installed", f"install it: {INSTALL}"))
    elif not found[wanted]:
        package = "libosmesa6" if wanted == "osmesa" else "libegl1"
        raise UsageError(Problem(f"{reason}={wanted}, but its library is not installed", f"install it: apt-get install {package}"))
    drawn_by_gpu = gpu and wanted != "osmesa"
    mode = render if render != "auto" else "exact" if drawn_by_gpu else "fast"
    return Renderer(wanted, mode, drawn_by_gpu, reason)


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
        raise UsageError(Problem(f"{renderer.gl} cannot be loaded ({error})", f"install it: {INSTALL}, or choose: suite.gl=osmesa")) from error
    render.BACKEND = renderer.gl
    render.USING_GPU = renderer.gl != "osmesa"


@cache
def _library(name: str) -> bool:
    return ctypes.util.find_library(name) is not None


def _gpu() -> bool:
    """Whether an NVIDIA GPU is here with the EGL of its driver."""
    return Path("/dev/nvidia0").exists() and _library("EGL") and _library("EGL_nvidia")
