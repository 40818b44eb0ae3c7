"""A fault at the n-th operation on a file of a run: the process is killed, the disk is full, or the disk fails."""

from __future__ import annotations

import errno
import fnmatch
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attack import common

#: Functions of `os` without an audit event, with the number of the argument that is a descriptor.
WRAPPED = ("fsync", "pwrite", "ftruncate", "write")
EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.truncate", "os.listdir", "os.scandir", "shutil.rmtree")
ACTIONS = ("kill", "enospc", "eio")


@dataclass
class Fault:
    """Counts the operations on files below ``runs``, and strikes once.

    Args:
        action: One of `ACTIONS`.
        number: Operation to strike at, counted from 1; 0 only counts.
        pattern: Pattern of the paths that count.
        lasting: Whether all later operations that write fail too, as on a full disk.
    """

    action: str
    number: int
    pattern: str = "*"
    lasting: bool = False
    seen: list[str] = field(default_factory=list)

    def install(self) -> None:
        """Strike in this process from now on."""
        self._here = os.getcwd()
        sys.addaudithook(self._audited)
        for name in WRAPPED:
            setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS:
            path = arguments[0] if not isinstance(arguments[0], int) else os.readlink(f"/proc/self/fd/{arguments[0]}")
            self._passing(event, os.fsdecode(path))

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(descriptor: int, *arguments: Any) -> Any:
            self._passing(f"os.{name}", os.readlink(f"/proc/self/fd/{descriptor}"))
            return real(descriptor, *arguments)

        return wrapped

    def _passing(self, operation: str, path: str) -> None:
        absolute = os.path.normpath(os.path.join(self._here, path))
        below = os.path.relpath(absolute, self._here)
        if below.split(os.sep)[0] != "runs" or not fnmatch.fnmatch(f"/{below}", self.pattern):
            return
        self.seen.append(f"{operation} {below}")
        due = len(self.seen) == self.number
        if self.lasting and 0 < self.number < len(self.seen):
            due = operation not in ("open", "os.listdir", "os.scandir", "os.remove", "os.rmdir", "shutil.rmtree")
        if not due:
            return
        if self.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        number = errno.ENOSPC if self.action == "enospc" else errno.EIO
        raise OSError(number, os.strerror(number), path if operation in EVENTS else None)


def operations(work: Path) -> list[str]:
    """The operations of the whole run, in order."""
    place, listed = work / "counted", work / "operations"
    place.mkdir()
    fault = Fault("enospc", 0)

    def count() -> None:
        try:
            common.train(before=fault.install)()
        finally:
            os.writev(os.open(listed, os.O_WRONLY | os.O_CREAT), ["\n".join(fault.seen).encode()])

    ended = common.forked(count, place, 120.0)
    assert ended.status == 0, ended.text
    return listed.read_text().splitlines()


def attack(seed: int, count: int, work: Path) -> Iterator[common.Outcome]:
    """A fault at some of the operations of a run, which is then resumed and must become what it is without the fault."""
    common.warm(*common.EVERYTHING)
    expected = common.straight(work)
    found = operations(work)
    cases = [(action, number) for number in range(1, len(found) + 1) for action in ACTIONS]
    random.Random(seed).shuffle(cases)
    for action, number in cases[: count or None]:
        lasting = action == "enospc" and number % 2 == 1
        name = f"{action}{' from then on' if lasting else ''} at {number} of {len(found)} ({found[number - 1]})"
        place = work / f"{action}-{number}"
        place.mkdir()
        yield name, _case(Fault(action, number, lasting=lasting), place, expected)
        shutil.rmtree(place)


def _case(fault: Fault, place: Path, expected: Path) -> str:
    first = common.forked(common.train(before=fault.install), place)
    if first.fault:
        return first.fault
    if fault.action == "kill" and first.status != -signal.SIGKILL:
        return f"it was not killed but ended with {first.status}"
    if fault.action != "kill" and first.status == 1:
        return f"exit code 1: {first.text[-300:]}"
    listed = common.forked(common.unified("runs", "list"), place)
    if listed.fault or listed.status:
        return f"runs list: {listed.fault or listed.text[-300:]}"
    again = common.forked(common.train(), place)
    if again.fault or again.status:
        return f"the same command again: {again.fault or again.text[-300:]}"
    if differs := common.same(expected, place):
        return f"it becomes another run: {differs}"
    if not (place / "runs/replays/end/index.json").is_file():
        return "the saved replay is missing"
    return ""
