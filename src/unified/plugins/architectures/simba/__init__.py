"""Residual multi-layer perceptrons."""

from __future__ import annotations

from unified.core.components.descriptors import ArchitectureComponent

component = ArchitectureComponent(
    name="simba",
    target="unified.plugins.architectures.simba.network:Simba",
    summary="residual blocks of two linear layers behind layer normalisation (SimBa)",
    places=("encoder", "actor", "critic"),
    example="--agent sac --suite gym:Pendulum-v1 critic=simba actor=simba actor.hidden_dim=128 actor.depth=1",
)
