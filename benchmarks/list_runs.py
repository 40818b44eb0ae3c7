"""What grows: the list of 1,000 runs of 1M frames, many environments in processes, and 100 callbacks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from row import Row

#: Runs, their frames, and the defaults of ``train.log_every`` and ``evaluate.every``.
RUNS, FRAMES, LOG, EVALUATE = 1000, 1_000_000, 1000, 10_000
CALLBACKS = 100


def make_root(root: Path, count: int = RUNS, frames: int = FRAMES) -> None:
    """A root with `count` runs, each with the rows and events that training for so many frames writes; all copies of the first."""
    from unified.core.config.compose import compose
    from unified.core.runs.run import Run

    first = Run.create_or_open(compose(["agent=drqv2", "suite=dmc:walker_walk", f"root={root}"]))
    losses = dict.fromkeys(("critic_loss", "critic_target", "actor_loss", "entropy", "q", "grad_norm", "return", "return_sd"), 0.123456789)
    first.event("start", sources={}, frames=0)
    for now in range(LOG, frames + 1, LOG):
        counts = {"frames": now, "steps": now // 2, "updates": now // 4}
        first.log({"kind": "train", **counts, "episodes": now // 1000, **losses})
        share = {"collect": 0.31, "update": 0.52, "evaluate": 0.1, "checkpoint": 0.01, "sample": 0.06}
        speeds = {"frames_per_s": 312.5, "updates_per_s": 78.1, "elapsed_s": now / 312.5, "left_s": (frames - now) / 312.5, "share": share}
        replay = {"replay_steps": now // 2, "replay_bytes": now << 13, "checkpoint_age_s": 12.3, "restarts": 0, "failed_episodes": 0}
        first.event("speed", frames=now, **speeds, **replay)
        if now % EVALUATE == 0:
            row = {"kind": "evaluate", **counts, "return": now / 1100, "return_sd": 12.5, "return_min": 1.0, "return_max": 2.0}
            first.log({**row, "length": 500.0, "episodes": 10})
            event = {**row, "length": 500.0, "episodes": 10, "elapsed_s": now / 312.5, "seconds": 9.8, "best_score": now / 1100}
            first.event("evaluate", **event)
            first.event("checkpoint", frames=now, seconds=0.7, best=True)
    first.event("finish", frames=frames, steps=frames // 2, updates=frames // 4, elapsed_s=frames / 312.5)
    for seed in range(2, count + 1):
        shutil.copytree(first.path, first.path.with_name(f"seed-{seed}"))


def _seconds(work: Callable[[], object], times: int = 3, timer: Callable[[], float] = time.perf_counter) -> float:
    taken = []
    for _ in range(times):
        start = timer()
        work()
        taken.append(timer() - start)
    return min(taken)


def _listing() -> Row:
    from unified.cli.records import records

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "runs"
        make_root(root)
        size = sum(path.stat().st_size for path in root.rglob("*.jsonl"))
        words = ["runs", "list", "--root", str(root), "--json"]
        command = [sys.executable, "-m", "unified", *words]
        ours = _seconds(lambda: subprocess.run(command, check=True, capture_output=True, env=dict(os.environ)))
        theirs = _seconds(lambda: [(record.metrics, record.events) for record in records(root)], 1)
    what = f"`unified runs list`, {RUNS:,} runs of {FRAMES // 1_000_000}M frames ({size / 1e9:.1f} GB of rows)"
    return Row(what, f"{ours:.2f} s", f"{theirs:.1f} s (read every row)", f"{theirs / ours:.0f}×", "≤ 1 s")


def _callbacks() -> list[Row]:
    from unified.core.components.hookspecs import Callback
    from unified.core.trainer.callbacks import CallbackList, Participant

    class Logs(Callback):
        def on_log(self, row: object) -> None: ...

    class Updates(Callback):
        def after_update(self, metrics: object) -> None: ...

    def per_update(kind: type[Callback] | None) -> float:
        several = [Participant.of_callback(str(number), kind()) for number in range(CALLBACKS)] if kind else []
        hooks, calls = CallbackList(several, print), 2000

        def work() -> None:
            for _ in range(calls):
                hooks.call("before_update", run=None, trainer=None, batch=None)
                hooks.call("after_update", run=None, trainer=None, batch=None, metrics=None)

        return 1e6 * _seconds(work, timer=time.process_time) / calls

    none = per_update(None)
    return [
        Row(
            f"{CALLBACKS} callbacks with `{hook}`, per update",
            f"{ours:.1f} µs",
            f"{none:.1f} µs (no callback)",
            f"{ours - none:+.1f} µs",
            goal,
        )
        for hook, ours, goal in (("on_log", per_update(Logs), "≤ 1 µs more"), ("after_update", per_update(Updates), "≤ 100 µs"))
    ]


def _environments(count: int = 16, steps: int = 300) -> Row:
    """Processor time of a step of all environments, in this process and in those of the environments."""
    import numpy as np

    from unified.core.envs.suite_ref import SuiteReference
    from unified.core.envs.vector_env import WorkerVectorEnv

    def milliseconds(workers: int | None) -> float:
        reference = SuiteReference("unified.testing.environments:Counter", "counter", {"length": 1000})
        with WorkerVectorEnv(reference, count, 1, placement="process", workers=workers) as vector:
            vector.reset()
            actions = np.zeros((count, 1), np.float32)

            def seconds() -> float:
                stats = (Path(f"/proc/{process.pid}/stat").read_text().split() for process in vector._processes)
                ticks = sum(int(ticks) for stat in stats for ticks in stat[13:15])
                return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")

            before = seconds()
            for _ in range(steps):
                vector.step_async(actions)
                vector.step_wait()
            return 1e3 * (seconds() - before) / steps

    ours, theirs = milliseconds(None), milliseconds(count)
    what = f"{count} environments in processes, processor time of a step of all"
    return Row(what, f"{ours:.2f} ms", f"{theirs:.2f} ms (a process each)", f"{theirs / ours:.1f}×", "≥ 1.5×")


def measure() -> list[Row]:
    return [_listing(), _environments(), *_callbacks()]
