from __future__ import annotations

import errno
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from faults import injected
from unified.core.base.errors import UnifiedError, UsageError
from unified.core.runs import migrations
from unified.core.runs.checkpoint import Checkpoint, Checkpoints, Damaged


def state(value: int) -> dict[str, Any]:
    """Two groups, one without tensors."""
    return {"agent": {"w": torch.full((300,), float(value)), "state": {0: {"step": value}}}, "trainer": {"frames": value}}


def check(checkpoint: Checkpoint | None, value: int) -> None:
    assert checkpoint is not None
    assert checkpoint.frames == value
    assert checkpoint.load("trainer") == {"frames": value}
    agent = checkpoint.load("agent")
    assert agent["w"].equal(torch.full((300,), float(value)))
    assert agent["state"] == {0: {"step": value}}


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints")


def names(checkpoints: Checkpoints) -> list[str]:
    return sorted(os.listdir(checkpoints.directory))


def test_saved_and_found(checkpoints: Checkpoints) -> None:
    assert checkpoints.newest() is None
    assert checkpoints.best() is None
    path = checkpoints.save(21000, state(21000), {"metrics_offset": 77, "replay": {"cut": [1, 2]}})
    assert path.name == "000021000"
    assert sorted(os.listdir(path)) == ["agent.json", "agent.safetensors", "manifest.json", "trainer.json"]
    newest = checkpoints.newest()
    check(newest, 21000)
    assert newest is not None
    assert newest.warnings == ()
    assert newest.groups == ["agent", "trainer"]
    assert newest.manifest["metrics_offset"] == 77
    assert newest.manifest["replay"] == {"cut": [1, 2]}
    assert newest.manifest["best"] is False
    assert newest.manifest["versions"]["torch"] == torch.__version__
    with pytest.raises(UsageError, match="has no part 'replay'; it has agent, trainer"):
        newest.load("replay")


def test_the_newest_two_and_the_best_stay(checkpoints: Checkpoints) -> None:
    for frames in range(1, 7):
        checkpoints.save(frames, state(frames), best=frames in (1, 3))
    assert names(checkpoints) == ["000000003", "000000005", "000000006"]
    check(checkpoints.best(), 3)
    check(checkpoints.newest(), 6)
    check(checkpoints.at(5), 5)
    assert checkpoints.at(4) is None


def test_frames_are_ordered_as_numbers(checkpoints: Checkpoints) -> None:
    checkpoints.save(999_999_999, state(1))
    checkpoints.save(1_000_000_000, state(1_000_000_000))
    check(checkpoints.newest(), 1_000_000_000)


def test_saving_the_same_frames_again_takes_its_place_and_its_mark(checkpoints: Checkpoints) -> None:
    checkpoints.save(5, state(4), best=True)
    checkpoints.save(5, state(5))
    assert names(checkpoints) == ["000000005"]
    check(checkpoints.newest(), 5)
    check(checkpoints.best(), 5)
    best = checkpoints.best()
    assert best is not None
    assert best.manifest["best"] is True


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [flip, truncate, empty, remove])
@pytest.mark.parametrize("name", ["manifest.json", "agent.json", "agent.safetensors", "trainer.json"])
def test_damage_is_found_and_the_one_before_is_used(checkpoints: Checkpoints, damage: Callable[[Path], None], name: str) -> None:
    checkpoints.save(1, state(1))
    damage(checkpoints.save(2, state(2), best=True) / name)
    newest = checkpoints.newest()
    check(newest, 1)
    assert newest is not None
    assert len(newest.warnings) == 1
    assert name in newest.warnings[0]
    check(checkpoints.best(), 1)
    damage(checkpoints.directory / "000000001" / name)
    with pytest.raises(UnifiedError, match=r"no checkpoint in .* can be used") as caught:
        checkpoints.newest()
    assert len(caught.value.problems) == 3


def test_every_flipped_bit_is_found(checkpoints: Checkpoints) -> None:
    path = checkpoints.save(1, {"agent": {"w": torch.ones(2)}})
    for file in path.iterdir():
        whole = file.read_bytes()
        for position in range(len(whole)):
            file.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << random.randrange(8)]) + whole[position + 1 :])
            with pytest.raises(UnifiedError):
                checkpoints.newest()
        file.write_bytes(whole)
    assert checkpoints.newest() is not None


