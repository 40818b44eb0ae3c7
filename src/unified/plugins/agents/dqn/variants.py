"""How the variants of DQN differ by task, beyond its own presets. Torch-free."""

from __future__ import annotations

from unified import Preset

RAINBOW = (
    Preset(
        "lunarlander",
        "gym:LunarLander-v*",
        {
            **{"train.frames": 300_000, "agent.n_step": 5, "agent.learning_starts": 10_000},
            **{"agent.lr": 5e-4, "agent.tau": 0.005, "agent.target_update_interval": 1, "replay.capacity": 1_000_000},
        },
        "n-step and start as in RLcycle's lunarlander configurations",
    ),
)
IQN = (
    Preset("vectors", "gym:*", {"agent.critic.head.atoms": 8}, "Dabney et al. 2018, figure 2: 8 levels are nearly as good as 64"),
    Preset(
        "atari",
        "atari:*",
        {"agent.lr": 5e-5, "agent.optimizer.eps": 3.125e-4},
        "Castro et al. 2018 (Dopamine): 64 levels, n-step 3, Adam as in the paper",
    ),
)
QRDQN = (
    Preset("zoo", "gym:Acrobot-v* gym:MountainCar-v*", {"agent.critic.head.atoms": 25}, "Raffin et al., RL Baselines3 Zoo: qrdqn.yml"),
    Preset(
        "lunarlander",
        "gym:LunarLander-v*",
        {
            **{"agent.lr": 1.5e-3, "agent.optimizer.schedule": "linear(1.0,0.0,90000)", "agent.discount": 0.995},
            **{"agent.learning_starts": 10_000, "agent.target_update_interval": 256, "replay.capacity": 100_000},
            **{"agent.epsilon": "linear(1.0,0.18,24000)", "agent.critic.head.atoms": 170},
        },
        "Raffin et al., RL Baselines3 Zoo: qrdqn.yml, which learns 256 times after every 256 steps, from one copy of the target",
    ),
    Preset(
        "atari",
        "atari:*",
        {"agent.lr": 5e-5, "agent.optimizer.eps": 3.125e-4, "agent.n_step": 1, "agent.critic.head.atoms": 200},
        "Dabney et al. 2018, section 5: 200 quantiles, one step, Adam",
    ),
)
REM = (
    Preset(
        "atari",
        "atari:*",
        {"agent.lr": 5e-5, "agent.optimizer.eps": 3.125e-4},
        "Agarwal et al. 2020, appendix: Adam as for their offline agents; theirs online has an ε ten times less",
    ),
)
MUNCHAUSEN = (
    Preset("atari", "atari:*", {"agent.lr": 5e-5, "agent.optimizer.eps": 3.125e-4}, "Vieillard et al. 2020, appendix: Adam, one step"),
)
