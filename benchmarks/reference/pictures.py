"""Pictures of CIFAR's shape, and how they are loaded and augmented one by one."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

#: Rows of a batch that is learned from.
BATCH = 128
#: Processes that load.
WORKERS = 2
#: Mean and deviation of each channel, of pictures in [0, 1]: CIFAR-10's, as everybody writes them.
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def random_pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
    """``(count, 3, 32, 32)`` uint8 of noise, and classes ``(count,)``, 0 to 9: how fast they are learned from does not depend on them."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8), random.integers(0, 10, count)


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """Bytes as a person would wrap them: each picture cropped, mirrored, made numbers and standardised on its own."""

    def __init__(self, pictures: np.ndarray, labels: np.ndarray) -> None:
        self.pictures, self.labels = torch.from_numpy(pictures), labels.tolist()
        self.transform = v2.Compose(
            [
                v2.RandomCrop(32, padding=4),
                v2.RandomHorizontalFlip(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.pictures[index]), self.labels[index]


def loader(pictures: np.ndarray, labels: np.ndarray, batch: int) -> DataLoader[tuple[torch.Tensor, int]]:
    """Batches in a new order for each epoch, made by `WORKERS` processes that live on between epochs."""
    rows = Pictures(pictures, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fewer cores than workers
        return DataLoader(rows, batch, shuffle=True, num_workers=WORKERS, persistent_workers=True, drop_last=True)
