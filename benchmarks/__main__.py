"""``python -m benchmarks [name …]``: every table of numbers, each a ratio against a side measured in the same run.

`control` and `data` are measured beside other libraries: ``pip install stable-baselines3 opencv-python-headless lightning``.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

NAMES = ("update", "replay", "rendering", "endtoend", "checkpoint", "startup", "vector", "control", "data")
#: Whose versions are told, where they are installed.
SAID = ("torch", "numpy", "gymnasium", "stable-baselines3", "lightning")


def machine() -> str:
    """What the numbers are of."""
    import torch

    versions = []
    for name in SAID:
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
                print(f"| {row.what} | {row.ours} | {row.theirs} | {row.ratio} | {row.wanted} |", flush=True)
        except NotInstalled as error:
            left_out.append(f"{name}: {error}")
    if left_out:
        sys.exit("\n".join(left_out))


if __name__ == "__main__":
    main(sys.argv[1:])
