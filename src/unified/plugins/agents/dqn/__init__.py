"""DQN: Q-learning of choices."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
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
        **dict.fromkeys(("qrdqn", "qr_dqn", "qr-dqn"), "--agent dqn critic.head=quantile"),
        "iqn": "--agent dqn critic.head=quantile   (the nearest: its quantiles are fixed)",
        **dict.fromkeys(("dueling", "dueling_dqn"), "--agent dqn critic.dueling=true"),
        **dict.fromkeys(("noisy", "noisy_dqn"), "--agent dqn critic.noisy=true agent.epsilon=0"),
        "rem": "--agent dqn critic.members=5 critic.reduce=mixture",
        "rainbow": "--agent dqn critic.head=categorical critic.dueling=true critic.noisy=true agent.epsilon=0 replay.sampler=prioritised",
    },
    summary="deep Q-learning: double, dueling, n-step, with any value head (Mnih et al. 2015)",
)
