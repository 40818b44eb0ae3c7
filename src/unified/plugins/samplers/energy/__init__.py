"""Hindsight on episodes in which much was moved."""

from __future__ import annotations

from unified.core.components.descriptors import SamplerComponent

component = SamplerComponent(
    name="energy",
    target="unified.plugins.samplers.energy.sampler:Energy",
    config="unified.plugins.samplers.energy.config:EnergyOptions",
    answers=dict.fromkeys(("ebp", "energy_based"), "replay.sampler=energy   on a task with goals that are places"),
    summary="hindsight, on episodes in proportion to the energy of what they moved (Zhao & Tresp 2018)",
    example="--agent sac --suite goals:point_reach replay.sampler=energy",
)
