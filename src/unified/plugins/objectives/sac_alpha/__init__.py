"""The temperature of soft actor-critic: what entropy is worth, so that the policy has as much of it as it is told to have."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="sac_alpha",
    target="unified.plugins.objectives.sac_alpha.objective:SACAlpha",
    example="--agent sac --suite gym:Pendulum-v1 -o +sac_alpha",
    answers={"temperature": "-o sac_alpha"},
    summary="the temperature that keeps a policy's entropy at its target",
)
