"""`unified plot`: learning curves of one or more runs, with mean and spread over seeds, as a figure and a table."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from enum import StrEnum
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unified import units
from unified.cli.records import Record, records
from unified.terminal import echo, screen

if TYPE_CHECKING:
    from unified.plotting import Curve, Panel


class Axis(StrEnum):
    frames = "frames"
    hours = "hours"
    updates = "updates"


class Band(StrEnum):
    range = "range"
    sd = "sd"
    ci = "ci"


LABELS = {"frames": "frames", "hours": "hours of training", "updates": "updates"}
#: Minimum number of seeds for a confidence interval.
SEEDS = 3


def plot(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Names of runs, or enough of them; by default all runs.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Output file: png, pdf or svg; by default plot.png, plot-2.png, …")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="CSV with task, frame, mean_return and (seeds, min, max or sd), plotted dashed.")
    ] = None,
    x: Annotated[Axis, typer.Option(help="Horizontal axis.")] = Axis.frames,
    spread: Annotated[Band, typer.Option(help="Band over seeds: min to max, one sd, or the 95% CI of the mean.")] = Band.range,
    root: Annotated[Path, typer.Option(help="Directory of all runs.")] = Path("runs"),
) -> None:
    """Plot evaluation returns. Seeds of one experiment, agent and task are one curve with a band."""
    from unified.core.base.errors import Problem, UnifiedError, UsageError

    output = output or free("plot.png")
    if output.suffix not in (".png", ".pdf", ".svg"):
        raise UsageError(Problem(f"{output}: a picture is a .png, .pdf or .svg", "e.g. -o plot.png"))
    chosen = choose(names or [], root)
    evaluated = [record for record in chosen if record.evaluations]
    if not evaluated:
        raise UnifiedError(Problem("none of these runs has an evaluation", "unified runs list"))
    panels = group(evaluated, x.value, spread.value)
    if reference is not None:
        if x is not Axis.frames:
            raise UsageError(Problem(f"--reference counts frames, not {x.value}", "leave out --x"))
        add_reference(panels, reference)
    from unified import plotting

    path = plotting.save(plotting.compare_figure(panels, LABELS[x.value], spread.value), output)
    show(panels, x.value)
    for record in chosen:
        if not record.evaluations:
            echo(f"skipped, no evaluation: {record.path}")
        if record.damage:
            echo(record.damage)
    echo(f"\n{path}")


def free(name: str) -> Path:
    """The first file of ``plot.png``, ``plot-2.png``, … that does not exist."""
    path = Path(name)
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return next(each for each in chain([path], numbered) if not each.exists())


def choose(names: list[str], root: Path) -> list[Record]:
    """The runs that match; a name may match several runs.

    Raises:
        UsageError: If a name fits none.
    """
    from unified.core.base.errors import Problem, UsageError
    from unified.core.runs.run import Run

    everything = records(root)
    if not everything and not any(Path(name).is_dir() for name in names):
        raise UsageError(Problem(f"there are no runs in {root}", "start one: unified train"))
    if not names:
        return everything
    chosen: dict[Path, Record] = {}
    for name in names:
        fits = [record for record in everything if _fits(record, name)]
        fits = fits or [record for record in everything if _fits(record, name, begins=True)] or [Record(Run.find(name, root))]
        chosen.update({record.path.resolve(): record for record in fits})
    return list(chosen.values())


def _fits(record: Record, name: str, begins: bool = False) -> bool:
    """Whether every part of `name` is a part of the run's name, or its beginning: ``drqv2``, ``dmc:walker_walk``, ``default/drqv2``."""
    parts = (*record.run.identity, record.task)
    wanted = [part for part in name.split("/") if part]
    return bool(wanted) and all(any(part.startswith(want) if begins else part == want for part in parts) for want in wanted)


def points(record: Record, x: str) -> tuple[list[float], list[float]]:
    """The axis and the evaluations of one run."""
    from unified.core.base.errors import Problem, UsageError

    rows = [row for row in record.evaluations if x == "hours" or row.get(x) is not None]
    if not rows:
        raise UsageError(Problem(f"{record.path} has no {x} in its evaluations", "leave out --x"))
    returns = [float(units.scored(row)[1]) for row in rows]
    if x != "hours":
        return [float(row[x]) for row in rows], returns
    import numpy as np

    known = record.hours()
    if not known:
        raise UsageError(Problem(f"{record.path} has no times (events.jsonl)", "leave out --x hours"))
    frames, hours = zip(*known, strict=True)
    return [float(hour) for hour in np.interp([row["frames"] for row in rows], frames, hours)], returns


