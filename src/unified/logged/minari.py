"""Data sets of Minari that lie on this machine, and replays as such data sets. Source: https://minari.farama.org.

An episode of T steps has T + 1 observations there too, and terminations and truncations are apart, so that nothing is lost either way.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unified.core.base.errors import Problem, UsageError
from unified.core.base.suggest import did_you_mean
from unified.logged.episodes import Array, LoggedData, Observations, Piece

#: ``[NAMESPACE/]NAME-vN``.
_ID = re.compile(r"([\w-]+/)*[\w-]+-v\d+")


def root() -> Path:
    """The directory of Minari's data sets, by its own rule."""
    return Path(os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets")


def local() -> list[str]:
    """Names of the data sets on this machine."""
    return sorted(str(found.parent.parent.relative_to(root())) for found in root().glob("**/data/metadata.json"))


def check(name: str) -> None:
    """Refuse a data set that is not on this machine; nothing is downloaded.

    Raises:
        UsageError: With the command that downloads it.
    """
    if name not in (known := local()):
        hint = did_you_mean(name, known) or f"minari download {name}   on this machine: {', '.join(known[:5]) or 'none'}"
        raise UsageError(Problem(f"there is no such data set in {root()}", hint))


def open_data(name: str) -> LoggedData:
    """The episodes of a data set."""
    return MinariData(name)


class MinariData(LoggedData):
    """The episodes of a data set on this machine.

    Args:
        name: Of the data set.
    """

    def __init__(self, name: str) -> None:
        import minari

        with _quiet():
            self.dataset = minari.load_dataset(name)
        self.slots = int(self.dataset.total_steps) + int(self.dataset.total_episodes)

    def pieces(self) -> Iterator[Piece]:
        for episode in self.dataset.iterate_episodes():
            count = len(episode.rewards) + 1
            last = np.zeros(count, bool)
            last[-1] = True
            yield Piece(
                _named(episode.observations),
                _with_last(np.asarray(episode.actions)),
                _with_last(np.asarray(episode.rewards, np.float32)),
                _with_last(np.asarray(episode.terminations, bool)),
                last,
                np.arange(count, dtype=np.int32),
            )


def _named(observations: Any) -> Observations:
    """Observations with names; those of a tuple are called 0, 1, …"""
    if isinstance(observations, tuple):
        observations = {str(number): each for number, each in enumerate(observations)}
    if isinstance(observations, Mapping):
        return {str(name): _named(each) for name, each in observations.items()}
    return np.asarray(observations)


def _with_last(column: Array) -> Array:
    """A column of T steps with a row of zeros for the slot of the last observation."""
    return np.concatenate([column, np.zeros((1, *column.shape[1:]), column.dtype)])


# Export -------------------------------------------------------------------------------------------------------------------------


def check_new(name: str) -> None:
    """Refuse a name that is ill-formed or taken.

    Raises:
        UsageError: With a name that would do.
    """
    if not _ID.fullmatch(name):
        plain = re.sub(r"[^\w/-]+", "-", name.strip("/")).strip("-") or "mine/data"
        raise UsageError(Problem(f"minari:{name} is no name of a data set", f"--to minari:{plain.removesuffix('-v0')}-v0"))
    if name in local():
        number = int(name.rpartition("-v")[2]) + 1
        raise UsageError(Problem(f"there is a data set {name} in {root()} already", f"--to minari:{name.rpartition('-v')[0]}-v{number}"))


def write(name: str, episodes: Iterable[Mapping[str, Any]], spaces: tuple[Any, Any], env: Any = None, **about: str) -> Any:
    """Write a data set, a few episodes at a time.

    Args:
        name: Of the data set; free (`check_new`).
        episodes: ``observations`` (T + 1), ``actions, rewards, terminations, truncations`` (T) of each.
        spaces: Gymnasium's spaces of observation and action.
        env: Specification of the environment, where Gymnasium has one.
        **about: Texts that describe the data.
    """
    import minari
    from minari.data_collector import EpisodeBuffer

    dataset, number = None, 0
    with _quiet():
        for group in _groups(episodes):
            buffers = [EpisodeBuffer(id=number + index, infos={}, **episode) for index, episode in enumerate(group)]
            number += len(buffers)
            if dataset is None:
                texts = {"author": "unified", "author_email": "-", "code_permalink": "-", **about}
                dataset = minari.create_dataset_from_buffers(
                    name, buffers, env=env, observation_space=spaces[0], action_space=spaces[1], jpeg_encoding=False, **texts
                )
            else:
                dataset.update_dataset_from_buffer(buffers)
    return dataset


def _groups(episodes: Iterable[Mapping[str, Any]], rows: int = 20_000) -> Iterator[list[Mapping[str, Any]]]:
    """Episodes with about so many steps together."""
    group: list[Mapping[str, Any]] = []
    for episode in episodes:
        group.append(episode)
        if sum(len(each["rewards"]) for each in group) >= rows:
            yield group
            group = []
    if group:
        yield group


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Minari's warnings of texts that were not given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
