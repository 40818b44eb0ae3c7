"""Hyper-parameters of SPR and of its successors. Torch-free."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from unified import Part, Preset
from unified.agents import CriticOptions, ScheduleText
from unified.plugins.agents.dqn.config import DQNOptions


class RainbowCriticOptions(CriticOptions):
    """Options of a critic that is distributional, dueling and noisy."""

    head: Part = "categorical"
    """Representation of a value, a value head: scalar, categorical, quantile."""
    hidden_dim: int = Field(256, ge=1)
    """Units of each hidden layer."""
    depth: int = Field(1, ge=0)
    """Hidden layers."""
    dueling: bool = True
    """Separate streams for V(s) and for advantages, where actions are choices."""
    noisy: bool = True
    """Exploration by noise in the weights, of a learned size; off in evaluation."""


class SPROptions(DQNOptions):
    """The settings of the paper for 100,000 steps of Atari."""

    lr: float = Field(1e-4, gt=0)
    """Learning rate, for every part."""
    batch_size: int = Field(32, ge=1)
    """Transitions of an update."""
    n_step: int = Field(10, ge=1)
    """Steps of a return before the bootstrap; where it is annealed, at the end."""
    updates_per_step: float = Field(2.0, ge=0)
    """Updates for each agent step."""
    learning_starts: int = Field(2000, ge=0)
    """Agent steps of uniform random actions before learning starts."""
    tau: float = Field(1.0, gt=0, le=1)
    """Rate at which target networks follow; 1 copies: there is then no target network in effect."""
    epsilon: ScheduleText | None = "linear(1.0,0.0,2001)"
    """Probability of a random action, over agent steps; 0 in evaluation."""
    critic: RainbowCriticOptions = RainbowCriticOptions()
    """Q(s, ·): how its values are represented, and its layers."""
    spr_weight: float = Field(5.0, ge=0)
    """Coefficient of the prediction loss, 2 - 2 cos averaged over the steps, beside the temporal differences."""
    jumps: int = Field(5, ge=1)
    """Number of predicted steps."""
    projection: int = Field(256, ge=1)
    """Size of the projections that are compared."""
    target_acts: bool = False
    """Whether the target networks act, in training and evaluation."""
    reset_every: int | None = Field(None, ge=1)
    """Updates from one reset of the networks to the next; null: none."""
    no_resets_after: int | None = Field(None, ge=1)
    """Updates after which no reset is allowed; a reset happens only if a whole cycle fits before that. null: no end."""
    shrink: float = Field(0.8, ge=0, le=1)
    """Share of encoder and dynamics that a reset keeps; the rest is fresh."""
    n_step_start: int | None = Field(None, ge=1)
    """Steps of a return at the start and after each reset; null: n_step."""
    discount_start: float | None = Field(None, ge=0, lt=1)
    """γ at the start and after each reset; null: discount."""
    anneal_updates: int = Field(10_000, ge=1)
    """Updates in which n_step and discount go from their first value to their last one."""

    @model_validator(mode="after")
    def _is_read(self) -> Self:
        if self.no_resets_after is not None and self.reset_every is None:
            raise ValueError("agent.no_resets_after ends the resets, and there are none: agent.reset_every=40000")
        if self.discount_start is not None and self.discount == 1:
            raise ValueError("agent.discount_start is annealed on 1 - γ, and agent.discount=1 leaves nothing of it: agent.discount=0.997")
        return self


PRESETS = (
    Preset(
        "atari",
        "atari:*",
        {
            **{"train.frames": 400_000, "evaluate.episodes": 100, "replay.sampler": "prioritised", "replay.sampler.alpha": 0.5},
            **{"agent.stack": 4, "agent.encoder": "nature_cnn", "agent.aug": ["random_shift", "intensity"], "agent.optimizer.eps": 1.5e-4},
        },
        "Schwarzer et al. 2021, appendix: 100,000 steps of 4 frames; the dynamics predict the vector behind the last layer of the encoder",
    ),
    Preset(
        "gym",
        "gym:*",
        {"agent.encoder": "mlp", "replay.sampler": "prioritised", "agent.n_step": 3},
        "vectors need an encoder with something to train, and small tasks shorter returns",
    ),
    Preset(
        "cartpole",
        "gym:CartPole-v*",
        {"train.frames": 30_000, "agent.critic.v_min": 0.0, "agent.critic.v_max": 100.0},
        "a reward of 1 for each step: no return exceeds 1 / (1 - γ)",
    ),
)
BBF_PRESETS = (
    Preset(
        "pixels",
        "atari:* dmc:*",
        {"agent.encoder": "impala_cnn", "agent.encoder.width": 4},
        "Schwarzer et al. 2023: the encoder of IMPALA with four times its channels",
    ),
)
