"""The choice of the OpenGL back-end, on machines that are made up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unified.core.base.errors import UsageError
from unified.plugins.suites import opengl
from unified.plugins.suites.gym.suite import Gym
from unified.plugins.suites.opengl import Machine, Renderer, choose

ALL = frozenset({"EGL", "EGL_nvidia", "OSMesa"})
MESA = frozenset({"EGL", "OSMesa"})
NVIDIA, DOCKER, NO_GPU = Machine(ALL, nvidia=True), Machine(MESA, nvidia=True), Machine(MESA)


@pytest.mark.parametrize(
    ("machine", "variable", "given", "expected"),
    [
        (NVIDIA, None, {}, Renderer("egl", "exact", True, "an NVIDIA GPU")),
        (Machine(MESA, drivers=frozenset({"amdgpu"})), None, {}, Renderer("egl", "exact", True, "a GPU (amdgpu)")),
        (Machine(MESA, drivers=frozenset({"i915", "vgem"})), None, {}, Renderer("egl", "exact", True, "a GPU (i915)")),
        (Machine(MESA, drivers=frozenset({"virtio_gpu"})), None, {}, Renderer("osmesa", "fast", False, "no GPU found")),
        (Machine(MESA, nvidia=True, drivers=frozenset({"nvidia", "xe"})), None, {}, Renderer("egl", "exact", True, "a GPU (xe)")),
        (DOCKER, None, {}, Renderer("osmesa", "fast", False, "the NVIDIA GPU has no EGL here: libEGL_nvidia is missing")),
        (NO_GPU, None, {}, Renderer("osmesa", "fast", False, "no GPU found")),
        (Machine(frozenset({"EGL"})), None, {}, Renderer("egl", "fast", False, "no GPU found")),
        (
            Machine(ALL - {"EGL"}, nvidia=True),
            None,
            {},
            Renderer("osmesa", "fast", False, "the NVIDIA GPU has no EGL here: libEGL_nvidia is missing"),
        ),
        (NVIDIA, "osmesa", {}, Renderer("osmesa", "fast", False, "MUJOCO_GL")),
        (NO_GPU, "egl", {}, Renderer("egl", "fast", False, "MUJOCO_GL")),
        (NVIDIA, "EGL", {}, Renderer("egl", "exact", True, "MUJOCO_GL")),
        (NO_GPU, "osmesa", {"gl": "egl"}, Renderer("egl", "fast", False, "suite.gl")),
        (NVIDIA, None, {"render": "fast"}, Renderer("egl", "fast", True, "an NVIDIA GPU")),
        (NO_GPU, None, {"render": "exact"}, Renderer("osmesa", "exact", False, "no GPU found")),
        (NO_GPU, "disable", {}, Renderer("osmesa", "fast", False, "no GPU found")),
    ],
)
def test_the_choice(
    machine: Machine, variable: str | None, given: dict[str, str], expected: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    if variable is not None:
        monkeypatch.setenv("MUJOCO_GL", variable)
    assert choose(**given, machine=machine) == expected


def test_no_gl_at_all_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    with pytest.raises(UsageError, match=r"neither OSMesa nor EGL is installed.*apt-get install libosmesa6"):
        choose(machine=Machine())
    with pytest.raises(UsageError, match=r"suite.gl=egl, but its library is not installed.*apt-get install libegl1"):
        choose("egl", machine=Machine(nvidia=True))


def test_the_machine_is_found_without_loading_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    monkeypatch.setattr("ctypes.util.find_library", lambda name: names.append(name) or name)
    found = opengl.this_machine.__wrapped__()
    assert names == ["EGL", "EGL_nvidia", "OSMesa"]
    assert found.libraries == set(names)
    assert found.nvidia == any(Path("/dev").glob("nvidia[0-9]*"))


@pytest.mark.parametrize(("machine", "expected"), [(NVIDIA, "egl"), (NO_GPU, "osmesa"), (Machine(), "osmesa")])
def test_mujoco_tasks_of_gymnasium_follow_it(machine: Machine, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "")
    monkeypatch.delenv("MUJOCO_GL")
    monkeypatch.setattr(opengl, "this_machine", lambda: machine)
    seen: list[str] = []
    monkeypatch.setattr(Gym, "new_environment", lambda self: seen.append(os.environ["MUJOCO_GL"]))
    Gym("HalfCheetah-v5", None).environment()
    assert seen == [expected]
