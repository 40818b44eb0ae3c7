"""Random streams are functions of their counters."""

from __future__ import annotations

import torch

from unified.core.base.rng import Streams, derive


def test_a_draw_is_a_function_of_seed_name_and_counter() -> None:
    first, second = Streams(1), Streams(1)
    for _ in range(3):
        first["a"].numpy()
        second["b"].numpy()  # another stream in between shifts nothing
        second["a"].numpy()
    assert first["a"].numpy().random() == second["a"].numpy().random()
    assert Streams(1)["a"].numpy().random() != Streams(2)["a"].numpy().random()
    assert Streams(1)["a"].numpy().random() != Streams(1)["b"].numpy().random()


def test_state_is_counters_and_goes_on_the_same() -> None:
    streams = Streams(7)
    for _ in range(5):
        streams["x"].torch()
    other = Streams(7)
    other.load_state_dict(streams.state_dict())
    assert streams.state_dict() == {"x": 5}
    assert torch.equal(torch.rand(4, generator=streams["x"].torch()), torch.rand(4, generator=other["x"].torch()))


def test_no_global_generator_is_touched() -> None:
    before = torch.random.get_rng_state()
    Streams(1)["a"].torch()
    assert torch.equal(before, torch.random.get_rng_state())


def test_derive_keeps_kinds_and_boundaries_apart() -> None:
    assert len({derive(1, "1"), derive(1, 1), derive("1", 1), derive(11), derive(1, "a", "b"), derive(1, "ab")}) == 6
    assert 0 <= derive(5, bits=31) < 2**31


def test_a_draw_has_the_seed_that_is_derived_of_its_counter() -> None:
    stream = Streams(5)["noise"]
    assert [stream.torch().initial_seed() for _ in range(12)] == [derive(5, "noise", number) for number in range(12)]
