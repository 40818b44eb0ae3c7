"""Damage of one file of a stopped run: flipped bits, lost bytes, and something else in place of the file."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from attack import common


def flip(path: Path, random: random.Random) -> str:
    data = bytearray(path.read_bytes())
    if not data:
        return ""
    place, bit = random.randrange(len(data)), random.randrange(8)
    data[place] ^= 1 << bit
    path.write_bytes(data)
    return f"bit {bit} of byte {place}"


def zeros(path: Path, random: random.Random) -> str:
    data = bytearray(path.read_bytes())
    start = random.randrange(max(len(data) - 16, 1))
    block = data[start : start + 16]
    data[start : start + 16] = bytes(len(block))
    path.write_bytes(data)
    return f"zeros from byte {start}" if any(block) else ""


def truncate(path: Path, random: random.Random) -> str:
    size = path.stat().st_size
    if not size:
        return ""
    left = random.randrange(size)
    os.truncate(path, left)
    return f"cut to {left} of {size} bytes"


def delete(path: Path, random: random.Random) -> str:
    path.unlink()
    return "deleted"


def directory(path: Path, random: random.Random) -> str:
    path.unlink()
    path.mkdir()
    return "a directory"


def pipe(path: Path, random: random.Random) -> str:
    path.unlink()
    os.mkfifo(path)
    return "a pipe"


def link_out(path: Path, random: random.Random) -> str:
    shutil.move(path, "precious")
    path.symlink_to(Path("precious").absolute())
    return "a link to its content outside"


def link_to_device(path: Path, random: random.Random) -> str:
    path.unlink()
    path.symlink_to("/dev/zero")
    return "a link to /dev/zero"


DAMAGES: list[Callable[[Path, random.Random], str]] = [flip, flip, flip, zeros, truncate, delete, directory, pipe, link_out, link_to_device]


def attack(seed: int, count: int, work: Path) -> Iterator[common.Outcome]:
    """One damage of one file at a time; a resumed run becomes what it would be, or the damage is reported."""
    common.warm(*common.EVERYTHING)
    expected, source = common.straight(work), common.stopped(work)
    files = sorted(path.relative_to(source / common.RUN) for path in (source / common.RUN).rglob("*") if path.is_file())
    chance = random.Random(seed)
    cases = [(file, damage) for file in files for damage in DAMAGES]
    chance.shuffle(cases)
    for number, (file, damage) in enumerate(cases[: count or None]):
        with common.copied(source, work / f"case-{number}") as place:
            before, here = set(place.iterdir()), os.getcwd()
            os.chdir(place)
            try:
                what = damage(common.RUN / file, chance)
            finally:
                os.chdir(here)
            precious = place / "precious"
            content = precious.read_bytes() if precious.exists() else b""
            failure = _case(file, what, place, expected) if what else ""
            if precious.exists() and precious.read_bytes() != content:
                failure = f"{failure}; it wrote outside of the run".lstrip("; ")
            if set(place.iterdir()) - before - {precious}:
                failure = f"{failure}; there is something new outside of the run".lstrip("; ")
            yield f"{file}: {what or 'nothing to damage'}", failure


def _case(file: Path, what: str, place: Path, expected: Path) -> str:
    told = ""
    for words in (("runs", "list"), ("runs", "show", str(common.RUN))):
        looked = common.forked(common.unified(*words), place)
        if looked.fault or (words[1] == "list" and looked.status):
            return f"{' '.join(words[:2])}: {looked.fault or looked.text[-300:]}"
        told += looked.text
    resumed = common.forked(common.unified("resume", str(common.RUN)), place)
    if resumed.fault:
        return f"resume: {resumed.fault}"
    if resumed.status:
        return "" if resumed.status == 2 else f"resume: exit code {resumed.status}: {resumed.text[-300:]}"
    differs = common.same(expected, place)
    said = "warning" in resumed.text
    return f"silent, and the run becomes another one: {differs}" if differs and not said else ""
