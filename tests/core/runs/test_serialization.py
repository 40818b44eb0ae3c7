from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unified.core.runs.serialization import pack, safetensors_buffers, unpack


def through_disk(tree: Any) -> Any:
    """Packed, written as JSON and as a safetensors file, read back by safetensors' own reader, unpacked."""
    described, tensors = pack(tree)
    text = json.dumps(described)
    data = b"".join(bytes(buffer) for buffer in safetensors_buffers(tensors))
    return unpack(json.loads(text), safetensors.torch.load(data))


def same(a: Any, b: Any) -> bool:
    """Equal in type, structure and every bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        return a.contiguous().reshape(-1).view(torch.uint8).equal(b.contiguous().reshape(-1).view(torch.uint8)) if a.numel() else True
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(type(x) is type(y) for x, y in zip(a, b, strict=True)) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return bool(a == b)


DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
]
RAW = [torch.complex64, torch.complex128, torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn]


@st.composite
def some_tensors(draw: st.DrawFn) -> torch.Tensor:
    dtype = draw(st.sampled_from(DTYPES + RAW))
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    count = math.prod(shape) * torch.empty((), dtype=dtype).element_size()
    data = draw(st.binary(min_size=count, max_size=count))
    if dtype is torch.bool:
        data = bytes(byte & 1 for byte in data)
    flat = torch.tensor(list(data), dtype=torch.uint8)
    return (flat.view(dtype) if count else torch.empty(0, dtype=dtype)).reshape(shape)


arrays = hnp.arrays(
    dtype=st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(endianness="?"),
        hnp.floating_dtypes(endianness="?"),
        hnp.complex_number_dtypes(),
        hnp.unicode_string_dtypes(min_len=1, max_len=4),
    ),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(exclude_categories=())), st.binary(max_size=8)
)
keys = st.one_of(
    st.text(max_size=4),
    st.sampled_from(["$", "key", "__metadata__", "a.b", "σ"]),
    st.integers(),
    st.booleans(),
    st.tuples(st.integers(), st.text(max_size=2)),
)
trees = st.recursive(
    st.one_of(scalars, some_tensors(), arrays),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=8,
)


@given(trees)
@settings(deadline=None, max_examples=300)
def test_any_tree_comes_back_exactly(tree: Any) -> None:
    assert same(through_disk(tree), tree)


@pytest.mark.parametrize(
    "value",
    [
        2**200,
        -(10**5000),
        float("nan"),
        float("-inf"),
        -0.0,
        5e-324,
        "\udcff.txt",
        "\ud83d\ude00",
        {1: "a", "1": "b"},
        {"$": "tensor", "key": "not there"},
        {"a": {"b": torch.ones(1)}, "a.b": torch.zeros(1)},
        {"__metadata__": torch.ones(2), "": torch.zeros(2)},
        {(1, "x"): ((), [], {})},
        np.float32(1.5),
        np.str_("left"),
        np.datetime64("2026-11-21T07:15"),
        np.array(["a", "bcd"]),
        np.arange(6).reshape(2, 3).T,
        np.array(3.0, dtype=np.float16),
        b"",
        b"\x00\xff",
    ],
    ids=lambda value: type(value).__name__,
)
def test_awkward_values(value: Any) -> None:
    assert same(through_disk(value), value)


def test_optimiser_states_come_back_and_go_on_alike() -> None:
    def train(steps: int, restart: bool) -> torch.Tensor:
        torch.manual_seed(0)
        layer = torch.nn.Linear(3, 2)
        optimiser = torch.optim.Adam(layer.parameters(), lr=0.1, amsgrad=True)
        for step in range(steps):
            if restart and step == steps // 2:
                saved = through_disk({"layer": layer.state_dict(), "optimiser": optimiser.state_dict()})
                layer = torch.nn.Linear(3, 2)
                optimiser = torch.optim.Adam(layer.parameters(), lr=0.5, amsgrad=True)
                layer.load_state_dict(saved["layer"])
                optimiser.load_state_dict(saved["optimiser"])
            optimiser.zero_grad()
            layer(torch.arange(3.0)).square().sum().backward()
            optimiser.step()
        return torch.cat([parameter.detach().reshape(-1) for parameter in layer.parameters()])

    assert train(6, restart=False).equal(train(6, restart=True))


def test_views_and_parameters_are_stored_by_value() -> None:
    base = torch.arange(12.0).reshape(3, 4)
    back = through_disk([base.T, base[1], torch.nn.Parameter(base), torch.complex(base, base).conj()])
    assert back[0].equal(base.T)
    assert back[1].equal(base[1])
    assert back[2].equal(base)
    assert type(back[2]) is torch.Tensor
    assert back[3].equal(torch.complex(base, -base))


def test_what_comes_back_is_writable_and_its_own() -> None:
    back = through_disk({"tensor": torch.zeros(3), "array": np.zeros(3)})
    back["tensor"] += 1
    back["array"] += 1
    assert back["tensor"].sum() == back["array"].sum() == 3


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array([object()]), 1j, torch.zeros(2, device="meta"), torch.eye(2).to_sparse()])
def test_other_things_are_refused_with_their_place(value: Any) -> None:
    with pytest.raises(TypeError, match=r"at agent\.critic\.0"):
        pack({"agent": {"critic": [value]}})


@pytest.mark.parametrize(
    "tree",
    [{"$": "code", "value": "1"}, {"$": "tensor", "key": "gone"}, {"$": "tuple"}, {"$": "tensor", "key": "x", "dtype": "nn", "shape": [1]}],
)
def test_what_is_no_packed_tree_is_refused(tree: Any) -> None:
    with pytest.raises(ValueError, match="not a"):
        unpack(tree, {"x": torch.zeros(1, dtype=torch.uint8)})


def test_the_file_is_aligned_and_readable_by_others() -> None:
    _, tensors = pack(
        {"a": torch.ones(3, dtype=torch.bool), "b": torch.ones(3, dtype=torch.float64), "c": torch.ones((), dtype=torch.bfloat16)}
    )
    data = b"".join(bytes(buffer) for buffer in safetensors_buffers(tensors))
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert (8 + length) % 8 == 0
    assert header["b"]["data_offsets"] == [0, 24]
    loaded = safetensors.torch.load(data)
    assert loaded.keys() == tensors.keys()
    assert all(same(loaded[name], tensors[name]) for name in tensors)
