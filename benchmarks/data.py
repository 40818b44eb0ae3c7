"""Data sets: loading and augmenting against a DataLoader, a ResNet against Lightning's trainer, and what the loop costs over one by hand.

``pip install lightning`` first. In turns, and with as many threads as torch takes by itself on both sides.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import torch

from reference.pictures import BATCH, MEAN, STD, WORKERS, loader, random_pictures
from row import Row, in_turns, printed, require
from unified.core.base.rng import Streams
from unified.core.envs.dataset import Rows
from unified.core.learn.device import keep_freed_memory
from unified.core.learn.networks import PixelsToFloat
from unified.core.replay.dataset import DatasetBuffer
from unified.core.replay.views import Labelled
from unified.plugins.architectures.augment.augment import RandomCrop, RandomHorizontalFlip

TURNS = 3
#: Of the ResNet: updates that are left out, and that count.
PICTURES = (1, 4)
#: Of the perceptron on digits.
DIGITS = (200, 1_500)
#: Rows of a batch that is loaded, and how many there are in all.
LOADED, ROWS = 256, 50_000


def loading(turns: int = TURNS, seconds: float = 4.0) -> Iterator[Row]:
    """Samples per second, loaded, cropped and mirrored: as a network is given them, and made numbers and standardised before.

    The DataLoader does the latter in both rows: it is the first layer of our networks that does, and on their device.
    """
    keep_freed_memory()  # as training does
    pictures, labels = random_pictures(ROWS)
    replay, streams = DatasetBuffer(Rows(pictures, labels), Labelled(batch_size=LOADED), Streams(0)), Streams(1)
    crop, flip, numbers = RandomCrop(4), RandomHorizontalFlip(0.5), PixelsToFloat(torch.nn.Identity(), MEAN, STD)

    def augmented() -> torch.Tensor:
        return flip(crop(replay.sample().obs, streams["shift"].torch()), streams["shift"].torch())

    def theirs() -> float:
        batches = itertools.chain.from_iterable(itertools.repeat(loader(pictures, labels, LOADED)))  # epoch after epoch
        for _ in range(4 * WORKERS):  # made in advance, while nobody looked
            next(batches)
        return LOADED * throughput(batches.__next__, seconds)

    arms = {
        "crop and flip, as the network is given them": lambda: LOADED * throughput(augmented, seconds),
        "crop, flip and scaling": lambda: LOADED * throughput(lambda: numbers(augmented()), seconds),
    }
    for said, rates in in_turns(arms, theirs, turns).items():
        yield rates.row(f"loading of CIFAR-shaped bytes, {said}, beside a DataLoader of {WORKERS} workers", "samples/s", 20)


def throughput(work: Callable[[], object], seconds: float) -> float:
    """Calls per second, the mean: a loader's batches come in bursts."""
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        work()
        count += 1
    return count / elapsed


def classification(turns: int = TURNS) -> Iterator[Row]:
    """Samples per second of a ResNet-18 that learns, like with like, and as each side is by default.

    Lightning's side standardises pictures, as everybody's does, where ours has them within [0, 1]: of what an update takes it is nothing.
    """
    require("lightning")
    ours = {precision: partial(printed, "ours.py", "pictures", *PICTURES, f"precision={precision}") for precision in ("fp32", "auto")}
    rates = in_turns(ours, partial(printed, "reference/lightning_peer.py", *PICTURES, "fp32"), turns)
    for precision, said in (("fp32", "float32 on both sides"), ("auto", "both at their default precision")):
        what = f"ResNet-18, CIFAR-shaped bytes, batch {BATCH}, {said}, beside Lightning with a DataLoader of {WORKERS} workers"
        yield rates[precision].times(BATCH).row(what, "samples/s", 1.5)


def overhead(turns: int = TURNS) -> Row:
    """What an update takes on digits, of which the loop should be next to nothing; float32 on both sides."""
    arms = {"ours": partial(printed, "ours.py", "digits", *DIGITS, "precision=fp32")}
    rates = in_turns(arms, partial(printed, "reference/by_hand.py", *DIGITS), turns)["ours"]
    ours, theirs = (f"{1000 / median(side):.2f} ms" for side in (rates.ours, rates.theirs))
    return Row("an update of the loop, digits, MLP, beside one written by hand", ours, theirs, rates.told(invert=True), "≤ 1.1× the time")


def measure(turns: int = TURNS) -> Iterator[Row]:
    yield from loading(turns)
    yield overhead(turns)
    yield from classification(turns)
