"""Returns of a random and of an expert policy, and scores between them. Torch-free."""

from __future__ import annotations

import re

#: Random and expert return of a task without its version. Fu et al. 2020, D4RL (arXiv:2004.07219), `d4rl/infos.py`. They were measured with
#: the versions 2 of the MuJoCo tasks and 0 of the others; later versions changed rewards a little.
SCORES: dict[str, tuple[float, float]] = {
    "HalfCheetah": (-280.178953, 12135.0),
    "Hopper": (-20.272305, 3234.3),
    "Walker2d": (1.629008, 4592.3),
    "Ant": (-325.6, 3879.7),
    "AdroitHandPen": (96.262799, 3076.8331017826877),
    "AdroitHandHammer": (-274.856578, 12794.134825156867),
    "AdroitHandRelocate": (-6.425911, 4233.877797728884),
    "AdroitHandDoor": (-56.512833, 2880.5693087298737),
}


def references(task: str) -> tuple[float, float] | None:
    """Random and expert return of a task of Gymnasium; ``None`` if nobody measured them.

    >>> references("Hopper-v5"), references("CartPole-v1")
    ((-20.272305, 3234.3), None)
    """
    return SCORES.get(re.sub(r"-v\d+$", "", task.rpartition(":")[2]))


def normalised(score: float, random: float, expert: float) -> float:
    """100 (R - random) / (expert - random): 0 for a random policy, 100 for an expert.

    >>> normalised(5.0, 0.0, 10.0)
    50.0
    """
    return 100.0 * (score - random) / (expert - random)
