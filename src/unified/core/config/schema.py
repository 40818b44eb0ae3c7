"""The options of every run, and the slots whose value selects a component. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from unified.core.components.descriptors import Component
from unified.core.components.import_paths import bare
from unified.core.components.options import NAME, Options

#: A dotted key, split at its dots.
Path = tuple[str, ...]
#: Greatest number of threads. OpenMP ends the process if it cannot start them.
MAX_THREADS = 256
#: The key of a suite's task, beside `NAME`.
TASK = "task"


@dataclass(frozen=True)
class Slot:
    """Marks a field whose value is the name of a component of this kind; the component's options stand below it."""

    kind: str


#: The type of an agent's option that selects an architecture: ``encoder: Part = "drqv2_cnn"``, or ``Part | None``.
Part = Annotated[Any, Slot("architectures")]


@dataclass(frozen=True)
class Selection:
    """The component that a slot selects, with its options.

    Args:
        kind: ``"agents"``, ``"architectures"``, …
        name: The shortest name of a registered component, or the canonical reference; without the task.
        task: The task of a suite, else ``None``.
        component: Its descriptor; ``component.load()`` imports the implementation.
        options: An instance of the component's options.
    """

    kind: str
    name: str
    task: str | None
    component: Component
    options: Any

    @property
    def label(self) -> str:
        """A short name for display: ``MyAgent`` of ``/home/me/mine.py:MyAgent``, ``td3`` of ``other/td3``."""
        return bare(self.name)

    @property
    def qualified(self) -> str:
        """The name with its provider, which no other package can take: ``core/dqn``, ``+core/spr``; a reference as it is."""
        plus = "+" if self.name.startswith("+") else ""
        return plus + (self.component.qualified if self.component.origin.provider else self.name.removeprefix("+"))

    @property
    def text(self) -> str:
        """Name and task as they are typed: ``dmc:humanoid_run``."""
        return f"{self.name}:{self.task}" if self.task else self.name

    @property
    def title(self) -> str:
        """Kind, label and task, for messages: ``suite dmc:humanoid_run``."""
        return f"{self.kind.removesuffix('s')} {self.label}" + (f":{self.task}" if self.task else "")


@dataclass(frozen=True)
class Suites(Selection):
    """Several suites in one run: ``suite=[gym:CartPole-v1,digits]``. Name and task join those of its members, for the run's directory.

    Args:
        members: The selections, in their order; `component` is that of the first.
    """

    members: tuple[Selection, ...] = ()

    @classmethod
    def of(cls, members: Sequence[Selection]) -> Suites:
        """The selection of these suites."""
        tasks = "+".join(task_names(members))
        return cls("suites", "+".join(member.label for member in members), tasks, members[0].component, None, tuple(members))

    @property
    def label(self) -> str:
        return self.name

    @property
    def text(self) -> str:
        return " + ".join(member.text for member in self.members)


def task_names(members: Sequence[Selection]) -> list[str]:
    """A short name for each suite of a run, by which its metrics are called: its task, or more where two tasks are called the same."""
    short = [member.task or member.label for member in members]
    texts = [member.text if short.count(name) > 1 else name for member, name in zip(members, short, strict=True)]
    return [f"{text}#{number}" if texts.count(text) > 1 else text for number, text in enumerate(texts)]


def dotted(path: Sequence[str]) -> str:
    """The key as a user types it: ``agent.name`` is ``agent``."""
    return ".".join(path[:-1] if len(path) > 1 and path[-1] == NAME else path)


def slot_of(field: FieldInfo) -> Slot | None:
    """The slot of a field, also of an optional one; ``None`` for any other field."""
    return next((mark for mark in _marks(field.metadata, field.annotation) if isinstance(mark, Slot)), None)


def _marks(metadata: Any, annotation: Any) -> Iterator[Any]:
    yield from metadata
    yield from getattr(annotation, "__metadata__", ())
    for inner in get_args(annotation):
        yield from _marks((), inner)


