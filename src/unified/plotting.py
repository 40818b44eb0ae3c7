"""Plots of learning curves for the callback `curve` and `unified plot`. NumPy and matplotlib are imported when a plot is drawn.

Only `Figure` and its Agg canvas are used, never `pyplot`: no global state, no display.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from unified.core.base.errors import plain

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Spread = Literal["range", "sd", "ci"]
SPREADS: dict[str, str] = {"range": "min to max", "sd": "± 1 sd", "ci": "95% CI of the mean"}

# Okabe and Ito's palette, distinguishable with any colour vision and, in this order, in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INK, FAINT, GRID = "#222222", "#8a8a8a", "#e4e4e4"

#: Axis labels of metrics.
NAMES = {"return": "episode return", "r2": "R²"}


def rows_of(rows: Iterable[Mapping[str, Any]], kind: str, needs: str = "") -> list[Mapping[str, Any]]:
    """The rows of one kind with a finite `needs`, by frames; the later of two rows at the same frames is used.

    By default `needs` is the primary metric: the return, or the value of ``metric``.
    """
    kept = {}
    for row in rows:
        number = row.get(needs or row.get("metric", "return"))
        if row.get("kind") == kind and isinstance(number, int | float) and math.isfinite(number):
            kept[row["frames"]] = row
    return [kept[frames] for frames in sorted(kept)]


@dataclass(frozen=True)
class Curve:
    """A mean with its spread, ``(T,)`` each.

    Args:
        label: Label in the legend.
        x: Frames, hours or updates.
        mean: Mean over seeds (or over reference runs).
        low: Lower edge of the band.
        high: Upper edge of the band.
        seeds: Number of curves.
        final: The last return of each seed.
        best: The best return of each seed.
        reference: Whether it is drawn dashed and grey.
    """

    label: str
    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seeds: int
    final: tuple[float, ...] = ()
    best: tuple[float, ...] = ()
    reference: bool = False


@dataclass
class Panel:
    """The axes of one task: a title and its curves."""

    title: str
    curves: list[Curve] = field(default_factory=list)
    metric: str = "return"


def band(values: np.ndarray, spread: Spread) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the band of `values` ``(seeds, T)``; no band for one seed."""
    import numpy as np

    mean, seeds = values.mean(axis=0), len(values)
    if seeds == 1:
        return mean, mean
    if spread == "range":
        return values.min(axis=0), values.max(axis=0)
    sd = values.std(axis=0, ddof=1)
    if spread == "ci":
        from scipy.stats import t

        sd = sd * t.ppf(0.975, seeds - 1) / np.sqrt(seeds)
    return mean - sd, mean + sd


def aggregate(label: str, curves: Sequence[tuple[Sequence[float], Sequence[float]]], spread: Spread = "range") -> Curve:
    """One curve from the ``(x, return)`` of several seeds.

    Seeds with evaluations at different times are interpolated to all times in the range that every seed has reached, so that
    a mean never changes because a seed is missing.
    """
    import numpy as np

    pairs = [(np.asarray(x, dtype=float), np.asarray(y, dtype=float)) for x, y in curves]
    final, best = tuple(float(y[-1]) for _, y in pairs), tuple(float(y.max()) for _, y in pairs)
    start, end = max(x[0] for x, _ in pairs), min(x[-1] for x, _ in pairs)
    grid = np.unique(np.concatenate([x for x, _ in pairs]))
    inside = grid[(grid >= start) & (grid <= end)]
    if len(inside) == 0:  # no common range: the longest range, with constant extrapolation
        inside = grid
    values = np.stack([np.interp(inside, x, y) for x, y in pairs])
    low, high = band(values, spread)
    return Curve(label, inside, values.mean(axis=0), low, high, len(pairs), final, best)


def thousands(number: float, _position: int | None = None) -> str:
    """An axis label: ``0``, ``20k``, ``1.5M``."""
    size = abs(number)
    if size >= 1e6:
        return f"{number / 1e6:g}M"
    return f"{number / 1e3:g}k" if size >= 1e3 else f"{number:g}"


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=144, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _dress(axes: Axes, x_label: str, y_label: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9, length=3, color=FAINT)
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _position=None: f"{number:,g}"))
    axes.set_xlabel(x_label, color=INK, fontsize=10)
    axes.set_ylabel(y_label, color=INK, fontsize=10)


def _titles(axes: Axes, title: str, subtitle: str = "") -> None:
    """A bold title at the left with a grey subtitle."""
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=22 if subtitle else 8)
    if subtitle:
        axes.annotate(subtitle, (0, 1), (0, 7), xycoords="axes fraction", textcoords="offset points", fontsize=9, color=FAINT)


