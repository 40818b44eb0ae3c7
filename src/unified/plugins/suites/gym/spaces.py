"""Conversion of Gymnasium's action and observation spaces. Does not import torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from unified.core.base.errors import Problem, UsageError
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
    | `Box` of any shape | a vector in [-1, 1], rescaled to the bounds and rounded for integers; an element with one bound is rescaled
      to the 2 units next to it, an element without bounds is not rescaled |

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
    low, high = action_range(space)
    width, whole = high - low, space.dtype.kind in "iu"

    def to_env(action: np.ndarray) -> np.ndarray:
        within = np.minimum(np.maximum(action, -1.0), 1.0).astype(np.float64)  # np.clip is slower
        scaled = low + (within + 1.0) * width / 2.0
        scaled = np.minimum(np.maximum(scaled, low), high)  # the sum may round to the next number beyond a bound
        env_action: np.ndarray = (np.rint(scaled) if whole else scaled).astype(space.dtype).reshape(space.shape)
        return env_action

    return Space((math.prod(space.shape),), "float32", -1.0, 1.0), to_env


def action_range(space: Any) -> tuple[np.ndarray, np.ndarray]:
    """The numbers ``(D,)`` that -1 and 1 stand for, for each element of a Box."""
    low, high = space.low.astype(np.float64).ravel(), space.high.astype(np.float64).ravel()
    has_low, has_high = np.abs(low) < UNBOUNDED, np.abs(high) < UNBOUNDED
    low = np.where(has_low, low, np.where(has_high, high - 2.0, -1.0))
    return low, np.where(has_high, high, low + 2.0)


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
    leaves = selected(task, list(leaves_of(space)), observe)
    for leaf in leaves:
        if reason := _refusal(leaf.space):
            rest = [other for other in leaves if not _refusal(other.space)]
            names = ",".join(other.name for other in [other for other in rest if is_picture(other.space)][:1] or rest)
            hint = f"leave it out: suite.observe=[{names}]" if names else "wrap it in an environment with a Box"
            raise UsageError(Problem(f"{task} shows {_named(leaf)}{reason}", hint))
    found = {leaf.name: _picture(task, leaf) if is_picture(leaf.space) else _vector(task, leaf) for leaf in leaves}
    if len(found) == 1:
        return next(iter(found.values()))
    convert = {name: see for name, (_, see) in found.items()}
    return {name: space for name, (space, _) in found.items()}, lambda shown: {name: see(shown) for name, see in convert.items()}


def leaves_of(space: Any, path: tuple[Any, ...] = ()) -> Iterator[Leaf]:
    if isinstance(space, spaces.Dict | spaces.Tuple):
        for key, inner in space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces):
            yield from leaves_of(inner, (*path, key))
    else:
        yield Leaf(".".join(map(str, path)), path, space)


def selected(task: str, leaves: list[Leaf], observe: Sequence[str]) -> list[Leaf]:
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


def is_picture(space: Any) -> bool:
    """Whether a leaf becomes an image."""
    if not isinstance(space, spaces.Box):
        return False
    return len(space.shape) == 3 or (len(space.shape) == 2 and space.dtype == np.uint8 and int(space.high.max()) == 255)


def _picture(task: str, leaf: Leaf) -> tuple[Space, Convert]:
    space, see = leaf.space, _reader(task, leaf)
    dtype, bounds = ("uint8", (0, 255)) if space.dtype == np.uint8 else ("float32", (-math.inf, math.inf))
    if len(space.shape) == 2:
        return Space((1, *space.shape), dtype, *bounds), lambda shown: np.array(see(shown), dtype)[None]
    if space.shape[0] < space.shape[2]:
        return Space(space.shape, dtype, *bounds), lambda shown: np.array(see(shown), dtype)
    height, width, channels = space.shape
    return Space((channels, height, width), dtype, *bounds), lambda shown: np.ascontiguousarray(see(shown).transpose(2, 0, 1), dtype)


def _vector(task: str, leaf: Leaf) -> tuple[Space, Convert]:
    """A leaf as a vector."""
    see, (number, low, high) = _reader(task, leaf), _numbers(leaf.space)
    bounds = (tuple(np.asarray(bound).astype(float).tolist()) for bound in (low, high))
    return Space((len(low),), "float32", *bounds), lambda shown: number(see(shown))


def _numbers(space: Any) -> tuple[Convert, np.ndarray, np.ndarray]:
    """A leaf as a vector ``(D,)`` float32, and its bounds."""
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        counts, start = choices_of(space)
        first = np.cumsum(counts) - counts - start.ravel()
        size = int(counts.sum())

        def one_hot(choices: np.ndarray) -> np.ndarray:
            vector = np.zeros(size, np.float32)
            vector[first + choices.ravel().astype(np.int64)] = 1.0
            return vector

        return one_hot, np.zeros(size), np.ones(size)
    size = math.prod(space.shape)
    low, high = (np.ravel(space.low), np.ravel(space.high)) if isinstance(space, spaces.Box) else (np.zeros(size), np.ones(size))
    return lambda numbers: np.array(numbers, np.float32).reshape(-1), low, high


def choices_of(space: Any) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of choices, flat, and the first choice of each."""
    counts = np.ravel(space.nvec) if isinstance(space, spaces.MultiDiscrete) else np.array([space.n])
    return counts, np.asarray(space.start)


