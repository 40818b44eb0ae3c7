"""DQN: Q-learning of choices, and what is DQN with other values."""

from __future__ import annotations

from unified import AgentComponent

_VARIANTS = "unified.plugins.agents.dqn.variants"

dqn = AgentComponent(
    name="dqn",
    target="unified.plugins.agents.dqn.agent:DQN",
    config="unified.plugins.agents.dqn.config:DQNOptions",
    presets="unified.plugins.agents.dqn.config:PRESETS",
    parts=("encoder", "critic"),
    modules=("encoder", "critic"),
    task_types=("control", "classify", "regress"),
    small={"batch_size": 8, "critic.hidden_dim": 16, "learning_starts": 30},
    example="--suite gym:CartPole-v1",
    answers={
        **dict.fromkeys(("ddqn", "double_dqn"), "--agent dqn   (agent.double=true is its default)"),
        **dict.fromkeys(("c51", "distributional_dqn"), "--agent dqn critic.head=categorical"),
        **dict.fromkeys(("qr_dqn", "qr-dqn"), "--agent qrdqn"),
        **dict.fromkeys(("dueling", "dueling_dqn"), "--agent dqn critic.dueling=true"),
        **dict.fromkeys(("noisy", "noisy_dqn", "noisynet"), "--agent dqn critic.noisy=true agent.epsilon=null"),
        **dict.fromkeys(("soft_dqn", "soft_q", "sql"), "--agent dqn agent.temperature=0.03 agent.double=false"),
        **dict.fromkeys(("mdqn", "m-dqn", "munchausen_dqn"), "--agent munchausen"),
        **dict.fromkeys(("miqn", "m-iqn"), "--agent iqn -o munchausen"),
        "der": "--agent rainbow agent.n_step=10",
    },
    summary="deep Q-learning: double, dueling, n-step, with any value head (Mnih et al. 2015)",
)
rainbow = dqn.variant(
    "rainbow",
    {
        **{"agent.double": True, "agent.critic.dueling": True, "agent.critic.noisy": True, "agent.epsilon": None},
        **{"agent.critic.head": "categorical", "agent.n_step": 3},
        **{"replay.sampler": "prioritised", "replay.sampler.alpha": 0.5},  # β rises from 0.4 to 1 by itself
    },
    "dqn with six improvements, each of which can be switched off (Hessel et al. 2018)",
    presets=f"{_VARIANTS}:RAINBOW",
    about=(
        "L = w KL(Φ(R + γⁿ Z̄(s', a')) ‖ Z(s, a)) with a' = argmax_a E[Z(s', a)], where Z is a categorical distribution of returns over a "
        "dueling network with noisy layers, Φ its projection onto the atoms, and w the weight of a row that was drawn in proportion to "
        "its loss (Hessel et al. 2018, section 4)."
    ),
)
iqn = dqn.variant(
    "iqn",
    {"agent.critic.head": "implicit_quantile", "agent.double": False, "agent.n_step": 3},
    "dqn with returns at quantiles of any level (Dabney et al. 2018)",
    presets=f"{_VARIANTS}:IQN",
    about=(
        "δ_ij = r + γ Z̄_τ'_j(s', a') - Z_τ_i(s, a) and L = Σ_i E_j[|τ_i - 1{δ_ij < 0}| H_κ(δ_ij) / κ], where H_κ is Huber's loss "
        "(equation 3), the levels τ and τ' are drawn from U(0, 1), and a level enters the network through its cosines (equation 4; Dabney "
        'et al. 2018, "Implicit quantile networks").'
    ),
)
qrdqn = dqn.variant(
    "qrdqn",
    {"agent.critic.head": "quantile", "agent.double": False},
    "dqn with returns at fixed quantiles (Dabney et al. 2018)",
    presets=f"{_VARIANTS}:QRDQN",
    about=(
        "L = Σ_i E_j[|τ_i - 1{δ_ij < 0}| H_κ(δ_ij) / κ] with δ_ij = r + γ θ̄_j(s', a') - θ_i(s, a), where θ_i(s, a) is the quantile of "
        "the return at the level τ_i = (i - ½) / N and H_κ Huber's loss (Dabney et al. 2018, \"Distributional reinforcement learning with "
        'quantile regression", equation 10 and algorithm 1).'
    ),
)
rem = dqn.variant(
    "rem",
    {
        **{"agent.critic.members": 4, "agent.critic.reduce": "mixture", "agent.critic.head": "scalar", "agent.critic.head.huber": 1.0},
        **{"agent.double": False, "agent.n_step": 1},
    },
    "dqn with a random mixture of critics in each update (Agarwal et al. 2020)",
    presets=f"{_VARIANTS}:REM",
    about=(
        "L = H(Σ_k α_k Q_k(s, a) - r - γ max_a Σ_k α_k Q̄_k(s', a)), where H is Huber's loss and the weights α_k, which sum to 1, are "
        "drawn anew for each update; the mean of all critics acts (Agarwal et al. 2020, section 4.2)."
    ),
)
munchausen = dqn.variant(
    "munchausen",
    {"objective": ["munchausen"], "agent.temperature": 0.03, "agent.double": False, "agent.n_step": 1},
    "dqn that is soft and rewards the likelihood of its own action (Vieillard et al. 2020)",
    presets=f"{_VARIANTS}:MUNCHAUSEN",
    about=(
        "y = r + α clip(τ log π̄(a|s), l, 0) + γ Σ_a' π̄(a'|s') (Q̄(s', a') - τ log π̄(a'|s')) with π̄ = softmax(Q̄ / τ): the reward of "
        "an action gets a share of its own log-probability, and the next state a soft value (Vieillard et al. 2020, section 2)."
    ),
)
components = (dqn, rainbow, iqn, qrdqn, rem, munchausen)
