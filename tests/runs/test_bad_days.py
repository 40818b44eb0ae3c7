"""What can go wrong in a run, and what is then lost: nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from runs.commands import STATE, assert_same, events, newest, rows, run_directory, saved, start, unified, wait_for
from unified.core.runs import migrations
from unified.core.runs.checkpoint import Checkpoints


def flip(path: Path, at: float = 0.5) -> None:
    """Turn one bit of a file."""
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 1
    path.write_bytes(data)


def stop_at(words: list[str], root: Path, fault: str) -> Path:
    unified(*words, cwd=root, fault=fault, expect=-signal.SIGKILL)
    return run_directory(root)


@pytest.mark.slow
def test_updates_that_are_not_finite_are_skipped_counted_and_end_the_run(tmp_path: Path) -> None:
    output = unified(*STATE, "agent.lr=1e15", "train.max_failures=5", cwd=tmp_path, expect=1)
    assert "non-finite loss or gradient" in output
    assert "train.max_failures=5" in output
    directory = run_directory(tmp_path)
    assert sum(row.get("nonfinite", 0) for row in rows(directory)) > 5
    for path in newest(directory).glob("parameters.safetensors"):
        for name, value in load_file(path).items():
            assert np.isfinite(value.astype(np.float32)).all(), name


@pytest.mark.slow
def test_a_full_disk_leaves_the_checkpoint_before(straight: Path, tmp_path: Path) -> None:
    output = unified(*STATE, cwd=tmp_path, fault="fsync:*/checkpoints/.saving-*/*@20:full", expect=2)
    assert "could not be written" in output
    assert "free some space" in output
    directory = run_directory(tmp_path)
    assert not list((directory / "checkpoints").glob(".*"))
    unified(*STATE, cwd=tmp_path)
    assert_same(straight, directory)


def test_a_directory_that_cannot_be_written_ends_it_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    output = unified(*STATE, cwd=tmp_path, expect=2)
    assert "cannot be stored in" in output
    assert "root=" in output


@pytest.mark.parametrize(
    "name",
    [
        "parameters.safetensors",
        pytest.param("trainer.json", marks=pytest.mark.slow),
        pytest.param("manifest.json", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_checkpoint_is_passed_over_with_one_warning(straight: Path, tmp_path: Path, name: str) -> None:
    directory = stop_at(STATE, tmp_path, saved(4))
    flip(newest(directory) / name)
    output = unified(*STATE, "callbacks=[console]", cwd=tmp_path)
    assert output.count("is damaged") == 1
    assert_same(straight, directory)


@pytest.mark.slow
def test_a_truncated_replay_segment_sends_it_to_an_older_checkpoint(straight: Path, tmp_path: Path) -> None:
    directory = stop_at(STATE, tmp_path, saved(4))
    segment = json.loads((newest(directory) / "manifest.json").read_text())["replay"]["segments"][-1]["file"]
    path = directory / "replay" / segment
    path.write_bytes(path.read_bytes()[:-10])
    unified(*STATE, cwd=tmp_path)
    assert any("is damaged" in event["message"] for event in events(directory, "warning"))
    assert_same(straight, directory)


@pytest.mark.slow
def test_without_a_valid_checkpoint_it_stops_and_never_starts_again_from_zero(tmp_path: Path) -> None:
    directory = stop_at(STATE, tmp_path, saved(3))
    before = (directory / "metrics.jsonl").read_bytes()
    for checkpoint in (directory / "checkpoints").iterdir():
        flip(checkpoint / "parameters.safetensors")
    output = unified(*STATE, cwd=tmp_path, expect=2)
    assert "no checkpoint" in output
    assert "can be used" in output
    assert (directory / "metrics.jsonl").read_bytes() == before


def test_one_run_has_one_owner_and_the_other_is_told_who(tmp_path: Path) -> None:
    process = start(*STATE, "train.frames=100000", cwd=tmp_path)
    try:
        wait_for(tmp_path, 80)
        output = unified(*STATE, "train.frames=100000", cwd=tmp_path, expect=1)
        assert str(process.pid) in output
    finally:
        process.kill()
        process.wait()


def test_a_killed_environment_process_changes_nothing(straight: Path, tmp_path: Path) -> None:
    words = [*STATE, "train.env_backend=process"]
    process = start(*words, cwd=tmp_path)
    wait_for(tmp_path, 40)
    os.kill(process.pid, signal.SIGSTOP)  # so that it is alive when its worker dies
    (worker, *_) = children(process.pid)
    os.kill(worker, signal.SIGKILL)
    os.kill(process.pid, signal.SIGCONT)
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 0, output
    directory = run_directory(tmp_path)
    assert any("restarted" in event["message"] for event in events(directory, "warning"))
    assert (directory / "metrics.jsonl").read_bytes() == (straight / "metrics.jsonl").read_bytes()


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return [child for child in found if "worker" in Path(f"/proc/{child}/cmdline").read_text()]


def test_another_configuration_is_refused_by_name(straight: Path) -> None:
    root = straight.parents[5]
    output = unified(*STATE, "agent.lr=0.5", cwd=root, expect=2)
    assert "agent.lr: 0.0001 -> 0.5" in output
    assert "experiment=" in output


@pytest.mark.slow
def test_a_finished_run_is_not_trained_again(straight: Path) -> None:
    before = (straight / "metrics.jsonl").read_bytes()
    unified(*STATE, cwd=straight.parents[5])
    assert (straight / "metrics.jsonl").read_bytes() == before


@pytest.mark.slow
def test_a_replay_that_cannot_be_held_is_refused_with_a_number(tmp_path: Path) -> None:
    words = [
        "train",
        "--suite",
        "dmc:cartpole_balance",
        "train.frames=2000000000",
        "replay.capacity=500000000",
        "replay.backing=ram",
        "callbacks=[]",
    ]
    output = unified(*words, cwd=tmp_path, expect=2)
    assert "replay.capacity" in output
    assert "GB" in output


def test_a_start_that_was_refused_binds_nobody(tmp_path: Path) -> None:
    output = unified(*STATE, "device=cuda:7", cwd=tmp_path, expect=2)
    assert "device=cuda:7" in output
    assert "no runs" in unified("runs", "list", cwd=tmp_path)
    unified(*STATE, "train.frames=80", cwd=tmp_path)


@pytest.mark.slow
def test_a_longer_budget_goes_on_with_the_same_run(straight: Path, tmp_path: Path) -> None:
    unified(*STATE, "train.frames=240", cwd=tmp_path)
    unified(*STATE, cwd=tmp_path)
    ours = [row for row in rows(run_directory(tmp_path)) if row["kind"] == "train"]
    assert ours == [row for row in rows(straight) if row["kind"] == "train"]


def test_a_start_that_was_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    said = unified("train", "--suite", "gym:Pendulum", cwd=tmp_path, expect=2)
    assert "did you mean  gym:Pendulum-v1" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_checkpoint_of_the_first_schema_is_gone_on_with(straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = stop_at(STATE, tmp_path, saved(3))
    checkpoints = Checkpoints(directory / "checkpoints")
    newest = checkpoints.newest()
    assert newest is not None
    groups = {name: newest.load(name) for name in newest.groups}
    groups["agent"] = {**groups.pop("optimizer"), "parameters": groups.pop("parameters")}
    for lane in groups["collector"]["environments"]["lanes"]:
        del lane["rebuildable"]
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "SCHEMA", 1)
        path = checkpoints.save(newest.frames, groups, newest.manifest)
    assert json.loads((path / "manifest.json").read_text())["schema"] == 1
    assert (path / "agent.safetensors").exists()
    unified("evaluate", str(directory), "--episodes", "1", cwd=tmp_path)
    unified(*STATE, cwd=tmp_path)
    assert events(directory, "restored")[-1]["exact"] is True
    assert_same(straight, directory)


@pytest.mark.slow
def test_an_agent_acts_without_the_state_of_its_optimiser(straight: Path, tmp_path: Path) -> None:
    directory = tmp_path / straight.relative_to(straight.parents[5])
    shutil.copytree(straight, directory)
    for checkpoint in (directory / "checkpoints").iterdir():
        (checkpoint / "optimizer.safetensors").unlink()
    unified("evaluate", str(directory), "--episodes", "1", cwd=tmp_path)
    said = unified("resume", str(directory), "train.frames=520", cwd=tmp_path, expect=2)
    assert "optimizer.safetensors" in said
