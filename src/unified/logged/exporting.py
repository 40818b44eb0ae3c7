"""Saved replays as data sets of other libraries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space, Spec
from unified.core.replay.backing import RamBacking
from unified.core.replay.saved import load_saved
from unified.core.replay.saved_index import INDEX, read_index, spec_and_rows
from unified.core.replay.store import Column, Store
from unified.logged import DISTRIBUTION, FORMATS
from unified.logged.episodes import Array

if TYPE_CHECKING:
    from unified.core.components.descriptors import SuiteComponent
    from unified.logged.episodes import Units


@dataclass(frozen=True)
class Written:
    """A data set that was written.

    Args:
        name: Its name.
        directory: Where it lies.
        episodes: Number of its episodes.
        steps: Number of their steps.
        suite: The suite and task that it is of.
    """

    name: str
    directory: Path
    episodes: int
    steps: int
    suite: str


def to_minari(directory: Path, name: str = "") -> Written:
    """Write a replay as a data set of Minari, in the units of the environment; episodes that went on are truncated.

    Args:
        directory: Of the replay.
        name: Of the data set; by default after the run.

    Raises:
        UsageError: If Minari is missing, the name is taken, or nobody knows in which units the environment takes its actions.
    """
    if missing := [module for module in FORMATS["minari"].needs if find_spec(module) is None]:
        what = f"writing minari needs {' and '.join(missing)}, not installed here"
        raise UsageError(Problem(what, f"pip install '{DISTRIBUTION}[{FORMATS['minari'].extra}]'"))
    from unified.logged import minari

    index = read_index(directory)
    spec, _ = spec_and_rows(index, directory / INDEX)
    tree = _config_of(directory, index)
    name = name or _name_of(directory, tree)
    minari.check_new(name)
    component, task = _suite_of(tree, directory)
    units = component.load_units(spec)
    counts = {"episodes": 0, "steps": 0}
    columns = {column: Column(tuple(shape), dtype) for column, (shape, dtype) in index["cut"]["columns"].items()}
    _check_actions(columns["action"], spec.action)
    lanes = [head - tail for head, tail in zip(index["cut"]["head"], index["cut"]["tail"], strict=True)]
    store = Store(columns, max(max(lanes), 1) * len(lanes), len(lanes), RamBacking())
    load_saved(store, directory, 1)
    suite = f"{component.name}:{task}" if task else component.name
    about = {
        "algorithm_name": str(tree.get("agent", {}).get("name", "")).rpartition("/")[2],
        "description": f"a replay of unified on {suite}",
    }
    minari.write(name, _episodes(store, spec, units, counts), units.spaces(), units.environment(task), **about)
    return Written(name, minari.root() / name, counts["episodes"], counts["steps"], suite)


def _episodes(store: Store, spec: Spec, units: Units, counts: dict[str, int]) -> Iterator[dict[str, Any]]:
    """The episodes of a store as Minari's buffers have them; `counts` is filled on the way."""
    for env_id in range(store.num_envs):
        slots = np.arange(store.tail[env_id], store.head[env_id])
        if not len(slots):
            continue
        index = store.index(env_id, slots)
        ends = np.flatnonzero(store.data["last"][index])
        for first, end in zip(np.append(0, ends + 1)[: len(ends)], ends, strict=True):
            if first == end:
                continue
            rows, steps = index[first : end + 1], index[first:end]
            terminated = store.data["terminated"][steps]
            truncated = np.zeros(len(steps), bool)
            truncated[-1] = not terminated[-1]
            counts["episodes"], counts["steps"] = counts["episodes"] + 1, counts["steps"] + len(steps)
            yield {
                "observations": units.logged_observations({column: store.data[column][rows] for column in store.observations}),
                "actions": units.logged_actions(_of_task(store.data["action"][steps], spec.action)),
                "rewards": store.data["reward"][steps].astype(np.float64),
                "terminations": terminated,
                "truncations": truncated,
            }


def _check_actions(stored: Column, action: Space) -> None:
    if not action.discrete and np.dtype(stored.dtype).kind != "f":
        what = "its agent chose between a few numbers, and nobody knows from the replay which they were"
        raise UsageError(Problem(what, "a replay of an agent whose actions are numbers: sac, td3"))


def _of_task(stored: Array, action: Space) -> Array:
    """What the policy of an agent produced, as the task takes it."""
    if action.discrete:
        return stored.argmax(axis=-1) if stored.dtype.kind == "f" else stored
    return np.clip(stored, -1.0, 1.0).reshape(len(stored), *action.shape)


def _config_of(directory: Path, index: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the run that made a replay; empty if it is gone."""
    places = [directory.parent, *([Path(index["source"]).parent] if index.get("source") else [])]
    for place in places:
        try:
            tree = json.loads((place / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(tree, dict):
            return tree
    return {}


def _suite_of(tree: Mapping[str, Any], directory: Path) -> tuple[SuiteComponent, str]:
    from unified.core.components.descriptors import SuiteComponent
    from unified.core.registry import registry

    suite = tree.get("suite")
    if not isinstance(suite, dict) or not suite.get("name"):
        what = f"the run that made the replay in {directory} is gone, and with it how its environment takes actions"
        raise UsageError(Problem(what, "export a run, or a replay whose run is still there"))
    component = registry().get("suites", str(suite["name"]))
    assert isinstance(component, SuiteComponent)
    return component, str(suite.get("task") or "")


def _name_of(directory: Path, tree: Mapping[str, Any]) -> str:
    """``unified/EXPERIMENT-AGENT-TASK-SEED-v0`` of a run, ``unified/NAME-v0`` of a saved replay."""
    words = [directory.name]
    if directory.name == "replay":
        agent, suite = (tree.get(key) if isinstance(tree.get(key), dict) else {} for key in ("agent", "suite"))
        words = [str(tree.get("experiment", "")), str((agent or {}).get("name", "")).rpartition("/")[2], str((suite or {}).get("task", ""))]
        words += [f"seed-{tree.get('seed', 0)}"]
    plain = re.sub(r"[^\w]+", "-", "-".join(word for word in words if word and word != "default")).strip("-")
    return f"unified/{plain or 'data'}-v0"
