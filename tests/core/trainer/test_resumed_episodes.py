"""Rows of unfinished episodes, after a resume that could not rebuild them."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from unified.core.base.rng import Streams
from unified.core.envs import vector_env as module
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.core.learn.actions import Action
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Transitions
from unified.core.trainer.sources import EnvCollector

VIEW = Transitions(batch_size=4, n_step=1)


class Still:
    """An agent that does nothing."""

    view, device = VIEW, torch.device("cpu")
    named_observations = True

    def initial_state(self, count: int) -> dict[str, torch.Tensor]:
        return {}

    def receive(self, batch: Batch) -> Batch:
        return batch

    def act(self, batch: Batch, *, explore: bool) -> Action:
        action = torch.zeros(len(batch.obs), 1)
        return Action(action, action)


def collector(**options: Any) -> Any:
    vector = WorkerVectorEnv(SuiteReference("unified.testing.environments:Counter", "counter", {"length": 1000, **options}), 2, seed=4)
    replay = Replay(vector.spec, VIEW, 100, 2, Streams(1))
    return SimpleNamespace(source=EnvCollector(vector, Still(), replay), replay=replay)  # type: ignore[arg-type]


@pytest.mark.parametrize(("options", "bound"), [({"deterministic": False}, 1000), ({}, 5)])
def test_an_episode_that_cannot_be_rebuilt_keeps_its_rows_and_ends(
    options: dict[str, Any], bound: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REBUILD_STEPS", bound)
    stopped, resumed = collector(**options), collector(**options)
    stopped.source.start()
    for _ in range(10):
        stopped.source.step_async()
        stopped.source.step_wait()
    snapshot = stopped.replay.flush(tmp_path)
    rows = {name: array.copy() for name, array in stopped.replay.store.data.items()}
    resumed.replay.restore(tmp_path, snapshot)
    resumed.source.load_state_dict(stopped.source.state_dict())
    assert not resumed.source.exact
    assert all("truncated after 10 steps" in line for line in resumed.source.env_failures)
    assert resumed.source.failed_episodes == 0
    store = resumed.replay.store
    assert store.held.tolist() == [10, 10]
    for lane in range(2):
        kept = store.index(lane, np.arange(11))
        for name, array in rows.items():
            np.testing.assert_array_equal(store.data[name][kept], array[kept])
        assert store.data["last"][kept].tolist() == [False] * 10 + [True]  # no action at the last observation: a truncation
        assert not store.data["terminated"][kept].any()
    for _ in range(3):
        resumed.source.step_async()
        resumed.source.step_wait()
    assert store.held.tolist() == [13, 13]
    assert store.data["step"][store.index(0, np.arange(11, 15))].tolist() == [0, 1, 2, 3]
    for source in (stopped.source, resumed.source):
        source.close()


def test_an_episode_whose_worker_is_lost_keeps_its_rows_if_it_cannot_be_rebuilt() -> None:
    """A continuing task: what was experienced before the loss is valid, and the episode is truncated."""
    reference = SuiteReference("unified.testing.environments:Counter", "counter", {"length": 1000, "deterministic": False})
    with WorkerVectorEnv(reference, 2, seed=4, placement="process") as vector:
        replay = Replay(vector.spec, VIEW, 100, 2, Streams(1))
        source = EnvCollector(vector, Still(), replay)  # type: ignore[arg-type]
        source.start()
        for step in range(9):
            if step == 6:
                os.kill(vector._ports[1].process.pid, signal.SIGKILL)  # type: ignore[attr-defined]
            source.step_async()
            steps = source.step_wait()
            assert steps.interrupted.tolist() == [False, step == 6]
        assert source.failed_episodes == 1
        assert "environment 1, episode 0 was truncated after 6 steps" in source.env_failures[-1]
    store = replay.store
    assert store.held.tolist() == [9, 8]  # six before the loss, none at it, two after it
    lengths = np.diff(np.flatnonzero(store.data["last"][store.index(1, np.arange(10))]), prepend=-1)
    assert lengths.tolist() == [7, 3]  # slots: of the interrupted episode, and of the one that goes on
    assert store.data["obs"][store.index(1, np.arange(10))][:, 1].tolist() == [*range(7), *range(3)]
    assert not store.data["terminated"][store.index(1, np.arange(10))].any()
