"""``python -m benchmarks [name …]``: every table of numbers, each a ratio against a side measured in the same run."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

NAMES = ("update", "replay", "rendering", "endtoend", "checkpoint", "startup", "control", "data")


def main(names: list[str]) -> None:
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
    print("| what | ours | beside | ratio | wanted |\n|---|---|---|---|---|", flush=True)
    for name in names or NAMES:
        for row in importlib.import_module(name).measure():
            print(f"| {row.what} | {row.ours} | {row.theirs} | {row.ratio} | {row.wanted} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
