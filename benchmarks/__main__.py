"""``python -m benchmarks [name …]``: every table of numbers, each a ratio against a side measured in the same run.

`hindsight`, `control`, `first` and `data` need other libraries: ``pip install stable-baselines3 sbx-rl opencv-python-headless lightning``;
`gpu` needs a GPU.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

NAMES = (
    "update",
    "compiled",
    "replay",
    "hindsight",
    "rendering",
    "endtoend",
    "checkpoint",
    "startup",
    "neighbours",
    "gpu",
    "vector",
    "simulations",
    "list_runs",
    "coverage",
    "control",
    "first",
    "data",
)
#: Packages whose versions are printed, where they are installed.
VERSIONS = ("torch", "numpy", "gymnasium", "stable-baselines3", "sbx-rl", "jax", "lightning")


def machine() -> str:
    """Cores, threads and versions."""
    import torch

    versions = []
    for name in VERSIONS:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, Python {sys.version.split()[0]}, {', '.join(versions)}"


def main(names: list[str]) -> None:
    if {"-h", "--help"} & set(names):
        sys.exit(print(__doc__))
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    from row import NotInstalled

    print(f"{machine()}\n")
    print("| measurement | unified | reference | ratio | target |\n|---|---|---|---|---|", flush=True)
    left_out = []
    for name in names or NAMES:
        try:
            for row in importlib.import_module(name).measure():
                print(f"| {row.what} | {row.ours} | {row.reference} | {row.ratio} | {row.target} |", flush=True)
        except NotInstalled as error:
            left_out.append(f"{name}: {error}")
    if left_out:
        sys.exit("\n".join(left_out))


if __name__ == "__main__":
    main(sys.argv[1:])