def group(chosen: Iterable[Record], x: str, spread: Any) -> list[Panel]:
    """One panel for each task and metric, one curve for each experiment and agent."""
    from unified.plotting import Panel, aggregate

    grouped: dict[tuple[str, str], dict[tuple[str, str, str], list[Record]]] = {}
    for record in chosen:
        grouped.setdefault((record.task, record.metric), {}).setdefault(record.group, []).append(record)
    experiments = {record[0] for groups in grouped.values() for record in groups}
    panels = []
    for (task, metric), groups in sorted(grouped.items()):
        curves = []
        for (experiment, agent, _), seeds in sorted(groups.items()):
            label = agent if len(experiments) == 1 else f"{experiment} {agent}"
            curves.append(aggregate(label, [points(record, x) for record in seeds], spread))
        panels.append(Panel(task, curves, metric))
    return panels


def add_reference(panels: list[Panel], path: Path) -> None:
    """Published curves of the same tasks, named without the suite: ``cartpole_balance``."""
    import numpy as np

    from unified.core.base.errors import Problem, UsageError
    from unified.plotting import Curve

    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for panel in panels:
            mine = [row for row in rows if row["task"] in (panel.title, panel.title.split(":")[-1])]
            if not mine:
                continue
            frames, mean = (np.array([float(row[column]) for row in mine]) for column in ("frame", "mean_return"))
            sd = np.array([float(row.get("sd") or 0) for row in mine])
            low = np.array([float(row["min"]) for row in mine]) if mine[0].get("min") else mean - sd
            high = np.array([float(row["max"]) for row in mine]) if mine[0].get("max") else mean + sd
            # A long reference would compress the curve of the run.
            last = max(float(curve.x[-1]) for curve in panel.curves)
            shown = frames <= max(1.25 * last, float(frames.min()))
            seeds = int(float(mine[0].get("seeds") or 1))
            panel.curves.append(Curve(path.stem, frames[shown], mean[shown], low[shown], high[shown], seeds, reference=True))
    except OSError as error:
        raise UsageError(Problem(f"{path} cannot be read: {error.strerror}")) from error
    except (KeyError, ValueError) as error:
        raise UsageError(
            Problem(f"{path} cannot be used as a reference: {error}", "its columns: task,frame,seeds,mean_return,sd,min,max")
        ) from error


def show(panels: list[Panel], x: str) -> None:
    """A table of the last and the best evaluation, mean ± sd over seeds.

    With at least `SEEDS` seeds also the interquartile mean of the last ones, with its 95% confidence interval (Agarwal et al. 2021).
    """
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("task", "runs"):
        table.add_column(name, overflow="fold")
    several = any(len(curve.final) >= SEEDS for panel in panels for curve in panel.curves)
    metrics = {panel.metric for panel in panels}
    metric_name = f" {metrics.pop()}" if len(metrics) == 1 else ""
    for name in ("seeds", x, f"last{metric_name}", f"best{metric_name}", *(["IQM of last (95% CI)"] if several else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for panel in panels:
        for curve in panel.curves:
            end = f"{curve.x[-1]:.2f}" if x == "hours" else units.count(curve.x[-1])
            last, best = _reference(curve) if curve.reference else (_over(curve.final), _over(curve.best))
            middle = [_middle(curve.final) if len(curve.final) >= SEEDS else ""] if several else []
            task = panel.title if metric_name else f"{panel.title} ({panel.metric})"
            table.add_row(task, curve.label, str(curve.seeds), end, last, best, *middle)
    screen(wide=True).print(table)


def _over(values: tuple[float, ...]) -> str:
    from statistics import mean, stdev

    return units.spread(mean(values), stdev(values) if len(values) > 1 else None)


def _middle(values: tuple[float, ...]) -> str:
    """The interquartile mean with its confidence interval."""
    from unified.metrics.statistics import spread

    found = spread(values)
    return f"{units.value(found.iqm)} ({units.value(found.low)} to {units.value(found.high)})"


def _reference(curve: Curve) -> tuple[str, str]:
    last = f"{units.value(float(curve.mean[-1]))} ({units.value(float(curve.low[-1]))} to {units.value(float(curve.high[-1]))})"
    return last, units.value(float(curve.mean.max()))
