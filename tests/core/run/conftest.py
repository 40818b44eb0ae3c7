"""What the tests of runs share: a stand-in for the composed configuration, and a way to die at a fault point."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


def make_config(root: Path, **values: Any) -> Any:
    """The attributes of a composed configuration that a run looks at; `values` are set by dotted key with ``__`` for dots."""
    tree: dict[str, Any] = {
        "experiment": "default",
        "seed": 1,
        "root": str(root),
        "with": ["console"],
        "agent": {"name": "drqv2", "lr": 1e-4, "stddev": "linear(1.0,0.1,100000)"},
        "suite": {"name": "dmc", "task": "cartpole_balance", "size": 84},
        "train": {"frames": 1000, "shape": (1, 2)},
        "checkpoint": {"keep": 2},
    }
    for key, value in values.items():
        *groups, leaf = key.split("__")
        place = tree
        for group in groups:
            place = place[group]
        place[leaf] = value
    config = SimpleNamespace(
        tree=copy.deepcopy(tree),
        experiment=tree["experiment"],
        seed=tree["seed"],
        root=tree["root"],
        agent=SimpleNamespace(name=tree["agent"]["name"]),
        suite=SimpleNamespace(name=tree["suite"]["name"], task=tree["suite"]["task"]),
        checkpoint=SimpleNamespace(keep=tree["checkpoint"]["keep"]),
        replay=SimpleNamespace(load=None, save=None),
        evaluate=SimpleNamespace(features=None),
        options=lambda: iter(()),
        defaults={},
        digest=lambda: hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest(),
    )
    return config


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Any]:
    """Makes configurations with their root in the temporary directory."""
    return lambda **values: make_config(**{"root": tmp_path / "runs", **values})


@pytest.fixture
def die_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], object]], int]:
    """Runs an action in a forked child that gets SIGKILL at a fault point; returns the signal that ended it, 0 if none did."""

    def run(point: str, action: Callable[[], object]) -> int:
        child = os.fork()
        if child == 0:
            os.environ["UNIFIED_FAULT"] = f"{point}:kill"
            status = 1
            try:
                action()
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0

    return run
