"""Uniform sampling."""

from __future__ import annotations

from unified.core.components.descriptors import SamplerComponent

component = SamplerComponent(
    name="uniform",
    target="unified.core.replay.samplers:Uniform",
    summary="every stored transition with the same probability",
)
