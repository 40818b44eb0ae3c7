from __future__ import annotations

import json
import subprocess
import sys
from functools import partial

import typer
from typer.testing import CliRunner

from unified.cli import doctor as command

app = typer.Typer()
app.command()(command.doctor)


def test_the_quick_report_measures_nothing_and_names_versions_and_machine(tmp_path):
    result = CliRunner().invoke(app, ["--quick", "--json", "--root", str(tmp_path / "runs")])
    assert result.exception is None, result.output
    report = json.loads(result.output)
    assert report["ok"] is True
    found = {(finding["section"], finding["name"]): finding["value"] for finding in report["findings"]}
    assert found["versions", "python"].startswith("3.")
    assert "cores" in found["machine", "processor"]
    assert "free" in found["machine", "disk"]
    assert not (tmp_path / "runs").exists()  # looking creates nothing


def test_a_place_that_cannot_be_written_is_found(tmp_path, monkeypatch):
    def refuse(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(command.tempfile, "TemporaryFile", refuse)
    result = CliRunner().invoke(app, ["--quick", "--root", str(tmp_path)])
    assert result.exit_code == 1
    assert "cannot be written: Read-only file system" in result.output
    assert "root=DIRECTORY" in result.output


def test_a_missing_package_is_named_with_what_to_type(monkeypatch):
    real = command.metadata.version

    def version(name: str) -> str:
        if name in ("dm_control", "tensorboard"):
            raise command.metadata.PackageNotFoundError(name)
        return real(name) if name != "unified-ml" else "0.1.0"

    monkeypatch.setattr(command.metadata, "version", version)
    found = {finding.name: finding for finding in command._versions()}
    assert not found["dm_control"].ok
    assert found["dm_control"].hint == "pip install dm_control"
    assert found["tensorboard"].ok
    assert found["tensorboard"].hint == "pip install 'unified-ml[tensorboard]'"


def test_bf16_is_measured_against_fp32(monkeypatch):
    monkeypatch.setattr(command, "_rates", partial(command._rates, seconds=0.0))
    found = {finding.name: finding.value for finding in command._precision()}
    assert "in fp32" in found["encoder update"]
    assert "×" in found["matrix product"]
    assert found["precision=auto"].split()[0] in ("bf16", "fp32")
    assert "gpu" in found


def test_rates_are_the_best_of_several_in_turn(monkeypatch):
    now = [0.0]
    costs = {"a": iter([9.0, 2.0, 1.0, 5.0]), "b": iter([9.0, 4.0, 8.0, 6.0])}  # the first of each warms up
    monkeypatch.setattr(command.time, "perf_counter", lambda: now[0])

    def work(name: str) -> None:
        now[0] += next(costs[name])

    assert command._rates(partial(work, "a"), partial(work, "b"), seconds=0.0) == [1.0, 0.25]


def test_commands_import_nothing_heavy():
    modules = "train resume evaluate play plot runs doctor"
    code = (
        f"import sys, importlib; [importlib.import_module(f'unified.cli.{{name}}') for name in '{modules}'.split()];"
        "import unified; heavy = {'torch', 'numpy', 'matplotlib', 'gymnasium', 'dm_control'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
