"""SPR: data-efficient Q-learning with a self-predictive encoder, and its successors, which reset their networks."""

from __future__ import annotations

from unified import AgentComponent
from unified.plugins.agents.spr import config

component = AgentComponent(
    name="spr",
    target="unified.plugins.agents.spr.agent:SPR",
    config="unified.plugins.agents.spr.config:SPROptions",
    presets="unified.plugins.agents.spr.config:PRESETS",
    parts=("encoder", "critic"),
    modules=("encoder", "critic"),
    task_types=("control", "classify", "regress"),
    small={"batch_size": 8, "critic.hidden_dim": 16, "learning_starts": 30, "n_step": 3, "jumps": 2, "projection": 16},
    example="--suite gym:CartPole-v1",
    summary="Q-learning from few steps: Rainbow's parts and an encoder that predicts its own next features (Schwarzer et al. 2021)",
)
components = (
    component.variant(
        "sr_spr",
        config.SR_SPR,
        "spr with 8 updates for each step and networks that are reset (D'Oro et al. 2023)",
        example="--suite atari:pong",
        answers=dict.fromkeys(("sr-spr", "srspr"), "--agent sr_spr"),
    ),
    component.variant(
        "bbf",
        config.BBF,
        "spr with large networks that are reset, and with annealed n and γ (Schwarzer et al. 2023)",
        example="--suite atari:pong",
    ),
)
