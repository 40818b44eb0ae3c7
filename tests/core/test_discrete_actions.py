"""Choices on tasks that take choices, and on tasks that take numbers."""

from __future__ import annotations

import pytest
import torch

from unified.core.action import ContinuousActions
from unified.core.discrete_actions import DiscreteActions
from unified.core.spec import Space
from unified.plugins.architectures.heads.policies import Categorical, Deterministic


def test_a_discrete_task_takes_its_choices() -> None:
    actions = DiscreteActions(Space((), "int64", 0, 3, 4), bins=9)
    assert actions.stored == Space((), "int64", 0, 3, 4)
    assert actions.choices == (4,)
    chosen = torch.tensor([3, 0])
    assert torch.equal(actions.enact(chosen).enacted, chosen)


def test_each_number_is_a_choice_between_evenly_spaced_ones() -> None:
    actions = DiscreteActions(Space((2,), "float32", -1.0, 1.0), bins=5)
    assert actions.stored == Space((2,), "int64", 0, 4, 5)
    assert (actions.choices, actions.size) == ((2, 5), 10)
    action = actions.enact(torch.tensor([[0, 4], [1, 3], [2, 2], [4, 0]]))
    assert action.enacted.tolist() == [[-1.0, 1.0], [-0.5, 0.5], [0.0, 0.0], [1.0, -1.0]]
    assert action.enacted.dtype == torch.float32
    assert action.stored.dtype == torch.int64


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_numbers_keep_the_shape_of_the_task(shape: tuple[int, ...]) -> None:
    actions = DiscreteActions(Space(shape, "float32"), bins=3)
    enacted = actions.enact(torch.full((4, actions.stored.size), 2)).enacted
    assert enacted.shape == (4, *shape)
    assert (enacted == 1.0).all()


def test_answers_are_stored_as_the_nearest_choices() -> None:
    choices = torch.tensor([2, 0])
    assert torch.equal(DiscreteActions(Space((), "int64", 0, 3, 4)).store(choices), choices)
    numbers = DiscreteActions(Space((3,), "float32", -1.0, 1.0), bins=5)
    assert numbers.store(torch.tensor([[-0.9, 0.3, 7.0]])).tolist() == [[0, 3, 4]]
    every = torch.arange(5)[:, None].expand(5, 3)
    assert torch.equal(numbers.store(numbers.enact(every).enacted), every)
    picture = DiscreteActions(Space((1, 1, 3), "uint8", 0, 255), bins=3)
    assert picture.store(torch.tensor([[[[0, 130, 255]]]], dtype=torch.uint8)).tolist() == [[0, 1, 2]]


def test_an_answer_says_how_likely_each_choice_of_the_task_is() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [5.0, 0.0, 0.0]])
    answer = DiscreteActions(Space((), "int64", 0, 2, 3)).answer(Categorical(logits))
    assert answer.enacted.tolist() == [1, 0]
    assert answer.probabilities is not None
    torch.testing.assert_close(answer.probabilities, logits.softmax(dim=-1))


def test_choices_between_numbers_have_no_likelihood_that_the_task_knows() -> None:
    actions = DiscreteActions(Space((1,), "float32", -1.0, 1.0), bins=3)
    answer = actions.answer(Categorical(torch.tensor([[[0.0, 0.0, 4.0]]])))
    assert (answer.enacted.tolist(), answer.probabilities) == ([[1.0]], None)


@pytest.mark.parametrize("task", [Space((2,), "float32", -1.0, 1.0), Space((), "int64", 0, 1, 2)])
def test_a_policy_of_numbers_answers_its_mode(task: Space) -> None:
    answer = ContinuousActions(task).answer(Deterministic(torch.tensor([[0.5, -0.25]])))
    assert answer.stored.tolist() == [[0.5, -0.25]]
    assert answer.enacted.tolist() == ([0] if task.discrete else [[0.5, -0.25]])
    assert answer.probabilities is None
