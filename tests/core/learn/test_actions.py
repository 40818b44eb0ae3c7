"""Choices on tasks that take choices, and on tasks that take numbers."""

from __future__ import annotations

import pytest
import torch

from unified.core.base.spec import Space
from unified.core.learn.actions import ContinuousActions, DiscreteActions
from unified.plugins.architectures.heads.policies import Categorical, Deterministic, TruncatedNormal


def test_a_discrete_task_takes_its_choices() -> None:
    actions = DiscreteActions(Space((), "int64", 0, 3, 4), bins=9)
    assert actions.space == Space((), "int64", 0, 3, 4)
    assert actions.choices == (4,)
    chosen = torch.tensor([3, 0])
    assert torch.equal(actions.to_env(chosen).env_action, chosen)


def test_each_number_is_a_choice_between_evenly_spaced_ones() -> None:
    actions = DiscreteActions(Space((2,), "float32", -1.0, 1.0), bins=5)
    assert actions.space == Space((2,), "int64", 0, 4, 5)
    assert (actions.choices, actions.size) == ((2, 5), 10)
    action = actions.to_env(torch.tensor([[0, 4], [1, 3], [2, 2], [4, 0]]))
    assert action.env_action.tolist() == [[-1.0, 1.0], [-0.5, 0.5], [0.0, 0.0], [1.0, -1.0]]
    assert action.env_action.dtype == torch.float32
    assert action.action.dtype == torch.int64


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_numbers_keep_the_shape_of_the_task(shape: tuple[int, ...]) -> None:
    actions = DiscreteActions(Space(shape, "float32"), bins=3)
    env_action = actions.to_env(torch.full((4, actions.space.size), 2)).env_action
    assert env_action.shape == (4, *shape)
    assert (env_action == 1.0).all()


def test_answers_are_stored_as_the_nearest_choices() -> None:
    choices = torch.tensor([2, 0])
    assert torch.equal(DiscreteActions(Space((), "int64", 0, 3, 4)).encode_target(choices), choices)
    numbers = DiscreteActions(Space((3,), "float32", -1.0, 1.0), bins=5)
    assert numbers.encode_target(torch.tensor([[-0.9, 0.3, 7.0]])).tolist() == [[0, 3, 4]]
    every = torch.arange(5)[:, None].expand(5, 3)
    assert torch.equal(numbers.encode_target(numbers.to_env(every).env_action), every)
    picture = DiscreteActions(Space((1, 1, 3), "uint8", 0, 255), bins=3)
    assert picture.encode_target(torch.tensor([[[[0, 130, 255]]]], dtype=torch.uint8)).tolist() == [[0, 1, 2]]


def test_an_answer_says_how_likely_each_choice_of_the_task_is() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [5.0, 0.0, 0.0]])
    answer = DiscreteActions(Space((), "int64", 0, 2, 3)).greedy(Categorical(logits))
    assert answer.env_action.tolist() == [1, 0]
    assert answer.probabilities is not None
    torch.testing.assert_close(answer.probabilities, logits.softmax(dim=-1))


def test_choices_between_numbers_have_no_likelihood_that_the_task_knows() -> None:
    actions = DiscreteActions(Space((1,), "float32", -1.0, 1.0), bins=3)
    answer = actions.greedy(Categorical(torch.tensor([[[0.0, 0.0, 4.0]]])))
    assert (answer.env_action.tolist(), answer.probabilities) == ([[1.0]], None)


@pytest.mark.parametrize("task", [Space((2,), "float32", -1.0, 1.0), Space((), "int64", 0, 1, 2)])
def test_a_policy_of_numbers_answers_its_mode(task: Space) -> None:
    answer = ContinuousActions(task).greedy(Deterministic(torch.tensor([[0.5, -0.25]])))
    assert answer.action.tolist() == [[0.5, -0.25]]
    assert answer.env_action.tolist() == ([0] if task.discrete else [[0.5, -0.25]])
    assert answer.probabilities is None


CHOICES = 18


def test_numbers_for_choices_are_exploited_as_their_noise_falls_and_even_at_first() -> None:
    """A softmax of numbers within [-1, 1] gives the greatest of 18 at most 30 %, for ever."""
    actions, generator = ContinuousActions(Space((), "int64", 0, CHOICES - 1, CHOICES)), torch.Generator().manual_seed(0)
    mean = torch.full((20_000, CHOICES), -0.5)
    mean[:, 7] = 0.5
    shares = []
    for deviation in (1.0, 0.5, 0.1):
        drawn = TruncatedNormal(mean, deviation).sample(generator)
        shares.append((actions.to_env(drawn, generator).env_action == 7).float().mean().item())
    assert shares[0] < 0.5
    assert shares == sorted(shares)
    assert shares[-1] > 0.99


def test_numbers_at_the_bound_are_equal_and_none_of_them_is_preferred_while_exploring() -> None:
    actions, generator = ContinuousActions(Space((), "int64", 0, CHOICES - 1, CHOICES)), torch.Generator().manual_seed(0)
    drawn = TruncatedNormal(torch.zeros(40_000, CHOICES), 1.0).sample(generator)
    assert ((drawn == drawn.amax(dim=-1, keepdim=True)).sum(dim=-1) > 1).float().mean() > 0.5  # ties are the rule
    counts = torch.bincount(actions.to_env(drawn, generator).env_action, minlength=CHOICES) / len(drawn)
    assert counts.tolist() == pytest.approx([1 / CHOICES] * CHOICES, abs=0.01)
    assert actions.to_env(torch.full((3, CHOICES), float("nan")), generator).env_action.tolist() == [0, 0, 0]


def test_what_is_enacted_is_one_of_the_greatest_numbers() -> None:
    actions, generator = ContinuousActions(Space((), "int64", 0, 3, 4)), torch.Generator().manual_seed(0)
    action = torch.tensor([[0.1, 0.9, 0.9, -1.0]]).expand(500, 4)
    assert actions.to_env(action, generator).env_action.unique().tolist() == [1, 2]
    assert actions.to_env(action, None).env_action.unique().tolist() == [1]