def group_of(annotation: Any) -> type[Options] | None:
    """The model of a group of options, where a field of this type holds one."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, Options) else None


def groups_of(annotation: Any) -> type[Options] | None:
    """The model of each group, where a field of this type holds groups by name: ``dict[str, Group]``."""
    return group_of(get_args(annotation)[1]) if get_origin(annotation) is dict else None


def takes_none(field: FieldInfo) -> bool:
    """Whether ``null`` is a value of the field."""
    return field.default is None or type(None) in get_args(field.annotation)


def parts(component: Component) -> tuple[str, ...]:
    """Names of the options that select architectures: they may be typed without ``agent.``."""
    slots = [name for name, field in component.options_model().model_fields.items() if slot_of(field)]
    return tuple(dict.fromkeys([*getattr(component, "parts", ()), *slots]))


class Train(Options):
    """The budget of a run and its environments."""

    frames: int | None = Field(default=1_000_000, gt=0)
    """Budget in frames of the task (agent steps x action repeat), or rows of a data set; unlimited if only another budget is set."""
    updates: int | None = Field(default=None, gt=0)
    """Budget in updates; the budget reached first ends the run. Updates due together are all done: an on-policy run ends with a rollout."""
    hours: float | None = Field(default=None, gt=0)
    """Budget in hours of wall time, over all sessions of the run."""
    epochs: float | None = Field(default=None, gt=0)
    """Budget in passes over the rows of a data set."""
    overfit: int | None = Field(default=None, gt=0)
    """Train on this many rows of a data set only: a correct network fits them perfectly."""
    num_envs: int = Field(default=1, gt=0)
    """Number of environments stepped together. The number of updates per step does not change."""
    env_backend: Literal["auto", "inline", "process"] = "auto"
    """Process of the environments: this one (inline), others (process), or auto: the suite's vectorised implementation if it has one,
    else by the measured step time."""
    env_workers: int | None = Field(default=None, gt=0)
    """Number of processes that share the environments, with env_backend=process; null: one per core. Results do not depend on it."""
    env_timeout: float = Field(default=60.0, gt=0, le=1e6)
    """Seconds without an answer after which the process of an environment is replaced; three times as many, at least 20, for its start."""
    offline: bool = False
    """Learn from the replay named by replay.load, without an environment; a step is then a batch, and a frame is one of its rows."""
    learn: bool = True
    """Train the agent; false only collects experience (store it with replay.save)."""
    patience: int | None = Field(default=None, gt=0)
    """Stop after this many evaluations without improvement; null disables it."""
    log_every: int | None = Field(default=1000, gt=0)
    """Frames between two rows of metrics; null: 1,000, or the rows of 50 updates if no environment is stepped."""
    max_failures: int = Field(default=100, ge=0)
    """Stop the run after this many non-finite updates, or failed episodes of one environment in a row."""

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.frames is None and self.updates is None and self.hours is None and self.epochs is None:
            raise ValueError("no budget is left: set one of train.frames, train.updates, train.epochs, train.hours")
        return self


#: Options of the replay that change loaded rewards.
SCALED = ("return_range", "reward_scale", "reward_shift")


class ReplayOptions(Options):
    """The replay."""

    capacity: int = Field(default=1_000_000, gt=0)
    """Number of agent steps stored; the oldest are overwritten first."""
    backing: Literal["auto", "ram", "disk"] = "auto"
    """Store in memory or in memory-mapped files; auto uses memory if it is large enough."""
    device: str = "cpu"
    """Where the observations of batches are gathered: cpu, or the agent's GPU, which then has a copy of all observations; auto uses the \
GPU if they take at most half of its free memory. No bit changes."""
    sampler: Annotated[Any, Slot("samplers")] = "uniform"
    """Which rows are sampled: uniform, prioritised (by TD error), hindsight (with achieved goals), or a plugin's sampler."""
    save: str | None = None
    """Name under which the replay is saved at the end, for other runs."""
    load: str | None = None
    """Replay to start from: a saved name, a run by any name that finds it, minari:NAME, d4rl:FILE.hdf5, or lerobot:DIRECTORY."""
    top: float = Field(default=1.0, gt=0, le=1)
    """Share of the whole episodes of the loaded replay that are kept, those of greatest return; 0.1 for 10% behaviour cloning."""
    return_range: float | None = Field(default=None, gt=0)
    """Scale loaded rewards so that the best and the worst return of an episode are this far apart (Kostrikov et al. 2021: 1000)."""
    reward_scale: float = Field(default=1.0, gt=0)
    """Factor on loaded rewards, before reward_shift is added."""
    reward_shift: float = 0.0
    """Number that is added to each loaded reward; -1 for AntMaze, whose rewards are 0 and 1 (Kostrikov et al. 2021)."""

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, text: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", text):
            raise ValueError("must be auto, cpu, cuda or cuda:1")
        return text


class Evaluate(Options):
    """Evaluation, in separate environments."""

    every: int | None = Field(default=10_000, ge=0)
    """Frames between two evaluations; 0: only at the end; null: 10,000; of a data set an epoch or 50 updates; offline 5,000 updates."""
    at_start: bool = False
    """Evaluate the untrained agent before the first step too: the curve begins at 0, and training begins later."""
    episodes: int = Field(default=10, gt=0)
    """Number of episodes of each evaluation."""
    num_envs: int = Field(default=1, gt=0)
    """Number of environments stepped together in an evaluation."""
    max_steps: int | None = Field(default=None, gt=0)
    """Agent steps after which an episode of an evaluation is truncated; null: 10,000 if the task has no time limit of its own."""
    samples: int | None = Field(default=2000, gt=1)
    """Greatest number of rows that an evaluation of a generation task generates and compares; null: all, as in the last evaluation."""
    features: str | None = None
    """Run of a classifier whose features compare generated data with real data; null compares the data itself, bytes scaled to [0, 1]."""


