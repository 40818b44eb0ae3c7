"""Hindsight experience replay."""

from __future__ import annotations

from unified.core.components.descriptors import SamplerComponent

component = SamplerComponent(
    name="hindsight",
    target="unified.plugins.samplers.hindsight.sampler:Hindsight",
    config="unified.plugins.samplers.hindsight.config:HindsightOptions",
    answers={"her": "replay.sampler=hindsight   with an off-policy agent, on a task with goals"},
    summary="transitions with goals that were achieved later, by any episode, or that the task set (Andrychowicz et al. 2017)",
    example="--agent dqn --suite goals:bit_flip replay.sampler=hindsight",
)
