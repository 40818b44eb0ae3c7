"""Permission to import code that a configuration names and that no installed plugin registers. Imports no torch.

A reference, ``./mine.py:MyAgent`` or ``package.module:Name``, runs code. It is admitted if the user types it or passes it from Python. A
recipe or a run is data of any origin: a `Gate` admits only the references that

- the user has named on this command line, or in this call from Python,
- the user has named when the run was started: the run's ``trust.json`` has a signature for each, made with a secret key of the user,
- the user trusts by ``--trust`` (``UNIFIED_TRUST=1``, ``trust=True``).

A signature covers the reference and not the content of a file, so that users can edit their files. Classes of ``torch.nn`` and
``torch.optim`` and the tasks of ``unified.testing`` are always admitted; other installed modules are not, since options pass arguments to
what is named (``subprocess:run``).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from unified.core.base import files
from unified.core.base.errors import NotTrusted, Problem, UsageError
from unified.core.components import importing
from unified.core.components.filters import TRUST_VARIABLE
from unified.core.components.import_paths import canonical, no_file, parse, shown

#: File of a run with the signatures of its references.
RECORD = "trust.json"
HINT = "read it; if you trust it, add  --trust   (in Python: trust=True)"
_HARMLESS = re.compile(r"torch\.(nn|optim):[A-Z]\w*|unified\.testing:(CartPoleWithoutVelocities|Mixed)")
_LARGEST = 1 << 20


def is_granted() -> bool:
    """Whether the user trusts all code that runs and recipes name."""
    return os.environ.get(TRUST_VARIABLE, "") not in ("", "0")


@contextmanager
def granted(trust: bool = True) -> Iterator[None]:
    """Trust all code within the context, in this process and in those that it starts, if `trust` is true."""
    before = os.environ.get(TRUST_VARIABLE)
    if trust:
        os.environ[TRUST_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is not None:
            os.environ[TRUST_VARIABLE] = before
        elif trust:
            os.environ.pop(TRUST_VARIABLE, None)


class Gate:
    """Admits the references of one configuration.

    Args:
        allowed: Canonical references that are admitted.

    Attributes:
        used: References that were admitted.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = set(allowed)
        self.used: set[str] = set()

    def admit(self, reference: str) -> None:
        """Admit a reference, or a module that a task names (``package:``).

        Raises:
            NotTrusted: If the user has not named it.
            UsageError: If it is a file that does not exist.
        """
        reference = _key(reference)
        if not _is_code(reference):
            return
        if not self.allows(reference):
            file = _file(reference)
            missing = file is not None and not file.is_file()
            raise UsageError(no_file(str(file), file)) if missing and file else NotTrusted(problem(reference))
        self.used.add(reference)

    def allows(self, reference: str) -> bool:
        """Whether it admits a canonical reference."""
        return reference in self._allowed or is_granted()


def problem(reference: str, source: str = "") -> Problem:
    """The refusal of a reference: what would run, and what to type."""
    file, content = _file(reference), ""
    with suppress(OSError):
        content = f" (sha256 {files.digest(file).sha256[:12]})" if file is not None and file.is_file() else ""
    hint = HINT if _secret() else f"{HINT}{_keyless()}"
    return Problem(f"{shown(reference) or reference} is code that you did not name yourself{content}", hint, source)


def names_an_object(reference: str) -> bool:
    """Whether a reference has an attribute: a path alone is probably no code, ``root: ./runs``."""
    parsed = parse(reference)
    return parsed is not None and bool(parsed.attribute)


def _file(reference: str) -> Path | None:
    parsed = parse(reference)
    return parsed.file if parsed is not None else None


def references(value: Any) -> set[str]:
    """The references in a value, at any depth: of texts, lists of texts, and Python objects."""
    if isinstance(value, str):
        return _in_text(value)
    if isinstance(value, Mapping):
        return {found for item in value.values() for found in references(item)}
    if isinstance(value, list | tuple):
        return {found for item in value for found in references(item)}
    if value is None or isinstance(value, bool | int | float | bytes):
        return set()
    from unified.core.components.fingerprint import reference_of

    reference = reference_of(value)
    return {reference} if reference else set()