class CheckpointOptions(Options):
    """When checkpoints are saved."""

    every: int | None = Field(default=None, ge=0)
    """Frames between two checkpoints; 0: by time and at the end only; null: 10,000, or the rule of evaluate.every for data sets, and at
    most 2% of the time."""
    every_minutes: float = Field(default=10.0, gt=0)
    """Minutes after which a checkpoint is saved regardless of the frames."""
    keep: int = Field(default=2, ge=2)
    """Number of newest checkpoints stored, in addition to the best one."""


class RunOptions(Options):
    """All options of a run except its lists of components (`LISTS`)."""

    experiment: str = Field(default="default", min_length=1)
    """Name of the experiment, part of the identity of a run."""
    seed: int = Field(default=1, ge=0, lt=2**63)
    """Seed of all random numbers of the run, part of its identity."""
    device: str = "auto"
    """Device: auto, cpu, cuda, cuda:1, mps."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Precision of encoders; auto uses bf16 if the hardware supports it. Everything else is float32."""
    threads: int | Literal["auto"] = "auto"
    """Number of threads of one torch operation; results depend on it. Auto: the number in the checkpoint; in a new run 1 for small updates,
    else OMP_NUM_THREADS or the number of cores."""
    compile: Literal["auto", True, False] = "auto"
    """Compilation of updates to machine code: true from the first update on; auto from update 10,000 on, in runs of at least 50,000.
    On a GPU, updates are CUDA graphs."""
    root: str = Field(default="runs", min_length=1)
    """Directory of all runs."""
    agent: Annotated[Any, Slot("agents")] = "ac2"
    """The agent."""
    suite: Annotated[Any, Slot("suites")] = "dmc:cartpole_balance"
    """Suite and task, SUITE:TASK; several suites in one run: [SUITE:TASK,SUITE:TASK]."""
    launcher: Annotated[Any, Slot("launchers")] = "local"
    """Where the run is executed."""
    train: Train = Train()
    """The budget of a run and its environments."""
    replay: ReplayOptions = ReplayOptions()
    """The replay."""
    evaluate: Evaluate = Evaluate()
    """Evaluation."""
    checkpoint: CheckpointOptions = CheckpointOptions()
    """When checkpoints are saved."""

    @model_validator(mode="after")
    def _has_something_to_learn_from(self) -> Self:
        if self.train.offline and not self.replay.load:
            raise ValueError("train.offline=true needs a saved replay: replay.load=RUN")
        changed = [name for name in ("top", *SCALED) if getattr(self.replay, name) != ReplayOptions.model_fields[name].default]
        if changed and not self.replay.load:
            raise ValueError(f"replay.{changed[0]} is of a replay that is loaded: replay.load=RUN")
        if (scaled := [name for name in changed if name in SCALED]) and not self.train.offline:
            raise ValueError(f"replay.{scaled[0]} changes the rewards that are loaded, and not those of new steps: offline=true")
        return self

    @field_validator("experiment")
    @classmethod
    def _is_a_folder(cls, text: str) -> str:
        """Names are folders: two names must not become one, so nothing is replaced."""
        if not re.fullmatch(r"\w[\w.+-]{0,99}", text):
            near = re.sub(r"[^\w.+-]+", "-", text).strip("-.+")[:100]
            wanted = "must begin with a letter or digit and have letters, digits, '.', '_', '+' and '-' only, 100 at most"
            raise ValueError(f"{wanted}{f': {near}' if near else ''}")
        return text

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, text: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
            raise ValueError("must be auto, cpu, cuda, cuda:1 or mps")
        return text

    @field_validator("threads")
    @classmethod
    def _is_a_number_of_threads(cls, threads: int | Literal["auto"]) -> int | Literal["auto"]:
        if threads != "auto" and not 1 <= threads <= MAX_THREADS:
            raise ValueError(f"must be auto or a whole number from 1 to {MAX_THREADS}")
        return threads


#: Keys that may be typed without the group that they are in: ``offline=true``.
SHORT: dict[str, Path] = {"offline": ("train", "offline")}


@dataclass(frozen=True)
class Listed:
    """A key whose value is a list of components; the options of each stand below it: ``callbacks.tensorboard.every``.

    Args:
        kind: Kind of the components.
        help: Description of the list.
        default: Names that it holds by default.
        keeps_plus: Whether the plus before a name is part of the selection; else it only means to add to the lower layers.
    """

    kind: str
    help: str
    default: tuple[str, ...] = ()
    keeps_plus: bool = False


#: The key of the callbacks.
WITH = "callbacks"
OBJECTIVE = "objective"
LISTS = {
    OBJECTIVE: Listed("objectives", "Objectives that replace the agent's own; a plus adds to them: [+rnd].", keeps_plus=True),
    WITH: Listed("callbacks", "Callbacks of the run. A plus adds to the defaults: [+tensorboard].", ("console", "curve", "video")),
}
