from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from unified.core.base.errors import UnifiedError, UsageError
from unified.core.runs.run import Run


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, unified.core.runs; assert not {'torch', 'numpy', 'safetensors'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_new_run_is_where_its_identity_says(config: Callable[..., Any], tmp_path: Path) -> None:
    wanted = config()
    run = Run.create_or_open(wanted)
    assert run.path == tmp_path / "runs/default/drqv2/dmc/cartpole_balance/seed-1"
    assert os.listdir(run.path) == ["config.json"]
    assert run.tree == {**json.loads(json.dumps(wanted.tree)), "packages": {}}
    assert run.config is wanted
    assert run.root == tmp_path / "runs"
    assert run.status == "new"
    assert not run.finished


def test_the_same_configuration_opens_it_again(config: Callable[..., Any]) -> None:
    first = Run.create_or_open(config())
    again = Run.create_or_open(config(root="elsewhere", checkpoint__keep=5), first.root)
    assert again.path == first.path
    with again.lock():
        assert again.tree["checkpoint"] == {"keep": 5}
    assert Run(first.path).tree["checkpoint"] == {"keep": 5}


def test_another_configuration_is_refused_with_what_differs(config: Callable[..., Any]) -> None:
    run = Run.create_or_open(config())
    run.log({"kind": "train", "frames": 1})
    before = run.config_path.read_bytes()
    other = config(agent__lr=3e-4, train__frames=2000)
    other.tree["replay"] = {"capacity": 10}
    with pytest.raises(UsageError) as caught:
        Run.create_or_open(other)
    text = str(caught.value)
    assert "agent.lr: 0.0001 -> 0.0003" in text
    assert "train.frames" not in text  # a longer budget is the same run
    assert "replay.capacity: (not set) -> 10" in text
    assert "experiment=NAME" in text
    assert "unified resume" in text
    assert "stddev" not in text
    assert run.config_path.read_bytes() == before


def test_a_configuration_that_changed_meanwhile_is_refused_under_the_lock(config: Callable[..., Any]) -> None:
    run = Run.create_or_open(config())
    run.log({"kind": "train", "frames": 1})
    run.config_path.write_text(json.dumps(config(agent__lr=1.0).tree))
    with pytest.raises(UsageError, match=r"agent\.lr: 1\.0 -> 0\.0001"), run.lock():
        pytest.fail("owned")
    assert run.owner is None


def test_an_unreadable_configuration_is_named(config: Callable[..., Any]) -> None:
    run = Run.create_or_open(config())
    run.log({"kind": "train", "frames": 1})
    for content in (b"{", b"[]", b"\xff"):
        run.config_path.write_bytes(content)
        with pytest.raises(UnifiedError, match=r"config\.json .*move the run's directory away"):
            Run.create_or_open(config())


def test_a_directory_that_cannot_be_written_fails_before_anything(
    config: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be stored in .*file/default.*root=DIRECTORY"):
        Run.create_or_open(config(root=str(tmp_path / "file")))

    def denied(path: Path, data: bytes) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "write_bytes", denied)
    with pytest.raises(UsageError, match="Permission denied"):
        Run.create_or_open(config())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory_fails_before_anything(config: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(UsageError, match="Permission denied"):
        Run.create_or_open(config(root=str(tmp_path / "closed")))


def test_one_owner(config: Callable[..., Any]) -> None:
    run = Run.create_or_open(config())
    with run.lock() as owned:
        assert owned is run
        assert run.status == "running"
        assert run.owner is not None
        with pytest.raises(UnifiedError, match=f"already being trained by process {os.getpid()}"), Run.create_or_open(config()).lock():
            pytest.fail("owned twice")
    assert run.owner is None


def test_status_follows_events(config: Callable[..., Any]) -> None:
    run = Run.create_or_open(config())
    run.log({"kind": "train", "frames": 1})
    for event, status in [
        ("start", "interrupted"),
        ("stop", "stopped"),
        ("resume", "interrupted"),
        ("speed", "interrupted"),
        ("finish", "finished"),
    ]:
        run.event(event, frames=1)
        assert Run(run.path).status == status
    assert run.finished
    with run.lock():
        assert run.status == "running"
        assert run.finished


def test_rows_and_events(config: Callable[..., Any]) -> None:
    run = Run.create_or_open(config())
    run.log({"kind": "train", "frames": 10, "loss": torch.tensor(0.5)})
    run.event("evaluate", kind="evaluate", name="x", frames=10)
    assert run.metrics() == [{"kind": "train", "frames": 10, "loss": 0.5}]
    (event,) = run.events()
    assert list(event)[:2] == ["time", "event"]
    assert event["event"] == "evaluate"
    assert "time" not in (run.path / "metrics.jsonl").read_text()


def test_a_full_disk_ends_a_row_but_not_an_event(config: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.create_or_open(config())

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    run.event("speed")
    with pytest.raises(UnifiedError, match=r"metrics\.jsonl cannot be written: No space left on device .*unified resume"):
        run.log({"kind": "train"})


def test_resuming_replays_the_rows_after_the_checkpoint(config: Callable[..., Any]) -> None:
    run = Run.create_or_open(config())
    with run.lock():
        assert run.newest_checkpoint() is None
        for frames in (10, 20, 30):
            run.log({"kind": "train", "frames": frames})
            if frames == 20:
                run.save_checkpoint(frames, {"trainer": {"frames": frames}}, {"frames": frames, "spec": {"a": [1]}}, best=True)
    whole = (run.path / "metrics.jsonl").read_bytes()
    os.truncate(run.path / "metrics.jsonl", len(whole) - 2)  # killed while writing
    again = Run.create_or_open(config())
    with again.lock():
        checkpoint = again.newest_checkpoint()
        assert checkpoint is not None
        assert checkpoint.manifest["spec"] == {"a": [1]}
        assert checkpoint.manifest["config_digest"] == config().digest()
        again.truncate_metrics(checkpoint.manifest["metrics_offset"])
        assert [row["frames"] for row in again.metrics()] == [10, 20]
        again.log({"kind": "train", "frames": 30})
    assert (run.path / "metrics.jsonl").read_bytes() == whole
    assert again.truncate_metrics(10_000) == 0
    assert "shorter than at the checkpoint" in again.events()[-1]["message"]


def test_damaged_checkpoints_are_events_and_never_a_restart(config: Callable[..., Any]) -> None:
    run = Run.create_or_open(config())
    for frames in (1, 2, 3):
        path = run.save_checkpoint(frames, {"trainer": {"frames": frames}}, best=frames == 2)
    (path / "trainer.json").write_text("{}")
    checkpoint = run.newest_checkpoint()
    assert checkpoint is not None
    assert checkpoint.frames == 2
    (warning,) = run.events()
    assert warning["event"] == "warning"
    assert "000000003 is damaged" in warning["message"]
    (run.path / "checkpoints/000000002/manifest.json").write_text("")
    with pytest.raises(UnifiedError, match="no checkpoint in"):
        run.newest_checkpoint()


def test_checkpoints_by_name(config: Callable[..., Any]) -> None:
    run = Run.create_or_open(config())
    assert run.checkpoint() is run.checkpoint("newest") is run.checkpoint("7") is None
    for frames in (1, 2, 3, 4):
        run.save_checkpoint(frames, {"trainer": {"frames": frames}}, best=frames == 1)
    found = {which: run.checkpoint(which) for which in ("best", "newest", "3", 4)}
    assert {which: checkpoint and checkpoint.frames for which, checkpoint in found.items()} == {"best": 1, "newest": 4, "3": 3, 4: 4}
    assert run.checkpoint("worst") is run.checkpoint("2") is None


OWN = """
import sys, time
from pathlib import Path
from unified.core.runs.run import Run
run = Run(Path(sys.argv[1]))
with run.lock():
    print("owned", flush=True)
    n = 0
    while True:
        n += 1
        run.log({"kind": "train", "frames": n, "text": "x" * 5000})
"""


def test_kill_while_logging_leaves_whole_rows(config: Callable[..., Any]) -> None:
    run = Run.create_or_open(config())
    process = subprocess.Popen([sys.executable, "-c", OWN, str(run.path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "owned\n"
    with pytest.raises(UnifiedError, match=f"process {process.pid} on"), run.lock():
        pytest.fail("owned twice")
    process.kill()
    process.communicate()
    rows = run.metrics()
    assert [row["frames"] for row in rows] == list(range(1, len(rows) + 1))
    with run.lock():
        run.log({"kind": "train", "frames": 0})
    assert len(run.metrics()) == len(rows) + 1


def test_a_start_that_was_refused_binds_nobody(config: Callable[..., Any]) -> None:
    run = Run.create_or_open(config())
    assert run.status == "new"
    other = Run.create_or_open(config(agent__lr=1.0))
    with other.lock():
        assert other.tree["agent"]["lr"] == 1.0
