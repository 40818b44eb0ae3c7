"""Updates a second beside another process that takes all of a core that it gets, as a share of those of the run alone, on two cores.

The neighbour is stopped and continued in turns while one run trains, in a process of its own for each row. Processor time shows spinning
on a busy machine too: a thread that spins works and gets nothing done. The rows named "spinning" wait as GNU's OpenMP does by default.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import unified
from ours import QUIET, SETTINGS
from row import Rates, Row

TURNS, SECONDS, WARM_UP = 5, 3.0, 50
#: More than any run here reaches.
ENDLESS = 10**8
#: Recipe, values and target of each run.
CASES: dict[str, tuple[str, list[str], dict[str, Any], float]] = {
    "demo": ("make demo: DrQ-v2 from pixels", ["laptop"], {"train.frames": ENDLESS, "replay.capacity": 20_000}, 0.45),
    "sac": ("SAC, gym:Pendulum-v1", [], SETTINGS["sac"](400, ENDLESS), 0.45),
    "ppo": ("PPO, gym:CartPole-v1", [], SETTINGS["ppo"](0, ENDLESS) | {"agent.n_steps": 256}, 0.45),
}
#: How threads wait -> variables of the process.
WAITING = {"": {}, ", spinning": {"GOMP_SPINCOUNT": "300000"}}


def measure() -> Iterator[Row]:
    """A row for each run and way of waiting."""
    environ = {key: value for key, value in os.environ.items() if key not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")}
    for name, (what, _, _, target) in CASES.items():
        for label, waiting in WAITING.items():
            done = subprocess.run([sys.executable, __file__, name], env={**environ, **waiting}, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{__file__} {name}\n{done.stderr[-3000:]}")
            yield row(f"{what}{label}, beside a busy process", json.loads(done.stdout.splitlines()[-1]), target)


def row(what: str, turns: list[list[float]], target: float) -> Row:
    """Of turns: updates a second alone and beside, milliseconds of processor time of an update alone and beside."""
    alone, beside, cost_alone, cost_beside = map(list, zip(*turns, strict=True))
    text = "{:,.3g} updates/s, {:.3g} ms of processor time each".format
    ours, reference = text(median(beside), median(cost_beside)), text(median(alone), median(cost_alone))
    return Row(what, ours, reference, Rates(beside, alone).ratio_text(), f"≥ {target:g}×")


class Turns:
    """Measures a run, alone and beside a neighbour in turns."""

    def __init__(self, neighbour: int) -> None:
        self.neighbour, self.rates, self.costs, self.start = neighbour, list[float](), list[float](), 0.0

    @unified.hookimpl
    def after_update(self, trainer: Any) -> None:
        now = time.perf_counter()
        if len(self.rates) == 2 * TURNS or trainer.clock.updates < WARM_UP:
            return
        if self.start and now - self.start >= SECONDS:
            count = trainer.clock.updates - self.count
            self.rates.append(count / (now - self.start))
            self.costs.append(1e3 * (time.process_time() - self.processor) / count)
            os.kill(self.neighbour, signal.SIGCONT if len(self.rates) % 2 else signal.SIGSTOP)
            if len(self.rates) == 2 * TURNS:
                signal.raise_signal(signal.SIGTERM)  # ends the run
        if not self.start or now - self.start >= SECONDS:
            self.start, self.processor, self.count = time.perf_counter(), time.process_time(), trainer.clock.updates


def main(name: str) -> None:
    """Print the turns of a run."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    os.kill(neighbour.pid, signal.SIGSTOP)
    turns, (_, recipes, values, _) = Turns(neighbour.pid), CASES[name]
    try:
        with tempfile.TemporaryDirectory() as root:
            unified.train(recipes=recipes, config={**QUIET, **values, "root": str(Path(root))}, callbacks=[turns])
    except unified.UnifiedError as stopped:
        if len(turns.rates) < 2 * TURNS:
            raise stopped
    finally:
        neighbour.kill()
    print(json.dumps([*zip(turns.rates[::2], turns.rates[1::2], turns.costs[::2], turns.costs[1::2], strict=True)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
