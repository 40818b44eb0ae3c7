"""Descriptions of tasks. All arrays and networks are sized from a `Spec`, so that users never type a shape. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

#: Types of tasks.
TASK_TYPES = ("control", "classify", "regress", "generate")


@dataclass(frozen=True)
class Space:
    """Shape, type and bounds of one array.

    Args:
        shape: Shape without a batch dimension: ``(C, H, W)`` for pixels, ``(D,)`` for vectors, ``()`` for a single choice.
        dtype: Name of the NumPy type: ``"uint8"``, ``"float32"``, ``"int64"``.
        low: Lowest value: one for all elements, or one for each element (flattened).
        high: Highest value: one for all elements, or one for each element (flattened).
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

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Space:
        fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        return cls(**fields)


@dataclass(frozen=True)
class Spec:
    """Description of a task.

    Args:
        observation: One observation; a single frame for image sequences, because the replay stacks frames.
        action: Action of the environment.
        task_type: One of `TASK_TYPES`.
        reward_range: Lowest and highest reward of one agent step.
        action_repeat: Frames of the task per agent step.
        episode_frames: Frames of an episode at the time limit; ``None`` without a limit.
        deterministic: Whether an episode is a function of its seed and actions, so that a resumed run can be exact.
        mean: Mean of each channel of an image in [0, 1], or of each number of a vector, over the training rows; empty if unknown.
            Observations are standardised with `mean` and `std` before the first layer.
        std: Standard deviation of each channel or number.
        classes: Names of the choices; of a class-conditional generation task, names of the classes.
        target_range: Lowest and highest target of each number ``(D,)`` in its own unit, for which the actions -1 and 1 stand.
    """

    observation: Space
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

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Spec:
        fields = dict(data)
        fields["observation"] = Space.from_json(fields["observation"])
        fields["action"] = Space.from_json(fields["action"])
        fields["reward_range"] = tuple(fields["reward_range"])
        for name in ("mean", "std", "classes"):
            fields[name] = tuple(fields.get(name, ()))
        if fields.get("target_range") is not None:
            low, high = fields["target_range"]
            fields["target_range"] = (tuple(low), tuple(high))
        return cls(**fields)
