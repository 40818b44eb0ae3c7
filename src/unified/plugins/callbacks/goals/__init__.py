"""Descriptor of the callback goals."""

from __future__ import annotations

from unified.core.components.descriptors import CallbackComponent

component = CallbackComponent(
    name="goals",
    target="unified.plugins.callbacks.goals.callback:Goals",
    config="unified.plugins.callbacks.goals.config:GoalsOptions",
    answers={
        **dict.fromkeys(("mega", "minkde"), "callbacks=[+goals]   with an off-policy agent, on a task with goals"),
        **{name: f"callbacks=[+goals] callbacks.goals.chooser={name}" for name in ("omega", "diverse", "minq", "goal_disc")},
        **dict.fromkeys(("skew-fit", "skew_fit", "skewfit"), "callbacks=[+goals] callbacks.goals.chooser=diverse"),
        **dict.fromkeys(("goalgan", "goal_gan"), "callbacks=[+goals] callbacks.goals.chooser=goal_disc"),
    },
    summary="chooses the goals of training episodes: mega, omega, diverse, achieved, minq, goal_disc (Pitis et al. 2020)",
)
