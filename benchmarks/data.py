"""Data sets: what the loop costs over a hand-written one, and loading and augmenting against a DataLoader."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from control import per_second as per_second_of
from row import Row, ratio
from unified.core.data import Rows
from unified.core.replay import FixedReplay
from unified.core.rng import Streams
from unified.core.views import Labelled
from unified.plugins.architectures.augment import RandomCrop, RandomHorizontalFlip

HERE = Path(__file__).parent
BATCH, WORKERS = 256, 2
UPDATES, WARM = 2_000, 200


class Pictures(Dataset):  # type: ignore[type-arg]
    """CIFAR-shaped bytes as a person would wrap them, each augmented on its own."""

    def __init__(self, pictures: np.ndarray, labels: np.ndarray) -> None:
        self.pictures, self.labels = pictures, labels
        self.transform = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)])

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(torch.from_numpy(self.pictures[index])), int(self.labels[index])


def loading() -> Row:
    """Samples per second, loaded, cropped, flipped, and as numbers, ready for a network."""
    random = np.random.default_rng(0)
    pictures, labels = random.integers(0, 256, (20_000, 3, 32, 32), dtype=np.uint8), random.integers(0, 10, 20_000)
    replay = FixedReplay(Rows(pictures, labels), Labelled(batch_size=BATCH), Streams(0))
    crop, flip, streams = RandomCrop(4), RandomHorizontalFlip(0.5), Streams(1)

    def ours() -> None:
        batch = replay.sample()
        flip(crop(batch.obs, streams["a"].torch()), streams["b"].torch()).float().div_(255.0)

    def theirs() -> Callable[[], Any]:
        batches = iter(())

        def take() -> None:
            nonlocal batches
            try:
                next(batches)
            except StopIteration:
                batches = iter(DataLoader(Pictures(pictures, labels), BATCH, shuffle=True, num_workers=WORKERS))
                next(batches)

        return take

    mine, other = (BATCH * per_second(work, seconds) for work, seconds in ((ours, 4.0), (theirs(), 8.0)))
    return ratio("loading + crop + flip, CIFAR-shaped bytes, beside a DataLoader of 2 workers", mine, other, "samples/s", 20)


def per_second(work: Callable[[], object], seconds: float) -> float:
    """Calls per second, the mean."""
    work()
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        work()
        count += 1
    return count / elapsed


def by_hand() -> float:
    """Seconds of the same updates, written as one writes them."""
    from unified.core.config import compose
    from unified.core.trainer.build import built_suite

    suite: Any = built_suite(compose(["suite=digits"]))
    rows, spec = suite.rows("train"), suite.spec()
    inputs = (torch.from_numpy(rows.inputs).float().div(255.0) - spec.mean[0]) / spec.std[0]
    labels = torch.from_numpy(rows.targets)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(inplace=True), nn.Linear(256, 256), nn.ReLU(inplace=True))
    head = nn.Sequential(nn.Linear(256, 256), nn.ReLU(inplace=True), nn.Linear(256, 256), nn.ReLU(inplace=True), nn.Linear(256, 10))
    network = nn.Sequential(encoder, head)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    start = 0.0
    for update in range(UPDATES):
        if update == WARM:
            start = time.perf_counter()
        if update * BATCH % len(inputs) < BATCH:
            order = torch.randperm(len(inputs))
        at = order[torch.arange(update * BATCH, (update + 1) * BATCH) % len(inputs)]
        loss = nn.functional.cross_entropy(network(inputs[at]), labels[at])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def overhead() -> Row:
    ours, theirs = (UPDATES - WARM) / per_second_of(HERE / "ours.py", "digits", WARM, UPDATES - WARM), by_hand()
    what = "the loop, digits, MLP, beside one written by hand"
    return Row(what, f"{ours:.2f} s", f"{theirs:.2f} s", f"{ours / theirs:.2f}×", "≤ 1.1× the time")


def measure() -> list[Row]:
    return [loading(), overhead()]
