"""SPR: data-efficient Q-learning with a self-predictive encoder, and its successors, which reset their networks."""

from __future__ import annotations

from typing import Any

from unified import AgentComponent

component = AgentComponent(
    name="spr",
    target="unified.plugins.agents.dqn.spr.agent:SPR",
    config="unified.plugins.agents.dqn.spr.config:SPROptions",
    presets="unified.plugins.agents.dqn.spr.config:PRESETS",
    parts=("encoder", "critic"),
    modules=("encoder", "critic"),
    task_types=("control", "classify", "regress"),
    small={"batch_size": 8, "critic.hidden_dim": 16, "learning_starts": 30, "n_step": 3, "jumps": 2, "projection": 16},
    example="--suite gym:CartPole-v1",
    summary="Q-learning from few steps: Rainbow's parts and an encoder that predicts its own next features (Schwarzer et al. 2021)",
)
_RESETS: dict[str, Any] = {"agent.tau": 0.005, "agent.target_acts": True, "agent.critic.noisy": False, "agent.reset_every": 40_000}
#: D'Oro et al. 2023, replay ratio 8: resets every 5,000 steps.
SR_SPR = {**_RESETS, "agent.updates_per_step": 8.0, "agent.shrink": 0.8, "agent.no_resets_after": 800_000}
#: Schwarzer et al. 2023, replay ratio 2: resets every 20,000 steps. The decay spares biases and norms.
BBF = {
    **_RESETS,
    **{"agent.shrink": 0.5, "agent.no_resets_after": 200_000, "agent.n_step": 3, "agent.n_step_start": 10},
    **{"agent.discount": 0.997, "agent.discount_start": 0.97, "agent.critic.hidden_dim": 2048},
    **{"agent.optimizer": "adamw", "agent.optimizer.weight_decay": 0.1, "agent.optimizer.no_decay": True},
}
components = (
    component.variant(
        "sr_spr",
        SR_SPR,
        "spr with 8 updates for each step and networks that are reset (D'Oro et al. 2023)",
        example="--suite atari:pong",
        answers=dict.fromkeys(("sr-spr", "srspr"), "--agent sr_spr"),
        small={**component.small, "updates_per_step": 2},
        about=(
            "The loss of `spr`, 8 updates for each step, and every 40,000 updates a reset: heads are made anew, and θ ← α θ + (1 - α) φ "
            "with α = 0.8 and fresh weights φ for encoder and dynamics. The target network, θ̄ ← (1 - τ) θ̄ + τ θ with τ = 0.005, acts "
            "(D'Oro et al. 2023, section 4; Nikishin et al. 2022)."
        ),
    ),
    component.variant(
        "bbf",
        BBF,
        "spr with large networks that are reset, and with annealed n and γ (Schwarzer et al. 2023)",
        example="--suite atari:pong",
        presets="unified.plugins.agents.dqn.spr.config:BBF_PRESETS",
        about=(
            "The loss of `spr` with a wider network and weight decay, and resets as for `sr_spr` with α = 0.5. In the 10,000 updates "
            "after each, n = 10 (3 / 10)^x and 1 - γ = 0.03 (0.003 / 0.03)^x with x from 0 to 1: returns become longer-sighted in γ while "
            "they take fewer steps (Schwarzer et al. 2023, section 3)."
        ),
    ),
)
