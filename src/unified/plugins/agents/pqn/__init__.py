"""PQN: Q-learning on rollouts of several environments, without a replay and without a target network."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="pqn",
    target="unified.plugins.agents.pqn.agent:PQN",
    config="unified.plugins.agents.pqn.config:PQNOptions",
    presets="unified.plugins.agents.pqn.config:PRESETS",
    parts=("encoder", "critic"),
    modules=("encoder", "critic"),
    task_types=("control", "classify", "regress"),
    small={"batch_size": 16, "critic.hidden_dim": 16, "n_steps": 16, "epochs": 2},
    example="--suite gym:CartPole-v1",
    answers={"q_lambda": "--agent pqn agent.q_lambda=0.9"},
    summary="Q-learning on rollouts: λ-returns, layer normalisation, no replay and no target network (Gallici et al. 2024)",
)