def _in_text(text: str) -> set[str]:
    """The references of ``./mine.py:Mine``, ``[+./a.py:A,./b.py:B]``, ``./envs.py:Mazes:easy`` and ``gym:package:Id-v0``."""
    whole = () if text.lstrip().startswith("[") else (text,)
    names = [item.strip().strip("'\"").removeprefix("+").strip() for item in (*whole, *re.split(r"[\[\],]", text))]
    return {reference for name in names for reference in (*in_task(name), *(in_task(name.partition(":")[2])))}


def in_task(task: str) -> set[str]:
    """The code that a suite without a list of tasks may import for a task: ``package.module:Name``, or the module of ``package:Id-v0``.

    Python imports modules of any name, ``my-envs`` too: what stands before the first or the last colon may be one.
    """
    modules = {task.partition(":")[0], task.rpartition(":")[0]} - {""} if ":" in task else set()
    parsed = parse(task)
    found = {_key(task)} if parsed and parsed.place != importing.OBJECT else {f"{module}:" for module in modules}
    return {reference for reference in found if _is_code(reference)}


def _key(reference: str) -> str:
    """The canonical reference without the task of a suite."""
    parsed = parse(canonical(reference))
    if parsed is None or reference.endswith(":"):  # a name, or the module of a task
        return reference
    return f"{parsed.place}:{parsed.attribute}" if parsed.attribute else parsed.place


def _is_code(reference: str) -> bool:
    if reference.endswith(":"):
        return True
    parsed = parse(reference)
    return parsed is not None and parsed.place != importing.OBJECT and not _HARMLESS.fullmatch(reference)


# Signatures ---------------------------------------------------------------------------------------------------------------------


def sign(directory: Path, code: Iterable[str]) -> None:
    """Record in the directory of a run that this user has named these references."""
    new = set(code) - signed(directory)
    if not new or (secret := _secret(create=True)) is None:
        return
    record = _record(directory)  # other users of the directory have signatures of their own
    record |= {reference: [*record.get(reference, ()), _signature(secret, reference)] for reference in new}
    with suppress(OSError):  # a run that can only be read: it needs --trust the next time too
        files.replace(directory / RECORD, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())


def signed(directory: Path) -> set[str]:
    """The references that this user has named, by the record of a run."""
    secret = _secret()
    if secret is None:
        return set()
    pairs = ((reference, each) for reference, signatures in _record(directory).items() for each in signatures)
    return {
        reference
        for reference, each in pairs
        if hmac.compare_digest(each.encode("utf-8", "replace"), _signature(secret, reference).encode())
    }


def _record(directory: Path) -> dict[str, list[str]]:
    """The signatures of each reference; anything else in the file is ignored."""
    try:
        record = files.read_json(directory / RECORD, limit=_LARGEST)
    except (OSError, ValueError):
        return {}
    entries = record.items() if isinstance(record, dict) else ()
    return {
        name: [text for text in texts if isinstance(text, str) and text.isascii()] for name, texts in entries if isinstance(texts, list)
    }


def _signature(secret: bytes, reference: str) -> str:
    return hmac.new(secret, f"unified reference\0{reference}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _place() -> Path | None:
    """The file of the user's key."""
    home = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if not home.is_absolute():
        with suppress(RuntimeError):  # there is no home
            home = Path.home() / ".config"
    return home / "unified" / "key" if home.is_absolute() else None


def _secret(create: bool = False) -> bytes | None:
    """The user's key; ``None`` if there is none, or if others can read it."""
    place = _place()
    if place is None:
        return None
    with suppress(OSError, ValueError):
        if create and not place.exists():
            _create(place)
        state = place.stat()
        mine = state.st_uid == os.geteuid() and not stat.S_IMODE(state.st_mode) & 0o077
        if mine and len(key := files.read_file(place, 32, follow=True)) == 32:
            return key
    return None


def _create(place: Path) -> None:
    """Write a new key under its final name, unless another process does it first."""
    import tempfile

    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=place.parent)  # of mode 0600
    try:
        with open(handle, "wb") as file:
            file.write(os.urandom(32))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, place)
    finally:
        os.unlink(name)


def _keyless() -> str:
    """A sentence if runs cannot be signed, because the key cannot be stored."""
    place = _place()
    above = next((each for each in place.parents if each.exists()), None) if place else None
    if place is not None and not place.exists() and above is not None and above.is_dir() and os.access(above, os.W_OK):
        return ""
    return f"   (your own runs are not recognised, because the key cannot be stored in {place or 'a home directory'})"
