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
#: Drivers of render nodes that draw in hardware by Mesa's EGL. Virtual ones (``virtio_gpu``, ``vgem``) draw in software.
HARDWARE = frozenset({"amdgpu", "radeon", "i915", "xe"})


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


@dataclass(frozen=True)
class Machine:
    """What a machine has for OpenGL.

    Args:
        libraries: Of the names ``EGL``, ``EGL_nvidia`` and ``OSMesa``, those that are installed.
        nvidia: Whether there is an NVIDIA GPU.
        drivers: Drivers of the render nodes that this user may open: ``{"amdgpu"}``.
    """

    libraries: frozenset[str] = frozenset()
    nvidia: bool = False
    drivers: frozenset[str] = frozenset()

    @property
    def gpu(self) -> str:
        """The GPU that EGL draws on; empty if there is none."""
        if "EGL" not in self.libraries:
            return ""
        if self.nvidia and "EGL_nvidia" in self.libraries:
            return "an NVIDIA GPU"
        others = sorted(self.drivers & HARDWARE)
        return f"a GPU ({others[0]})" if others else ""

    @property
    def no_gpu(self) -> str:
        """The reason why EGL draws on no GPU."""
        return "the NVIDIA GPU has no EGL here: libEGL_nvidia is missing" if self.nvidia else "no GPU found"


def choose(gl: str = "auto", render: str = "auto", machine: Machine | None = None) -> Renderer:
    """The renderer for the options `gl` and `render`: an explicit option, else ``MUJOCO_GL``, else EGL on a GPU, else software.

    Nothing is loaded: software GL loads an LLVM, which must not share a process with Triton's.

    Args:
        gl: ``"auto"``, or a back-end.
        render: ``"auto"``, or a mode.
        machine: What there is; by default that of this machine.

    Raises:
        UsageError: If the requested back-end, or every back-end, is missing.
    """
    machine = machine or this_machine()
    found = {"egl": "EGL" in machine.libraries, "osmesa": "OSMesa" in machine.libraries, "glfw": True}
    wanted, reason = gl, "suite.gl"
    if gl == "auto":
        wanted, reason = os.environ.get("MUJOCO_GL", "").lower(), "MUJOCO_GL"
    if wanted not in NAMES:
        reason = machine.gpu or machine.no_gpu
        wanted = next((name for name in (("egl", "osmesa") if machine.gpu else ("osmesa", "egl")) if found[name]), "")
        if not wanted:
            raise UsageError(Problem("no OpenGL to render pixels: neither OSMesa nor EGL is installed", f"install it: {INSTALL}"))
    elif not found[wanted]:
        package = "libosmesa6" if wanted == "osmesa" else "libegl1"
        raise UsageError(Problem(f"{reason}={wanted}, but its library is not installed", f"install it: apt-get install {package}"))
    drawn_by_gpu = bool(machine.gpu) and wanted != "osmesa"
    mode = render if render != "auto" else "exact" if drawn_by_gpu else "fast"
    return Renderer(wanted, mode, drawn_by_gpu, reason)


@cache
def this_machine() -> Machine:
    """What this machine has."""
    libraries = [name for name in ("EGL", "EGL_nvidia", "OSMesa") if ctypes.util.find_library(name)]
    nodes = [node for node in Path("/dev/dri").glob("renderD*") if os.access(node, os.R_OK | os.W_OK)]
    drivers = [Path("/sys/class/drm", node.name, "device", "driver").resolve().name for node in nodes]
    return Machine(frozenset(libraries), any(Path("/dev").glob("nvidia[0-9]*")), frozenset(drivers))
