"""Time until the command line answers, beside the time Python needs to import the libraries it stands on."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from row import Row

UNIFIED = Path(sys.executable).with_name("unified")


def _seconds(*command: str, times: int = 7) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
    return sorted(taken)[times // 2]


def measure() -> list[Row]:
    floor = _seconds(sys.executable, "-c", "import typer, pydantic")
    rows = []
    for arguments, wanted in ((("--help",), 0.2), (("plugins", "list"), 0.3)):
        ours = _seconds(str(UNIFIED), *arguments)
        name = f"`unified {' '.join(arguments)}`"
        rows.append(Row(name, f"{ours:.2f} s", f"{floor:.2f} s (typer and pydantic)", f"{floor / ours:.2f}×", f"≤ {wanted} s"))
    return rows
