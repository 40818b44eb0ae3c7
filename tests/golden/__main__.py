"""``python -m golden check [NAME…]`` and ``freeze [NAME…]``; see `golden.runs`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

from golden.runs import GOLDEN, RENAMED, Golden, compare, elsewhere, expected, trained, write


def check(golden: Golden, root: Path) -> bool:
    """Whether it is as it was frozen, or cannot be compared here; prints which."""
    try:
        found, frozen = trained(golden, root), expected(golden)
    except AssertionError as error:
        print(f"  the resumed run is another one: {error}")
        return False
    if reason := elsewhere(frozen, found):
        print(f"  resumed is straight; not compared with what is frozen ({reason})")
        return True
    lines = compare(frozen, found, RENAMED)
    print("\n".join(f"  {line}" for line in lines) or "  the same")
    return not lines


def freeze(golden: Golden, root: Path) -> bool:
    """Write what is found."""
    write(golden, trained(golden, root))
    print("  frozen")
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m golden", description="Check or freeze the golden runs.")
    parser.add_argument("command", choices=("check", "freeze"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(golden.name for golden in GOLDEN)}; all if none is named")
    asked = parser.parse_args()
    if unknown := {*asked.names} - {golden.name for golden in GOLDEN}:
        parser.error(f"there is no golden run {', '.join(sorted(unknown))}")
    good = True
    for golden in GOLDEN:
        if asked.names and golden.name not in asked.names:
            continue
        start = time.process_time()
        print(golden.name, flush=True)
        with tempfile.TemporaryDirectory() as root:
            good &= (check if asked.command == "check" else freeze)(golden, Path(root))
        print(f"  {time.process_time() - start:.1f} s of processor time", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
