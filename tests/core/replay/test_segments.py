from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unified.core.base.errors import Damaged, UnifiedError, UsageError
from unified.core.base.rng import Streams
from unified.core.replay import segments
from unified.core.replay.buffer import Replay
from unified.core.replay.segments import verify
from unified.core.replay.views import Transitions
from unified.core.runs.lookup import find_replay

VIEW = Transitions(batch_size=16, stack=2, n_step=2)


def make(helpers: Any, capacity: int = 40, num_envs: int = 2, **options: Any) -> Any:
    return helpers.Both(helpers.FRAMES, VIEW, capacity, num_envs, **options)


def resumed(replay: Replay, directory: Path, snapshot: Any, state: Any, streams: Any, **options: Any) -> Replay:
    other = Replay(replay.spec, replay.view, replay.store.slots, replay.store.num_envs, Streams(7), **options)
    other.restore(directory, json.loads(json.dumps(snapshot)))
    other.load_state_dict(state)
    other.streams.load_state_dict(streams)
    return other


LETTERS = st.tuples(st.sampled_from("----etf"), st.sampled_from("----etf"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(LETTERS, st.just("flush")), max_size=60), st.lists(LETTERS, max_size=30))
def test_resumed_equals_uninterrupted(helpers: Any, tmp_path_factory: Any, before: list[Any], after: list[Any]) -> None:
    """With wrap-arounds, discarded episodes that were sealed, and rows and files written after the cut."""
    directory = tmp_path_factory.mktemp("replay")
    both = make(helpers)
    both.begin(0)
    both.begin(1)
    for kinds in before:
        if kinds == "flush":
            both.replay.flush(directory)
        else:
            both.step(kinds)
    snapshot, state, streams = both.replay.flush(directory), both.replay.state_dict(), both.replay.streams.state_dict()
    rows, steps = both.brute.rows(), both.brute.steps()
    expected = [both.replay.sample() for _ in range(3)] if rows else []
    for number, kinds in enumerate(after):
        both.step(kinds)
        if number % 5 == 0:
            both.replay.flush(directory)
    other = resumed(both.replay, directory, snapshot, state, streams)
    assert other.steps == steps
    assert other.view.count(other.store) == len(rows)
    for batch in expected:
        helpers.compare_batch(batch, rows)
        assert helpers.equal(batch, other.sample())


def test_a_resumed_run_goes_its_own_way(helpers: Any, tmp_path: Path) -> None:
    """Files of the process that died stay, are never used, and never written over; the new process's own cut is right."""
    both = helpers.play(make(helpers), "----e--t-")
    snapshot, state, streams = both.replay.flush(tmp_path), both.replay.state_dict(), both.replay.streams.state_dict()
    helpers.play(both, "-----------t")
    both.replay.flush(tmp_path)
    (tmp_path / "segment-000009.tmp").write_bytes(b"half")
    dead = {path.name: path.read_bytes() for path in tmp_path.glob("segment-*")}

    other = make(helpers)
    other.replay = resumed(both.replay, tmp_path, snapshot, state, streams)
    again = resumed(both.replay, tmp_path, snapshot, state, streams)
    for env_id in (0, 1):
        first = other.observation()
        other.replay.begin(env_id, first)
        again.begin(env_id, first)
    new = other.replay.flush(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("segment-*") if path.name in dead} == dead
    third = resumed(both.replay, tmp_path, new, state | {"head": new["head"]}, streams)
    assert helpers.equal(third.sample(), again.sample())


def test_cost_is_that_of_the_new_rows(helpers: Any, tmp_path: Path) -> None:
    both = helpers.play(make(helpers, 400), "-" * 100)
    first = both.replay.flush(tmp_path)
    assert sum(stop - start for entry in first["segments"] for _, start, stop in entry["rows"]) == 202
    assert both.replay.flush(tmp_path)["segments"] == first["segments"]
    both.step("--")
    second = both.replay.flush(tmp_path)
    assert second["segments"][:-1] == first["segments"]
    assert second["segments"][-1]["rows"] == [[0, 100, 102], [1, 100, 102]]  # the slot that waited for its action, and the new one


