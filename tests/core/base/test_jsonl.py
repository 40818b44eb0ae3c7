from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from unified.core.base import jsonl
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


def test_checksum_of_the_first_bytes(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "metrics.jsonl")

    def check(size: int) -> None:
        assert lines.sha256(size) == hashlib.sha256(lines.path.read_bytes()[:size]).hexdigest()

    for number in range(5):
        lines.append({"n": number})
        check(lines.size)
    check(10)  # less than was hashed
    lines.truncate(18)
    lines.append({"other": 1})
    check(18)
    check(lines.size)
    lines.close()
    with lines.path.open("ab") as file:
        file.write(b"by somebody else")
    lines.append({"n": 9})
    check(lines.size)
    assert JsonLines(lines.path).sha256(lines.size) == lines.sha256(lines.size)


def test_the_checksum_of_appended_rows_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = JsonLines(tmp_path / "metrics.jsonl")
    lines.append({"n": 1})
    lines.sha256(lines.size)
    monkeypatch.setattr(jsonl, "open_file", None)
    lines.append({"n": 2})
    assert lines.sha256(lines.size) == hashlib.sha256(lines.path.read_bytes()).hexdigest()


@pytest.mark.parametrize("line", [b"[" * 100_000, b"[1]", b"null", b"5", b'{"a":', bytes(range(128, 138)), b"\0" * 20])
def test_damaged_lines_are_counted(tmp_path: Path, line: bytes) -> None:
    lines = JsonLines(tmp_path / "metrics.jsonl")
    lines.path.write_bytes(b'{"n": 1}\n' + line + b'\n{"n": 2}\n{"torn')
    assert lines.read() == [{"n": 1}, {"n": 2}]
    assert lines.damaged == 1


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 13])
@pytest.mark.parametrize("end", [b"", b'{"torn": ', b"\n\n", b"null\n{bad}\n", b'{"whole": 1}'])
def test_newest_first_gives_the_rows_of_read_backwards(block: int, end: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unified.core.base.jsonl.BLOCK", block)
    lines = JsonLines(tmp_path / "rows.jsonl")
    assert list(lines.newest_first()) == []
    for number in range(20):
        lines.append({"number": number, "text": "x" * (number % 5) * 9})
    lines.close()
    with lines.path.open("ab") as file:
        file.write(end)
    assert list(lines.newest_first()) == lines.read()[::-1]
    assert [row["number"] for row in lines.newest_first(rb'"number": 1\d')] == [*range(19, 9, -1)]


def test_newest_first_reads_no_more_than_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = JsonLines(tmp_path / "rows.jsonl")
    lines.path.write_bytes(b"".join(b'{"number": %d}\n' % number for number in range(100_000)))
    parsed = []
    monkeypatch.setattr("unified.core.base.jsonl.parse_json", lambda line: parsed.append(line) or json.loads(line))
    assert next(lines.newest_first()) == {"number": 99_999}
    assert len(parsed) == 1
