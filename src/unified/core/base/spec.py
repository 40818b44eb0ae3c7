"""What a task looks like. Every array and network is sized from a `Spec`; a user never types a shape. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

#: What a task may ask of an agent.
TASK_TYPES = ("control", "classify", "regress", "generate")


@dataclass(frozen=True)
class Space:
    """The shape, type and bounds of one array.

    Args:
        shape: Without a batch dimension: ``(C, H, W)`` for pixels, ``(D,)`` for vectors, ``()`` for one choice.
        dtype: NumPy's name: ``"uint8"``, ``"float32"``, ``"int64"``.
        low: Least value, one for all or one for each element (flattened).
        high: Greatest value, likewise.
        n: Number of choices where the value is an index, else ``None``.
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
        """Least and greatest value of each element: two arrays of the space's shape."""
        import numpy as np

        low, high = (np.reshape(bound, self.shape if np.ndim(bound) else ()) for bound in (self.low, self.high))
        return np.broadcast_to(low, self.shape), np.broadcast_to(high, self.shape)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Space:
        fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        return cls(**fields)


@dataclass(frozen=True)
class Spec:
    """Frozen description of a task.

    Args:
        observation: One observation, a single frame where there are frames (stacking is the replay's).
        action: What the environment takes.
        task_type: Which column plays observation and which action, one of `TASK_TYPES`.
        reward_range: Least and greatest reward of one agent step.
        action_repeat: Frames of the task for each agent step.
        episode_frames: Frames of an episode at a time limit; ``None`` without a limit.
        deterministic: Whether an episode is a function of its seed and actions, so that a resumed run can be exact.
        mean: Of each channel of a picture in [0, 1], or of each number of a vector, over the rows that are trained on; empty where
            nothing is known. Observations are standardised with it and with `std` before the first layer.
        std: Likewise.
        classes: Names of the choices, where they have some; or of what is observed, where something is made for a class.
        target_range: Least and greatest target in units of its own, for each number ``(D,)``, where the action's -1 and 1 stand for them.
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
