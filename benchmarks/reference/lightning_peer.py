"""The other side of the ResNet in `data`: ``python lightning_peer.py SKIP COUNT PRECISION`` prints updates per second, those after SKIP.

Lightning's trainer with nothing beside it: no logger, no checkpoints, no progress bar. The network is torchvision's ResNet-18 as it is
adapted to 32×32 everywhere, a 3×3 first layer with stride 1 and no pool after it, which is what ``encoder=resnet18`` is there too.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import lightning
import torch
import torchvision
from pictures import BATCH, loader, random_pictures
from torch import nn


class Classifier(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = torchvision.models.resnet18(weights=None, num_classes=10)
        self.network.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
        self.network.maxpool = nn.Identity()

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> torch.Tensor:
        pictures, labels = batch
        return nn.functional.cross_entropy(self.network(pictures), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=3e-4, weight_decay=0.0, fused=True)


class Watch(lightning.Callback):
    """When the counted updates began, and when they ended."""

    def __init__(self, skip: int) -> None:
        self.skip = skip
        self.marks: list[tuple[float, int]] = []

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.global_step >= self.skip:
            self.marks = [*self.marks[:1], (time.perf_counter(), trainer.global_step)]


def main(skip: int, count: int, precision: str) -> None:
    watch = Watch(skip)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would like more workers than there are cores
        trainer = lightning.Trainer(
            accelerator="cpu",
            precision={"fp32": "32-true", "bf16": "bf16-mixed"}[precision],  # type: ignore[arg-type]
            max_steps=skip + count,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[watch],
        )
        trainer.fit(Classifier(), loader(*random_pictures(10_000), BATCH))
    (start, first), (end, last) = watch.marks
    print(json.dumps((last - first) / (end - start)))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
