from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unified_plugin_example.config import HarbourOptions
from unified_plugin_example.environment import BOAT, BUOY, HarbourEnvironment


def steer(task: str, seed: int = 0, **options: Any) -> tuple[float, list[Any]]:
    """Return and steps of a scripted policy."""
    environment = HarbourEnvironment(task, HarbourOptions(**options))
    environment.reset(seed)
    steps: list[Any] = []
    while not steps or not (steps[-1].terminated or steps[-1].truncated):
        way = environment.buoy - environment.boat
        steps.append(environment.step(np.clip(20 * (way - 5 * environment.velocity), -1, 1)))
    return sum(step.reward for step in steps), steps


@pytest.mark.parametrize("seed", range(5))
def test_docking_terminates_and_staying_does_not(seed: int) -> None:
    _, docked = steer("dock", seed)
    assert docked[-1].terminated
    assert not docked[-1].truncated
    assert docked[-1].reward > 0.9
    earned, stayed = steer("reach", seed)
    assert stayed[-1].truncated
    assert len(stayed) == 100
    assert earned > 75


def test_without_thrust_the_boat_drifts_with_the_current() -> None:
    environment = HarbourEnvironment("reach", HarbourOptions(current=1.0))
    start = environment.reset(3)
    end = environment.step(np.zeros(2, np.float32)).observation
    np.testing.assert_allclose(end[:2] - start[:2], [0.01, 0.0], atol=1e-6)


def test_rewards_are_in_the_range_of_the_spec() -> None:
    for task in ("reach", "dock"):
        environment = HarbourEnvironment(task, HarbourOptions())
        random = np.random.default_rng(0)
        least, greatest = environment.spec.reward_range
        for seed in range(20):
            environment.reset(seed)
            for _ in range(50):
                assert least <= environment.step(random.uniform(-1, 1, 2).astype(np.float32)).reward <= greatest


def test_the_picture_shows_boat_and_buoy() -> None:
    environment = HarbourEnvironment("reach", HarbourOptions())
    environment.reset(1)
    picture = environment.render(48, 64)
    assert picture.shape == (48, 64, 3)
    colours = {tuple(colour) for colour in picture.reshape(-1, 3).tolist()}
    assert {BOAT, BUOY} <= colours
