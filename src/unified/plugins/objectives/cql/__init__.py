"""Conservative Q-learning: actions that are not in the data lose value."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="cql",
    target="unified.plugins.objectives.cql.objective:CQL",
    example="--agent sac --suite gym:Pendulum-v1 -o +cql",
    answers={"conservative": "-o +cql"},
    summary="the values of all actions fall against those of the actions in the batch; added to td (CQL)",
)
