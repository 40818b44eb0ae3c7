"""``python -m attack COMMAND [--seed N] [--count N]``; see `attack`."""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

#: Command -> a module with a function ``attack`` (`common.Attack`), or with a ``main`` that has options of its own.
ATTACKS = {
    "faults": "attack.faults",
    "flips": "attack.flips",
    "fuzz": "attack.fuzz",
    "hostile_run": "attack.hostile_run",
    "kills": "attack.kills",
    "worlds": "attack.worlds",
}


def main() -> int:
    if len(sys.argv) > 1 and sys.argv[1] in ATTACKS:
        module = importlib.import_module(ATTACKS[sys.argv[1]])
        if hasattr(module, "main"):
            return int(module.main(sys.argv[2:]) or 0)
    parser = argparse.ArgumentParser(prog="python -m attack", description="Attack runs, and count the cases that hold.")
    parser.add_argument("command", choices=ATTACKS)
    parser.add_argument("--seed", type=int, default=1, help="of the choice of cases")
    parser.add_argument("--count", type=int, default=50, help="number of cases; 0 for all")
    asked = parser.parse_args()
    attack = importlib.import_module(ATTACKS[asked.command]).attack
    held = total = 0
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="attack-") as work:
        for name, failure in attack(asked.seed, asked.count, Path(work)):
            total, held = total + 1, held + (not failure)
            if failure:
                print(f"{name}: {failure}", flush=True)
            if total % 100 == 0:
                print(f"{asked.command}: {held} of {total} so far", file=sys.stderr, flush=True)
    print(f"{asked.command}: {held} of {total} hold (seed {asked.seed}, {time.monotonic() - start:.0f} s)")
    return 0 if held == total else 1


if __name__ == "__main__":
    sys.exit(main())
