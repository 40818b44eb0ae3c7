"""Environments that fail in every way that we know, each trained in this process and in one of its own.

    PYTHONPATH=tests python -m attack.worlds [--only NAME,NAME] [--placement inline|process] [--sample N --seed N]

Prints a table, and exits 1 if a run does something else than `badworld.Kind.expect` says, or leaves a traceback, control characters or
much text on the terminal, a process behind, or a run that cannot be resumed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from attack.badworld import KINDS, Kind

PLACES = ("inline", "process")
#: Seconds that a run may take; one that waits for a hanging environment takes most of them.
LIMIT = 150.0
#: Characters on the terminal, bytes of the environments' output, and growth of the trainer's memory in bytes.
SCREEN, LOG, GROWTH = 60_000, 1_000_000, 900_000_000
WORDS = (
    *("train", "-a", "dqn", "train.frames=120", "train.env_timeout=1.5", "train.max_failures=2", "train.log_every=40", "device=cpu"),
    *("evaluate.every=60", "evaluate.episodes=2", "checkpoint.every=40", "agent.batch_size=4", "agent.learning_starts=20"),
    *("agent.critic.hidden_dim=8", "callbacks=[console]"),
)


class Found:
    """What a run left."""

    def __init__(self, directory: Path, code: int, screen: str, seconds: float, memory: int) -> None:
        self.code, self.screen, self.seconds, self.memory = code, screen, seconds, memory
        self.left = left_behind(directory)
        self.run = next(iter(directory.glob("runs/**/config.json")), directory / "none").parent
        self.events = [json.loads(line) for line in self._text("events.jsonl").splitlines()]
        self.rows = [json.loads(line) for line in self._text("metrics.jsonl").splitlines()]
        self.checkpoints = len(list(self.run.glob("checkpoints/*")))
        self.log = (self.run / "environments.log").stat().st_size if (self.run / "environments.log").exists() else 0

    def _text(self, name: str) -> str:
        path = self.run / name
        return path.read_text() if path.exists() else ""

    @property
    def finished(self) -> bool:
        return bool(self.events) and self.events[-1]["event"] == "finish"

    @property
    def failures(self) -> int:
        return sum(event["event"] == "warning" and "discarded" in event["message"] for event in self.events)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the attack; returns the exit code."""
    parser = argparse.ArgumentParser(prog="attack worlds", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of kinds, with commas between them")
    parser.add_argument("--placement", choices=PLACES, help="one placement only")
    parser.add_argument("--sample", "--count", type=int, default=0, help="so many kinds, drawn with the seed; 0 for all")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(argv)
    names = chosen.only.split(",") if chosen.only else list(KINDS)
    if chosen.sample:
        names = random.Random(chosen.seed).sample(names, chosen.sample)
    held = True
    for place in (chosen.placement,) if chosen.placement else PLACES:
        held &= attack(names, place)
    return not held


def attack(names: Sequence[str], place: str) -> bool:
    """Train in each kind of environment; returns whether everything holds."""
    usual = trained("fine", place)
    count, impossible = 0, 0
    for name in names:
        kind = KINDS[name]
        expect = kind.expect if place == "process" or kind.inline is None else kind.inline
        if not expect:
            impossible += 1
            continue
        found = trained(name, place)
        wrong = [*verdict(kind, expect, found, usual)]
        count += not wrong
        print(f"{'holds' if not wrong else 'FAILS'}  {place:8}{name:26}{expect:10}{found.seconds:6.1f} s  {'; '.join(wrong)}", flush=True)
    tried = len(names) - impossible
    said = f"; {impossible} more cannot be isolated in the trainer's process, as the documentation says" if impossible else ""
    print(f"{place}: {count} of {tried} hold{said}", flush=True)
    return count == tried


def verdict(kind: Kind, expect: str, found: Found, usual: Found) -> list[str]:
    """What is wrong with a run."""
    wrong = []
    last = found.screen.strip().splitlines()[-1][:200] if found.screen.strip() else "nothing printed"
    if found.seconds >= LIMIT:
        wrong.append("it hangs")
    if "Traceback" in found.screen:
        wrong.append(f"traceback: {last}")
    if control := re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", found.screen):
        wrong.append(f"control character {control.group()!r} on the terminal")
    if len(found.screen) > SCREEN:
        wrong.append(f"{len(found.screen):,} characters on the terminal")
    if found.log > LOG:
        wrong.append(f"environments.log has {found.log:,} bytes")
    if found.memory - usual.memory > GROWTH:
        wrong.append(f"the trainer grew by {(found.memory - usual.memory) / 1e6:,.0f} MB")
    wrong += [f"process {number} is left" for number in found.left]
    if expect in ("trains", "loses", "finishes"):
        if found.code != 0 or not found.finished:
            wrong.append(f"exit {found.code}, {'' if found.finished else 'not '}finished: {last}")
        elif expect == "trains" and numbers(found) != numbers(usual):
            wrong.append("other numbers")
        elif expect == "loses" and not found.failures:
            wrong.append("no failure was counted")
    elif expect == "ends":
        if found.code != 2 or "of suite World failed in a row" not in found.screen or "unified resume" not in found.screen:
            wrong.append(f"exit {found.code}: {last}")
        elif not found.checkpoints:
            wrong.append("no checkpoint")
        elif not found.events or found.events[-1]["event"] not in ("stop", "checkpoint"):
            wrong.append("no stop was recorded")
    elif found.code not in (1, 2) or "error: " not in found.screen:
        wrong.append(f"exit {found.code}: {last}")
    return wrong


def numbers(found: Found) -> list[dict[str, Any]]:
    """The rows of metrics that a run without the fault has too."""
    return [{name: value for name, value in row.items() if name != "time"} for row in found.rows]


def trained(name: str, place: str) -> Found:
    """Train in a kind of environment, in a process of its own."""
    command = loaded()

    directory = Path(tempfile.mkdtemp(prefix="worlds-"))
    shutil.copy(Path(__file__).with_name("badworld.py"), directory / "badworld.py")
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            os.setpgid(0, 0)
            os.chdir(directory)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.environ |= {"BAD_WORLD": name, "BAD_WORLD_MARK": str(directory / "mark"), "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
            screen = os.open("screen", os.O_WRONLY | os.O_CREAT, 0o644)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(screen, 1)
            os.dup2(screen, 2)
            sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
            placed = f"train.env_backend={place}", f"train.num_envs={2 if place == 'inline' else 1}"
            command([*WORDS, "-s", "./badworld.py:World", *placed])
        except SystemExit as stop:
            sys.stdout.flush()
            os._exit(stop.code if isinstance(stop.code, int) else 99)
        except BaseException:
            traceback.print_exc()
            os._exit(98)
        os._exit(97)
    status, usage = 0, None
    while time.monotonic() - start < LIMIT:
        number, status, usage = os.wait4(child, os.WNOHANG)
        if number:
            break
        time.sleep(0.02)
    else:
        os.kill(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
    screen_text = (directory / "screen").read_text(errors="replace") if (directory / "screen").exists() else ""
    found = Found(directory, os.waitstatus_to_exitcode(status), screen_text, time.monotonic() - start, 1024 * usage.ru_maxrss)
    with suppress(ProcessLookupError):
        if KINDS[name].inline == "" and place == "inline":
            os.killpg(child, signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)
    return found


def loaded() -> Any:
    """The command line, with what a training imports: once, and not in every child."""
    for module in ("torch._dynamo", "unified.core.trainer.build", "unified.plugins.callbacks.console.callback", "rich.progress"):
        import_module(module)
    return import_module("unified.cli.main").main


def left_behind(directory: Path) -> list[int]:
    """Processes of an environment, by the directory in its mark; they are ended."""
    found, mark = [], f"BAD_WORLD_MARK={directory}/".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (entry / "environ").read_bytes() and (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                found.append(int(entry.name))
                os.kill(int(entry.name), signal.SIGKILL)
    return found


if __name__ == "__main__":
    sys.exit(main())
