"""One DrQ-v2 update: batch 256, 9×84×84, against the reference's way of doing it (fp32, NCHW, grid_sample, `.item()`)."""

from __future__ import annotations

import torch

from reference.drqv2 import ReferenceDrQV2
from row import Row, rate, ratio
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.learn.builder import Builder
from unified.core.learn.device import keep_freed_memory
from unified.core.registry import registry
from unified.core.replay.batch import Batch

ACTIONS = 21  # humanoid


def make_agent(precision: str, seed: int = 1) -> torch.nn.Module:
    component = registry().get("agents", "drqv2")
    spec = Spec(Space((3, 84, 84), "uint8", 0, 255), Space((ACTIONS,), "float32", -1, 1))
    agent = component.load()(
        spec, component.options_model()(stddev="0.2"), Builder(torch.device("cpu"), precision, Streams(seed), registry())
    )
    agent.configure()
    return agent


def make_batch(rows: int = 256) -> Batch:
    obs, next_obs = torch.randint(0, 256, (2, rows, 9, 84, 84), dtype=torch.uint8)
    action = torch.rand(rows, ACTIONS) * 2 - 1
    return Batch(
        obs=obs, next_obs=next_obs, action=action, reward=torch.rand(rows), discount=torch.full((rows,), 0.97), weight=torch.ones(rows)
    )


def measure() -> list[Row]:
    batch, reference = make_batch(), ReferenceDrQV2((9, 84, 84), ACTIONS)

    def published() -> None:
        reference.update(batch.obs, batch.action, batch.reward[:, None], batch.discount[:, None], batch.next_obs, std=0.2)

    other = rate(published, 12.0)
    keep_freed_memory()  # as training does, and the reference does not
    rows = []
    for precision, target in (("bf16", 5), ("fp32", 2)):
        agent = make_agent(precision)
        ours = rate(lambda agent=agent: agent.learn(batch), 12.0)
        name = "bf16 encoder" if precision == "bf16" else "fp32, numerically equal"
        rows.append(ratio(f"DrQ-v2 update, batch 256, 9×84×84, {name}", ours, other, "updates/s", target))
    return rows
