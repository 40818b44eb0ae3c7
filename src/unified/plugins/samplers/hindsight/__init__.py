"""Hindsight experience replay."""

from __future__ import annotations

from unified.core.components.descriptors import SamplerComponent

component = SamplerComponent(
    name="hindsight",
    target="unified.plugins.samplers.hindsight.sampler:Hindsight",
    answers={"her": "replay.sampler=hindsight   with an off-policy agent, on a task with goals"},
    summary="transitions with goals that were achieved later in their episodes (Andrychowicz et al. 2017)",
    example="--agent dqn --suite unified.testing:BitFlip replay.sampler=hindsight",
)
