"""Runs the real command line in processes of its own, on tasks small enough for a test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

#: A DrQ-v2 small enough for seconds, from the state or from little pictures.
TINY = [
    "agent.batch_size=16",
    "agent.hidden_dim=16",
    "agent.feature_dim=8",
    "agent.learning_starts=20",
    "agent.stddev=0.3",
    "train.log_every=40",
    "evaluate.every=120",
    "evaluate.episodes=1",
    "checkpoint.every=80",
    "callbacks=[]",
    "replay.capacity=2000",
]


#: Pendulum's episodes have 200 steps, cartpole's 500 of two frames: checkpoints come at 80, 160, … frames, in mid-episode.
STATE = ["train", "--agent", "drqv2", "--suite", "gym:Pendulum-v1", "train.frames=480", *TINY]
PIXELS = ["train", "--agent", "drqv2", "--suite", "dmc:cartpole_balance", "suite.size=24", "agent.pad=2", "train.frames=320", *TINY]

#: One thread: these networks are too small for two, and a busy machine punishes threads that wait for each other.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}

FAULTS = Path(__file__).parents[1] / "faults"


def environment(fault: str | None = None) -> dict[str, str]:
    """Environment variables of a process with a fault of the file system (`faults.injected.fault`), if there is to be one."""
    env = {**os.environ, **ONE_THREAD}
    if fault:
        env |= {"TEST_FAULT": fault, "PYTHONPATH": os.pathsep.join(filter(None, [str(FAULTS), env.get("PYTHONPATH")]))}
    return env


def saved(number: int) -> str:
    """The fault of a process that is killed when its n-th checkpoint has got its name."""
    return f"after-rename:*/checkpoints/[0-9]*@{number}:kill"


def command(*words: str) -> list[str]:
    """A command line in which a ``key=value`` word replaces earlier words of the same key, so that tests can add to words they share."""
    kept = list(words)
    for index in reversed(range(len(words))):
        keys = {word.partition("=")[0] for word in kept[index + 1 :] if "=" in word}
        if "=" in kept[index] and kept[index].partition("=")[0] in keys:
            del kept[index]
        elif kept[index].removeprefix("--") in keys and kept[index] in ("--agent", "--suite"):
            del kept[index : index + 2]
    return [sys.executable, "-m", "unified", *kept]


def unified(*words: str, cwd: Path, expect: int | None = 0, fault: str | None = None, timeout: float = 120.0) -> str:
    """Run a command to its end; returns what it printed."""
    done = subprocess.run(command(*words), cwd=cwd, env=environment(fault), capture_output=True, text=True, timeout=timeout)
    if expect is not None:
        assert done.returncode == expect, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def start(*words: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(command(*words), cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run_directory(root: Path) -> Path:
    """The one run below a working directory."""
    (config,) = (root / "runs").rglob("config.json")
    return config.parent


def wait_for(directory: Path, frames: int, timeout: float = 90.0) -> None:
    """Until metrics of so many frames are written."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if any(row["frames"] >= frames for row in rows(directory)):
            return
        time.sleep(0.02)
    raise AssertionError(f"no metrics of {frames} frames in {directory}")


def rows(directory: Path) -> list[dict[str, Any]]:
    files = list(directory.rglob("metrics.jsonl"))
    text = files[0].read_text() if files else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def events(directory: Path, name: str) -> list[dict[str, Any]]:
    lines = (directory / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == name]


def newest(directory: Path) -> Path:
    return max(path for path in (directory / "checkpoints").iterdir() if path.name.isdigit())


def result_of(directory: Path) -> dict[str, Any]:
    """Everything a run is, without its times: what two equal runs have in common, bit for bit."""
    checkpoint = newest(directory)
    trainer = json.loads((checkpoint / "trainer.json").read_text())
    return {
        "metrics": (directory / "metrics.jsonl").read_bytes(),
        "tensors": {path.name: path.read_bytes() for path in sorted(checkpoint.glob("*.safetensors"))},
        "agent": [(checkpoint / name).read_bytes() for name in ("parameters.json", "optimizer.json")],
        "collector": (checkpoint / "collector.json").read_bytes(),
        "trainer": without(trainer, "elapsed"),
        "replay": replay_of(directory, json.loads((checkpoint / "manifest.json").read_text())["replay"]),
    }


def without(tree: Any, key: str) -> Any:
    """The tree without the entries of this name, however it is tagged."""
    if isinstance(tree, dict):
        return {name: without(value, key) for name, value in tree.items() if name != key}
    if isinstance(tree, list):
        if len(tree) == 2 and tree[0] == key:
            return None
        return [without(value, key) for value in tree]
    return tree


def replay_of(directory: Path, cut: dict[str, Any]) -> dict[str, Any]:
    """The rows that a cut holds, however they were cut into files."""
    from unified.core.base.rng import Streams
    from unified.core.base.spec import Space, Spec
    from unified.core.replay.buffer import Replay
    from unified.core.replay.store import columns_of
    from unified.core.replay.views import Transitions

    if "rows" in cut:  # a data set
        return cut
    if "tasks" in cut:  # several suites: files are cut differently, the rows are compared by the batches that are drawn from them
        return {"tasks": [each.get("head", each) for each in cut["tasks"]]}
    manifest = json.loads((newest(directory) / "manifest.json").read_text())
    spec = Spec.from_json(manifest["spec"])
    columns = {name: Space(tuple(shape), kind) for name, (shape, kind) in cut["columns"].items()}
    extra = {name: space for name, space in columns.items() if name not in columns_of(spec.spaces, columns["action"])}
    replay = Replay(spec, Transitions(), 2000, len(cut["head"]), Streams(0), action=columns["action"], extra=extra)
    replay.restore(directory / "replay", cut)
    store = replay.store
    held = {}
    for lane in range(store.num_envs):
        for name, pieces in store.read(lane, int(store.tail[lane]), int(store.head[lane])).items():
            held[f"{lane}.{name}"] = b"".join(piece.tobytes() for piece in pieces)
    return {"held": held, "head": store.head.tolist(), "tail": store.tail.tolist()}


def assert_same(one: Path, other: Path, parts: Iterable[str] = ("metrics", "tensors", "agent", "collector", "trainer", "replay")) -> None:
    a, b = result_of(one), result_of(other)
    for part in parts:
        assert a[part] == b[part], f"{part} differs between {one} and {other}"


def kill_and_resume(words: Sequence[str], root: Path, fault: str = saved(2)) -> Path:
    """A run that kills itself at a fault and is gone on with by the same command; returns its directory."""
    unified(*words, cwd=root, fault=fault, expect=-signal.SIGKILL)
    directory = run_directory(root)
    before = len(events(directory, "resume"))
    unified(*words, cwd=root)
    assert len(events(directory, "resume")) == before + 1
    return directory


def killed_and_the_same(words: Sequence[str], root: Path) -> Path:
    """The run killed and resumed in mid-course is the uninterrupted one bit for bit; returns its directory."""
    for name in ("straight", "killed"):
        (root / name).mkdir()
    unified(*words, cwd=root / "straight")
    killed = kill_and_resume(words, root / "killed")
    assert events(killed, "restored")
    assert_same(run_directory(root / "straight"), killed)
    return killed
