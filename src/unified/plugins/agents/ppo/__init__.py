"""PPO: on-policy control."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="ppo",
    target="unified.plugins.agents.ppo.agent:PPO",
    config="unified.plugins.agents.ppo.config:PPOOptions",
    presets="unified.plugins.agents.ppo.config:PRESETS",
    parts=("encoder", "actor"),
    modules=("encoder", "actor", "critic"),
    task_types=("control", "classify", "regress"),
    small={"batch_size": 16, "hidden_dim": 16, "n_steps": 16, "epochs": 2},
    example="--suite gym:CartPole-v1",
    answers={
        **dict.fromkeys(("recurrent_ppo", "recurrentppo", "ppo_lstm"), "--agent ppo agent.memory=lstm"),
    },
    summary="on-policy actor-critic with clipped updates, for choices and numbers (Schulman et al. 2017)",
)