def test_large_seals_are_split(helpers: Any, tmp_path: Path) -> None:
    both = helpers.play(make(helpers, 400), "-----t" * 16)
    snapshot = segments.flush(both.replay.store, tmp_path, [], segment_bytes=30 * both.replay.store.slot_bytes)
    assert len(snapshot["segments"]) == 8
    other = Replay(helpers.FRAMES, VIEW, 400, 2, Streams(7))
    other.restore(tmp_path, snapshot)
    assert helpers.equal(both.replay.sample(), other.sample())


def test_restores_into_a_smaller_or_larger_ring(helpers: Any, tmp_path: Path) -> None:
    both = helpers.play(make(helpers, 60), "----e---t--" * 4)
    snapshot = both.replay.flush(tmp_path)
    larger, smaller = (Replay(helpers.FRAMES, VIEW, capacity, 2, Streams(7)) for capacity in (100, 20))
    larger.restore(tmp_path, snapshot)
    smaller.restore(tmp_path, snapshot)
    assert larger.steps == both.replay.steps
    both.brute.length, both.brute.life_lost = 10, [written - 10 for written in both.brute.written]
    helpers.compare_batch(smaller.sample(), both.brute.rows())


def test_disk_equals_ram(helpers: Any, tmp_path: Path) -> None:
    ram = helpers.play(make(helpers), "----e--t-" * 6)
    disk = helpers.play(make(helpers, backing="disk", directory=tmp_path / "disk"), "----e--t-" * 6)
    for _ in range(3):
        assert helpers.equal(ram.replay.sample(), disk.replay.sample())
    disk.compare()
    ours, theirs = ram.replay.flush(tmp_path / "a"), disk.replay.flush(tmp_path / "b")
    assert [entry["sha256"] for entry in ours["segments"]] == [entry["sha256"] for entry in theirs["segments"]]


@pytest.mark.parametrize("harm", ["flip", "snapshot", "gone"])
def test_a_damaged_file_is_found(helpers: Any, tmp_path: Path, harm: str) -> None:
    both = helpers.play(make(helpers), "----e--t-")
    snapshot = both.replay.flush(tmp_path)
    verify(tmp_path, snapshot)
    path = tmp_path / snapshot["segments"][0]["file"]
    data = bytearray(path.read_bytes())
    if harm == "flip":
        data[-3] ^= 1
        path.write_bytes(data)
    elif harm == "cut":
        path.write_bytes(data[:-1])
    else:
        path.unlink()
    other = Replay(helpers.FRAMES, VIEW, 40, 2, Streams(7))
    with pytest.raises(Damaged, match=path.name) as caught:
        other.restore(tmp_path, snapshot)
    assert "resume" in str(caught.value)
    assert other.steps == 0
    with pytest.raises(Damaged, match=path.name):
        verify(tmp_path, snapshot)


@pytest.mark.parametrize("cores", [1, 3])
def test_of_several_damaged_files_the_first_is_named(helpers: Any, tmp_path: Path, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "usable_cores", lambda: cores)
    both = make(helpers, 400)
    for _ in range(7):
        helpers.play(both, "----")
        snapshot = both.replay.flush(tmp_path)
    files = [tmp_path / entry["file"] for entry in snapshot["segments"]]
    assert len(files) == 7
    intact = Replay(helpers.FRAMES, VIEW, 400, 2, Streams(7))
    intact.restore(tmp_path, snapshot)
    assert intact.steps == both.replay.steps
    for path in files[4:]:
        path.write_bytes(b"")
    with pytest.raises(Damaged, match=files[4].name):
        Replay(helpers.FRAMES, VIEW, 400, 2, Streams(7)).restore(tmp_path, snapshot)


