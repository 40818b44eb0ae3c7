"""Seconds from the start of Python to 1,000 steps of training, compilers included: ours eager and compiled, Stable-Baselines3 and SBX.

Install the peers first: ``pip install stable-baselines3 sbx-rl``. A cold compilation starts with an empty cache of compiled updates.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping

from control import PEERS
from row import Row, printed, require

#: Task -> words of `ours.py`; a fifth of the steps comes before the first update.
TASKS = {
    "sac": ("SAC, gym:Pendulum-v1, 1,000 steps, 800 updates", 400, 600),
    "ppo": ("PPO, gym:CartPole-v1, 16,384 steps, 2,560 updates", 0, 16_385),
}


def measure() -> Iterator[Row]:
    """A row for each task and way to run it.

    Raises:
        NotInstalled: If a peer is not installed.
    """
    require(*PEERS.values())
    for name, (what, skip, count) in TASKS.items():
        peers = {peer: _seconds("reference/stable_baselines.py", module, name, skip, count) for peer, module in PEERS.items()}
        with tempfile.TemporaryDirectory() as cache:
            empty = {**os.environ, "XDG_CACHE_HOME": cache}
            ours = {
                "eager": _seconds("ours.py", name, skip, count, "compile=false"),
                "compiled, empty cache": _seconds("ours.py", name, skip, count, "compile=true", env=empty),
                "compiled, warm cache": _seconds("ours.py", name, skip, count, "compile=true", env=empty),
            }
        for label, seconds in ours.items():
            for peer, others in peers.items():
                yield Row(
                    f"first steps: {what}, {label}, beside {peer}", f"{seconds:.1f} s", f"{others:.1f} s", f"{others / seconds:.2f}×", ""
                )


def _seconds(program: str, *words: object, env: Mapping[str, str] | None = None) -> float:
    start = time.perf_counter()
    printed(program, *words, env=env)
    return time.perf_counter() - start
