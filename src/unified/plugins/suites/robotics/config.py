"""Options of the suite robotics. Torch-free."""

from __future__ import annotations

from unified.plugins.suites.gym.config import GymOptions


class RoboticsOptions(GymOptions):
    """Observations and actions as in the suite gym, and the rules of mazes."""

    continuing: bool | None = None
    """Whether the episodes of a maze go on at the goal, with a reward in each step there; false: they terminate; null: as registered,
    they go on."""
    reset_target: bool | None = None
    """Whether a maze that goes on sets another goal once one is reached; null: as registered, point mazes do not."""
