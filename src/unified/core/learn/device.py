"""Which device and precision a run uses."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import torch

from unified.core.base.errors import Problem, UsageError


def resolve_device(name: str) -> torch.device:
    """``"auto"`` is the GPU where there is one.

    Raises:
        UsageError: If a device is named that is not here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(Problem(f"device={name}: no such device", "device=auto, cpu, cuda or cuda:N")) from None
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise UsageError(Problem(f"device={name}: {torch.cuda.device_count()} GPUs are usable here", "device=auto or device=cpu"))
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError(Problem("device=mps: there is none here", "device=auto or device=cpu"))
    return device


@cache
def cpu_has_bf16() -> bool:
    """Whether this processor multiplies bfloat16 natively; emulated, it would be slower than float32."""
    try:
        return any(flag in Path("/proc/cpuinfo").read_text() for flag in ("avx512_bf16", "amx_bf16"))
    except OSError:
        return False


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


def resolve_precision(name: str, device: torch.device) -> str:
    """``"auto"`` is ``"bf16"`` (for encoders) where the hardware has it, else ``"fp32"``."""
    if name != "auto":
        return name
    has_bf16 = torch.cuda.is_bf16_supported() if device.type == "cuda" else cpu_has_bf16()
    return "bf16" if has_bf16 else "fp32"
