"""Data sets beside a DataLoader, Lightning and a hand-written loop: loading and augmenting, a ResNet, and the overhead of the loop.

``pip install lightning`` first. The sides run in turns, with the number of threads that torch chooses.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from statistics import median

import torch

from reference.pictures import BATCH, MEAN, STD, WORKERS, loader, random_pictures
from row import Row, in_turns, printed, require, throughput
from unified.core.base.rng import Streams
from unified.core.envs.dataset import Rows
from unified.core.learn.device import keep_freed_memory
from unified.core.learn.networks import PixelsToFloat
from unified.core.replay.dataset import DatasetBuffer
from unified.core.replay.views import Labelled
from unified.plugins.architectures.augment.augment import RandomCrop, RandomHorizontalFlip

TURNS = 3
#: Updates of the ResNet that are skipped, and that are timed.
PICTURES = (1, 4)
#: The same for the perceptron on digits.
DIGITS = (200, 1_500)
#: Rows of a batch, and of the data set.
LOADED, ROWS = 256, 50_000


def loading(turns: int = TURNS, seconds: float = 4.0) -> Iterator[Row]:
    """Samples per second, loaded, cropped and mirrored: as input of a network in bytes, and scaled and standardised in floats.

    The DataLoader scales in both rows; with ours, the first layer of a network does that on its device.
    """
    keep_freed_memory()  # as training does
    pictures, labels = random_pictures(ROWS)
    replay, streams = DatasetBuffer(Rows(pictures, labels), Labelled(batch_size=LOADED), Streams(0)), Streams(1)
    crop, flip, numbers = RandomCrop(4), RandomHorizontalFlip(0.5), PixelsToFloat(torch.nn.Identity(), MEAN, STD)

    def augmented() -> torch.Tensor:
        return flip(crop(replay.sample().obs, streams["shift"].torch()), streams["shift"].torch())

    def loaded() -> float:
        batches = itertools.chain.from_iterable(itertools.repeat(loader(pictures, labels, LOADED)))  # epoch after epoch
        for _ in range(4 * WORKERS):  # batches that the workers made before the measurement
            next(batches)
        return LOADED * throughput(batches.__next__, seconds)

    arms = {
        "crop and flip, as the input of the network": lambda: LOADED * throughput(augmented, seconds),
        "crop, flip and scaling": lambda: LOADED * throughput(lambda: numbers(augmented()), seconds),
    }
    for label, rates in in_turns(arms, loaded, turns).items():
        yield rates.row(f"loading of CIFAR-shaped bytes, {label}, beside a DataLoader of {WORKERS} workers", "samples/s", 20)


def classification(turns: int = TURNS) -> Iterator[Row]:
    """Samples per second of a ResNet-18 in training: both in float32, and both at their defaults.

    The reference standardises pictures, and ours scales them to [0, 1]; the cost of either is negligible beside the update.
    """
    require("lightning")
    ours = {precision: partial(printed, "ours.py", "pictures", *PICTURES, f"precision={precision}") for precision in ("fp32", "auto")}
    rates = in_turns(ours, partial(printed, "reference/lightning_peer.py", *PICTURES, "fp32"), turns)
    for precision, label in (("fp32", "float32 on both sides"), ("auto", "both at their default precision")):
        what = f"ResNet-18, CIFAR-shaped bytes, batch {BATCH}, {label}, beside Lightning with a DataLoader of {WORKERS} workers"
        yield rates[precision].scaled(BATCH).row(what, "samples/s", 1.5)


def overhead(turns: int = TURNS) -> Row:
    """Time of an update on digits, in our loop and in a hand-written one; float32 in both."""
    arms = {"ours": partial(printed, "ours.py", "digits", *DIGITS, "precision=fp32")}
    rates = in_turns(arms, partial(printed, "reference/by_hand.py", *DIGITS), turns)["ours"]
    ours, reference = (f"{1000 / median(side):.2f} ms" for side in (rates.ours, rates.reference))
    return Row(
        "an update of the loop, digits, MLP, beside a hand-written one", ours, reference, rates.ratio_text(invert=True), "≤ 1.1× the time"
    )


def measure(turns: int = TURNS) -> Iterator[Row]:
    yield from loading(turns)
    yield overhead(turns)
    yield from classification(turns)