def test_damage_between_finding_and_loading_is_found(checkpoints: Checkpoints) -> None:
    flip(checkpoints.save(1, state(1)) / "trainer.json")
    manifest = json.loads((checkpoints.directory / "000000001" / "manifest.json").read_text())
    with pytest.raises(UnifiedError, match=r"000000001/trainer\.json does not match its checksum"):
        Checkpoint(checkpoints.directory / "000000001", manifest).load("trainer")


def test_a_newer_format_is_named(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "SCHEMA", 99)
    checkpoints.save(1, state(1))
    monkeypatch.undo()
    with pytest.raises(UnifiedError, match=rf"written in format 99 by unified .*; this one reads format {migrations.SCHEMA}"):
        checkpoints.newest()


# Older schemas ----------------------------------------------------------------------------------------------------------------------


def rename_trainer(old: dict[str, Any]) -> dict[str, Any]:
    """A migration to come: a group gets another name, and an entry of the manifest too."""
    trainer, manifest = old.pop("trainer"), dict(old.pop("manifest"))
    return {**old, "loop": {"steps": trainer["frames"]}, "manifest": manifest | {"space": manifest.pop("spec")}}


def test_an_older_checkpoint_is_migrated_when_it_is_read(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    written = migrations.SCHEMA
    checkpoints.save(7, state(7), {"spec": [1]})
    monkeypatch.setattr(migrations, "SCHEMA", written + 2)
    monkeypatch.setitem(migrations.MIGRATIONS, written, rename_trainer)
    monkeypatch.setitem(migrations.MIGRATIONS, written + 1, lambda old: {**old, "loop": old["loop"] | {"more": True}})
    for found in (checkpoints.newest(), checkpoints.best(("loop",)), checkpoints.at(7)):
        assert found is not None
        assert found.groups == ["agent", "loop"]
        assert found.load("loop") == {"steps": 7, "more": True}
        assert found.load("agent")["w"].equal(torch.full((300,), 7.0))
        assert found.manifest["space"] == [1]
    checkpoints.save(8, {"loop": {"steps": 8}})
    newest = checkpoints.newest()
    assert newest is not None
    assert newest.load("loop") == {"steps": 8}


def test_damage_of_an_older_checkpoint_is_found(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    written = migrations.SCHEMA
    flip(checkpoints.save(7, state(7), {"spec": [1]}) / "agent.safetensors")
    monkeypatch.setattr(migrations, "SCHEMA", written + 1)
    monkeypatch.setitem(migrations.MIGRATIONS, written, rename_trainer)
    with pytest.raises(UnifiedError, match=r"agent\.safetensors does not match"):
        checkpoints.newest(("loop",))


def test_an_older_checkpoint_that_lacks_a_key_is_an_error_of_use(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    written = migrations.SCHEMA
    checkpoints.save(7, {"trainer": {}}, {"spec": [1]})
    monkeypatch.setattr(migrations, "SCHEMA", written + 1)
    monkeypatch.setitem(migrations.MIGRATIONS, written, rename_trainer)
    with pytest.raises(UsageError, match=rf"the part 'format {written}' of checkpoint .* has no 'frames'"):
        checkpoints.newest()


def test_a_key_that_is_missing_is_named(checkpoints: Checkpoints) -> None:
    checkpoints.save(7, state(7))
    newest = checkpoints.newest()
    assert newest is not None
    with (
        pytest.raises(UsageError, match=r"the part 'trainer' of checkpoint .*000000007 has no 'stale'"),
        newest.reading("trainer") as found,
    ):
        found["stale"]
    with (
        pytest.raises(UsageError, match=r"the part 'agent' of checkpoint .* does not fit: .*weight"),
        newest.reading("agent"),
    ):
        torch.nn.Linear(2, 2).load_state_dict({})
    for error in (TypeError("x"), ValueError("x"), IndexError("x"), AttributeError("x"), OverflowError("x"), RecursionError("x")):
        with pytest.raises(Damaged, match=r"the part 'agent' of checkpoint .* does not fit: .*x \(.*:\d+\)"), newest.reading("agent"):
            raise error
    with pytest.raises(RuntimeError) as no_memory:
        torch.empty(1 << 60)
    for failed in (torch.OutOfMemoryError("the device failed"), RuntimeError("CUDA error: device-side assert"), no_memory.value):
        with pytest.raises(type(failed)), newest.reading("agent"):
            raise failed


def test_version_1_becomes_version_2() -> None:
    lane = {"episode": 3, "return": 1.5, "actions": np.zeros((4, 2)), "observation": np.zeros(3)}
    old = {
        "agent": {"updates": 5, "parameters": {"w": 1}, "optimizers": {}, "more": 2},
        "collector": {"environments": {"lanes": [lane], "stream": "environment"}, "frames": 0},
        "manifest": {},
    }
    new = migrations.migrate(old, 1)
    assert new["parameters"] == {"w": 1}
    assert new["optimizer"] == {"updates": 5, "optimizers": {}, "more": 2}
    assert "agent" not in new
    assert new["collector"]["environments"]["lanes"] == [lane | {"length": 4, "state": None, "rebuildable": True}]
    assert migrations.migrate(old | {"collector": {}}, 1)["collector"] == {}


# What is read -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read."""
    found: list[str] = []
    real = os.open

    def opened(path: Any, flags: int, *more: Any) -> int:
        if not flags & (os.O_WRONLY | os.O_RDWR | os.O_DIRECTORY):
            found.append(Path(path).name)
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", opened)
    return found


def test_nothing_is_read_twice(checkpoints: Checkpoints, reads: list[str]) -> None:
    checkpoints.save(1, state(1))
    reads.clear()
    newest = checkpoints.newest()
    assert newest is not None
    for group in newest.groups:
        newest.load(group)
    assert sorted(reads) == ["agent.json", "agent.safetensors", "manifest.json", "trainer.json"]


def test_groups_that_nobody_wants_are_not_read(checkpoints: Checkpoints, reads: list[str]) -> None:
    flip(checkpoints.save(1, state(1)) / "agent.safetensors")
    reads.clear()
    newest = checkpoints.newest(("trainer",))
    assert newest is not None
    assert newest.load("trainer") == {"frames": 1}
    assert sorted(reads) == ["manifest.json", "trainer.json"]
    with pytest.raises(UnifiedError, match=r"agent\.safetensors does not match"):
        newest.load("agent")


# Killed ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("torn", [False, True], ids=["killed", "torn"])
@pytest.mark.parametrize("frames", [4, 3], ids=["next", "again"])
def test_kill_at_any_operation_of_saving_loses_nothing(tmp_path: Path, frames: int, torn: bool, die_before: Callable[..., bool]) -> None:
    saved = []
    for number in itertools.count(1):
        checkpoints = Checkpoints(tmp_path / str(number))
        for earlier in (1, 2, 3):
            checkpoints.save(earlier, state(earlier), best=earlier == 1)
        checkpoints.keep = 1  # so that two are pruned
        died = die_before(number, lambda checkpoints=checkpoints: checkpoints.save(frames, state(9)), torn)
        newest = checkpoints.newest()
        assert newest is not None
        assert newest.warnings == ()
        value = newest.load("trainer")["frames"]
        assert newest.load("agent")["w"].equal(torch.full((300,), float(value)))
        assert newest.frames == (frames if value == 9 else 3)
        saved.append(value)
        check(checkpoints.best(), 1)
        checkpoints.save(5, state(5))
        assert names(checkpoints) == ["000000001", "000000005"]
        check(checkpoints.newest(), 5)
        if not died:
            break
    # Up to some operation the old checkpoint is the newest, and from there on the new one. A torn file is never part of the new one.
    assert set(saved[:-1]) == ({3} if torn else {3, 9})
    assert saved == sorted(saved)
    assert saved[-1] == 9


SAVE = """
import sys, torch
from pathlib import Path
from unified.core.runs.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]))
newest = checkpoints.newest()
frames = newest.frames if newest else 0
print("ready", flush=True)
while True:
    frames += 1
    checkpoints.save(frames, {"agent": {"w": torch.full((500_000,), float(frames))}, "trainer": {"frames": frames}}, best=frames % 3 == 0)
    print(frames, flush=True)
"""


@pytest.mark.slow
def test_kill_at_random_times(checkpoints: Checkpoints) -> None:
    durable = 0
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", SAVE, str(checkpoints.directory)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.uniform(0, 0.5))
        process.kill()
        said = process.communicate()[0].split()
        durable = int(said[-1]) if said else durable
        newest = checkpoints.newest()
        if durable:
            assert newest is not None
            assert newest.frames in (durable, durable + 1)
            assert newest.warnings == ()
            assert newest.load("agent")["w"].equal(torch.full((500_000,), float(newest.frames)))
            durable = newest.frames
    checkpoints.save(durable + 1, state(1))
    assert len([name for name in names(checkpoints) if name.startswith(".")]) == 0


# A full disk -----------------------------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_what_was_there(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints.save(1, state(1))
    failed = []
    for number in itertools.count(1):
        left = [number]

        def fill(event: str, path: str, left: list[int] = left) -> None:
            writes = event in ("mkdir", "fsync") and ".saving-" in path
            if writes or (event == "rename" and path.endswith("000000002")):
                left[0] -= 1
                if not left[0]:
                    failed.append(event)
                    raise injected.full()

        with monkeypatch.context() as patched:
            injected.install(fill, patched.setattr)
            if not _fails_for_space(checkpoints):
                break
        assert names(checkpoints) == ["000000001"]
        check(checkpoints.newest(), 1)
    check(checkpoints.newest(), 2)
    assert failed == ["mkdir", *["fsync"] * 5, "rename"]  # three files of state, the manifest, the directory


def _fails_for_space(checkpoints: Checkpoints) -> bool:
    wanted = r"checkpoint at 2 frames could not be written .*No space left.*needs about .* MB, free .* MB.*at 1 frames is intact"
    try:
        checkpoints.save(2, state(2))
    except UnifiedError as error:
        return re.search(wanted, str(error)) is not None
    return False


def test_a_write_that_fails_leaves_what_was_there(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints.save(1, state(1))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnifiedError, match="No space left"):
        checkpoints.save(2, state(2))
    assert names(checkpoints) == ["000000001"]


def test_a_real_full_disk(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    if (
        os.geteuid()
        or shutil.which("mount") is None
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], capture_output=True).returncode
    ):
        pytest.skip("mounting a small file system is not allowed here")
    try:
        checkpoints = Checkpoints(mount / "checkpoints")
        checkpoints.save(1, state(1))
        with pytest.raises(UnifiedError, match="No space left"):
            checkpoints.save(2, {"agent": torch.zeros(2_000_000)})
        assert names(checkpoints) == ["000000001"]
        check(checkpoints.newest(), 1)
        checkpoints.save(3, state(3))
    finally:
        subprocess.run(["umount", mount], check=True)


# Care ------------------------------------------------------------------------------------------------------------------------------


def test_only_our_own_leftovers_of_dead_processes_are_removed(checkpoints: Checkpoints) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    stay = [f".saving-000000001-{os.getppid()}", ".saving-notes", ".cache-1-2", "notes"]
    go = [f".saving-000000001-{dead.pid}", f".removing-000000001.2-{dead.pid}", f".saving-000000009-{os.getpid()}"]
    for name in stay + go:
        (checkpoints.directory / name).mkdir(parents=True)
    checkpoints.save(2, state(2))
    assert names(checkpoints) == sorted([*stay, "000000002"])


def test_an_unfit_state_changes_nothing(checkpoints: Checkpoints) -> None:
    checkpoints.save(1, state(1))
    with pytest.raises(TypeError, match=r"cannot store builtins\.object at x"):
        checkpoints.save(2, {"agent": {"x": object()}})
    with pytest.raises(ValueError, match="cannot name a group"):
        checkpoints.save(2, {"../agent": {}})
    with pytest.raises(ValueError, match="cannot name a group"):
        checkpoints.save(2, {"manifest": {}})
    with pytest.raises(TypeError, match="cannot write"):
        checkpoints.save(2, state(2), {"x": object()})
    assert names(checkpoints) == ["000000001"]
    assert issubclass(Damaged, Exception)
