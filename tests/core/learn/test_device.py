"""Devices, precision and memory."""

from __future__ import annotations

import platform

import pytest
import torch

from unified.core.base.errors import UsageError
from unified.core.learn.device import keep_freed_memory, resolve_device, resolve_precision


def test_a_device_that_is_not_here_is_refused() -> None:
    assert resolve_device("cpu").type == "cpu"
    with pytest.raises(UsageError, match="GPUs are usable here"):
        resolve_device("cuda:99")
    with pytest.raises(UsageError, match="no such device"):
        resolve_device("gpu")


def test_precision_is_what_was_asked_for() -> None:
    assert resolve_precision("fp32", torch.device("cpu")) == "fp32"
    assert resolve_precision("bf16", torch.device("cpu")) == "bf16"
    assert resolve_precision("auto", torch.device("cpu")) in ("fp32", "bf16")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_glibc_can_be_told_to_keep_freed_memory() -> None:
    assert keep_freed_memory()
