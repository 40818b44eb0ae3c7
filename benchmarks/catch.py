"""A small task of pixels in which the reward comes at the end: catch what falls, among things that drift by. Torch-free."""

from __future__ import annotations

import numpy as np

from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, Step

#: Cells of a side, and pixels of one.
GRID, CELL = 12, 2


class Catch(Environment):
    """A ball falls by a cell each step; a paddle of three cells below goes left, stays or goes right, and must be under it in the end.

    The one reward is the last: 1 if the ball is caught, else -1. Three dimmer things drift to the right, and mean nothing. Observed is a
    grey picture ``(1, 24, 24)``. An episode has 11 steps; actions at random return about -0.5, and every ball can be caught by who sees it.
    """

    def __init__(self) -> None:
        side = GRID * CELL
        picture, moves = Space((1, side, side), "uint8", 0, 255), Space((), "int64", 0, 2, 3)
        self.spec = Spec(picture, moves, reward_range=(-1.0, 1.0), episode_frames=GRID - 1)
        self.row = self.column = self.paddle = 0
        self.drifting = np.zeros((3, 2), np.int64)

    def reset(self, seed: int) -> np.ndarray:
        random = np.random.default_rng(seed)
        self.row, self.column, self.paddle = 0, int(random.integers(GRID)), int(random.integers(1, GRID - 1))
        self.drifting = random.integers(0, [GRID - 1, GRID], (3, 2))
        return self._picture()

    def step(self, action: np.ndarray) -> Step:
        self.paddle = int(np.clip(self.paddle + int(action) - 1, 1, GRID - 2))
        self.row += 1
        self.drifting[:, 1] = (self.drifting[:, 1] + 1) % GRID
        over = self.row == GRID - 1
        caught = abs(self.column - self.paddle) <= 1
        return Step(self._picture(), (1.0 if caught else -1.0) if over else 0.0, over, False)

    def _picture(self) -> np.ndarray:
        cells = np.zeros((GRID, GRID), np.uint8)
        cells[self.drifting[:, 0], self.drifting[:, 1]] = 128
        cells[self.row, self.column] = 255
        cells[-1, self.paddle - 1 : self.paddle + 2] = 255
        return cells.repeat(CELL, axis=0).repeat(CELL, axis=1)[None]
