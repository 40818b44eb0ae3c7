"""Random network distillation: a reward for observations that a network cannot predict yet."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="rnd",
    target="unified.plugins.objectives.rnd.objective:RND",
    example="--agent ppo --suite gym:MountainCar-v0 -o +rnd",
    answers=dict.fromkeys(("curiosity", "exploration", "intrinsic"), "-o +rnd   or -o +icm"),
    summary="random network distillation: rewards observations that are new to the agent",
)
