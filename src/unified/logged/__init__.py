"""Logged data sets of other libraries, as replays to learn from: ``replay.load=minari:NAME``, ``d4rl:FILE.hdf5``, ``lerobot:DIRECTORY``.

Imports nothing but the standard library, so that a wrong name is answered before torch, or a library that reads, is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from unified.core.base.errors import Problem, UsageError

if TYPE_CHECKING:
    from unified.logged.episodes import LoggedData

#: Distribution whose extras install what reads a format.
DISTRIBUTION = "unified-ml"


@dataclass(frozen=True)
class Format:
    """A format of logged data.

    Args:
        module: Has `open_data`, which takes the name, and `check`, which raises a `UsageError` for a wrong one.
        needs: Modules that read it.
        extra: Extra of this package that installs them.
        suffixes: Ends of the names of its files, which need no ``d4rl:``.
    """

    module: str
    needs: tuple[str, ...]
    extra: str
    suffixes: tuple[str, ...] = ()


#: By the word before the colon.
FORMATS = {
    "minari": Format("unified.logged.minari", ("minari", "h5py"), "minari"),
    "d4rl": Format("unified.logged.d4rl", ("h5py",), "d4rl", (".hdf5", ".h5")),
    "lerobot": Format("unified.logged.lerobot", ("pyarrow",), "lerobot"),
}


def parsed(text: str) -> tuple[str, str] | None:
    """Format and name of ``minari:NAME`` or of a file with the suffix of a format; ``None`` for the name of a replay.

    >>> parsed("minari:mine/pendulum-v0"), parsed("data/pendulum.hdf5"), parsed("teacher")
    (('minari', 'mine/pendulum-v0'), ('d4rl', 'data/pendulum.hdf5'), None)
    """
    word, colon, name = text.partition(":")
    if colon and word in FORMATS:
        return word, name
    return next(((word, text) for word, known in FORMATS.items() if known.suffixes and text.lower().endswith(known.suffixes)), None)


def check(text: str, option: str = "replay.load") -> None:
    """Check that logged data can be read.

    Args:
        text: As `parsed` takes it.
        option: Option that names it, for messages.

    Raises:
        UsageError: If a library is missing, or there is no such data.
    """
    found = parsed(text)
    assert found is not None
    word, name = found
    known = FORMATS[word]
    if missing := [module for module in known.needs if find_spec(module) is None]:
        what = f"{option}={text}: reading {word} needs {' and '.join(missing)}, not installed here"
        raise UsageError(Problem(what, f"pip install '{DISTRIBUTION}[{known.extra}]'"))
    if not name:
        raise UsageError(Problem(f"{option}={text} names no data", f"{option}={word}:NAME"))
    try:
        import_module(known.module).check(name)
    except UsageError as error:
        raise UsageError(*(Problem(f"{option}={text}: {each.message}", each.hint) for each in error.problems)) from error


def open_data(text: str) -> LoggedData:
    """The data of a name; nothing but its index is read.

    Raises:
        UsageError: See `check`.
    """
    check(text)
    found = parsed(text)
    assert found is not None
    word, name = found
    data: LoggedData = import_module(FORMATS[word].module).open_data(name)
    return data


def is_file(path: Path) -> bool:
    """Whether a path is a file; ``False`` for names that cannot be one."""
    try:
        return path.is_file()
    except OSError:
        return False
