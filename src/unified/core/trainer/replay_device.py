"""Choose where the batches of a replay are gathered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from unified.core.base.errors import Problem, UsageError
from unified.core.learn.device import resolve_device
from unified.core.replay.samplers import Sampler
from unified.core.replay.store import columns_of, slots_of

if TYPE_CHECKING:
    from unified.core.base.spec import Spec
    from unified.core.replay.views import View

#: With ``replay.device=auto``, greatest share of the free memory of a GPU that the observations of a replay may take.
SHARE = 0.5


def choose_replay_device(
    name: str, device: torch.device, view: View, sampler: Sampler, spec: Spec, capacity: int, num_envs: int
) -> torch.device | None:
    """The device that keeps a copy of the observations and gathers batches of them; ``None`` for the CPU without a copy.

    Args:
        name: The option `replay.device`: ``"cpu"``; ``"auto"``, the agent's GPU if the observations take at most half of its free memory;
            or the agent's GPU by name.
        device: Of the agent.
        view: The form of batches.
        sampler: Chooses the rows.
        spec: Of the task.
        capacity: Slots, of all environments.
        num_envs: Environments.

    Raises:
        UsageError: If a GPU is named that is not here or is not the agent's, or the batches cannot be gathered there.
    """
    if name == "cpu" or (name == "auto" and device.type != "cuda"):
        return None
    obstacle = _obstacle(view, sampler)
    if name == "auto":
        observation = sum(column.bytes for key, column in columns_of(spec.spaces, spec.action).items() if key.partition(".")[0] == "obs")
        free, _ = torch.cuda.mem_get_info(device)
        return None if obstacle or slots_of(capacity, num_envs) * observation > SHARE * free else device
    wanted = resolve_device(name, "replay.device")
    if (wanted.type, wanted.index or 0) != (device.type, device.index or 0):
        raise UsageError(Problem(f"replay.device={name}, and the agent is on device {device}", f"device={name}, or replay.device=cpu"))
    if obstacle:
        raise UsageError(Problem(f"replay.device={name}: {obstacle}", "replay.device=cpu"))
    return device


def _obstacle(view: View, sampler: Sampler) -> str:
    """The reason why batches are gathered on the CPU; empty if a GPU may do it."""
    if view.whole:
        return "a rollout is used once, so a copy of it on the GPU saves nothing"
    if type(sampler).relabel is not Sampler.relabel:
        return f"sampler {type(sampler).__name__} relabels rows, which it does on the CPU"
    return ""
