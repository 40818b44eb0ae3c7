from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from unified.core.base import files
from unified.core.base.errors import StorageError, UnifiedError, UsageError
from unified.core.runs import lock
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
        with pytest.raises(UnifiedError, match=r"config\.json is not a configuration.*or move .*seed-1 away"):
            Run.create_or_open(config())


def test_a_directory_that_cannot_be_written_fails_before_anything(
    config: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be stored in .*file/default.*root=DIRECTORY"):
        Run.create_or_open(config(root=str(tmp_path / "file")))

    def denied(path: Path, *more: Any) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(files, "write_bytes", denied)
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
    with pytest.raises(UnifiedError, match=r"metrics\.jsonl: No space left on device .*unified resume"):
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
        assert checkpoint.manifest["config"] == run.tree
        assert checkpoint.manifest["metrics_sha256"] == hashlib.sha256(whole[: checkpoint.manifest["metrics_offset"]]).hexdigest()
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


# Moved, replaced, removed ---------------------------------------------------------------------------------------------------------


def moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def replaced(path: Path) -> None:
    moved(path)
    shutil.copytree(path.with_name("elsewhere"), path)


def deleted(path: Path) -> None:
    shutil.rmtree(path)


def root_moved(path: Path) -> None:
    root = path.parents[4]
    root.rename(root.with_name("other"))


def forked(path: Path) -> None:
    lock._forget_in_child()  # as in a forked child


@pytest.mark.parametrize("what", [moved, replaced, deleted, root_moved, forked])
@pytest.mark.parametrize("write", ["log", "save"])
def test_a_directory_that_went_away_is_noticed_at_the_next_write(
    config: Callable[..., Any], tmp_path: Path, what: Callable[[Path], None], write: str
) -> None:
    run = Run.create_or_open(config())
    with run.lock():
        run.log({"kind": "train", "frames": 1})
        run.save_checkpoint(1, {"trainer": {}})
        what(run.path)
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(StorageError, match=r"was moved, replaced or deleted|is a copy of") as caught:
            run.log({"kind": "train", "frames": 2}) if write == "log" else run.save_checkpoint(2, {"trainer": {}})
    assert caught.value.exit_code == 2
    assert sorted(tmp_path.rglob("*")) == before
    run.forget_draft()
    assert sorted(tmp_path.rglob("*")) == before
    if what in (moved, root_moved):
        (place,) = tmp_path.rglob("run.lock")
        assert f"unified resume {place.parent}" in str(caught.value)
        assert [row["frames"] for row in Run(place.parent).metrics()] == [1]


def test_a_refused_start_leaves_a_run_beside_it_alone(config: Callable[..., Any]) -> None:
    refused = Run.create_or_open(config())
    trained = Run.create_or_open(config())
    with trained.lock():
        refused.forget_draft()
        assert trained.config_path.exists()
        trained.log({"kind": "train", "frames": 1})
    refused.forget_draft()
    assert len(trained.metrics()) == 1


def test_a_run_whose_draft_was_removed_before_its_lock_is_made_again(config: Callable[..., Any]) -> None:
    refused = Run.create_or_open(config())
    trained = Run.create_or_open(config())
    refused.forget_draft()
    assert not trained.root.exists()
    with trained.lock():
        trained.log({"kind": "train", "frames": 1})
    assert trained.tree["seed"] == 1
    assert len(trained.metrics()) == 1


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"root": "r" * 4000}, "a name of 4000 bytes, more than 255"),
        ({"root": "/".join(["r" * 99] * 40)}, r"bytes, more than 3,975"),
        ({"experiment": "e" * 300}, "a name of 300 bytes, more than 255"),
        ({"root": "\N{PILE OF POO}" * 64}, "a name of 256 bytes, more than 255"),
        ({"root": "a\0b"}, "characters that no file name has"),
        ({"root": "\ud800"}, "characters that no file name has"),
    ],
    ids=["name", "path", "part", "bytes", "NUL", "half a character"],
)
def test_a_path_that_no_file_system_has_is_refused(config: Callable[..., Any], values: dict[str, str], says: str) -> None:
    planned = Run.planned(config(**values))
    with pytest.raises(UsageError, match=f"the path of the run has .*{says}.*root=DIRECTORY"):
        Run.create_or_open(config(**values))
    (problem,) = planned.lacking()  # a dry run reports it too
    assert says in problem.message
    assert len(problem.message) < 400


# Files that are none --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "directory") for name in ("run.lock", "metrics.jsonl", "events.jsonl")),
        *((name, kind) for name in ("run.lock", "metrics.jsonl", "events.jsonl", "checkpoints", "replay") for kind in ("link", "pipe")),
    ],
)
def test_links_and_pipes_in_a_run_are_refused_and_never_written_through(
    config: Callable[..., Any], tmp_path: Path, name: str, kind: str
) -> None:
    run = Run.create_or_open(config())
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    if kind == "link":
        (run.path / name).symlink_to(outside)
    elif kind == "pipe":
        os.mkfifo(run.path / name)
    else:
        (run.path / name).mkdir()
    with pytest.raises(StorageError, match=name), run.lock():
        pytest.fail("locked")
    assert outside.read_bytes() == b"precious"


