"""Migrations of checkpoints: for each schema version one function that brings the state of a checkpoint to the next version.

To change what a checkpoint holds, raise `SCHEMA` and add the function that turns a state of the version before into one of the new version.
The entries ``frames``, ``best``, ``replay`` and ``metrics_offset`` of a manifest are also read without a migration and keep their meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: The version that is written.
SCHEMA = 2

#: The groups of a checkpoint by name, and its ``manifest``.
State = dict[str, Any]


def split_agent(state: State) -> State:
    """Version 1 to 2: the group ``agent`` becomes ``parameters`` and ``optimizer``; unfinished episodes get their lengths and states."""
    state = dict(state)
    agent = dict(state.pop("agent"))
    state["parameters"], state["optimizer"] = agent.pop("parameters"), agent
    collector = dict(state["collector"])
    if collector:  # empty where the rows are there already
        environments = dict(collector["environments"])
        added = [{"length": len(lane["actions"]), "state": None, "rebuildable": True} for lane in environments["lanes"]]
        environments["lanes"] = [lane | more for lane, more in zip(environments["lanes"], added, strict=True)]
        state["collector"] = collector | {"environments": environments}
    return state


#: Version -> the function that leads from it to the next one.
MIGRATIONS: dict[int, Callable[[State], State]] = {1: split_agent}


def migrate(state: State, version: int) -> State:
    """Bring the state of a checkpoint of an older version to `SCHEMA`.

    Args:
        state: All groups by name, and the manifest as ``manifest``.
        version: That it was written in.

    Raises:
        KeyError: If the state lacks a key that its version has.
    """
    for number in range(version, SCHEMA):
        state = MIGRATIONS[number](state)
    return state
