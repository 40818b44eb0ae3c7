"""Gymnasium's spaces as one vector, one picture or one choice."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from unified.core.base.errors import UsageError
from unified.core.base.spec import Space, Spec
from unified.plugins.suites.gym.spaces import COMBINATIONS, action_of, observation_of

PICTURE = spaces.Box(0, 255, (6, 8, 3), np.uint8)


def refused(how: Any, *arguments: Any) -> str:
    with pytest.raises(UsageError) as caught:
        how("Odd", *arguments)
    (problem,) = caught.value.problems
    return f"{problem.message}   {problem.hint}"


# Actions


def test_every_combination_is_a_choice_and_none_twice() -> None:
    space = spaces.MultiDiscrete([2, 3, 2], start=[0, -1, 5])
    form, to_env = action_of("Odd", space)
    assert (form.shape, form.n, form.high) == ((), 12, 11)
    taken = [to_env(np.int64(action)) for action in range(12)]
    assert [tuple(each) for each in taken] == list(product([0, 1], [-1, 0, 1], [5, 6]))
    assert all(each in space and each.dtype == space.dtype for each in taken)


@pytest.mark.parametrize(
    ("space", "choices"),
    [(spaces.MultiBinary(3), 8), (spaces.MultiBinary((2, 2)), 16), (spaces.MultiDiscrete([[2, 3], [1, 4]]), 24)],
)
def test_several_choices_in_any_shape(space: Any, choices: int) -> None:
    form, to_env = action_of("Odd", space)
    assert form.n == choices
    taken = [to_env(np.int64(action)) for action in range(choices)]
    assert all(each in space for each in taken)
    assert len({each.tobytes() for each in taken}) == choices


def test_too_many_combinations_are_refused_with_their_number() -> None:
    assert action_of("Odd", spaces.MultiBinary(12))[0].n == COMBINATIONS
    assert "8,192 combinations" in refused(action_of, spaces.MultiBinary(13))


def test_boxes_of_any_shape_are_one_vector() -> None:
    space = spaces.Box(np.array([[0, -2], [-1, 10]], np.float32), np.array([[1, 2], [np.inf, 30]], np.float32))
    form, to_env = action_of("Odd", space)
    assert (form.shape, form.low, form.high) == ((4,), -1.0, 1.0)
    np.testing.assert_allclose(to_env(np.array([-1, 0.5, 0.25, 1], np.float32)), [[0, 1], [0.25, 30]])
    assert action_of("Odd", spaces.Box(0, 1, ()))[1](np.zeros(1, np.float32)) == np.float32(0.5)


def test_boxes_of_whole_numbers_are_rounded() -> None:
    _, to_env = action_of("Odd", spaces.Box(0, 10, (3,), np.int32))
    taken = to_env(np.array([-1, 0.1, 1], np.float32))
    assert (taken.tolist(), taken.dtype) == ([0, 6, 10], np.int32)


@pytest.mark.parametrize("space", [spaces.Text(3), spaces.Dict({"a": spaces.Discrete(2)}), spaces.Tuple([spaces.Discrete(2)])])
def test_other_actions_are_refused(space: Any) -> None:
    assert "actions can be Discrete, MultiDiscrete, MultiBinary or a Box" in refused(action_of, space)


# Observations


def test_vectors_have_names_and_are_joined_in_the_order_of_their_keys() -> None:
    inner = spaces.Dict({"velocity": spaces.Box(-2, 2, (2, 1)), "on": spaces.MultiBinary(2)})
    space = spaces.Dict({"zone": spaces.Discrete(3, start=1), "body": inner, "cards": spaces.MultiDiscrete([2, 3])})
    form, see = observation_of("Odd", space)
    shown = {"body": {"on": [1, 0], "velocity": np.array([[0.5], [-0.5]])}, "zone": 3, "cards": [1, 0]}
    names = list(space.spaces)
    parts = {"body": {"on": [1, 0], "velocity": [0.5, -0.5]}, "zone": [0, 0, 1], "cards": [0, 1, 1, 0, 0]}
    expected = []
    for name in names:
        if name == "body":
            for key in inner.spaces:
                expected += parts["body"][key]
        else:
            expected += parts[name]
    seen = see(shown)
    assert seen["body.velocity"].tolist() == [0.5, -0.5]
    assert np.concatenate(list(seen.values())).tolist() == expected
    joined = Spec(form, Space((1,), "float32")).joined().space
    assert (joined.dtype, joined.shape) == ("float32", (12,))
    assert len(joined.low) == len(joined.high) == 12
    assert min(joined.low) == -2.0


def test_tuples_are_numbered() -> None:
    space = spaces.Tuple([spaces.Box(0, 1, (2,)), spaces.Discrete(2)])
    form, see = observation_of("Odd", space)
    assert {name: seen.tolist() for name, seen in see((np.array([0.25, 0.75]), 1)).items()} == {"0": [0.25, 0.75], "1": [0.0, 1.0]}
    assert observation_of("Odd", space, ["1"])[0].shape == (2,)
    assert {name: one.shape for name, one in form.items()} == {"0": (2,), "1": (2,)}


def test_several_choices_are_one_hot_vectors() -> None:
    form, see = observation_of("Odd", spaces.MultiDiscrete([[2, 3]], start=[[1, 0]]))
    assert see(np.array([[2, 2]])).tolist() == [0, 1, 0, 0, 1]
    assert form.shape == (5,)


@pytest.mark.parametrize(
    ("space", "shape"),
    [
        (PICTURE, (3, 6, 8)),
        (spaces.Box(0, 255, (3, 6, 8), np.uint8), (3, 6, 8)),
        (spaces.Box(0, 255, (1, 6, 6), np.uint8), (1, 6, 6)),
        (spaces.Box(0, 255, (6, 8), np.uint8), (1, 6, 8)),
        (spaces.Box(0, 255, (8, 6, 1), np.uint8), (1, 8, 6)),
    ],
)
def test_pictures_are_channels_first(space: Any, shape: tuple[int, ...]) -> None:
    form, see = observation_of("Odd", space)
    shown = space.sample()
    seen = see(shown)
    assert (form.shape, seen.shape, seen.dtype, seen.flags.c_contiguous) == (shape, shape, np.uint8, True)
    assert sorted(seen.ravel()) == sorted(shown.ravel())
    assert seen[0, 2, 3] == (shown[2, 3] if shown.ndim == 2 else shown[0, 2, 3] if shown.shape == shape else shown[2, 3, 0])


def test_boards_are_vectors() -> None:
    form, see = observation_of("Odd", spaces.Box(-1, 1, (3, 3), np.int8))
    assert (form.shape, see(np.eye(3, dtype=np.int8)).tolist()) == ((9,), np.eye(3).ravel().tolist())


def test_what_is_named_is_seen_and_nothing_else() -> None:
    space = spaces.Dict({"image": PICTURE, "direction": spaces.Discrete(4), "mission": spaces.Text(9)})
    assert observation_of("Odd", space, ["image"])[0].shape == (3, 6, 8)
    assert observation_of("Odd", space, ["direction"])[0].shape == (4,)
    inner = spaces.Dict({"a": spaces.Box(0, 1, (2,)), "ab": spaces.Box(0, 1, (5,))})
    assert list(observation_of("Odd", spaces.Dict({"x": inner, "y": spaces.Discrete(7)}), ["x"])[0]) == ["x.a", "x.ab"]
    assert observation_of("Odd", inner, ["a"])[0].shape == (2,)


@pytest.mark.parametrize(
    ("space", "observe", "says"),
    [
        (
            spaces.Dict({"image": PICTURE, "mission": spaces.Text(9)}),
            [],
            "nor a picture   leave it out: suite.observe=[image]",
        ),
        (spaces.Box(0, 255, (4, 84, 84, 3), np.uint8), [], "the replay stacks them"),
        (spaces.Sequence(spaces.Discrete(2)), [], "Sequence, which is neither"),
        (spaces.Dict({"at": spaces.Discrete(4)}), ["to"], "nothing called 'to'   it shows at"),
        (spaces.Discrete(4), ["to"], "it shows one thing, without a name"),
        (spaces.Dict({}), [], "shows nothing"),
    ],
)
def test_what_cannot_be_seen_is_refused_with_what_to_type(space: Any, observe: list[str], says: str) -> None:
    assert says in refused(observation_of, space, observe)


def test_pictures_stand_beside_vectors_by_name_and_are_refused_where_one_observation_is_needed() -> None:
    form, see = observation_of("Odd", spaces.Dict({"image": PICTURE, "at": spaces.Discrete(4)}))
    assert {name: one.shape for name, one in form.items()} == {"at": (4,), "image": (3, 6, 8)}
    assert see({"image": PICTURE.sample(), "at": 1})["at"].tolist() == [0, 1, 0, 0]
    with pytest.raises(UsageError, match=r"image cannot be joined with the others .*suite.observe=\[image\] or suite.observe=\[at\]"):
        Spec(form, Space((1,), "float32")).joined()
