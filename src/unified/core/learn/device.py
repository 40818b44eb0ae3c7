"""Device, precision and number of threads of a run, and everything else that its bits depend on."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from unified.core.base.errors import Problem, UsageError

if TYPE_CHECKING:
    from unified.core.base.spec import Space, Spec
    from unified.core.learn.agent import Agent
    from unified.core.learn.multitask import MultiTaskAgent

#: Rows times weights of an update from which on two threads are faster than one.
WORTH_THREADS = 40_000_000
#: Beginnings of the names of vector instructions in ``/proc/cpuinfo``.
VECTORS = ("amx", "asimd", "avx", "bf16", "f16c", "fma", "i8mm", "sme", "sve")


def resolve_device(name: str, option: str = "device") -> torch.device:
    """``"auto"`` is the GPU where there is one.

    Args:
        name: Of the device.
        option: That names it.

    Raises:
        UsageError: If a device is named that is not here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(Problem(f"{option}={name}: no such device", f"{option}=auto, cpu, cuda or cuda:N")) from None
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise UsageError(Problem(f"{option}={name}: {torch.cuda.device_count()} GPUs are usable here", f"{option}=auto or {option}=cpu"))
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError(Problem("device=mps: there is none here", "device=auto or device=cpu"))
    return device


@contextmanager
def torch_defaults() -> Iterator[None]:
    """Within it torch creates float32 tensors on the CPU by default and computes gradients, whatever the process has set.

    Afterwards the process has its own number of threads again.
    """
    dtype, device, threads = torch.get_default_dtype(), torch.get_default_device(), torch.get_num_threads()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.inference_mode(False), torch.enable_grad(), torch.device("cpu") if device.type != "cpu" else nullcontext():
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)


@cache
def cpuinfo() -> Mapping[str, str]:
    """The fields of the first processor in ``/proc/cpuinfo``; empty on other systems than Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


@cache
def cpu_has_bf16() -> bool:
    """Whether this processor multiplies bfloat16 natively; emulated, it would be slower than float32."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(cpuinfo().get("flags", "").split())


def threads_for(agent: Agent | MultiTaskAgent, limit: int) -> int:
    """1 if the updates of the agent are too small for more threads, else `limit`.

    The size of an update is its rows times its weights; convolutions use each weight many times and are never small.
    """
    shapes = [parameter.shape for parameter in agent.parameters()]
    weights = sum(prod(shape) for shape in shapes if len(shape) > 1)
    return limit if any(len(shape) > 3 for shape in shapes) or agent.view.batch_size * weights >= WORTH_THREADS else 1


def bits_depend_on(device: torch.device, precision: str) -> dict[str, str]:
    """Everything beside the configuration that can change the last bit of a result; a resume is exact if none of it has changed."""
    cpu = cpuinfo() or {"model name": platform.processor()}
    flags = cpu.get("flags", cpu.get("Features", "")).split()
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision": precision,
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "processor": " ".join(cpu.get(key, "?") for key in ("model name", "cpu family", "model")),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "vectors": " ".join(sorted(flag for flag in flags if flag.startswith(VECTORS))),
    }


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The changes between two results of `bits_depend_on`, as text; empty if there are none.

    >>> differences({"threads": "2", "vectors": "avx avx2 fma"}, {"threads": "1", "vectors": "avx fma"})
    'threads 2 → 1, vectors avx2 → none'
    """
    changed = {key: (then[key], now[key]) for key in now if then[key] != now[key]}
    if "vectors" in changed:
        old, new = (set(text.split()) for text in changed["vectors"])
        changed["vectors"] = (" ".join(sorted(old - new)) or "none", " ".join(sorted(new - old)) or "none")
    return ", ".join(f"{key} {before} → {after}" for key, (before, after) in changed.items())


def keep_freed_memory() -> bool:
    """Let the C library keep what tensors give back, for the next update to use.

    By default glibc returns every large block to the system and gets it back zeroed, page by page: an eighth of an update on a CPU. Peak
    memory does not change, nor does any result. Returns whether the library supports it.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    m_trim_threshold, m_mmap_threshold = -1, -3
    return bool(mallopt(m_mmap_threshold, 1 << 30) and mallopt(m_trim_threshold, (1 << 31) - 1))


def resolve_precision(name: str, device: torch.device, spec: Spec | None = None) -> str:
    """``"auto"`` is ``"bf16"`` (for encoders) where the hardware has it and it helps, else ``"fp32"``.

    Args:
        name: ``"auto"``, ``"fp32"`` or ``"bf16"``.
        device: Device of the agent.
        spec: Of the task, if it is known.

    Raises:
        UsageError: If bfloat16 would give wrong gradients.
    """
    if name != "auto":
        if name == "bf16" and device.type == "cpu" and spec is not None:
            _refuse_wrong_gradients(spec)
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if cpu_has_bf16() and (spec is None or any(_gains_on_cpu(space) for space in spec.spaces.values())) else "fp32"


def _gains_on_cpu(space: Space) -> bool:
    """Whether an encoder of such observations is faster in bfloat16 on a CPU, and right. Networks of vectors are too small."""
    return space.is_picture and not _is_narrow(space)


def _is_narrow(space: Space) -> bool:
    """Whether gradients of an encoder of such pictures may be wrong in bfloat16 on a CPU.

    Convolutions with a stride have wrong gradients on maps that are at most 2 wide and higher than that (oneDNN in torch 2.14); these arise
    from pictures that are higher than wide.
    """
    return space.is_picture and space.shape[1] > space.shape[2] and space.shape[2] < 64


def _refuse_wrong_gradients(spec: Spec) -> None:
    for space in spec.spaces.values():
        if _is_narrow(space):
            height, width = space.shape[1:]
            what = f"precision=bf16: PyTorch computes wrong gradients for pictures as narrow as {height}×{width} on a CPU"
            raise UsageError(Problem(what, "precision=fp32, or wider pictures"))