def test_a_root_that_is_a_link_is_an_ordinary_one(config: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "runs").symlink_to("disk")
    run = Run.create_or_open(config())
    with run.lock():
        run.log({"kind": "train", "frames": 1})
        run.save_checkpoint(1, {"trainer": {}})
    assert sorted(path.name for path in (tmp_path / "disk").rglob("seed-1/*")) == [
        "checkpoints",
        "config.json",
        "metrics.jsonl",
        "run.lock",
    ]


# Checked contents -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(config: Callable[..., Any]) -> Run:
    """A run with a checkpoint."""
    run = Run.create_or_open(config())
    with run.lock():
        for frames in (1, 2, 3):
            run.log({"kind": "train", "frames": frames, "return": frames / 3})
        run.save_checkpoint(3, {"trainer": {}})
    return run


@pytest.mark.parametrize("key", ["agent.lr", "train.frames"])
def test_a_configuration_that_was_changed_is_refused_with_the_key(saved: Run, config: Callable[..., Any], key: str) -> None:
    first, last = key.split(".")
    tree = json.loads(saved.config_path.read_text())
    tree[first][last] = 5
    saved.config_path.write_text(json.dumps(tree))
    changed = Run(saved.path, config(**{f"{first}__{last}": 5}))
    with pytest.raises(StorageError, match=rf"  {key}: .* -> 5") as caught, changed.lock():
        pytest.fail("locked")
    assert "--accept-config" in str(caught.value)
    changed.accept_config()
    with changed.lock():
        changed.save_checkpoint(4, {"trainer": {}})
    assert saved.checkpoints.newest_manifest()["config"]["agent"] == tree["agent"]


def test_a_budget_that_the_command_line_changed_is_no_damage(saved: Run, config: Callable[..., Any]) -> None:
    with Run.create_or_open(config(train__frames=5000)).lock():
        pass  # killed before the next checkpoint
    with Run(saved.path, config(train__frames=5000)).lock():
        pass
    with Run.create_or_open(config(train__frames=6000)).lock() as run:
        assert run.tree["train"]["frames"] == 6000


def test_metrics_that_were_changed_are_kept_with_a_warning(saved: Run) -> None:
    path = saved.path / "metrics.jsonl"
    whole = path.read_bytes()
    manifest = saved.checkpoints.newest_manifest()
    again = Run(saved.path)
    again.truncate_metrics(manifest["metrics_offset"], manifest["metrics_sha256"])
    assert again.events() == []
    path.write_bytes(whole.replace(b"0.6666", b"0.7666"))
    again = Run(saved.path)
    again.truncate_metrics(manifest["metrics_offset"], manifest["metrics_sha256"])
    assert path.read_bytes() == whole.replace(b"0.6666", b"0.7666")
    (warning,) = again.events()
    assert "metrics.jsonl was changed or damaged" in warning["message"]


@pytest.mark.parametrize(
    "values",
    [
        *({"frames": value} for value in ("x", None, [1], math.inf, 10**400, -1, True, 1.5)),
        *({"metric": value} for value in ([], {}, 5, None)),
        *({"kind": value} for value in ([], None, 5)),
        *({key: value} for key in ("steps", "return_sd", "accuracy_min", "episodes") for value in ("x", [1], {"a": 1}, 10**400)),
        {"return": 10**400},
    ],
    ids=str,
)
def test_damaged_rows_are_left_out_and_counted(saved: Run, values: dict[str, Any]) -> None:
    whole = {"kind": "evaluate", "frames": 4, "return": 1.0}
    path = saved.path / "metrics.jsonl"
    path.write_text(path.read_text() + json.dumps({**whole, **values}) + "\n" + json.dumps(whole | {"note": ["text"]}) + "\n")
    assert [row["frames"] for row in saved.metrics()] == [1, 2, 3, 4]
    assert saved.damaged_rows == 1


@pytest.mark.parametrize("event", [[], {}, None, 5])
def test_damaged_events_are_left_out(saved: Run, event: Any) -> None:
    (saved.path / "events.jsonl").write_text(json.dumps({"event": event}) + "\n" + json.dumps({"event": "components", "components": 5}))
    assert [entry["event"] for entry in saved.events()] == ["components"]
    assert saved.components == []
    assert saved.status == "interrupted"


def test_a_moved_directory_explains_an_error_of_the_disk(config: Callable[..., Any]) -> None:
    run = Run.create_or_open(config())

    def write() -> None:
        moved(run.path)
        (run.path / "video.mp4").write_bytes(b"")

    with pytest.raises(StorageError, match="was moved, replaced or deleted"), run.lock():
        write()
