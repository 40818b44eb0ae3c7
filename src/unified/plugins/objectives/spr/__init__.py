"""Self-predictive representations: the encoder is taught to tell what it will see after the actions that follow."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="spr",
    target="unified.plugins.objectives.spr.objective:SPR",
    example="--agent dqn --suite gym:CartPole-v1 encoder=mlp -o +spr",
    summary="self-predictive representations: the encoder learns to predict its own next features",
)
