"""DQN: Q-learning of choices."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="dqn",
    target="unified.plugins.agents.dqn.agent:DQN",
    config="unified.plugins.agents.dqn.config:DQNOptions",
    presets="unified.plugins.agents.dqn.config:PRESETS",
    parts=("encoder", "critic"),
    task_types=("control", "classify", "regress"),
    small={"batch_size": 8, "critic.hidden_dim": 16, "learning_starts": 30},
    example="--suite gym:CartPole-v1",
    summary="deep Q-learning: double, dueling, n-step, with any value head (Mnih et al. 2015)",
)
