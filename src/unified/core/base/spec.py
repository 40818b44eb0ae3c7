"""Descriptions of tasks. All arrays and networks are sized from a `Spec`, so that users never type a shape. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from unified.core.base.errors import Problem, UsageError

if TYPE_CHECKING:
    import numpy as np

#: The types of tasks.
TASK_TYPES = ("control", "classify", "regress", "generate")


@dataclass(frozen=True)
class Space:
    """Shape, type and bounds of one array.

    Args:
        shape: Without a batch dimension: ``(C, H, W)`` for pixels, ``(D,)`` for vectors, ``()`` for one choice.
        dtype: NumPy's name: ``"uint8"``, ``"float32"``, ``"int64"``.
        low: Least value, one for all elements or one for each of them (flattened).
        high: Greatest value, likewise.
        n: Number of choices if the value is an index, else ``None``.
    """

    shape: tuple[int, ...]
    dtype: str
    low: float | tuple[float, ...] = -math.inf
    high: float | tuple[float, ...] = math.inf
    n: int | None = None

    @property
    def discrete(self) -> bool:
        return self.n is not None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest value of each element: two arrays of the shape of the space."""
        import numpy as np

        low, high = (np.reshape(bound, self.shape if np.ndim(bound) else ()) for bound in (self.low, self.high))
        return np.broadcast_to(low, self.shape), np.broadcast_to(high, self.shape)

    @property
    def is_picture(self) -> bool:
        """Whether the value has three dimensions, ``(C, H, W)``."""
        return len(self.shape) == 3

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Space:
        fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        return cls(**fields)


def wrong_task(what: str, takes: Sequence[str], task_type: str | None) -> str:
    """Why an agent or an objective cannot learn a type of task; empty if it can, or if the type is unknown.

    >>> wrong_task("agent dqn", ("control", "classify"), "generate")
    'agent dqn can control, classify, and not generate'

    Args:
        what: Kind and name.
        takes: Types that it is for; empty for all.
        task_type: The type.
    """
    return f"{what} can {', '.join(takes)}, and not {task_type}" if takes and task_type and task_type not in takes else ""


#: The named observation ``(A,)`` that shows which choices are valid: positive for these, 0 for the others.
ACTION_MASK = "action_mask"


@dataclass(frozen=True)
class Spec:
    """Description of a task.

    Args:
        observation: One observation, a single frame (the replay stacks frames); or several named ones, in the order in which they are
            joined: ``{"image": Space(…), "vector": Space(…)}``. A goal task has ``achieved_goal`` and ``desired_goal``.
        action: The action that the environment takes.
        task_type: One of `TASK_TYPES`; it says which column plays observation and which action.
        reward_range: Least and greatest reward of one agent step.
        action_repeat: Frames of the task for each agent step.
        episode_frames: Frames of an episode at a time limit; ``None`` without a limit.
        deterministic: Whether an episode is a function of its seed, reset options and actions, so that a resumed run can be exact.
        mean: Of each channel of a picture in [0, 1], or of each number of a vector, over the training rows; empty if unknown.
            Observations are standardised with `mean` and `std` before the first layer.
        std: Likewise.
        classes: Names of the choices, if they have names; of a generation task, names of the classes it is conditioned on.
        target_range: Least and greatest target in its own units, for each number ``(D,)``, if -1 and 1 of an action stand for them.
        columns: Further values of each step by name (`Step.extra`): the replay stores them and batches have them. The mean of
            ``success`` at the last step of each episode is part of an evaluation.
        interface: The environment's own spaces as JSON data, if they differ from `observation` and `action`; the `converters` of the
            suite's descriptor read it, so that `unified.load` takes and gives what the environment does.
    """

    observation: Space | Mapping[str, Space]
    action: Space
    task_type: str = "control"
    reward_range: tuple[float, float] = (-math.inf, math.inf)
    action_repeat: int = 1
    episode_frames: int | None = None
    deterministic: bool = True
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()
    target_range: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    columns: Mapping[str, Space] = field(default_factory=dict)
    interface: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spaces(self) -> dict[str, Space]:
        """The observations by column of a batch: ``{"obs": …}``, or ``{"obs.image": …, "obs.vector": …}`` if they have names."""
        if isinstance(self.observation, Space):
            return {"obs": self.observation}
        return {f"obs.{name}": space for name, space in self.observation.items()}

    @property
    def space(self) -> Space:
        """The observation of a task that has a single one.

        Raises:
            UsageError: If the observations have names.
        """
        if isinstance(self.observation, Space):
            return self.observation
        raise UsageError(Problem(f"one observation is needed, and the task has {', '.join(self.observation)}"))

    @property
    def masks_actions(self) -> bool:
        """Whether the task takes one choice and shows which choices are valid, in the named observation `ACTION_MASK`."""
        space = None if isinstance(self.observation, Space) else self.observation.get(ACTION_MASK)
        return space is not None and self.action.discrete and not self.action.shape and space.shape == (self.action.n,)

    def joined(self) -> Spec:
        """The same task with one observation: named vectors joined in their order. A spec with a single observation is returned as is.

        Raises:
            UsageError: If one of the named observations is not a vector.
        """
        if isinstance(self.observation, Space):
            return self
        import numpy as np

        spaces = self.observation
        other = [name for name, space in spaces.items() if len(space.shape) != 1 or space.dtype == "uint8"]
        if other:
            vectors = ",".join(name for name in spaces if name not in other)
            hint = f"observe less: suite.observe=[{other[0]}]" + (f" or suite.observe=[{vectors}]" if vectors else "")
            raise UsageError(Problem(f"the agent takes one observation, and {', '.join(other)} cannot be joined with the others", hint))
        low, high = (np.concatenate(bounds) for bounds in zip(*(space.bounds() for space in spaces.values()), strict=True))
        one = Space((len(low),), "float32", tuple(low.astype(float).tolist()), tuple(high.astype(float).tolist()))
        return replace(self, observation=one)

    def record_type(self) -> np.dtype[Any]:
        """The NumPy type of one observation: with a field for each name if observations have names. Its arrays are ``(n,)`` then."""
        import numpy as np

        if isinstance(self.observation, Space):
            return np.dtype(self.observation.dtype)
        return np.dtype([(name, space.dtype, space.shape) for name, space in self.observation.items()])

    def zeros(self, n: int) -> np.ndarray:
        """`n` observations: ``(n, *observation)``, or ``(n,)`` records with a field for each name."""
        import numpy as np

        shape = self.observation.shape if isinstance(self.observation, Space) else ()
        return np.zeros((n, *shape), self.record_type())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Spec:
        fields = dict(data)
        seen = fields["observation"]
        is_one = isinstance(seen.get("shape"), list | tuple)
        fields["observation"] = Space.from_json(seen) if is_one else {name: Space.from_json(space) for name, space in seen.items()}
        fields["action"] = Space.from_json(fields["action"])
        fields["reward_range"] = tuple(fields["reward_range"])
        for name in ("mean", "std", "classes"):
            fields[name] = tuple(fields.get(name, ()))
        if fields.get("target_range") is not None:
            low, high = fields["target_range"]
            fields["target_range"] = (tuple(low), tuple(high))
        fields["columns"] = {name: Space.from_json(space) for name, space in fields.get("columns", {}).items()}
        return cls(**fields)
