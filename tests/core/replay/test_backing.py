from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.replay import backing
from unified.core.replay.backing import choose_backing
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Transitions

PIXELS = Spec(Space((3, 84, 84), "uint8", 0, 255), Space((21,), "float32", -1, 1))
GB = 1_000_000_000


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_up(memory: float, disk: float) -> None:
        monkeypatch.setattr(backing, "available_memory", lambda: int(memory * GB))
        monkeypatch.setattr(backing, "available_disk", lambda directory: int(disk * GB))

    return set_up


def choose(name: str, capacity: int = 1_000_000) -> str:
    return choose_backing(name, PIXELS, PIXELS.action, capacity, 1, "somewhere")


def test_a_million_frames_stay_within_the_limit() -> None:
    """Single frames once, with everything else that a slot holds: at most 21.5 GB."""
    replay = Replay(PIXELS, Transitions(stack=3, n_step=3), 1000, 1, Streams(0))
    assert sum(column.nbytes for column in replay.store.data.values()) * 1000 <= 21.5e9


def test_memory_where_it_fits_else_disk(machine: Any) -> None:
    machine(64, 100)
    assert choose("auto") == "ram"
    assert choose("disk") == "disk"
    machine(24, 100)
    assert choose("auto") == "disk"
    assert choose("auto", 500_000) == "ram"


def test_refuses_with_numbers(machine: Any) -> None:
    machine(24, 30)
    with pytest.raises(UsageError) as caught:
        choose("auto")
    assert str(caught.value) == (
        "replay.capacity=1000000 needs 21.3 GB, on disk twice that with its checkpoints; 20.6 GB of memory and 28.0 GB of disk can be used"
        "    replay.capacity=960000"
    )
    assert choose("auto", 960_000) == "ram"
    machine(24, 100)
    with pytest.raises(UsageError, match=r"needs 21\.3 GB of memory; 20\.6 GB.*replay\.backing=disk or replay\.capacity=960000"):
        choose("ram")
    machine(64, 30)
    with pytest.raises(UsageError, match=r"twice that.*replay\.backing=ram or replay\.capacity=650000"):
        choose("disk")
    machine(64, 10)
    with pytest.raises(UsageError, match="of disk for its checkpoints"):
        choose("ram")
    machine(1, 1)
    assert choose("auto", 10_000) == "ram"  # 213 MB of 1 GB
    machine(0, 0)
    with pytest.raises(UsageError, match="free some space"):
        choose("auto", 1000)
    with pytest.raises(UsageError, match=r"replay\.backing=tape"):
        choose("tape")


def test_this_machine_has_numbers(tmp_path: Path) -> None:
    assert backing.available_memory() > 0
    (tmp_path / "x.safetensors").write_bytes(b"1234")
    assert backing.available_disk(tmp_path / "not" / "yet") > 0


def test_a_replay_on_disk_leaves_no_files(tmp_path: Path) -> None:
    replay = Replay(PIXELS, Transitions(), 50, 1, Streams(0), backing="disk", directory=tmp_path / "replay")
    replay.begin(0, replay.store.data["obs"][0])
    assert list((tmp_path / "replay").iterdir()) == []
    with pytest.raises(UsageError, match="in a directory"):
        Replay(PIXELS, Transitions(), 50, 1, Streams(0), backing="disk")


def test_a_disk_that_is_full_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(backing.os, "posix_fallocate", full)
    with pytest.raises(UsageError, match=r"No space left.*smaller replay\.capacity"):
        Replay(PIXELS, Transitions(), 50, 1, Streams(0), backing="disk", directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_memory_is_committed_as_it_fills() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    before = resident()
    replay = Replay(PIXELS, Transitions(), 50_000, 1, Streams(0))  # 1.06 GB
    assert resident() - before < 0.1e9
    assert replay.bytes == 0
