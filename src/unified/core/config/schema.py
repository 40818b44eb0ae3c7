"""What can be configured: slots that choose components, and the options of a run. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from unified.core.components import Component
from unified.core.options import Options
from unified.core.references import label

#: The key under which the task of a suite lies, beside `NAME`.
TASK = "task"


@dataclass(frozen=True)
class Slot:
    """Marks a field whose value is the name of a component of this kind, with options of its own below it."""

    kind: str


#: The type of an agent's option that chooses an architecture: ``encoder: Part = "drqv2_cnn"``, or ``Part | None``.
Part = Annotated[Any, Slot("architectures")]


@dataclass(frozen=True)
class Selection:
    """What a slot holds after composing.

    Args:
        kind: ``"agents"``, ``"architectures"``, …
        name: As it is typed, without the task; unqualified where that is enough. Of a reference, as it is kept.
        task: Of a suite, else ``None``.
        component: Its descriptor; ``component.load()`` imports the thing.
        options: An instance of the component's options.
    """

    kind: str
    name: str
    task: str | None
    component: Component
    options: Any

    @property
    def label(self) -> str:
        """A short name for people: ``MyAgent`` of ``/home/me/mine.py:MyAgent``."""
        return label(self.name)

    @property
    def text(self) -> str:
        """What is typed: ``dmc:humanoid_run``."""
        return f"{self.name}:{self.task}" if self.task else self.name


@dataclass(frozen=True)
class Choice:
    """What a slot holds before its options are checked. Without a component nothing was selected, or what does not exist."""

    component: Component | None
    name: str
    task: str | None
    source: str
    valid: bool


def slot_of(field: FieldInfo) -> Slot | None:
    """The slot that a field is, also where it may be empty."""
    return next((mark for mark in _marks(field.metadata, field.annotation) if isinstance(mark, Slot)), None)


def _marks(metadata: Any, annotation: Any) -> Iterator[Any]:
    yield from metadata
    yield from getattr(annotation, "__metadata__", ())
    for inner in get_args(annotation):
        yield from _marks((), inner)


def group_of(kind: Any) -> type[Options] | None:
    """The options that a field of this type holds, where it is a group of them."""
    return kind if isinstance(kind, type) and issubclass(kind, Options) else None


def groups_of(kind: Any) -> type[Options] | None:
    """The options below each name, where a field of this type holds a group for each of some names: ``dict[str, Group]``."""
    return group_of(get_args(kind)[1]) if get_origin(kind) is dict else None


def takes_none(field: FieldInfo) -> bool:
    """Whether ``null`` is a value of the field."""
    return field.default is None or type(None) in get_args(field.annotation)


class Train(Options):
    """How long, with how many environments."""

    frames: int | None = Field(default=1_000_000, gt=0)
    """Budget in frames of the task (agent steps x action repeat), or rows of a data set; no limit where another budget is set instead."""
    updates: int | None = Field(default=None, gt=0)
    """Budget in updates; the budget reached first ends the run. Updates due together are all done: a PPO run ends with a whole rollout."""
    hours: float | None = Field(default=None, gt=0)
    """Budget in hours of wall time, over all sessions of the run."""
    epochs: float | None = Field(default=None, gt=0)
    """Budget in passes over the rows of a data set."""
    overfit: int | None = Field(default=None, gt=0)
    """Train on only so many rows of a data set: a network that cannot learn these by heart has a mistake in it."""
    environments: int = Field(default=1, gt=0)
    """Environments that are stepped together. Updates per step stay the same."""
    placement: Literal["auto", "inline", "process"] = "auto"
    """Where environments live: in this process, in one each, or as the measured step time says."""
    environment_timeout: float = Field(default=60.0, gt=0)
    """Seconds of silence after which an environment's process is replaced."""
    offline: bool = False
    """Learn from the replay that replay.load names, and step no environment; a step is then a batch, and a frame one of its rows."""
    learn: bool = True
    """Whether anything is learned; without it experience is only collected (keep it with replay.save)."""
    patience: int | None = Field(default=None, gt=0)
    """Evaluations without a better one after which the run ends; null: none."""
    log_every: int | None = Field(default=1000, gt=0)
    """Frames between two rows of metrics; null: 1,000, or the rows of 50 updates where no environment is stepped."""
    bad_limit: int = Field(default=100, ge=0)
    """The run stops after more non-finite updates than this, or after more episodes of one environment that failed in a row."""

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.frames is None and self.updates is None and self.hours is None and self.epochs is None:
            raise ValueError("no budget is left: set one of train.frames, train.updates, train.epochs, train.hours")
        return self


