"""Choose the OpenGL back-end of a suite without loading it."""

from __future__ import annotations

import ctypes.util
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from unified.core.base.errors import Problem, UsageError

#: Package to install if there is no OpenGL.
INSTALL = "apt-get install libosmesa6"
#: Display names of the back-ends.
NAMES = {"egl": "EGL", "osmesa": "OSMesa", "glfw": "GLFW"}


@dataclass(frozen=True)
class Renderer:
    """A rendering back-end.

    Args:
        gl: ``"egl"``, ``"osmesa"`` or ``"glfw"`` (only if ``MUJOCO_GL`` requests it).
        mode: ``"exact"`` as in the model, or ``"fast"`` without shadows and multisampling, 5 to 11 times as fast in software.
        gpu: Whether a GPU renders.
        reason: Reason of the choice.
    """

    gl: str
    mode: str
    gpu: bool
    reason: str

    def __str__(self) -> str:
        name = NAMES[self.gl]
        if self.mode == "fast":
            return f"render {name}, fast: no shadows ({self.reason}; suite.render=exact for the reference's pixels)"
        slow = "" if self.gpu else "; suite.render=fast is 5 times as fast or more"
        return f"render {name}, exact ({self.reason}{slow})"


def choose(gl: str = "auto", render: str = "auto") -> Renderer:
    """The renderer for the options `gl` and `render`: an explicit option, else ``MUJOCO_GL``, else EGL on an NVIDIA GPU, else software.

    Nothing is loaded: software GL loads an LLVM, which must not share a process with Triton's.

    Raises:
        UsageError: If the requested back-end, or every back-end, is missing.
    """
    gpu = _gpu()
    found = {"egl": _library("EGL"), "osmesa": _library("OSMesa"), "glfw": True}
    wanted, reason = gl, "suite.gl"
    if gl == "auto":
        wanted, reason = os.environ.get("MUJOCO_GL", "").lower(), "MUJOCO_GL"
    if wanted not in NAMES:
        reason = "an NVIDIA GPU" if gpu else "no GPU found"
        wanted = next((name for name in (("egl", "osmesa") if gpu else ("osmesa", "egl")) if found[name]), "")
        if not wanted:
            raise UsageError(Problem("no OpenGL to render pixels: neither OSMesa nor EGL is installed", f"install it: {INSTALL}"))
    elif not found[wanted]:
        package = "libosmesa6" if wanted == "osmesa" else "libegl1"
        raise UsageError(Problem(f"{reason}={wanted}, but its library is not installed", f"install it: apt-get install {package}"))
    drawn_by_gpu = gpu and wanted != "osmesa"
    mode = render if render != "auto" else "exact" if drawn_by_gpu else "fast"
    return Renderer(wanted, mode, drawn_by_gpu, reason)


@cache
def _library(name: str) -> bool:
    return ctypes.util.find_library(name) is not None


def _gpu() -> bool:
    """Whether there is an NVIDIA GPU with the EGL of its driver."""
    return Path("/dev/nvidia0").exists() and _library("EGL") and _library("EGL_nvidia")
