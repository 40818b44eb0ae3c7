"""What the tests of runs share: a stand-in for the composed configuration, and a way to die at a file operation."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from faults import injected
from faults.injected import OPERATIONS


def make_config(root: Path, **values: Any) -> Any:
    """The attributes of a composed configuration that a run looks at; `values` are set by dotted key with ``__`` for dots."""
    tree: dict[str, Any] = {
        "experiment": "default",
        "seed": 1,
        "root": str(root),
        "callbacks": ["console"],
        "agent": {"name": "acme/drqv2", "lr": 1e-4, "stddev": "linear(1.0,0.1,100000)"},
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
        tree=(whole := copy.deepcopy(tree)),
        stored=whole,
        components=lambda: [],
        experiment=tree["experiment"],
        seed=tree["seed"],
        compile="auto",
        root=tree["root"],
        agent=SimpleNamespace(name=tree["agent"]["name"]),
        suite=SimpleNamespace(name=tree["suite"]["name"], task=tree["suite"]["task"]),
        checkpoint=SimpleNamespace(keep=tree["checkpoint"]["keep"]),
        replay=SimpleNamespace(load=None, save=None),
        evaluate=SimpleNamespace(features=None),
        options=lambda: iter(()),
        defaults={},
        code=(),
        digest=lambda: hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest(),
    )
    return config


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Any]:
    """Makes configurations with their root in the temporary directory."""
    return lambda **values: make_config(**{"root": tmp_path / "runs", **values})


@pytest.fixture
def die_before() -> Callable[..., bool]:
    """Runs an action in a forked child that is killed before its n-th file operation; returns whether there were so many.

    With ``torn=True`` only files that are synchronised count, and half of the file is lost.
    """

    def run(number: int, action: Callable[[], object], torn: bool = False) -> bool:
        child = os.fork()
        if child == 0:
            left = [number]

            def strike(event: str, path: str) -> None:
                if event not in OPERATIONS or (torn and (event != "fsync" or os.path.isdir(path))):
                    return
                left[0] -= 1
                if not left[0]:
                    if torn:
                        injected.tear(path)
                    injected.kill()

            status = 1
            try:
                injected.install(strike)
                action()
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return True
        assert os.WEXITSTATUS(status) == 0
        return False

    return run