class ReplayOptions(Options):
    """Where experience is kept."""

    capacity: int = Field(default=1_000_000, gt=0)
    """Agent steps that are kept; the oldest go first."""
    backing: Literal["auto", "ram", "disk"] = "auto"
    """Memory, memory-mapped files, or memory where it fits."""
    sampler: Literal["uniform", "prioritised"] = "uniform"
    """Which rows are drawn: all alike, or in proportion to what was wrong with them (Schaul et al. 2016)."""
    alpha: float = Field(default=0.6, ge=0, le=1)
    """Of prioritised rows: 0 is uniform, 1 in proportion."""
    beta: float = Field(default=0.4, ge=0, le=1)
    """Of prioritised rows: how much of the bias is corrected by weights."""
    save: str | None = None
    """Name under which the replay is kept at the end, for other runs."""
    load: str | None = None
    """A replay to start from: a saved name, or the whole name of a run."""


class Evaluate(Options):
    """How the agent is judged, in environments of its own."""

    every: int | None = Field(default=10_000, ge=0)
    """Frames between two evaluations; 0: only at the end; null: 10,000; of a data set an epoch or 50 updates; offline 5,000 updates."""
    at_start: bool = False
    """Judge the untrained agent too, before the first step: the curve begins at 0, and a slow task begins later."""
    episodes: int = Field(default=10, gt=0)
    """Episodes of each evaluation."""
    environments: int = Field(default=1, gt=0)
    """Environments that evaluate together."""
    features: str | None = None
    """Run of a classifier: what is made is compared by what its last layer reads; null: by the numbers themselves, bytes within [0, 1]."""


class CheckpointOptions(Options):
    """When everything is saved."""

    every: int | None = Field(default=10_000, ge=0)
    """Frames between two checkpoints; 0: by time and at the end only; null: as for evaluate.every."""
    every_minutes: float = Field(default=10.0, gt=0)
    """Minutes after which a checkpoint is due whatever the frames."""
    keep: int = Field(default=2, ge=2)
    """Newest checkpoints that are kept, beside the best one."""


class RunOptions(Options):
    """Everything about a run but its lists of components (`LISTS`)."""

    experiment: str = Field(default="default", min_length=1)
    """Keeps runs that differ apart: part of a run's identity."""
    seed: int = Field(default=1, ge=0, lt=2**63)
    """Of all randomness of the run; part of its identity."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of encoders; bf16 where the hardware has it. Everything else is float32."""
    root: str = Field(default="runs", min_length=1)
    """Directory in which runs are kept."""
    agent: Annotated[Any, Slot("agents")] = "ac2"
    """What acts and learns."""
    suite: Annotated[Any, Slot("suites")] = "dmc:cartpole_balance"
    """Suite and task."""
    launcher: Annotated[Any, Slot("launchers")] = "local"
    """Where the run is carried out."""
    train: Train = Train()
    """How long, with how many environments."""
    replay: ReplayOptions = ReplayOptions()
    """Where experience is kept."""
    evaluate: Evaluate = Evaluate()
    """How the agent is judged."""
    checkpoint: CheckpointOptions = CheckpointOptions()
    """When everything is saved."""

    @model_validator(mode="after")
    def _has_something_to_learn_from(self) -> Self:
        if self.train.offline and not self.replay.load:
            raise ValueError("train.offline=true learns from a replay that is there already: replay.load=RUN")
        return self

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, text: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
            raise ValueError("must be auto, cpu, cuda, mps, or one of several: cuda:1")
        return text


@dataclass(frozen=True)
class Listed:
    """A key whose value is a list of components, each with its options below: ``with.tensorboard.every``.

    Args:
        kind: Of the components.
        help: What the list is for.
        default: What it holds if nobody says otherwise.
        keeps_plus: Whether a plus before a name means something to who reads the list, beside adding it to the layers below.
    """

    kind: str
    help: str
    default: tuple[str, ...] = ()
    keeps_plus: bool = False


#: The key of the callbacks, a word that Python keeps for itself.
WITH = "with"
OBJECTIVE = "objective"
LISTS = {
    OBJECTIVE: Listed("objectives", "Objectives instead of the agent's own, or beside them with a plus: [+spr].", keeps_plus=True),
    WITH: Listed("callbacks", "Who watches the run; a plus adds: [+tensorboard].", ("console", "curve", "video")),
}
