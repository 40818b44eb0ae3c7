"""Format numbers with thousands separators, units and spread. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def count(number: float | None) -> str:
    """A whole number with thousands separators.

    >>> count(21400)
    '21,400'
    """
    return "?" if number is None else f"{int(number):,}"


def scored(row: Mapping[str, Any]) -> tuple[str, float, float | None]:
    """The primary metric of an evaluation row: name, value and spread (``None`` if it has none).

    >>> scored({"return": 3.0, "return_sd": 1.0}), scored({"metric": "accuracy", "accuracy": 0.98})
    (('return', 3.0, 1.0), ('accuracy', 0.98, None))
    """
    name = str(row.get("metric", "return"))
    return name, row[name], row.get(f"{name}_sd")


def result(row: Mapping[str, Any]) -> str:
    """The primary metric as text, and the share of successful episodes of a task that has it: ``return 950 ± 4``.

    >>> result({"return": -1.5, "return_sd": 0.5, "success": 0.975})
    'return -1.50 ± 0.50, success 98%'
    """
    name, value, sd = scored(row)
    return f"{name} {spread(value, sd)}{success(row)}"


def success(row: Mapping[str, Any]) -> str:
    """The share of successful episodes, to follow their return; empty if the task does not say which are.

    >>> success({"success": 1.0}), success({})
    (', success 100%', '')
    """
    return f", success {100 * row['success']:.0f}%" if "success" in row else ""


def duration(seconds: float | None) -> str:
    """A duration: minutes and seconds, hours, or days.

    >>> duration(370), duration(3725), duration(8), duration(200_000)
    ('6:10', '1:02:05', '0:08', '2 d 7 h')
    """
    if seconds is None or not math.isfinite(seconds):
        return "?"
    whole = max(0, int(seconds))
    if whole >= 2 * 86400:
        return f"{whole // 86400} d {whole % 86400 // 3600} h"
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def ago(seconds: float | None) -> str:
    """Elapsed time in one unit.

    >>> ago(40), ago(125), ago(7300), ago(200_000)
    ('40 s ago', '2 min ago', '2 h ago', '2 d ago')
    """
    if seconds is None or not math.isfinite(seconds):
        return "never"
    seconds = max(0.0, seconds)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def size(number_of_bytes: float | None) -> str:
    """Bytes in decimal units.

    >>> size(126_000_000), size(21.2e9), size(512)
    ('126 MB', '21.2 GB', '512 B')
    """
    if number_of_bytes is None:
        return "?"
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number_of_bytes >= unit:
            value = number_of_bytes / unit
            return f"{value:.1f} {name}" if value < 100 else f"{value:.0f} {name}"
    return f"{number_of_bytes:.0f} B"


def value(number: float | None) -> str:
    """A measured value with three significant digits.

    >>> value(402.31), value(14.62), value(0.5123), value(-1234.5), value(0.00001234), value(0)
    ('402', '14.6', '0.512', '-1,234', '1.23e-05', '0')
    """
    if number is None:
        return "?"
    if not math.isfinite(number):
        return str(number)
    size_of = abs(number)
    if size_of >= 100 or number == 0:
        return f"{number:,.0f}"
    if size_of >= 10:
        return f"{number:.1f}"
    return f"{number:.3g}" if size_of < 1 else f"{number:.2f}"


def spread(mean: float | None, sd: float | None) -> str:
    """A mean with its standard deviation, both at the mean's precision.

    >>> spread(402.3, 60.9), spread(-8.31, 0.52), spread(5.0, None)
    ('402 ± 61', '-8.31 ± 0.52', '5.00')
    """
    if mean is None or sd is None or not math.isfinite(sd):
        return value(mean)
    digits = 0 if max(abs(mean), sd) >= 100 else 1 if max(abs(mean), sd) >= 10 else 2
    return f"{mean:,.{digits}f} ± {sd:,.{digits}f}"


def share(fractions: Mapping[str, Any] | None) -> str:
    """Shares of wall time in a fixed order; ``env`` is the time that learning waited for environments.

    >>> share({"env": 0.05, "sample": 0.05, "update": 0.84, "other": 0.06})
    'env 5% · sample 5% · update 84% · other 6%'
    """
    fractions = fractions or {}
    order = [name for name in ("env", "sample", "update", "other") if name in fractions]
    order += [name for name in fractions if name not in order]
    return " · ".join(f"{name} {100 * float(fractions[name]):.0f}%" for name in order)
