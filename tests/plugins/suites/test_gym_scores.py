"""Normalised scores: 0 for the random return, 100 for the expert's, and none where nobody measured them."""

from __future__ import annotations

from typing import Any

import pytest

from unified.core.trainer.eval_result import EvalResult
from unified.plugins.suites.gym.config import GymOptions
from unified.plugins.suites.gym.scores import SCORES, normalised, references
from unified.plugins.suites.gym.suite import Gym
from unified.units import scored


@pytest.mark.parametrize("task", ["Hopper-v5", "Hopper-v4", "gymnasium.envs.mujoco:Hopper-v5"])
def test_the_score_goes_from_random_to_expert(task: str) -> None:
    suite = Gym(task, GymOptions())
    found = [suite.extra_metrics({"return": value})["normalized_score"] for value in (-20.272305, 3234.3, 1607.0138475)]
    assert found == pytest.approx([0.0, 100.0, 50.0])


@pytest.mark.parametrize("task", ["CartPole-v1", "HopperStand-v1", "Pendulum-v1"])
def test_a_task_without_references_has_none(task: str) -> None:
    assert Gym(task, GymOptions()).extra_metrics({"return": 1.0}) == {}


def test_it_is_beside_the_return_and_chooses_nothing() -> None:
    row: dict[str, Any] = {"return": 3234.3, "return_sd": 10.0}
    result = EvalResult(row).beside(Gym("Hopper-v5", GymOptions()).extra_metrics(row))
    assert result.report == ["normalized_score  100"]
    assert scored(result.row) == ("return", 3234.3, 10.0)
    assert result.score == 3234.3


def test_the_published_scores_of_d4rl() -> None:
    """CORL's table: a return of 4,592.3 on Walker2d is 100, whatever the version."""
    assert all(low < high for low, high in SCORES.values())
    assert references("Walker2d-v5") == (1.629008, 4592.3)
    assert normalised(5563.0, *SCORES["HalfCheetah"]) == pytest.approx(47.07, abs=0.01)
