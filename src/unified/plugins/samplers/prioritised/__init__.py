"""Prioritised experience replay."""

from __future__ import annotations

from unified.core.components.descriptors import SamplerComponent

component = SamplerComponent(
    name="prioritised",
    target="unified.plugins.samplers.prioritised.sampler:Prioritised",
    answers=dict.fromkeys(("per", "prioritized"), "replay.sampler=prioritised"),
    summary="transitions in proportion to their TD error (Schaul et al. 2016)",
)
