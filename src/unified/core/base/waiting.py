"""How the threads of a torch operation wait for each other. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

#: Turns of the waiting loop of GNU's OpenMP before a thread sleeps, 20 to 50 µs: about the time between two operations.
TURNS = "1000"


def wait_briefly(environ: MutableMapping[str, str] = os.environ) -> None:
    """Let waiting threads sleep after some microseconds, so that other processes do not slow a run down.

    By default they spin for milliseconds: on a busy machine, the spinning thread takes the core that the awaited thread needs. OpenMP reads
    these variables once, when torch is imported. No result depends on them. Values set by the user are not changed.
    """
    if "OMP_WAIT_POLICY" not in environ:
        environ["OMP_WAIT_POLICY"] = "passive"
        environ.setdefault("GOMP_SPINCOUNT", TURNS)
