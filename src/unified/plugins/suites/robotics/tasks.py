"""Names of the tasks of Gymnasium-Robotics 1.4, to list them without importing it; a test compares them.

Not among them are the versions for mujoco-py, older versions of the same tasks, and the tasks of Gymnasium that the package has too.
"""

from __future__ import annotations

from collections.abc import Iterator

_SPARSE_OR_DENSE = ("", "Dense")
#: Objects in a hand and what is asked of their pose.
_MANIPULATE = (
    "BlockRotateZ BlockRotateParallel BlockRotateXYZ BlockFull Block EggRotate EggFull Egg PenRotate PenFull Pen".split()  # noqa: SIM905
)
#: Those with touch sensors: all but the older names of whole poses.
_TOUCHED = tuple(name for name in _MANIPULATE if not name.endswith("Full"))
_MAZES = tuple(f"{size}{diverse}" for size in ("Open", "Medium", "Large") for diverse in ("", "_Diverse_G", "_Diverse_GR"))


def _names() -> Iterator[str]:
    for reward in _SPARSE_OR_DENSE:
        yield from (f"Fetch{task}{reward}-v4" for task in ("Reach", "Push", "Slide", "PickAndPlace"))
        yield f"HandReach{reward}-v3"
        yield from (f"HandManipulate{task}{reward}-v1" for task in _MANIPULATE)
        yield from (f"HandManipulate{task}_{touch}TouchSensors{reward}-v1" for task in _TOUCHED for touch in ("Boolean", "Continuous"))
        yield from (f"PointMaze_{maze}{reward}-v3" for maze in ("UMaze", *_MAZES))
        yield from (f"AntMaze_{maze}{reward}-v5" for maze in ("UMaze", *_MAZES))
    yield from (f"AdroitHand{task}{reward}-v1" for task in ("Door", "Hammer", "Pen", "Relocate") for reward in ("", "Sparse"))
    yield "FrankaKitchen-v1"


TASKS = tuple(sorted(_names()))