def run_figure(rows: Iterable[Mapping[str, Any]], title: str, subtitle: str = "", budget: float | None = None) -> Figure:
    """Plot one run: evaluation returns with their spread over episodes, and training returns in the background.

    Args:
        rows: The rows of ``metrics.jsonl``.
        title: For example the task.
        subtitle: Agent, seed, recipe.
        budget: Budget in frames, the end of the axis, so that the plot of an unfinished run shows its progress.
    """
    import numpy as np

    rows = list(rows)
    train, tested = rows_of(rows, "train"), rows_of(rows, "evaluate")
    figure = _figure(7.2, 4.2)
    axes = figure.subplots()
    metric = tested[-1].get("metric", "return") if tested else "return"
    _dress(axes, "frames", NAMES.get(metric, metric))
    _titles(axes, title, subtitle)
    if train:
        frames, returns = [row["frames"] for row in train], [row["return"] for row in train]
        axes.plot(
            frames,
            returns,
            color=FAINT,
            linewidth=1,
            alpha=0.55,
            marker="." if len(train) < 3 else None,
            label="training, with exploration",
        )
    if tested:
        x = np.array([row["frames"] for row in tested])
        mean = np.array([row[metric] for row in tested], dtype=float)
        sd = np.array([row.get(f"{metric}_sd") or 0.0 for row in tested], dtype=float)
        low = np.array([row.get(f"{metric}_min", row[metric]) for row in tested], dtype=float)
        high = np.array([row.get(f"{metric}_max", row[metric]) for row in tested], dtype=float)
        colour, episodes = COLOURS[0], {row.get("episodes") for row in tested}
        if (high > low).any():
            axes.fill_between(x, low, high, color=colour, alpha=0.10, linewidth=0, label="min to max")
            axes.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.22, linewidth=0, label="± 1 sd over episodes")
        of = f" of {episodes.pop()} episodes" if len(episodes) == 1 and None not in episodes else ""
        said = f"evaluation, mean{of}" if metric == "return" else "evaluation"
        axes.plot(x, mean, color=colour, linewidth=2, marker="o", markersize=3.5, label=said)
        axes.annotate(
            f"{mean[-1]:,.0f}" if abs(mean[-1]) >= 100 else f"{mean[-1]:.3g}",
            (x[-1], mean[-1]),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=10,
            fontweight="bold",
            color=colour,
        )
    if not train and not tested:
        axes.text(0.5, 0.5, "no episode has finished yet", transform=axes.transAxes, ha="center", color=FAINT)
        return figure
    last = max(row["frames"] for row in (*train, *tested))
    axes.set_xlim(0, max(last, budget or 0) * 1.06 or 1)
    axes.legend(loc="best", fontsize=8.5, frameon=False, labelcolor=INK)
    return figure


def compare_figure(panels: Sequence[Panel], x_label: str = "frames", spread: Spread = "range") -> Figure:
    """Plot one axes per task with mean and band over seeds of every group; references are dashed and grey."""
    columns = min(3, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure = _figure(7.2 if columns == 1 else 4.6 * columns, 4.2 if lines == 1 else 3.5 * lines)
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _dress(axes, x_label, NAMES.get(panel.metric, panel.metric))
        several = any(curve.seeds > 1 for curve in panel.curves)
        said = f"evaluation, mean over seeds; band: {SPREADS[spread]}" if several else f"evaluation {panel.metric}, one seed"
        _titles(axes, panel.title, said)
        colours = iter(COLOURS * (1 + len(panel.curves) // len(COLOURS)))
        for curve in panel.curves:
            colour = FAINT if curve.reference else next(colours)
            seeds = f" ({curve.seeds} seed{'s' if curve.seeds != 1 else ''})"
            axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.16, linewidth=0)
            style = {"linestyle": "--", "linewidth": 1.5} if curve.reference else {"linewidth": 2}
            marker = "o" if len(curve.x) < 30 and not curve.reference else None
            axes.plot(curve.x, curve.mean, color=colour, marker=marker, markersize=3, label=curve.label + seeds, **style)
        axes.set_xlim(left=0)
        axes.legend(loc="best", fontsize=8.5, frameon=False, labelcolor=INK)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write the figure atomically; its texts are no formulas. The suffix is the format (png, pdf, svg)."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(False)
        text.set_text(plain(text.get_text()))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        figure.savefig(temporary, format=path.suffix.lstrip(".") or "png")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
