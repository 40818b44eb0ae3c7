"""Devices, precision and memory."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import unified
from unified.core.base.errors import UsageError
from unified.core.base.spec import Space, Spec
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


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((3, 84, 84), "bf16"),
        ((1, 28, 28), "bf16"),
        ((3, 3, 84), "bf16"),
        ((3, 218, 178), "bf16"),
        ((1, 16, 3), "fp32"),
        ((3, 84, 16), "fp32"),
        ((4,), "fp32"),
    ],
)
def test_bf16_is_chosen_where_it_helps_and_is_right(shape: tuple[int, ...], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unified.core.learn.device.cpu_has_bf16", lambda: True)
    spec = Spec(Space(shape, "uint8", 0, 255), Space((), "int64", 0, 1, 2))
    assert resolve_precision("auto", torch.device("cpu"), spec) == expected
    assert resolve_precision("bf16", torch.device("cuda"), spec) == "bf16"
    if spec.space.is_picture and expected == "fp32":
        with pytest.raises(UsageError, match=rf"wrong gradients for pictures as narrow as {shape[1]}×{shape[2]} on a CPU.*precision=fp32"):
            resolve_precision("bf16", torch.device("cpu"), spec)
    else:
        assert resolve_precision("bf16", torch.device("cpu"), spec) == "bf16"


def test_narrow_pictures_are_learned_in_float32(tmp_path: Path) -> None:
    data = TensorDataset(torch.rand(32, 1, 16, 2), torch.arange(32) % 2)
    quick = {"callbacks": [], "device": "cpu", "train.updates": 4, "agent.batch_size": 16, "evaluate.every": 0, "agent.encoder": "cnn"}
    auto, full = (
        unified.train(agent="ac2", suite=data, config=quick | {"root": str(tmp_path / precision), "precision": precision}).metrics()
        for precision in ("auto", "fp32")
    )
    assert auto == full
    assert full[-1]["log_loss"] < 2


# What a process has set -----------------------------------------------------------------------------------------------------------


@contextmanager
def doubles() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def trained(root: Path) -> Any:
    quick = {
        "callbacks": [],
        "device": "cpu",
        "train.frames": 60,
        "agent.learning_starts": 20,
        "agent.batch_size": 8,
        "agent.critic.hidden_dim": 8,
    }
    return unified.train(
        agent="dqn", suite="gym:CartPole-v1", config=quick | {"root": str(root), "evaluate.episodes": 1, "evaluate.every": 0}
    )


@pytest.mark.parametrize("setting", [doubles, torch.inference_mode, torch.no_grad, lambda: torch.device("meta")])
def test_what_a_process_has_set_changes_no_run(setting: Any, tmp_path: Path) -> None:
    expected = trained(tmp_path / "plain")
    before = torch.get_default_dtype(), torch.get_default_device()
    with setting():
        within = torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        run = trained(tmp_path / "set")
        action = unified.load(run).act(np.zeros(4, np.float32))
        after = torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    assert within == after
    assert before == (torch.get_default_dtype(), torch.get_default_device())
    assert run.metrics() == expected.metrics()
    assert action == unified.load(expected).act(np.zeros(4, np.float32))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_glibc_can_be_told_to_keep_freed_memory() -> None:
    assert keep_freed_memory()
