from __future__ import annotations

import json

import pytest
from seeded import write_run
from typer.testing import CliRunner

from unified.cli.records import Record, records
from unified.cli.runs import app, summary
from unified.core.base.errors import UsageError
from unified.core.runs.checkpoint import Checkpoints
from unified.core.runs.run import Run


def invoke(*words: str, fails: bool = False):
    result = CliRunner().invoke(app, list(words))
    if not fails:
        assert result.exception is None, result.output
    return result


def row_of(path):
    return summary(Record(Run(path)))


def test_list_has_a_line_for_each_run_with_its_last_evaluation(tmp_path):
    write_run(tmp_path)
    write_run(tmp_path, task="walker_walk", seed=2, returns=(5.0, 30.0), end="stop")
    text = invoke("list", "--root", str(tmp_path)).output
    lines = text.splitlines()
    (balance,), (walk,) = ([line for line in lines if name in line] for name in ("cartpole_balance", "walker_walk"))
    assert all(
        said in balance
        for said in ("default/drqv2/dmc/cartpole_balance/seed-1", "dmc:cartpole_balance", "20,000 / 20,000", "900 ± 12", "finished")
    )
    assert all(said in walk for said in ("10,000 / 10,000", "30.0 ± 12.0", "stopped"))
    assert "unified runs show" in lines[-1]


def test_list_as_json(tmp_path):
    path = write_run(tmp_path)
    (row,) = json.loads(invoke("list", "--root", str(tmp_path), "--json").output)
    assert row["path"] == str(path)
    assert (row["agent"], row["suite"], row["seed"], row["frames"]) == ("drqv2", "dmc:cartpole_balance", 1, 20_000)
    assert (row["return"], row["best"], row["state"]) == (900.0, 900.0, "finished")


def test_no_runs_says_how_to_start_one(tmp_path):
    assert "unified train" in invoke("list", "--root", str(tmp_path / "nowhere")).output
    assert json.loads(invoke("list", "--root", str(tmp_path), "--json").output) == []


@pytest.mark.parametrize(("end", "state"), [("finish", "finished"), ("stop", "stopped"), ("", "interrupted"), ("resume", "interrupted")])
def test_the_state_is_what_the_events_end_with(tmp_path, end, state):
    assert Run(write_run(tmp_path, end=end)).status == state


def test_a_run_that_holds_its_lock_is_running(tmp_path):
    import fcntl

    path = write_run(tmp_path)
    with (path / "run.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert row_of(path)["state"] == "running"
    assert row_of(path)["state"] == "finished"


def test_half_written_and_broken_files_are_read_as_far_as_they_go(tmp_path):
    path = write_run(tmp_path)
    with (path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "evaluate", "frames": 30')
    (path / "config.json").write_text("{")
    (path / "events.jsonl").unlink()
    (record,) = records(tmp_path)
    assert (record.frames, record.best, record.budget_frames, record.run.status) == (20_000, 900.0, None, "interrupted")


def test_show_has_metrics_checkpoints_files_and_what_to_type_next(tmp_path):
    path = write_run(tmp_path)
    checkpoint = path / "checkpoints" / "000020000"
    checkpoint.mkdir(parents=True)
    (checkpoint / "agent.safetensors").write_bytes(b"x" * 2_500_000)
    (path / "curve.png").write_bytes(b"x")
    text = invoke("show", "cartpole_balance", "--root", str(tmp_path)).output
    for said in (
        str(path),
        "agent drqv2 · suite dmc:cartpole_balance",
        "finished at 20,000 / 20,000 frames",
        "900 ± 12",
        "critic_loss 0.25",
    ):
        assert said in text
    for said in ("finished at 20,000 / 20,000 frames", "checkpoints/000020000/   2.5 MB", "curve.png", f"unified resume {path}"):
        assert said in text
    row = json.loads(invoke("show", "cartpole_balance", "--root", str(tmp_path), "--json").output)
    assert row["checkpoints"] == [{"name": "checkpoints/000020000/", "bytes": 2_500_000}]
    assert row["last"]["critic_loss"] == 0.25


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ({"bits_depend_on": {"threads": "2", "torch": "2.9", "device": "cpu"}, "exact": True}, "threads 2 · torch 2.9 · cpu · exact"),
        ({"bits_depend_on": {"threads": "1", "torch": "2.9"}, "exact": False}, "threads 1 · torch 2.9 · not exact"),
        ({"bits_depend_on": {"threads": 2}}, None),
        ({}, None),
    ],
)
def test_show_says_what_bits_depend_on(tmp_path, manifest, expected):
    path = write_run(tmp_path)
    Checkpoints(path / "checkpoints").save(20_000, {"parameters": {}}, manifest)
    lines = invoke("show", "cartpole_balance", "--root", str(tmp_path)).output.splitlines()
    found = [line.removeprefix("computed").strip() for line in lines if line.startswith("computed")]
    assert found == ([expected] if expected else [])


def test_a_wrong_name_is_answered_with_a_suggestion(tmp_path):
    write_run(tmp_path)
    result = invoke("show", "cartpole_balanse", "--root", str(tmp_path), fails=True)
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == 2
    assert "cartpole_balance" in str(result.exception)


def test_a_list_reads_the_newest_rows_and_agrees_with_all_of_them(tmp_path, monkeypatch):
    path = write_run(tmp_path, returns=(10.0, 900.0, 500.0))
    row = json.loads((path / "metrics.jsonl").read_text().splitlines()[-1])
    with (path / "events.jsonl").open("a") as file:
        file.write(json.dumps({"time": "2026", "event": "evaluate", **row, "best_score": 900.0}) + "\n")
    everything = Record(Run(path)).evaluations
    monkeypatch.setattr(Run, "metrics", lambda self: pytest.fail("all rows were read"))
    record = Record(Run(path))
    assert (record.last, record.best, record.frames, record.status) == (everything[-1], 900.0, 20_000, "finished")


@pytest.mark.parametrize("event", [{"best_score": "high"}, {"best_score": 1e9, "frames": 10_000}, {"best_score": 1e9, "return": 1.0}, {}])
def test_an_event_of_another_evaluation_is_not_believed(tmp_path, event):
    path = write_run(tmp_path, returns=(10.0, 900.0, 500.0))
    row = json.loads((path / "metrics.jsonl").read_text().splitlines()[-1])
    with (path / "events.jsonl").open("a") as file:
        file.write(json.dumps({"time": "2026", "event": "evaluate", **row, **event}) + "\n")
    assert Record(Run(path)).best == 900.0


def test_a_state_of_long_ago_is_found(tmp_path):
    path = write_run(tmp_path, end="stop")
    with (path / "events.jsonl").open("a") as file:
        file.writelines(json.dumps({"time": "2026", "event": "warning", "message": f"no {number}"}) + "\n" for number in range(2000))
    assert Run(path).status == "stopped"
