"""Conversion of Gymnasium's action and observation spaces. Does not import torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from unified.core.base.errors import Problem, UnifiedError, UsageError
from unified.core.base.spec import Space

#: Larger bounds count as unbounded; such actions are not rescaled.
UNBOUNDED = 1e9
#: Maximum number of combinations of discrete actions that become one discrete action.
COMBINATIONS = 4096

Convert = Callable[[Any], Any]


# Actions


def action_of(task: str, space: Any) -> tuple[Space, Convert]:
    """Maps the action of the policy to the action of the task.

    | action space of the task | action of the policy |
    |---|---|
    | `Discrete` | an index |
    | `MultiDiscrete`, `MultiBinary` | an index over all combinations; the last element changes fastest |
    | `Box` of any shape | a vector in [-1, 1], rescaled to the bounds and rounded for integers |

    Raises:
        UsageError: If the space is of another type, or has too many combinations.
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
    """Several discrete actions as one."""
    counts = np.full(space.shape, 2) if isinstance(space, spaces.MultiBinary) else space.nvec
    start = getattr(space, "start", 0)
    each = tuple(int(count) for count in np.ravel(counts))
    if math.prod(each) > COMBINATIONS:
        problem = f"{task} takes {space}: {math.prod(each):,} combinations; {COMBINATIONS:,} at most"
        raise UsageError(Problem(problem, "wrap it in an environment with fewer actions, or with a Box"))

    def to_env(action: np.ndarray) -> np.ndarray:
        numbers = np.array(np.unravel_index(int(action), each)).reshape(space.shape) + start
        env_action: np.ndarray = numbers.astype(space.dtype)
        return env_action

    return _choice(math.prod(each)), to_env


def _continuous(space: Any) -> tuple[Space, Convert]:
    """A Box of any shape as a vector."""
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
    """One leaf of an observation space, within Dict and Tuple.

    Args:
        name: ``"agent.position"``; empty for a space without Dict and Tuple.
        path: Keys and indices that lead to it.
        space: Its space.
    """

    name: str
    path: tuple[Any, ...]
    space: Any


def observation_of(task: str, space: Any, observe: Sequence[str] = ()) -> tuple[Space | dict[str, Space], Convert]:
    """The observation of the agent, and the function that converts the observation of the task.

    | observation space of the task | observation of the agent |
    |---|---|
    | a `Box` of three axes, or of bytes with two | an image ``(C, H, W)``; the channels are the shorter of the first and the last axis |
    | any other `Box`, `MultiBinary` | a float32 vector |
    | `Discrete`, `MultiDiscrete` | one-hot vectors |
    | `Dict`, `Tuple` with several leaves | named observations in the order of their keys; one vector for agents of one observation |
    | `Dict`, `Tuple` with one leaf | that leaf |

    Args:
        task: Name for messages.
        space: The observation space.
        observe: Names of the leaves of a `Dict` or `Tuple` to use; empty for all.

    Raises:
        UsageError: If a space is of another type.
    """
    leaves = _selected(task, list(_leaves(space)), observe)
    for leaf in leaves:
        if reason := _refusal(leaf.space):
            rest = [other for other in leaves if not _refusal(other.space)]
            names = ",".join(other.name for other in [other for other in rest if _is_picture(other.space)][:1] or rest)
            hint = f"leave it out: suite.observe=[{names}]" if names else "wrap it in an environment with a Box"
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
    """The leaves that `observe` names; a name of an inner space selects all of its leaves."""
    names = [leaf.name for leaf in leaves]
    if not leaves:
        raise UsageError(Problem(f"{task} shows nothing", "wrap it in an environment with a Box"))
    for wanted in observe:
        if not any(_within(name, wanted) for name in names):
            hint = f"it shows {', '.join(names)}" if names != [""] else "it has a single observation without a name"
            raise UsageError(Problem(f"suite.observe: {task} has no observation {wanted!r}", hint))
    return [leaf for leaf in leaves if not observe or any(_within(leaf.name, wanted) for wanted in observe)]


def _within(name: str, wanted: str) -> bool:
    return bool(name) and (name == wanted or name.startswith(f"{wanted}."))


def _refusal(space: Any) -> str:
    """Why a space is not supported; empty if it is."""
    if isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) > 3:
        return f"pictures with {len(space.shape)} axes: if these are several frames, use one, since the replay stacks frames"
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

    def pixels(shown: Any) -> np.ndarray:
        values = np.asarray(see(shown))
        if values.dtype != dtype and dtype == "uint8" and not np.array_equal(values, values.astype(np.uint8)):
            found = f"{values.dtype.name} from {values.min():g} to {values.max():g}" if values.size else "empty"
            raise UnifiedError(f"the picture {leaf.name} is {found}, which is not in {space}".replace("  ", " "))
        return values

    if len(space.shape) == 2:
        return Space((1, *space.shape), dtype, *bounds), lambda shown: np.array(pixels(shown), dtype)[None]
    if space.shape[0] < space.shape[2]:
        return Space(space.shape, dtype, *bounds), lambda shown: np.array(pixels(shown), dtype)
    height, width, channels = space.shape
    return Space((channels, height, width), dtype, *bounds), lambda shown: np.ascontiguousarray(pixels(shown).transpose(2, 0, 1), dtype)


def _vector(leaf: Leaf) -> tuple[Space, Convert]:
    """A leaf as a vector."""
    see, (number, low, high) = _follow(leaf.path), _numbers(leaf.space)
    bounds = (tuple(np.asarray(bound).astype(float).tolist()) for bound in (low, high))
    return Space((len(low),), "float32", *bounds), lambda shown: number(see(shown))


def _numbers(space: Any) -> tuple[Convert, np.ndarray, np.ndarray]:
    """A leaf as a vector ``(D,)`` float32, and its bounds."""
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        counts = np.ravel(space.nvec) if isinstance(space, spaces.MultiDiscrete) else np.array([space.n])
        start = np.ravel(space.start)
        first = np.cumsum(counts) - counts - start
        size = int(counts.sum())

        def one_hot(choices: Any) -> np.ndarray:
            chosen = np.ravel(choices)
            if chosen.dtype.kind not in "iu":
                chosen = chosen.astype(np.int64) if np.array_equal(chosen, np.floor(chosen)) else chosen
            if chosen.shape != start.shape or chosen.dtype.kind not in "iu" or ((chosen < start) | (chosen >= start + counts)).any():
                raise UnifiedError(f"the observation {choices!r:.60} is not in {space}")
            vector = np.zeros(size, np.float32)
            vector[first + chosen] = 1.0
            return vector

        return one_hot, np.zeros(size), np.ones(size)
    size = math.prod(space.shape)
    if isinstance(space, spaces.MultiBinary):

        def bits(values: Any) -> np.ndarray:
            vector = np.array(values, np.float32).reshape(-1)
            if not ((vector == 0) | (vector == 1)).all():
                raise UnifiedError(f"the observation {values!r:.60} is not in {space}")
            return vector

        return bits, np.zeros(size), np.ones(size)
    low, high = np.ravel(space.low), np.ravel(space.high)

    def numbers(values: Any) -> np.ndarray:
        if (kind := np.asarray(values).dtype).kind not in "fiub":
            raise UnifiedError(f"an observation holds {kind.name}, and {space} numbers")
        return np.array(values, np.float32).reshape(-1)

    return numbers, low, high


def _follow(path: tuple[Any, ...]) -> Convert:
    """The value at a path."""

    def follow(shown: Any) -> Any:
        for key in path:
            shown = shown[key]
        return shown

    return follow
