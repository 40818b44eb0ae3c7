"""Options and presets of the toy components. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from unified.core.base.errors import Problem
from unified.core.base.schedule import Schedule
from unified.core.components.descriptors import Preset
from unified.core.components.options import Options
from unified.core.config.schema import Part
from unified.core.learn.options import LearningOptions


class _Off(LearningOptions):
    """What the off-policy agents share."""

    batch_size: int = Field(256, ge=1)
    """Transitions of an update."""
    n_step: int = Field(3, ge=1)
    """Steps of a return."""
    discount: float = Field(0.99, ge=0, le=1)
    """Discount factor."""
    encoder: Part | None = None
    """Architecture of the encoder."""


class Actor(Options):
    """Of an actor."""

    head: Part | None = None
    """How the policy is represented."""
    hidden_dim: int = Field(256, ge=1)
    """Units of each hidden layer."""
    depth: int = Field(2, ge=0)
    """Hidden layers."""


class Critic(Options):
    """Of a critic."""

    head: Part = "scalar"
    """How a value is represented."""
    members: int = Field(1, ge=1)
    """Number of critics."""
    v_min: float = -10.0
    """Lowest return."""
    v_max: float = 10.0
    """Highest return."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.v_min >= self.v_max:
            raise ValueError("v_min must be less than v_max")
        return self


class AC2(_Off):
    """Options of an agent for every kind of task."""

    actor: Actor = Actor()
    """The policy."""
    critic: Critic = Critic()
    """The critic."""
    generator: Part | None = None
    """Architecture of the generator."""


AC2_PRESETS = (Preset("small", "digits", {"train.epochs": 200, "agent.lr": 1e-3}, "of the toy"),)


class DQN(_Off):
    """Options of an agent for choices."""

    critic: Critic = Critic()
    """The critic."""


DQN_PRESETS = (Preset("cartpole", "gym:CartPole-v*", {"train.frames": 50_000, "agent.ema": True}, "of the toy"),)


class DrQV2(_Off):
    """Options of an agent for pixels."""

    lr: float = Field(1e-4, gt=0)
    """Learning rate, for every part."""
    stddev: str = "linear(1.0,0.1,100000)"
    """Deviation of the exploration noise."""
    critic: Critic = Critic()
    """The critics."""

    @field_validator("stddev")
    @classmethod
    def _is_a_schedule(cls, text: str) -> str:
        Schedule(text)
        return text


DRQV2_PRESETS = (
    Preset(
        "easy", "dmc:cartpole_balance dmc:walker_walk", {"train.frames": 1_100_000, "agent.stddev": "linear(1.0,0.1,100000)"}, "of the toy"
    ),
    Preset("hard", "dmc:humanoid_*", {"train.frames": 30_100_000, "agent.lr": 8e-5}, "of the toy"),
    Preset("walker", "dmc:walker_*", {"agent.n_step": 1, "agent.batch_size": 512}, "of the toy"),
)


class PPO(LearningOptions):
    """Options of an on-policy agent."""

    batch_size: int = Field(64, ge=1)
    """Rows of a minibatch."""
    encoder: Part | None = None
    """Architecture of the encoder."""


class SAC(_Off):
    """Options of an agent with an actor and critics."""

    actor: Actor = Actor()
    """The policy."""
    critic: Critic = Critic()
    """The critics."""


class DMC(Options):
    """Options of a suite with pixels."""

    pixels: bool = True
    """Observe pictures."""
    size: int = Field(84, ge=8)
    """Height and width of the pictures."""
    action_repeat: int = Field(2, ge=1)
    """Frames of an action."""
    render: Literal["auto", "fast", "exact"] = "auto"
    """How pictures are rendered."""
    camera: int | None = Field(None, ge=-1)
    """Camera of the agent."""


class Gym(Options):
    """Options of a suite without a list of tasks."""

    pixels: bool = False
    """Observe pictures."""
    size: int = Field(84, ge=8)
    """Height and width of the pictures."""
    action_repeat: int = Field(1, ge=1)
    """Frames of an action."""


class Rows(Options):
    """Options of a data set."""

    task_type: Literal["auto", "classify", "regress", "generate"] = "auto"
    """What rows are used for."""
    test: float = Field(0.2, gt=0, lt=1)
    """Share of the rows for evaluation."""


class Vision(Rows):
    """Options of a data set of pictures."""

    path: str | None = None
    """Of vision:folder."""

    def lacking(self, run: Path) -> list[Problem]:
        if self.path is None or Path(self.path).is_dir():
            return []
        return [Problem(f"there is no folder {self.path}", "suite.path=DIR with CLASS/*.png, or train/CLASS/*.png and test/CLASS/*.png")]


class Channels(Options):
    """Options of a small network."""

    channels: int = Field(32, ge=1)
    """Channels of each convolution."""


class CNN(Options):
    """Options of a network."""

    channels: int = Field(32, ge=1)
    """Channels of the first convolution."""
    depth: int = Field(3, ge=1)
    """Convolutions."""


class Depth(Options):
    """Options of a deep network."""

    depth: int = Field(4, ge=1, le=4)
    """Stages."""


class MLP(Options):
    """Options of linear layers."""

    hidden_dim: int = Field(256, ge=1)
    """Units of each hidden layer."""
    depth: int = Field(2, ge=0)
    """Hidden layers."""


class Load(Options):
    """Options of a part of another run."""

    run: str = ""
    """Name of the run."""
    part: str = "encoder"
    """Part of its agent."""
    checkpoint: str = "best"
    """Checkpoint of the run."""
    root: str = "runs"
    """Directory of the runs."""

    def lacking(self, run: Path) -> list[Problem]:
        from unified.core.runs.preflight import missing_run

        if not self.run:
            return [Problem("load needs the name of a run", "encoder=load:RUN#encoder")]
        return missing_run(self.run, Path(self.root), run, self.checkpoint)


class Scalar(Options):
    """Options of a value head."""

    huber: float | None = Field(None, gt=0)
    """Threshold of Huber's loss."""


class Atoms(Options):
    """Options of a distributional value head."""

    atoms: int = Field(51, ge=2)
    """Number of atoms."""


class Video(Options):
    """Options of a callback."""

    every: int = Field(0, ge=0)
    """Evaluations between two videos."""


FLOW_PRESETS = (Preset("generate", "digits vision:*", {"suite.task_type": "generate", "agent.actor.head": "flow"}, "of the toy"),)
