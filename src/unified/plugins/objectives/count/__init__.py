"""Count-based exploration: a reward for observations that were seldom reached."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="count",
    target="unified.plugins.objectives.count.objective:Count",
    example="--agent ppo --suite gym:MountainCar-v0 -o +count",
    answers=dict.fromkeys(("simhash", "hash_count", "pseudo_count"), "-o +count"),
    summary="counts of hashed observations: rewards those that were seldom reached",
)