def _reader(task: str, leaf: Leaf) -> Convert:
    """Reads the value of a leaf from an observation, as an array of the leaf's shape.

    Floats may lie outside of the bounds of a Box. Everything that would be cast to another value is refused.
    """
    space, shape, is_float = leaf.space, leaf.space.shape, leaf.space.dtype.kind == "f"
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        counts, low = choices_of(space)
        high = low + counts.reshape(low.shape) - 1
    elif isinstance(space, spaces.MultiBinary):
        low, high = np.array(0), np.array(1)
    else:
        limits = np.iinfo(space.dtype) if space.dtype.kind in "iu" else None
        low, high = (np.array(0), np.array(1)) if limits is None else (np.array(limits.min), np.array(limits.max))
    always_fits = isinstance(space, spaces.Box)

    def read(shown: Any) -> np.ndarray:
        try:
            for key in leaf.path:
                shown = shown[key]
        except (KeyError, IndexError, TypeError) as error:
            raise _outside(task, leaf, f"it has no {'.'.join(map(str, leaf.path))!r}") from error
        try:
            array = np.asarray(shown)
        except ValueError as error:  # lists of several lengths
            raise _outside(task, leaf, str(error)) from error
        if array.shape != shape or array.dtype.kind not in "biuf":
            raise _outside(task, leaf, f"its shape is {array.shape}, its type {array.dtype}")
        if is_float or (always_fits and array.dtype == space.dtype):
            return array
        whole = array.dtype.kind != "f" or bool((array == np.rint(array)).all())
        if not whole or (array < low).any() or (array > high).any():
            raise _outside(task, leaf, f"it has numbers from {array.min()} to {array.max()}")
        return array

    return read


def _outside(task: str, leaf: Leaf, why: str) -> UsageError:
    space = f"{leaf.space}"
    where = f"an observation of {task} is not in its observation_space {_named(leaf)}{space[:200]}"
    return UsageError(Problem(f"{where}: {why}", "correct the observation, or the observation_space"))


# Spaces as data, for a policy that acts without an environment


def describe(space: Any, *, exact: bool) -> dict[str, Any]:
    """A space as JSON data, from which `converters` makes the conversions of `action_of` and `observation_of` again.

    Args:
        space: The space.
        exact: Whether each element of a Box keeps its own bounds; observations are not rescaled and do not need them.
    """
    kind: dict[str, Any] = {"type": type(space).__name__}
    if isinstance(space, spaces.Dict | spaces.Tuple):
        named = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
        return {"type": "Dict", "spaces": [[key, describe(inner, exact=exact)] for key, inner in named]}
    if isinstance(space, spaces.Discrete):
        return kind | {"n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return kind | {"nvec": space.nvec.tolist(), "start": np.asarray(space.start).tolist(), "dtype": space.dtype.str}
    if isinstance(space, spaces.MultiBinary):
        return kind | {"shape": list(space.shape)}
    if isinstance(space, spaces.Box):
        low, high = (space.low.tolist(), space.high.tolist()) if exact else (space.low.min().item(), space.high.max().item())
        return kind | {"low": low, "high": high, "shape": list(space.shape), "dtype": space.dtype.str}
    return {"type": "Other"}


def described(data: Mapping[str, Any]) -> Any:
    """The space of `describe`; the items of a Tuple are found by the same keys as those of a Dict."""
    match data["type"]:
        case "Dict":
            return spaces.Dict({key: described(inner) for key, inner in data["spaces"]})
        case "Discrete":
            return spaces.Discrete(data["n"], start=data["start"])
        case "MultiDiscrete":
            return spaces.MultiDiscrete(np.array(data["nvec"]), dtype=np.dtype(data["dtype"]), start=np.array(data["start"]))
        case "MultiBinary":
            return spaces.MultiBinary(tuple(data["shape"]))
        case "Box":
            dtype, shape = np.dtype(data["dtype"]), tuple(data["shape"])
            low, high = (np.broadcast_to(np.array(data[bound], dtype), shape) for bound in ("low", "high"))
            return spaces.Box(low, high, shape, dtype.type)
        case _:
            return spaces.Text(1)  # not observed


def converters(interface: Mapping[str, Any]) -> tuple[Convert, Convert]:
    """How an observation of the environment becomes one of the agent, and an action of the policy one of the environment.

    Args:
        interface: ``Spec.interface`` of a `GymEnvironment`.
    """
    _, enact = action_of("the environment", described(interface["action"]))
    if interface["observation"] is None:  # rendered images
        return lambda observation: observation, enact
    _, see = observation_of("the environment", described(interface["observation"]), interface["observe"])
    return see, enact
