"""Migrations of checkpoints: for each schema version one function that converts a state to the next version.

To change the content of checkpoints, raise `SCHEMA` and add the function that converts a state of the previous version to the new one.
The entries ``frames``, ``best``, ``replay`` and ``metrics_offset`` of a manifest are also read without a migration and keep their meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Version of new checkpoints.
SCHEMA = 2

#: The groups of a checkpoint by name, and its ``manifest``.
State = dict[str, Any]


def split_agent(state: State) -> State:
    """Version 1 to 2: the group ``agent`` becomes ``parameters`` and ``optimizer``; unfinished episodes get their lengths and states."""
    state = dict(state)
    agent = dict(state.pop("agent"))
    state["parameters"], state["optimizer"] = agent.pop("parameters"), agent
    collector = dict(state["collector"])
    if collector:  # empty for a data set
        environments = dict(collector["environments"])
        added = [{"length": len(lane["actions"]), "state": None, "rebuildable": True} for lane in environments["lanes"]]
        environments["lanes"] = [more | lane for lane, more in zip(environments["lanes"], added, strict=True)]
        state["collector"] = collector | {"environments": environments}
    return state


#: Version -> the function that converts it to the next one.
MIGRATIONS: dict[int, Callable[[State], State]] = {1: split_agent}


def migrate(state: State, version: int) -> State:
    """Convert the state of a checkpoint of an older version to `SCHEMA`.

    Args:
        state: All groups by name, and the manifest as ``manifest``.
        version: Version of the state.

    Raises:
        KeyError: If the state lacks a key that its version has.
    """
    for number in range(version, SCHEMA):
        state = MIGRATIONS[number](state)
    return state
