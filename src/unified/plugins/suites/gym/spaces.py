"""Gymnasium's spaces as the core has them: what the policy produces, and what the agent sees. Never imports torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space

#: Bounds of this size mean that there are none; such actions are taken as they are.
UNBOUNDED = 1e9
#: Combinations of several choices up to which they are one choice; above, no network has an output for each.
COMBINATIONS = 4096

Convert = Callable[[Any], Any]


# Actions


def action_of(task: str, space: Any) -> tuple[Space, Convert]:
    """What the policy produces, and what the task takes for it.

    | the task takes | the policy produces |
    |---|---|
    | `Discrete` | an index |
    | `MultiDiscrete`, `MultiBinary` | an index: every combination is a choice, the last number changes fastest |
    | `Box` of any shape | its elements as one vector in [-1, 1], rescaled where they are bounded, rounded where they are whole |

    Raises:
        UsageError: If it takes something else, or has too many combinations.
    """
    if isinstance(space, spaces.Discrete):
        start = int(space.start)
        return _choice(int(space.n)), lambda action: int(action) + start
    if isinstance(space, spaces.MultiDiscrete | spaces.MultiBinary):
        return _combinations(task, space)
    if isinstance(space, spaces.Box) and space.dtype.kind in "fiu":
        return _continuous(space)
    raise UsageError(Problem(f"{task} takes {space}", "actions can be Discrete, MultiDiscrete, MultiBinary or a Box of numbers"))


def _choice(count: int) -> Space:
    return Space((), "int64", 0, count - 1, count)


def _combinations(task: str, space: Any) -> tuple[Space, Convert]:
    """Several choices as one."""
    counts = np.full(space.shape, 2) if isinstance(space, spaces.MultiBinary) else space.nvec
    start = getattr(space, "start", 0)
    each = tuple(int(count) for count in np.ravel(counts))
    if math.prod(each) > COMBINATIONS:
        problem = f"{task} takes {space}: {math.prod(each):,} combinations, of which each would be a choice; {COMBINATIONS:,} at most"
        raise UsageError(Problem(problem, "wrap it in an environment with fewer actions, or with a Box"))

    def to_env(action: np.ndarray) -> np.ndarray:
        numbers = np.array(np.unravel_index(int(action), each)).reshape(space.shape) + start
        env_action: np.ndarray = numbers.astype(space.dtype)
        return env_action

    return _choice(math.prod(each)), to_env


def _continuous(space: Any) -> tuple[Space, Convert]:
    """A box of any shape as one vector."""
    low, high = space.low.astype(np.float64).ravel(), space.high.astype(np.float64).ravel()
    bounded = (np.abs(low) < UNBOUNDED) & (np.abs(high) < UNBOUNDED)
    low, high = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)
    whole = space.dtype.kind in "iu"

    def to_env(action: np.ndarray) -> np.ndarray:
        scaled = low + (np.clip(action, -1.0, 1.0).astype(np.float64) + 1.0) * (high - low) / 2.0
        env_action: np.ndarray = (np.rint(scaled) if whole else scaled).astype(space.dtype).reshape(space.shape)
        return env_action

    return Space((math.prod(space.shape),), "float32", -1.0, 1.0), to_env


# Observations


class Leaf(NamedTuple):
    """One thing that a task shows, within dictionaries and tuples.

    Args:
        name: ``"agent.position"``; empty where the task shows nothing else.
        path: Keys and numbers that lead to it.
        space: Of it.
    """

    name: str
    path: tuple[Any, ...]
    space: Any


def observation_of(task: str, space: Any, observe: Sequence[str] = ()) -> tuple[Space | dict[str, Space], Convert]:
    """The observation of an agent, and the function that makes it from that of the task.

    | the task's space | the agent's observation |
    |---|---|
    | a `Box` of three axes, or of bytes with two | a picture ``(C, H, W)``; the channels are the shorter of the first and the last axis |
    | any other `Box`, `MultiBinary` | its numbers as one vector, float32 |
    | `Discrete`, `MultiDiscrete` | one-hot vectors |
    | `Dict`, `Tuple` of several things | named observations, in the order of their keys; agents of one observation get vectors joined |
    | `Dict`, `Tuple` of one thing | that thing |

    Args:
        task: For messages.
        space: What it shows.
        observe: Names of what is to be seen of a `Dict` or `Tuple`; empty for all of it.

    Raises:
        UsageError: If it is of another kind.
    """
    leaves = _selected(task, list(_leaves(space)), observe)
    for leaf in leaves:
        if reason := _refusal(leaf.space):
            rest = [other for other in leaves if not _refusal(other.space)]
            names = ",".join(other.name for other in [other for other in rest if _is_picture(other.space)][:1] or rest)
            hint = f"leave it out: suite.observe=[{names}]" if names else "wrap it in an environment that shows a Box"
            raise UsageError(Problem(f"{task} shows {_named(leaf)}{reason}", hint))
    found = {leaf.name: _picture(leaf) if _is_picture(leaf.space) else _vector(leaf) for leaf in leaves}
    if len(found) == 1:
        return next(iter(found.values()))
    convert = {name: see for name, (_, see) in found.items()}
    return {name: space for name, (space, _) in found.items()}, lambda shown: {name: see(shown) for name, see in convert.items()}


def _leaves(space: Any, path: tuple[Any, ...] = ()) -> Iterator[Leaf]:
    if isinstance(space, spaces.Dict | spaces.Tuple):
        for key, inner in space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces):
            yield from _leaves(inner, (*path, key))
    else:
        yield Leaf(".".join(map(str, path)), path, space)


def _selected(task: str, leaves: list[Leaf], observe: Sequence[str]) -> list[Leaf]:
    """Those that `observe` names, a name for all that is within it."""
    names = [leaf.name for leaf in leaves]
    if not leaves:
        raise UsageError(Problem(f"{task} shows nothing", "wrap it in an environment that shows a Box"))
    for wanted in observe:
        if not any(_within(name, wanted) for name in names):
            said = f"it shows {', '.join(names)}" if names != [""] else "it shows one thing, without a name"
            raise UsageError(Problem(f"suite.observe: {task} shows nothing called {wanted!r}", said))
    return [leaf for leaf in leaves if not observe or any(_within(leaf.name, wanted) for wanted in observe)]


def _within(name: str, wanted: str) -> bool:
    return bool(name) and (name == wanted or name.startswith(f"{wanted}."))


def _refusal(space: Any) -> str:
    """Why it cannot be seen; empty where it can."""
    if isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) > 3:
        return f"pictures with {len(space.shape)} axes: of several frames? one is enough, the replay stacks them"
    if isinstance(space, spaces.Box) and space.dtype.kind in "fiub":
        return ""
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        return ""
    return f"{type(space).__name__}, which is neither a vector nor a picture"


def _named(leaf: Leaf) -> str:
    return f"{leaf.name!r}: " if leaf.name else ""


def _is_picture(space: Any) -> bool:
    if not isinstance(space, spaces.Box):
        return False
    return len(space.shape) == 3 or (len(space.shape) == 2 and space.dtype == np.uint8 and int(space.high.max()) == 255)


def _picture(leaf: Leaf) -> tuple[Space, Convert]:
    space, see = leaf.space, _follow(leaf.path)
    dtype, bounds = ("uint8", (0, 255)) if space.dtype == np.uint8 else ("float32", (-math.inf, math.inf))
    if len(space.shape) == 2:
        return Space((1, *space.shape), dtype, *bounds), lambda shown: np.array(see(shown), dtype)[None]
    if space.shape[0] < space.shape[2]:
        return Space(space.shape, dtype, *bounds), lambda shown: np.array(see(shown), dtype)
    height, width, channels = space.shape
    return Space((channels, height, width), dtype, *bounds), lambda shown: np.ascontiguousarray(see(shown).transpose(2, 0, 1), dtype)


def _vector(leaf: Leaf) -> tuple[Space, Convert]:
    see, (number, low, high) = _follow(leaf.path), _numbers(leaf.space)
    bounds = (tuple(np.asarray(bound).astype(float).tolist()) for bound in (low, high))
    return Space((len(low),), "float32", *bounds), lambda shown: number(see(shown))


def _numbers(space: Any) -> tuple[Convert, np.ndarray, np.ndarray]:
    """One thing as a vector ``(D,)`` float32, and its bounds."""
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        counts = np.ravel(space.nvec) if isinstance(space, spaces.MultiDiscrete) else np.array([space.n])
        first = np.cumsum(counts) - counts - np.ravel(space.start)
        size = int(counts.sum())

        def one_hot(choices: Any) -> np.ndarray:
            vector = np.zeros(size, np.float32)
            vector[first + np.ravel(choices)] = 1.0
            return vector

        return one_hot, np.zeros(size), np.ones(size)
    size = math.prod(space.shape)
    low, high = (np.ravel(space.low), np.ravel(space.high)) if isinstance(space, spaces.Box) else (np.zeros(size), np.ones(size))
    return lambda numbers: np.array(numbers, np.float32).reshape(-1), low, high


def _follow(path: tuple[Any, ...]) -> Convert:
    """What lies at the end of a path."""

    def follow(shown: Any) -> Any:
        for key in path:
            shown = shown[key]
        return shown

    return follow
