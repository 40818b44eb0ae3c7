"""Hyper-parameters of DQN, and how they differ by task. Torch-free."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from unified import Preset
from unified.agents import CriticOptions, OffPolicyOptions, ScheduleText


class DQNOptions(OffPolicyOptions):
    """Settings for small tasks; `PRESETS` holds what differs by task."""

    lr: float = Field(5e-4, gt=0)
    """Learning rate, for every part."""
    max_grad_norm: float | None = Field(10.0, gt=0)
    """Greatest norm of a gradient; null: as it is."""
    batch_size: int = Field(128, ge=1)
    """Transitions of an update."""
    n_step: int = Field(3, ge=1)
    """Steps of a return before the bootstrap."""
    double: bool = True
    """Let the online critic choose the action that the target critic values (van Hasselt et al. 2016)."""
    temperature: float | None = Field(None, gt=0)
    """τ of soft Q-learning, in units of returns: a next state is worth τ ln Σ exp(Q / τ); null: the greatest value."""
    softmax: bool = False
    """Act by draws from softmax(Q / τ) where it explores, instead of the greatest value; needs a temperature."""
    target_update_interval: int = Field(1, ge=1)
    """Updates between two steps of the target critic."""
    target_encoder: bool = True
    """A copy of the encoder for the target critic, which follows as it does; counts only where the encoder has something to train."""
    epsilon: ScheduleText | None = "linear(1.0,0.05,10000)"
    """Probability of a random action, over agent steps; null: 0, for what explores by critic.noisy or agent.softmax; 0 in evaluation."""
    bins: int = Field(5, ge=2)
    """Choices of each number of an action, where a task takes numbers."""
    critic: CriticOptions = CriticOptions()
    """Q(s, ·): how its values are represented, and its layers."""

    @model_validator(mode="after")
    def _explores_and_reads_everything(self) -> Self:
        if self.softmax and self.temperature is None:
            raise ValueError("agent.softmax=true draws from softmax(Q / τ), and there is no τ   agent.temperature=0.03")
        if self.temperature is not None and self.double:
            raise ValueError("agent.double=true chooses a greatest value, and agent.temperature takes all of them   agent.double=false")
        if self.epsilon is None and not (self.critic.noisy or self.softmax):
            raise ValueError("agent.epsilon=null explores by nothing here   agent.epsilon=linear(1.0,0.05,10000)")
        return self


#: What the tuned settings of RL Baselines3 Zoo have in common; there a target is copied every so many steps, one update each.
_ZOO = {
    **{"agent.lr": 6.3e-4, "agent.n_step": 1, "agent.double": False, "agent.critic.head.huber": 1.0, "agent.learning_starts": 0},
    **{"agent.tau": 1.0, "agent.target_update_interval": 250, "agent.epsilon": "linear(1.0,0.1,12000)", "replay.capacity": 50_000},
}
PRESETS = (
    Preset(
        "cartpole",
        "gym:CartPole-v*",
        {
            **{"train.frames": 50_000, "evaluate.every": 5_000, "agent.critic.v_min": 0.0, "agent.critic.v_max": 100.0},
            **{"agent.ema": True},
        },
        "a reward of 1 for each step: no return exceeds 1 / (1 - γ); the policy goes up and down, and its average less so",
    ),
    Preset(
        "acrobot",
        "gym:Acrobot-v*",
        {"train.frames": 100_000, **_ZOO, "agent.critic.v_min": -100.0, "agent.critic.v_max": 0.0},
        "Raffin et al., RL Baselines3 Zoo: dqn.yml; every step costs 1",
    ),
    Preset(
        "mountaincar",
        "gym:MountainCar-v*",
        {
            **{"train.frames": 120_000, **_ZOO, "agent.lr": 4e-3, "agent.discount": 0.98, "agent.learning_starts": 1000},
            **{"agent.updates_per_step": 0.5, "agent.target_update_interval": 300, "agent.epsilon": "linear(1.0,0.07,24000)"},
            **{"replay.capacity": 10_000, "agent.critic.v_min": -50.0, "agent.critic.v_max": 0.0},
        },
        "Raffin et al., RL Baselines3 Zoo: dqn.yml, 8 updates for 16 steps and a copy every 600 steps; every step costs 1",
    ),
    Preset(
        "lunarlander",
        "gym:LunarLander-v*",
        {"train.frames": 100_000, **_ZOO, "agent.critic.v_min": -300.0, "agent.critic.v_max": 300.0},
        "Raffin et al., RL Baselines3 Zoo: dqn.yml",
    ),
    Preset(
        "atari",
        "atari:*",
        {
            **{"agent.lr": 6.25e-5, "agent.optimizer.eps": 1.5e-4, "agent.batch_size": 32, "agent.stack": 4, "agent.encoder": "nature_cnn"},
            **{
                "agent.tau": 1.0,
                "agent.target_update_interval": 2000,
                "agent.epsilon": "linear(1.0,0.01,250000)",
                "agent.learning_starts": 20_000,
            },
            **{"agent.updates_per_step": 0.25, "agent.critic.hidden_dim": 512, "agent.critic.depth": 1},
        },
        "Castro et al. 2018 (Dopamine): Adam as in its Rainbow, n-step 3, a copy of the target every 8,000 steps, which are 2,000 updates",
    ),
)
