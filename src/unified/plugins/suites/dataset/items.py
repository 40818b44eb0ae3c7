"""Read all items of a `torch.utils.data.Dataset` once into arrays. Does not import torch itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unified.core.base.errors import Problem, UsageError, error_text

#: Numbers of channels that identify an array ``(H, W, C)``.
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Items:
    """The arrays of a data set.

    Args:
        inputs: ``(N, C, H, W)`` uint8 or ``(N, D)`` float32, finite.
        targets: ``(N,)`` int64 classes, ``(N, D)`` float64 numbers, or ``(N, 0)`` without targets.
        classes: Names of the classes; empty for numbers.
        steady: Whether reading the first item again gave the same input.
    """

    inputs: np.ndarray
    targets: np.ndarray
    classes: tuple[str, ...]
    steady: bool


def read(dataset: Any, name: str, as_numbers: bool) -> Items:
    """Read a data set.

    Args:
        dataset: Has a length; its items are an input, or an input and its target.
        name: For errors.
        as_numbers: Whether integers are regression targets and not classes.

    Raises:
        UsageError: If an item cannot be a row.
    """
    count = _length(dataset, name)
    first, _ = _item(dataset, 0, name)
    if not first.size:
        raise UsageError(Problem(f"item 0 of {name} has the shape {first.shape}: there is nothing to learn from"))
    try:
        inputs, targets = np.empty((count, *first.shape), first.dtype), []
    except (MemoryError, ValueError, OverflowError) as error:
        raise UsageError(Problem(f"{name} has {count:,} items of shape {first.shape}: they do not fit in memory")) from error
    for number in range(count):
        row, target = _item(dataset, number, name)
        if row.shape != first.shape or row.dtype != first.dtype:
            seen = f"{row.dtype} {row.shape}, item 0 is {first.dtype} {first.shape}"
            raise UsageError(Problem(f"item {number} of {name} is {seen}", "use one shape, e.g. torchvision.transforms.Resize(…)"))
        inputs[number] = row
        targets.append(target)
    if inputs.dtype == np.float32:
        _refuse_unbounded(inputs, name, "item {row} of {name} has")
    steady = np.array_equal(_item(dataset, 0, name)[0], first)
    return Items(inputs, *_targets(targets, getattr(dataset, "classes", None), name, as_numbers), steady)


def _length(dataset: Any, name: str) -> int:
    try:
        count = len(dataset)
    except (TypeError, NotImplementedError) as error:
        raise UsageError(Problem(f"{name} has no length", "rows are read once: give it __len__ and __getitem__")) from error
    if not count:
        raise UsageError(Problem(f"{name} is empty", "a data set needs items"))
    return count


def _item(dataset: Any, number: int, name: str) -> tuple[np.ndarray, Any]:
    """Input and target of an item; the target is ``None`` if it has none."""
    try:
        item = dataset[number]
    except Exception as error:  # any error of user code
        raise UsageError(Problem(f"item {number} of {name} cannot be read: {error_text(error)}")) from error
    if isinstance(item, tuple | list) and len(item) in (1, 2):
        row, target = item if len(item) == 2 else (item[0], None)
    elif isinstance(item, tuple | list | dict):
        raise UsageError(
            Problem(f"item {number} of {name} is a {type(item).__name__} of {len(item)}", "expected input, or (input, target)")
        )
    else:
        row, target = item, None
    try:
        return as_row(row), None if target is None else _plain(target)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UsageError(Problem(f"item {number} of {name} cannot be a row: {error}", "expected images, or vectors of numbers")) from error


def as_row(given: Any) -> np.ndarray:
    """Convert an input to an image ``(C, H, W)`` uint8 or a vector ``(D,)`` float32.

    PIL images and arrays ``(H, W, C)`` are transposed; float images ``(C, H, W)`` in [0, 1], as from `ToTensor`, become bytes. Other arrays
    of one or two axes are numbers: a signal ``(C, L)`` is a vector.

    Raises:
        ValueError: If it is neither.
    """
    array = np.asarray(given.convert("L" if given.mode in ("1", "L") else "RGB")) if hasattr(given, "convert") else _plain(given)
    if array.dtype == object:  # of pandas, say
        array = np.array(array.tolist())
    if array.dtype.kind not in "biuf":
        raise ValueError(f"it is of type {array.dtype}")
    if array.ndim <= 1 or (array.ndim == 2 and array.dtype not in (np.uint8, np.bool_)):
        with np.errstate(over="ignore"):  # infinity is refused with its place
            return array.astype(np.float32).reshape(-1)
    if array.ndim > 3:
        raise ValueError(f"its shape is {array.shape}")
    is_tensor = hasattr(given, "detach")
    if array.ndim == 2:
        array = array[None]
    elif not is_tensor and array.shape[-1] in _CHANNELS and array.shape[0] not in _CHANNELS:
        array = array.transpose(2, 0, 1)
    return _bytes(array)


def _bytes(picture: np.ndarray) -> np.ndarray:
    if picture.dtype == np.uint8:
        return picture
    low, high = picture.min(initial=0), picture.max(initial=0)
    if picture.dtype.kind not in "bf" or not 0 <= low <= high <= 1:
        change = "use bytes, or floats in [0, 1]; remove Normalize, since rows are standardised by mean and deviation of the training rows"
        raise ValueError(f"a picture has numbers of {picture.dtype} from {low:g} to {high:g}: {change}")
    return np.rint(picture.astype(np.float64) * 255).astype(np.uint8)


def _plain(given: Any) -> np.ndarray:
    """Convert a tensor, number or list to an array."""
    if hasattr(given, "detach"):
        given = given.detach().cpu()
        given = (given.float() if given.is_floating_point() else given).numpy()  # NumPy has no bfloat16
    return np.asarray(given)


def _targets(targets: Sequence[Any], names: Any, name: str, as_numbers: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """All targets, and the names of the classes, if they are classes."""
    if all(target is None for target in targets):
        return np.zeros((len(targets), 0)), ()
    shapes = {None if target is None else target.shape for target in targets}
    if len(shapes) > 1:
        raise UsageError(Problem(f"the targets of {name} have several shapes: {', '.join(map(str, sorted(shapes, key=str)))}"))
    found = np.stack([target.astype(str) if target.dtype.kind == "S" else target for target in targets])
    single = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
    if single.ndim == 1 and single.dtype.kind in "biuU" and not (as_numbers and single.dtype.kind != "U"):
        return _classes(single, names)
    if found.ndim <= 2 and found.dtype.kind in ("biuf" if as_numbers else "f"):
        numbers = found.reshape(len(found), -1).astype(np.float64)
        _refuse_unbounded(numbers, name, "the target of item {row} of {name} has")
        return numbers, ()
    seen = f"{found.dtype} of shape {found.shape[1:]}"
    raise UsageError(Problem(f"the targets of {name} are {seen}", "expected a class (int or text), or numbers (floats)"))


def _classes(labels: np.ndarray, names: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class indices from 0, with the names of the data set, if it has some."""
    if labels.dtype.kind in "iu" and _is_named(names) and 0 <= labels.min() <= labels.max() < len(names):
        return labels.astype(np.int64), tuple(map(str, names))
    different, numbered = np.unique(labels, return_inverse=True)
    return numbered.astype(np.int64).reshape(-1), tuple(str(each) for each in different.tolist())


def _refuse_unbounded(rows: np.ndarray, name: str, place: str) -> None:
    """Refuse rows ``(N, D)`` with NaN, infinity, or what float32 cannot hold; the first one is named."""
    wrong = ~(np.abs(rows) <= np.finfo(np.float32).max)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        count = int(wrong.any(1).sum())
        of = f", and {count - 1:,} more rows have such numbers" if count > 1 else ""
        message = f"{place.format(row=row, name=name)} {rows[row, column]:g} in column {column}{of}"
        raise UsageError(Problem(message, "fill in the missing numbers, or leave the rows out"))


def _is_named(names: Any) -> bool:
    return isinstance(names, list | tuple) and all(isinstance(each, str) for each in names)
