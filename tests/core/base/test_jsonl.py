from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from unified.core.base.jsonl import JsonLines


def test_rows_come_back_exactly(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "metrics.jsonl")
    assert lines.read() == []
    assert lines.size == 0
    rows = [{"kind": "train", "loss": 0.1 + 0.2, "n": 10**20}, {"kind": "evaluate", "text": "σ\n"}]
    for row in rows:
        lines.append(row)
    assert lines.read() == JsonLines(lines.path).read() == rows
    lines.append({"loss": math.nan})
    assert math.isnan(lines.read()[-1]["loss"])


def test_scalars_of_other_libraries_are_numbers(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "metrics.jsonl")
    lines.append({"a": np.float32(0.5), "b": torch.tensor(2), "c": np.bool_(True), "d": tmp_path})
    assert lines.read() == [{"a": 0.5, "b": 2, "c": True, "d": str(tmp_path)}]
    with pytest.raises(TypeError, match="cannot write object"):
        lines.append({"x": object()})


def test_a_torn_last_line_is_left_out_and_closed_by_the_next(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "events.jsonl")
    lines.append({"n": 1})
    lines.append({"n": 2})
    os.truncate(lines.path, lines.size - 3)
    assert lines.read() == [{"n": 1}]
    again = JsonLines(lines.path)
    again.append({"n": 3})
    assert again.read() == [{"n": 1}, {"n": 3}]


def test_truncate_goes_back_to_an_offset(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "metrics.jsonl")
    lines.append({"n": 1})
    offset = lines.size
    lines.append({"n": 2})
    whole = lines.path.read_bytes()
    assert lines.truncate(offset) == len(whole) - offset
    lines.append({"n": 2})
    assert lines.path.read_bytes() == whole
    assert lines.truncate(len(whole) + 5) == -5
    assert lines.path.read_bytes() == whole


def test_a_failed_write_leaves_no_half_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = JsonLines(tmp_path / "metrics.jsonl")
    lines.append({"n": 1})
    write = os.write
    calls = []

    def half(descriptor: int, data: bytes) -> int:
        calls.append(data)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:3])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        lines.append({"n": 2})
    monkeypatch.undo()
    assert lines.path.read_bytes() == b'{"n": 1}\n'
