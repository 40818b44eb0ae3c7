"""Time until the command line answers, beside the time Python needs to import the libraries it stands on."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from row import Row

UNIFIED = Path(sys.executable).with_name("unified")


_PLUGIN = """
from unified import AgentComponent, ArchitectureComponent, CallbackComponent, hookimpl

@hookimpl
def register_agents():
    yield AgentComponent("agent_{0}", "unified_plugin_{0}:Agent", summary="Of plugin {0}.")

@hookimpl
def register_architectures():
    yield ArchitectureComponent("net_{0}", "unified_plugin_{0}:Net", summary="Of plugin {0}.")

@hookimpl
def register_callbacks():
    yield CallbackComponent("callback_{0}", "unified_plugin_{0}:Callback", summary="Of plugin {0}.")
"""


def _install(site: Path, count: int) -> None:
    """Packages as pip leaves them, of three components each."""
    for number in range(count):
        (site / f"unified_plugin_{number}.py").write_text(_PLUGIN.format(number))
        info = site / f"unified_plugin_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: unified-plugin-{number}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[unified]\nplugin{number} = unified_plugin_{number}\n")


def _seconds(*command: str, path: str = "", times: int = 7) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": path})
        taken.append(time.perf_counter() - start)
    return sorted(taken)[times // 2]


def _row(name: str, ours: float, floor: float, target: float) -> Row:
    return Row(name, f"{ours:.2f} s", f"{floor:.2f} s (typer and pydantic)", f"{floor / ours:.2f}×", f"≤ {target} s")


def measure() -> list[Row]:
    floor = _seconds(sys.executable, "-c", "import typer, pydantic")
    rows = [
        _row(f"`unified {' '.join(arguments)}`", _seconds(str(UNIFIED), *arguments), floor, target)
        for arguments, target in ((("--help",), 0.2), (("plugins", "list"), 0.3))
    ]
    with tempfile.TemporaryDirectory() as site:
        _install(Path(site), 30)
        rows.append(_row("`unified plugins list` with 30 plugins", _seconds(str(UNIFIED), "plugins", "list", path=site), floor, 0.4))
    return rows
