"""DDPG and TD3: off-policy control with a deterministic policy."""

from __future__ import annotations

from dataclasses import replace

from unified import AgentComponent

#: Lillicrap et al. 2015, section 7. The step of the noise is that of OpenAI's baselines, dt = 0.01; layers have 300 units, not 400 and 300.
PAPER = {
    **{"agent.lr": 1e-3, "agent.optimizer.parts.actor.lr": 1e-4, "agent.optimizer.parts.critic.weight_decay": 1e-2},
    **{"agent.batch_size": 64, "agent.tau": 1e-3, "agent.actor.hidden_dim": 300, "agent.critic.hidden_dim": 300},
    **{"agent.actor.last_init": 3e-3, "agent.critic.last_init": 3e-3, "agent.critic.late_action": True},
    **{"agent.noise": "ou", "agent.noise.std": "0.2", "agent.noise.theta": 0.15, "agent.noise.dt": 0.01},
}

_DDPG = AgentComponent(
    name="ddpg",
    target="unified.plugins.agents.td3.ddpg:DDPG",
    config="unified.plugins.agents.td3.config:DDPGOptions",
    presets="unified.plugins.agents.td3.config:PRESETS",
    parts=("encoder", "actor", "critic"),
    modules=("encoder", "actor", "critic"),
    task_types=("control", "classify", "regress"),
    small={"batch_size": 8, "actor.hidden_dim": 16, "critic.hidden_dim": 16, "learning_starts": 30},
    example="--suite gym:Pendulum-v1",
    summary="off-policy actor-critic with a deterministic policy and noise on its actions (Lillicrap et al. 2015)",
)
_TD3 = replace(
    _DDPG,
    name="td3",
    target="unified.plugins.agents.td3.agent:TD3",
    config="unified.plugins.agents.td3.config:TD3Options",
    summary="off-policy actor-critic with twin critics, a smoothed target and a delayed actor (Fujimoto et al. 2018)",
)
components = (
    _DDPG,
    _DDPG.variant(
        "ddpg_2015",
        PAPER,
        "ddpg with the settings of its paper (Lillicrap et al. 2015)",
        about=(
            "The losses of `ddpg`, and exploration by an Ornstein-Uhlenbeck process, x ← x - θ x Δt + σ √Δt ε with ε ~ N(0, 1) and "
            "Δt = 0.01, which begins anew with each episode (Lillicrap et al. 2015, section 7)."
        ),
    ),
    _TD3,
    _TD3.variant(
        "td3_bc",
        {"objective": ["td3bc"]},
        "td3 whose actor stays near the data it learns from, without environment (Fujimoto & Gu 2021)",
        presets="unified.plugins.agents.td3.config:TD3_BC_PRESETS",
        answers=dict.fromkeys(("td3bc", "td3+bc"), "--agent td3_bc"),
        about=(
            "The critics of `td3`, and L_μ = -λ Q(s, μ(s)) + (μ(s) - a)² with λ = α / mean |Q(s, μ(s))|, which makes the two terms "
            "comparable on any scale of rewards (Fujimoto & Gu 2021, equations 3 and 5)."
        ),
    ),
)
