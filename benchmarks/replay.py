"""Replay sampling against a DataLoader over episode files, and memory for each million frames.

Both sides hold the same experience and give batches of 256 rows, n-step 3, stack 3, 84×84×3 uint8, ready for the device.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from reference.replay_loader import make_loader, save_episode
from row import Row, ratio, throughput
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Transitions

SPEC = Spec(Space((3, 84, 84), "uint8", 0, 255), Space((21,), "float32", -1, 1))  # humanoid
BATCH, N_STEP, STACK, WORKERS = 256, 3, 3, 4
EPISODES, STEPS = 12, 500
LIMIT_GB = 21.5


def fill(replay: Replay, directory: Path) -> None:
    """The same episodes for both sides."""
    random = np.random.default_rng(0)
    for number in range(EPISODES):
        frames = random.integers(0, 256, (STEPS + 1, 3, 84, 84), dtype=np.uint8)
        actions = random.uniform(-1, 1, (STEPS + 1, 21)).astype(np.float32)
        rewards = random.random((STEPS + 1, 1), dtype=np.float32)
        replay.begin(0, frames[0])
        for t in range(1, STEPS + 1):
            replay.add(0, actions[t], float(rewards[t, 0]), False, t == STEPS, frames[t])
        rows = np.maximum(np.arange(STEPS + 1)[:, None] + np.arange(1 - STACK, 1), 0)
        stacked = frames[rows].reshape(STEPS + 1, -1, 84, 84)
        discounts = np.ones((STEPS + 1, 1), np.float32)
        save_episode(directory, {"observation": stacked, "action": actions, "reward": rewards, "discount": discounts}, number)


def measure(seconds: float = 4.0, turns: int = 3) -> list[Row]:
    view = Transitions(batch_size=BATCH, stack=STACK, n_step=N_STEP)
    rates: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        replay = Replay(SPEC, view, EPISODES * (STEPS + 1), 1, Streams(0))
        fill(replay, Path(folder))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # more workers than cores, as the reference has it
            batches = iter(make_loader(Path(folder), BATCH, WORKERS, N_STEP))
        for _ in range(turns):
            for _ in range(3 * WORKERS):  # batches that the workers made before the measurement
                next(batches)
            reference = throughput(batches.__next__, seconds)
            time.sleep(1.0)  # until the workers' queues are full and the cores free again
            ours = throughput(replay.sample, seconds)
            rates.append((ours, reference))
        del batches
    ours, reference = (sorted(side)[turns // 2] for side in zip(*rates, strict=True))
    needs = f"{replay.store.slot_bytes * 1e6 / 1e9:.2f} GB"
    stacked = f"{replay.store.slot_bytes * STACK * 1e6 / 1e9:.1f} GB"
    return [
        ratio(f"replay sampling, batch {BATCH}, beside {WORKERS} workers", ours, reference, "batches/s", 10),
        Row("replay memory for a million 84×84 frames, stack 3", needs, stacked, f"{1 / STACK:.2f}×", f"≤ {LIMIT_GB} GB"),
    ]


if __name__ == "__main__":
    for row in measure():
        print(f"{row.what}: {row.ours}, reference {row.reference}, {row.ratio} (target {row.target})")
