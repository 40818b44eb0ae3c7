"""Hyper-parameters of DDPG and TD3, the published ones, and how they differ by task. Torch-free."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from unified import Preset
from unified.agents import ActorCriticOptions, CriticOptions, NoiseOptions, TwinCriticOptions
from unified.plugins.agents.robots import HINDSIGHT, MAZE, OBJECTS, REACH, SLIDE, WIDE, ZOO


class DDPGOptions(ActorCriticOptions):
    """The settings of Fujimoto et al. 2018 for DDPG ("our DDPG"); those of Lillicrap et al. 2015 are the agent `ddpg_2015`."""

    critic: CriticOptions = CriticOptions()
    """The critic, or several."""
    noise: NoiseOptions = NoiseOptions()
    """Noise that it explores by."""
    policy_delay: int = Field(1, ge=1)
    """Updates of the critics for each update of the actor and of the target networks."""
    action_l2: float = Field(0.0, ge=0)
    """Weight of the mean squared action in the actor's loss, of actions within [-1, 1] without noise."""


class TD3Options(DDPGOptions):
    """The settings of the paper; `PRESETS` holds what differs by task."""

    critic: TwinCriticOptions = TwinCriticOptions()
    """The critics."""
    policy_delay: int = Field(2, ge=1)
    """Updates of the critics for each update of the actor and of the target networks."""
    target_noise: float = Field(0.2, ge=0)
    """Standard deviation of the noise in target actions."""
    target_noise_clip: float = Field(0.5, ge=0)
    """Greatest noise in target actions."""


#: Random actions now and then, and targets within possible returns, as in OpenAI's baselines: of rewards -1 and 0 from -1 / (1 - γ) to 0,
#: of those of mazes from 0 to 1 / (1 - γ). What an agent earns by entropy would not lie within them.
_ROBOTS = {"agent.clip_target": True, "agent.noise.epsilon": 0.2, "agent.noise.std": "0.1"}
PRESETS = (
    Preset(
        "pendulum",
        "gym:Pendulum-v*",
        {
            **{"train.frames": 20_000, "evaluate.every": 2_000, "agent.lr": 1e-3},
            **{"agent.critic.v_min": -1500.0, "agent.critic.v_max": 0.0},
        },
        "Raffin et al., the tuned settings of the RL Baselines3 Zoo; one step costs 16.3 at most, 200 of them 1,410 discounted",
    ),
    Preset(
        "mujoco",
        "gym:HalfCheetah-v* gym:Hopper-v* gym:Walker2d-v* gym:Ant-v* gym:Humanoid-v* gym:Swimmer-v*",
        {"train.frames": 1_000_000, "agent.learning_starts": 25_000, "agent.critic.v_min": -200.0, "agent.critic.v_max": 1500.0},
        "Fujimoto et al. 2018 and the code of its authors, which starts with 25,000 random steps",
    ),
    Preset(
        "mountaincar",
        "gym:MountainCarContinuous-v*",
        {"train.frames": 300_000, "agent.lr": 1e-3, "agent.noise": "ou", "agent.noise.std": "0.5"},
        "Raffin et al., RL Baselines3 Zoo: pushes that last for hundreds of steps; with independent noise the car never leaves the valley",
    ),
    Preset(
        "dmc",
        "dmc:*",
        {"agent.critic.v_min": 0.0, "agent.critic.v_max": 200.0},
        "a reward of 1 at most for each of 2 frames of a step: no return exceeds 2 / (1 - γ)",
    ),
    replace(REACH, values={**REACH.values, **_ROBOTS}, reason=f"{ZOO} for SAC; noise and targets as in mrl"),
    Preset(
        "fetch_objects",
        OBJECTS,
        {
            **{**HINDSIGHT, **WIDE, **_ROBOTS, "agent.discount": 0.98, "agent.actor.norm": "layer", "agent.critic.norm": "layer"},
            **{"replay.sampler.strategy": "futureactual_2_2", "train.num_envs": 8, "agent.learning_starts": 10_000},
            **{"agent.updates_per_step": 0.5, "agent.action_l2": 0.01},
        },
        "Pitis et al. 2020, mrl: its settings of hindsight for one process, with ReLU where it has GELU",
    ),
    SLIDE,
    replace(MAZE, values={**MAZE.values, **_ROBOTS}),
)
TD3_BC_PRESETS = (
    Preset("td3_bc_gym", "gym:*", {"agent.normalize_observations": True}, "Fujimoto & Gu 2021, section 5: for vectors"),
    Preset("td3_bc_pendulum", "gym:Pendulum-v*", {"train.updates": 20_000, "agent.lr": 3e-4}, "Fujimoto & Gu 2021, the learning rate"),
)