def test_a_full_disk_leaves_nothing_behind(helpers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = helpers.play(make(helpers, 400), "-----t" * 16)
    real, calls = segments.write_bytes, []

    def full(*arguments: Any) -> Any:
        calls.append(1)
        written = real(*arguments)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return written

    monkeypatch.setattr(segments, "write_bytes", full)
    store = both.replay.store
    with pytest.raises(UnifiedError, match="No space left"):
        segments.flush(store, tmp_path, [], segment_bytes=30 * store.slot_bytes)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    snapshot = both.replay.flush(tmp_path)
    other = Replay(helpers.FRAMES, VIEW, 400, 2, Streams(7))
    other.restore(tmp_path, snapshot)
    assert helpers.equal(both.replay.sample(), other.sample())


def test_prune_deletes_only_what_no_cut_needs(helpers: Any, tmp_path: Path) -> None:
    both = make(helpers, 20)
    helpers.play(both, "----e")
    snapshots = [both.replay.flush(tmp_path)]
    for _ in range(5):
        for _ in range(5):
            both.step("--")
        snapshots.append(both.replay.flush(tmp_path))
    files = {path.name for path in tmp_path.glob("segment-*")}
    assert len(files) == 6  # nothing goes by itself
    (tmp_path / "segment-000099.tmp").write_bytes(b"half")
    assert both.replay.prune(tmp_path, snapshots) == ["segment-000099.tmp"]
    gone = both.replay.prune(tmp_path, snapshots[-2:])
    assert gone
    for snapshot in snapshots[-2:]:
        other = Replay(helpers.FRAMES, VIEW, 20, 2, Streams(7))
        other.restore(tmp_path, snapshot)
    with pytest.raises(Damaged, match="missing"):
        other.restore(tmp_path, snapshots[0])


def test_refuses_another_task_or_number_of_environments(helpers: Any, tmp_path: Path) -> None:
    snapshot = helpers.play(make(helpers), "----e").replay.flush(tmp_path)
    with pytest.raises(UnifiedError, match=r"train\.num_envs=2"):
        Replay(helpers.FRAMES, VIEW, 40, 1, Streams(7)).restore(tmp_path, snapshot)
    with pytest.raises(UnifiedError, match="another task"):
        Replay(helpers.VECTORS, VIEW, 40, 2, Streams(7)).restore(tmp_path, snapshot)


# Replays kept under a name ------------------------------------------------------------------------------------------------------


def test_saved_under_a_name_and_loaded(helpers: Any, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "walk"
    both = helpers.play(make(helpers, directory=run / "replay"), "----e--t-" * 3)
    root = tmp_path / "runs"
    saved = both.replay.save_as(root, "walks")
    assert saved == root / "replays" / "walks"
    assert both.replay.save_as(root, "walks") == saved  # the same again: nothing to do
    expected = {(row["reward"].item(), row["obs"].tobytes(), row["next_obs"].tobytes()) for row in both.brute.rows().values()}
    for name in ("walks", "walk", str(run), str(saved)):
        other = Replay(helpers.FRAMES, Transitions(batch_size=400, stack=2, n_step=2), 60, 1, Streams(1))
        other.load_saved(find_replay(name, root))
        batch = other.sample()
        found = {
            (round(reward, 5), obs.tobytes(), after.tobytes())
            for reward, obs, after in zip(batch.reward.tolist(), batch.obs.numpy(), batch.next_obs.numpy(), strict=True)
        }
        assert {(round(reward, 5), obs, after) for reward, obs, after in expected} <= found  # and the ends of what was going on


def test_loaded_rows_join_the_run(helpers: Any, tmp_path: Path) -> None:
    """They are sealed with it, and collecting goes on behind them."""
    helpers.play(make(helpers, directory=tmp_path / "old" / "replay"), "----e--t-" * 9).replay.save_as(tmp_path, "old")
    both = make(helpers, 100)
    both.replay.load_saved(find_replay("old", tmp_path))
    held = both.replay.steps
    assert held > 20
    for env_id in (0, 1):
        both.replay.begin(env_id, both.observation())
        both.replay.add(env_id, both.action(), 1.0, False, False, both.observation())
    assert both.replay.steps == held + 2
    snapshot = both.replay.flush(tmp_path / "new")
    other = Replay(helpers.FRAMES, VIEW, 100, 2, Streams(7))
    other.restore(tmp_path / "new", snapshot)
    assert helpers.equal(both.replay.sample(), other.sample())


def pairs(batch: Any) -> set[tuple[bytes, bytes]]:
    return {(obs.tobytes(), after.tobytes()) for obs, after in zip(batch.obs.numpy(), batch.next_obs.numpy(), strict=True)}


@pytest.mark.parametrize("num_envs", [1, 2, 3])
def test_loading_into_a_small_ring_keeps_the_newest(helpers: Any, tmp_path: Path, num_envs: int) -> None:
    view = Transitions(batch_size=4000, stack=2)
    source = helpers.Both(helpers.FRAMES, view, 80, 2, directory=tmp_path / "old" / "replay")  # has lost the start of its oldest episodes
    helpers.play(source, "-------e--t-" * 5).replay.save_as(tmp_path, "old")
    true = {(row["obs"].tobytes(), row["next_obs"].tobytes()) for row in source.brute.rows().values()}
    whole, small = Replay(helpers.FRAMES, view, 200, 1, Streams(1)), Replay(helpers.FRAMES, view, 30, num_envs, Streams(1))
    whole.load_saved(find_replay("old", tmp_path))
    small.load_saved(find_replay("old", tmp_path))
    assert pairs(whole.sample()) == true
    assert pairs(small.sample()) <= true
    assert small.store.length - 6 <= small.store.held.max() <= small.store.length


def test_names_are_never_written_over(helpers: Any, tmp_path: Path) -> None:
    one = helpers.play(make(helpers, directory=tmp_path / "one" / "replay"), "----e")
    one.replay.save_as(tmp_path, "mine")
    before = {path: path.read_bytes() for path in (tmp_path / "replays").rglob("*") if path.is_file()}
    two = helpers.play(make(helpers, directory=tmp_path / "two" / "replay"), "----e")
    with pytest.raises(UsageError, match="never written over"):
        two.replay.save_as(tmp_path, "mine")
    one.step("--")
    with pytest.raises(UsageError, match="never written over"):
        one.replay.save_as(tmp_path, "mine")
    with pytest.raises(UsageError, match="is no name"):
        one.replay.save_as(tmp_path, "../mine")
    one.replay.prune(tmp_path / "one" / "replay", [])
    assert {path: path.read_bytes() for path in (tmp_path / "replays").rglob("*") if path.is_file()} == before
    with pytest.raises(UsageError, match="did you mean  mine"):
        one.replay.load_saved(find_replay("mime", tmp_path))


def test_a_name_of_another_task_is_refused(helpers: Any, tmp_path: Path) -> None:
    helpers.play(make(helpers, directory=tmp_path / "one" / "replay"), "----e").replay.save_as(tmp_path, "mine")
    other = Replay(helpers.VECTORS, VIEW, 40, 2, Streams(7))
    with pytest.raises(UnifiedError, match="another task"):
        other.load_saved(find_replay("mine", tmp_path))
    np.testing.assert_array_equal(other.store.head, 0)


def test_a_file_system_that_cannot_synchronise_directories_keeps_the_replay(
    helpers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    both = make(helpers, directory=tmp_path / "run" / "replay")
    both.begin(0)
    both.begin(1)
    for _ in range(5):
        both.step("--")
    snapshot = both.replay.flush(tmp_path / "run" / "replay")
    verify(tmp_path / "run" / "replay", snapshot)
    assert both.replay.save_as(tmp_path, "kept").is_dir()
