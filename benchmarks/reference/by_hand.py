"""The other side of the loop's cost in `data`: ``python by_hand.py SKIP COUNT`` prints updates per second, those after SKIP.

What one writes to train a perceptron on digits, and nothing beside it: no metrics, no checks, rows standardised once before it begins.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch
from torch import nn

from unified.core.config.compose import compose
from unified.core.trainer.build import built_suite

BATCH = 256


def network() -> nn.Sequential:
    """``(B, 1, 8, 8)`` to the scores of ten classes."""
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs in (64, 256, 256, 256):
        layers += [nn.Linear(inputs, 256), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(256, 10))


def main(skip: int, count: int) -> None:
    suite: Any = built_suite(compose(["suite=digits"]))
    rows, spec = suite.rows("train"), suite.spec()
    inputs = (torch.from_numpy(rows.inputs).float().div(255.0) - spec.mean[0]) / spec.std[0]
    labels = torch.from_numpy(rows.targets)
    classifier = network()
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    start, order = 0.0, torch.randperm(len(inputs))
    for update in range(skip + count):
        if update == skip:
            start = time.perf_counter()
        if len(order) < BATCH:  # a batch goes on with the next epoch
            order = torch.cat([order, torch.randperm(len(inputs))])
        at, order = order[:BATCH], order[BATCH:]
        loss = nn.functional.cross_entropy(classifier(inputs[at]), labels[at])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    print(json.dumps(count / (time.perf_counter() - start)))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
