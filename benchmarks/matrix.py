"""Every agent on every kind of task: ``python benchmarks/matrix.py [--seconds 60] [--only AGENT,TASK]`` prints a Markdown table.

Each cell is the plain command in a process of its own, on one thread: a minute of training, or less where the agent's settings for the task
end it before, then one judgement. What was found is kept (``runs/matrix/found-60.json``), so that an interrupted table goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unified import units
from unified.core.registry import CORE, registry

#: The built-in agents, the floor first.
AGENTS = sorted((each.name for each in registry().all("agents") if each.origin.provider == CORE), key=lambda name: (name != "random", name))
#: What follows ``--suite``, by the kind of task.
TASKS = {
    "discrete control": ("gym:CartPole-v1",),
    "continuous control": ("gym:Pendulum-v1",),
    "pixels": ("dmc:cartpole_balance", "suite.size=32"),
    "few pixels": ("./benchmarks/catch.py:Catch",),  # a file of this repository, which is where all is typed
    "classify": ("digits",),
    "regress": ("diabetes",),
    "generate": ("digits", "suite.task_type=generate"),
}
#: The agent that learns nothing: it needs no minute, and all others stand beside it.
FLOOR = "random"
QUIET = ("callbacks=[]", "evaluate.every=0", "checkpoint.every=0")
#: Where it is typed.
REPOSITORY = Path(__file__).resolve().parents[1]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

Found = dict[str, Any]


def plain(agent: str, task: str) -> list[str]:
    """What a person types after ``unified``."""
    return ["train", "--agent", agent, "--suite", *TASKS[task]]


def measure(agent: str, task: str, seconds: float, root: Path) -> Found:
    """One cell: what it was judged by and how far it came, or why it was refused.

    Raises:
        RuntimeError: If the run failed.
    """
    experiment = f"{agent}-{task}-{seconds:g}".replace(" ", "-")
    budget = "train.frames=1000" if agent == FLOOR else f"train.hours={seconds / 3600:.6f}"
    words = [*plain(agent, task), budget, *QUIET, f"experiment={experiment}", f"root={root.absolute()}"]
    start, environment = time.perf_counter(), {**os.environ, **ONE_THREAD}
    done = subprocess.run(
        [sys.executable, "-m", "unified", *words], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if done.returncode == 2:
        return {"refused": reason(done.stderr)}
    if done.returncode:
        raise RuntimeError(f"unified {' '.join(words)}: exit code {done.returncode}\n{done.stderr}")
    (metrics,) = (root / experiment).rglob("metrics.jsonl")
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    last = next(row for row in reversed(rows) if row["kind"] == "evaluate")
    metric, score, deviation = units.scored(last)
    took = time.perf_counter() - start
    return {"metric": metric, "score": score, "sd": deviation, "frames": last["frames"], "updates": last["updates"], "seconds": took}


def reason(said: str) -> str:
    """What a refused command printed, in one line.

    >>> reason("error: no    try this   (from the command line)\\n")
    'no; try this'
    """
    line = next(line for line in said.splitlines() if line.startswith("error: "))
    told = [part for part in line.removeprefix("error: ").split("   ") if part.strip() and not part.strip().startswith("(from ")]
    return "; ".join(part.strip() for part in told)


def key(agent: str, task: str) -> str:
    return " ".join(plain(agent, task))


def table(found: Mapping[str, Found]) -> str:
    """The matrix of what was found so far, in Markdown; beside each score, what the floor reached."""
    heads = [f"{task}<br>`{' '.join(words)}`" for task, words in TASKS.items()]
    lines = [f"| agent | {' | '.join(heads)} |", f"|---|{'---|' * len(TASKS)}"]
    notes: dict[str, int] = {}
    for agent in AGENTS:
        lines.append(f"| {agent} | {' | '.join(cell(found, agent, task, notes) for task in TASKS)} |")
    return "\n".join([*lines, *([""] if notes else []), *(f"[^{number}]: {text}" for text, number in notes.items())])


def cell(found: Mapping[str, Found], agent: str, task: str, notes: dict[str, int]) -> str:
    """One cell; why it was refused becomes a footnote."""
    here, floor = found.get(key(agent, task)), found.get(key(FLOOR, task), {})
    if here is None:
        return ""
    if "refused" in here:
        return f"–[^{notes.setdefault(here['refused'], len(notes) + 1)}]"
    score = f"{here['metric']} {units.spread(here['score'], here['sd'])}"
    return score if agent == FLOOR or "score" not in floor else f"{score} ({FLOOR} {units.value(floor['score'])})"


def wanted(only: str | None) -> list[tuple[str, str]]:
    """The cells that were asked for; a task by its kind or by its suite, either side alone for a row or a column."""
    cells = [(agent, task) for agent in AGENTS for task in TASKS]
    if only is None:
        return cells
    words = [word.strip() for word in only.split(",")]
    chosen = [(agent, task) for agent, task in cells if all(word in (agent, task, TASKS[task][0]) for word in words)]
    return chosen or sys.exit(f"no cell {only}: agents {', '.join(AGENTS)}; tasks {', '.join(TASKS)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of training in each cell")
    parser.add_argument("--only", help="AGENT,TASK: dqn,classify or dqn or digits")
    parser.add_argument("--root", type=Path, default=Path("runs/matrix"), help="where runs and what was found are kept")
    said = parser.parse_args()
    kept = said.root / f"found-{said.seconds:g}.json"
    found: dict[str, Found] = json.loads(kept.read_text()) if kept.exists() else {}
    failed = []
    for agent, task in wanted(said.only):
        if key(agent, task) in found:
            continue
        try:
            found[key(agent, task)] = measure(agent, task, said.seconds, said.root)
        except RuntimeError as error:
            failed.append(str(error))
            continue
        print(f"{key(agent, task)}: {found[key(agent, task)]}", file=sys.stderr, flush=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found, indent=1))
    print(table(found))
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
