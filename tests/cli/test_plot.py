from __future__ import annotations

import pytest
import typer
from seeded import write_run
from typer.testing import CliRunner

from unified.cli import plot as command
from unified.cli.records import records
from unified.core.base.errors import UnifiedError, UsageError

app = typer.Typer()
app.command()(command.plot)


def invoke(tmp_path, *words: str, fails: bool = False):
    result = CliRunner().invoke(app, [*words, "--root", str(tmp_path / "runs"), "-o", str(tmp_path / "out.png")])
    if not fails:
        assert result.exception is None, result.output
    return result


@pytest.fixture
def runs(tmp_path):
    for seed, last in ((1, 900.0), (2, 800.0), (3, 700.0)):
        write_run(tmp_path / "runs", seed=seed, returns=(10.0, 500.0, last))
    write_run(tmp_path / "runs", agent="random", returns=(10.0, 12.0, 11.0))
    write_run(tmp_path / "runs", task="walker_walk", returns=(5.0, 30.0))
    return tmp_path / "runs"


def line(output: str, *said: str) -> str:
    (found,) = (row for row in output.splitlines() if all(word in row for word in said))
    return found


def test_seeds_are_one_curve_and_tasks_are_panels(runs):
    panels = command.group(records(runs), "frames", "range")
    assert [panel.title for panel in panels] == ["dmc:cartpole_balance", "dmc:walker_walk"]
    drqv2, random = panels[0].curves
    assert (drqv2.label, drqv2.seeds, random.label, random.seeds) == ("drqv2", 3, "random", 1)
    assert drqv2.mean.tolist() == [10.0, 500.0, 800.0]
    assert (drqv2.low[-1], drqv2.high[-1]) == (700.0, 900.0)


def test_a_picture_and_a_table_come_out(runs, tmp_path):
    output = invoke(tmp_path).output
    assert "800 ± 100" in line(output, "cartpole_balance", "drqv2")
    assert output.rstrip().endswith("out.png")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out.png").stat().st_size > 20_000


def test_three_seeds_have_an_interquartile_mean_with_its_interval(runs, tmp_path):
    output = invoke(tmp_path).output
    assert "IQM of last (95% CI)" in output
    assert "800 (700 to 900)" in line(output, "cartpole_balance", "drqv2")
    assert not line(output, "cartpole_balance", "random").rstrip().endswith(")")  # one seed
    assert "IQM" not in invoke(tmp_path, "walker_walk").output


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("cartpole_balance", 4),
        ("drqv2", 4),
        ("dmc:cartpole_balance", 4),
        ("default/random", 1),
        ("seed-2", 1),
        ("drqv2/dmc/walker_walk", 1),
    ],
)
def test_a_name_means_every_run_it_fits(runs, name, count):
    assert len(command.choose([name], runs)) == count


def test_the_axis_can_be_hours_or_updates(runs):
    record = next(record for record in records(runs) if record.run.identity[1] == "random")
    assert command.points(record, "hours")[0] == pytest.approx([0.0, 0.05, 0.1])
    assert command.points(record, "updates")[0] == [0.0, 2500.0, 5000.0]
    (record.path / "events.jsonl").unlink()
    del record.__dict__["events"]
    with pytest.raises(UsageError, match="no times"):
        command.points(record, "hours")


def test_experiments_are_told_apart(runs):
    write_run(runs, experiment="wide")
    labels = [curve.label for curve in command.group(records(runs), "frames", "sd")[0].curves]
    assert labels == ["default drqv2", "default random", "wide drqv2"]


def test_a_reference_is_drawn_for_its_tasks_as_far_as_the_runs_go(runs, tmp_path):
    reference = tmp_path / "published.csv"
    lines = [f"cartpole_balance,{frames},10,{frames / 100},5,{frames / 200},{frames / 50}" for frames in range(0, 1_000_001, 10_000)]
    reference.write_text("task,frame,seeds,mean_return,sd,min,max\n" + "\n".join(lines))
    panels = command.group(records(runs), "frames", "range")
    command.add_reference(panels, reference)
    curve = panels[0].curves[-1]
    assert (curve.label, curve.seeds, curve.reference, curve.x.tolist()) == ("published", 10, True, [0.0, 10_000.0, 20_000.0])
    assert not any(curve.reference for curve in panels[1].curves)
    assert "200 (100 to 400)" in line(invoke(tmp_path, "--reference", str(reference)).output, "published")


def test_what_cannot_be_drawn_says_why(runs, tmp_path):
    broken = tmp_path / "broken.csv"
    broken.write_text("a,b\n1,2\n")
    cases = [
        (["--reference", str(broken)], "cannot be used as a reference"),
        (["--reference", str(tmp_path / "none.csv")], "cannot be read"),
        (["--reference", str(broken), "--x", "hours"], "counts frames"),
        (["cartpole_balanse"], "cartpole_balance"),
    ]
    for words, said in cases:
        result = invoke(tmp_path, *words, fails=True)
        assert isinstance(result.exception, UsageError), words
        assert said in str(result.exception)
    result = CliRunner().invoke(app, ["--root", str(runs), "-o", "x.gif"])
    assert ".png" in str(result.exception)


def test_runs_without_an_evaluation_are_named(tmp_path):
    write_run(tmp_path / "runs", returns=())
    result = invoke(tmp_path, fails=True)
    assert isinstance(result.exception, UnifiedError)
    assert "evaluation" in str(result.exception)
    write_run(tmp_path / "runs", seed=2)
    assert "skipped, no evaluation" in invoke(tmp_path).output
