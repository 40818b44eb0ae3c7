"""`unified runs list` and `unified runs show`: runs and their results."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from unified import units
from unified.cli.records import Record, records
from unified.core.base.errors import UnifiedError
from unified.core.base.files import has_shape
from unified.core.components.import_paths import shown
from unified.core.runs.lookup import DEFAULT_ROOT
from unified.core.runs.run import Run
from unified.terminal import echo, screen

app = typer.Typer(help="List runs, or show one.", no_args_is_help=True)

STYLES = {"running": "cyan", "finished": "green", "stopped": "yellow", "interrupted": "red", "new": "dim", "damaged": "red"}
Root = Annotated[Path, typer.Option(help="Directory of all runs.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def summary(record: Record, name: str | None = None) -> dict[str, Any]:
    """One run as plain data."""
    experiment, agent, *_ = record.run.identity
    last = record.last
    return {
        "name": name or record.run.name,
        "path": str(record.path),
        "experiment": experiment,
        "agent": agent,
        "suite": record.task,
        "seed": int(record.seed) if record.seed.isdigit() else record.seed,
        "frames": record.frames,
        "budget_frames": record.budget_frames,
        "metric": record.metric,
        "return": units.scored(last)[1] if last else None,
        "return_sd": units.scored(last)[2] if last else None,
        **({"success": last["success"]} if last and "success" in last else {}),
        "best": record.best,
        "state": record.status,
        "changed": datetime.fromtimestamp(record.changed, UTC).isoformat(timespec="seconds"),
    }


def names(found: list[Record], root: Path) -> list[str]:
    """The shortest unique name of each run, if there are few enough runs to compute it quickly."""
    if len(found) <= 100 and str(root) == DEFAULT_ROOT:
        return [record.run.name for record in found]
    return ["/".join(record.run.identity) for record in found]


@app.command("list")
def list_runs(root: Root = Path("runs"), as_json: Json = False) -> None:
    """List all runs below the root with their last evaluation."""
    found = records(root)
    rows = [summary(record, name) for record, name in zip(found, names(found, root), strict=True)]
    if as_json:
        echo(json.dumps(rows, indent=2))
        return
    if not found:
        echo(f"no runs in {root}    start one: unified train")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for header in ("name", "agent", "suite"):
        table.add_column(header, overflow="fold")
    cells = [["frames", "last evaluation", "best", "state", "changed"]]
    for row, record in zip(rows, found, strict=True):
        budget = f" / {units.count(row['budget_frames'])}" if row["budget_frames"] else ""
        last = "–" if row["return"] is None else _result(row)
        best = "–" if row["best"] is None else units.value(row["best"])
        cells.append([units.count(row["frames"]) + budget, last, best, row["state"], units.ago(time.time() - record.changed)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    header, *lines = [
        ("  ".join(map(str.rjust, line[:3], widths)) + "  ", line[3].ljust(widths[3]), "  " + line[4].rjust(widths[4])) for line in cells
    ]
    table.add_column("".join(header), no_wrap=True)  # one cell for all of them: the time to draw a table grows with its cells
    for row, (left, state, right) in zip(rows, lines, strict=True):
        table.add_row(Text(row["name"], "bold"), row["agent"], row["suite"], Text.assemble(left, (state, STYLES[row["state"]]), right))
    screen(wide=True).print(table)
    for record in found:
        if record.damage:
            echo(record.damage)
    echo("\nmore: unified runs show NAME · unified plot NAME … · unified resume NAME")


def _result(row: dict[str, Any]) -> str:
    result = units.spread(row["return"], row["return_sd"]) + units.success(row)
    return result if row["metric"] == "return" else f"{row['metric']} {result}"


@app.command("show")
def show_run(
    name: Annotated[str, typer.Argument(help="Name of a run, or enough of it.")], root: Root = Path("runs"), as_json: Json = False
) -> None:
    """Show the configuration, progress and files of a run."""
    record = Record(Run.find(name, root))
    row = {**summary(record), **details(record)}
    if as_json:
        echo(json.dumps(row, indent=2))
        return
    from rich.text import Text

    printed = screen(wide=True)

    def say(label: str, text: str, style: str = "") -> None:
        printed.print(Text.assemble((f"{label:<12}", "dim"), (text, style)), soft_wrap=True)

    say("run", row["path"], "bold")
    say("", f"agent {row['agent']} · suite {row['suite']} · seed {row['seed']} · experiment {row['experiment']}")
    budget = f" / {units.count(row['budget_frames'])}" if row["budget_frames"] else ""
    say(
        "state",
        f"{row['state']} at {units.count(row['frames'])}{budget} frames, {units.ago(time.time() - record.changed)}",
        STYLES[row["state"]],
    )
    for index, (key, value, source) in enumerate(row["changed_from_defaults"]):
        say("changed" if not index else "", f"{key}={value}  ({source})")
    for index, code in enumerate(row["code"]):
        what = shown(code["reference"]) + ("" if code["own"] else "   (not named by you: resume, evaluate and play ask for --trust)")
        say("code" if not index else "", what, "" if code["own"] else "yellow")
    for index, evaluation in enumerate(record.evaluations[-5:]):
        say("evaluations" if not index else "", f"{units.count(evaluation['frames']):>12} frames   {units.result(evaluation)}")
    if row["best"] is not None:
        say("best", units.value(row["best"]))
    if row["last"]:
        numbers = " · ".join(f"{key} {units.value(value)}" for key, value in row["last"].items() if isinstance(value, int | float))
        say("last log", numbers)
    for index, checkpoint in enumerate(row["checkpoints"]):
        say("checkpoints" if not index else "", f"{checkpoint['name']}   {units.size(checkpoint['bytes'])}")
    if facts := row["bits_depend_on"]:
        parts = [f"threads {facts.get('threads', '?')}", f"torch {facts.get('torch', '?')}"]
        parts += [facts[key] for key in ("device", "precision", "instructions") if key in facts]
        say("computed", " · ".join([*parts, "exact" if row["exact"] else "not exact"]))
    for index, file in enumerate(row["files"]):
        say("files" if not index else "", f"{file['name']}   {units.size(file['bytes'])}")
    for index, text in enumerate([*filter(None, [record.damage]), *row["warnings"][-5:]]):
        say("warnings" if not index else "", text, "yellow")
    say("next", f"unified resume {row['name']} · unified play {row['name']} · unified plot {row['name']}")


def details(record: Record) -> dict[str, Any]:
    """The entries of `show` that `list` does not have."""
    train = [row for row in record.metrics if row.get("kind") == "train"]
    manifest = record.run.checkpoints.newest_manifest()
    return {
        "changed_from_defaults": _changed(record),
        "code": _code(record),
        "last": {key: value for key, value in train[-1].items() if key != "kind"} if train else None,
        "bits_depend_on": manifest["bits_depend_on"] if has_shape(manifest, {"bits_depend_on": {str: str}}) else {},
        "exact": manifest.get("exact") is True,
        "checkpoints": [_entry(path, record.path) for path in sorted(record.path.glob("checkpoints/[0-9]*"))],
        "files": [_entry(path, record.path) for path in sorted(record.path.iterdir()) if not path.name.startswith((".", "checkpoints"))],
        "warnings": [str(event.get("message", "")) for event in record.events if event.get("event") == "warning"],
    }


def _changed(record: Record) -> list[tuple[str, Any, str]]:
    """The values that differ from the defaults, without running code of the run; of an agent that is not installed, its name alone."""
    from unified.core.components.options import NAME
    from unified.core.config.compose import compose
    from unified.core.config.config import leaves
    from unified.core.config.schema import TASK, RunOptions, dotted
    from unified.core.registry import registry

    try:
        path = str(record.run.config_path)
        sources = next((event["sources"] for event in record.events if isinstance(event.get("sources"), dict)), {})
        composed = compose([], [path], registry=registry().without_references())
        return [(key, value, str(sources.get(key, source))) for key, value, source in composed.changed()]
    except UnifiedError:
        pass
    try:
        defaults, recorded = dict(leaves(RunOptions().model_dump(mode="json"))), leaves(record.run.tree)
    except UnifiedError:
        return []
    named = [(path, value) for path, value in recorded if path in defaults or (len(path) == 2 and path[1] in (NAME, TASK))]
    return [(dotted(path), value, "config.json") for path, value in named if value != defaults.get(path, defaults.get(path[:1]))]


def _code(record: Record) -> list[dict[str, Any]]:
    """The references of the configuration to code that no plugin registers, and whether this user has named them."""
    from unified.core.components.trust import names_an_object, references, signed

    try:
        named = sorted(filter(names_an_object, references(record.run.tree)))
    except UnifiedError:
        return []
    own = signed(record.path)
    return [{"reference": name, "own": name in own} for name in named]


def _entry(path: Path, base: Path) -> dict[str, Any]:
    """The name and the size of a file, or of a directory with all files in it. Links are not followed."""
    directory = path.is_dir() and not path.is_symlink()
    files = list(path.rglob("*")) if directory else [path]
    return {"name": f"{path.relative_to(base)}{'/' * directory}", "bytes": sum(file.lstat().st_size for file in files if not file.is_dir())}
