"""A player against frames that are stacked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.trainer.course import Course, CourseOptions, Linear, episode, stacking
from unified.core.base.errors import UsageError
from unified.core.replay.batch import Batch
from unified.core.trainer.inference import InferencePolicy

FORMS = [{}, {"discrete": True}, {"pixels": True}]


def player_of(stack: int, **options: Any) -> tuple[Course, InferencePolicy, Linear]:
    suite = Course("", CourseOptions(**options))
    spec = suite.environment().spec
    agent: Any = Linear(spec, stack)
    return suite, InferencePolicy(agent, spec, frames=7), agent


@pytest.mark.parametrize("form", FORMS, ids=["state", "discrete", "pixels"])
@pytest.mark.parametrize("stack", [1, 3])
def test_it_acts_on_the_last_frames_of_the_episode(stack: int, form: dict[str, bool]) -> None:
    suite, player, _ = player_of(stack, length=6, fails=3, **form)
    environment = suite.environment()

    def act(observation: np.ndarray, first: bool) -> np.ndarray:
        if first:
            player.reset()
        return player.act(observation)

    for seed in range(20):
        assert episode(environment, seed, act) == episode(environment, seed, stacking(Linear(environment.spec, stack), stack))


def test_without_a_reset_the_episode_goes_on() -> None:
    _, player, agent = player_of(3)
    one, two, three = (np.full(3, number, np.float32) for number in (1, 2, 3))
    for observation in (one, two, three):
        player.act(observation)
    player.reset()
    player.reset()
    player.act(two)
    stacks = [seen.reshape(3, 3)[:, 0].tolist() for seen in agent.seen]
    assert stacks == [[1, 1, 1], [1, 1, 2], [1, 2, 3], [2, 2, 2]]


def test_the_observation_is_copied() -> None:
    _, player, agent = player_of(2)
    observation = np.ones(3, np.float32)
    player.act(observation)
    observation[:] = 2
    player.act(observation)
    assert agent.seen[-1].reshape(2, 3)[:, 0].tolist() == [1, 2]


@pytest.mark.parametrize("form", FORMS, ids=["state", "discrete", "pixels"])
def test_the_action_is_what_the_environment_takes(form: dict[str, bool]) -> None:
    suite, player, agent = player_of(1, **form)
    environment = suite.environment()
    observation, space = environment.reset(0), environment.spec.action
    for explore in (False, True):
        action = player.act(observation, explore=explore)
        assert (action.shape, action.dtype) == (space.shape, space.dtype)
        assert np.array_equal(action, agent.act(Batch(obs=agent_input(observation)), explore=explore).env_action[0])
    assert player.frames == 7


def agent_input(observation: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(observation[None])


@pytest.mark.parametrize("wrong", [np.zeros(4, np.float32), np.zeros((1, 3), np.float32), np.float32(0.0)])
def test_another_shape_is_refused(wrong: Any) -> None:
    _, player, agent = player_of(1)
    with pytest.raises(UsageError, match=r"this agent takes \(3,\)"):
        player.act(wrong)
    assert agent.seen == []


def test_numbers_that_bytes_cannot_hold_are_refused() -> None:
    _, player, agent = player_of(1, pixels=True)
    picture = np.random.default_rng(0).random((3, 24, 24))
    for wrong in (picture, picture.astype(np.float32), (picture * 255).astype(np.int64)):
        with pytest.raises(UsageError, match=f"observation has dtype {wrong.dtype}; this agent takes uint8"):
            player.act(wrong)
    assert agent.seen == []


@pytest.mark.parametrize("given", [[0, 1, 2], np.array([0.0, 1.0, 2.0]), np.arange(3)], ids=["list", "float64", "int64"])
def test_numbers_that_floats_can_hold_are_taken(given: Any) -> None:
    _, player, agent = player_of(1)
    player.act(given)
    assert (agent.seen[0].dtype, agent.seen[0].tolist()) == (np.float32, [[0.0, 1.0, 2.0]])
