"""Read text by the type of its field, and turn pydantic's errors into plain messages. Torch-free."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from unified.core.base import suggest
from unified.core.config.limits import check, read_yaml

_NULLS = ("null", "none", "~")
_LISTS = (list, tuple, set, frozenset)
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
#: Beginnings of the types of pydantic's errors, and the value that was expected.
_EXPECTED = {"int": _WORDS[int], "float": _WORDS[float], "bool": _WORDS[bool], "string": _WORDS[str], "dict": "a mapping"} | {
    kind.__name__: "a list [a,b,…]" for kind in _LISTS
}
_BOUNDS = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_short": "must not be empty",
    "missing": "has too few items",
}


def plain(value: Any, annotation: Any) -> Any:
    """The value to validate for a field: text becomes the number, list or mapping that it spells, if the field takes one.

    Pydantic validates the result. Anything that cannot be read is returned unchanged, so that pydantic refuses it.

    Raises:
        ValueError: With message and hint, for text that pydantic would accept although it is ambiguous (``yes`` for true), and for lists
            with wrong brackets.

    >>> plain("1e5", int), plain("none", int | None), plain("[1, 2]", list[int]), plain("12", str)
    (100000.0, None, [1, 2], '12')
    """
    kinds = members(annotation)
    choices = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    if isinstance(value, bool) and not any(kind in kinds for kind in (bool, Any)) and not any(value is choice for choice in choices):
        raise ValueError(f"must be {describe(annotation)}")
    container = next((kind for kind in kinds if (get_origin(kind) or kind) in _LISTS), None)
    if container is not None and isinstance(value, str) and value.strip().lower() not in _NULLS:
        value = split(value)
    if container is not None and isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item, _item(container, index)) for index, item in enumerate(value)]
    return _parsed(value, annotation, kinds, choices) if isinstance(value, str) else value


def _parsed(text: str, annotation: Any, kinds: Sequence[Any], choices: Sequence[Any]) -> Any:
    word = text.strip()
    if type(None) in kinds and word.lower() in _NULLS:
        return None
    for choice in choices:
        if show(choice) == word:
            return choice
    if bool in kinds and word.lower() in ("true", "false"):
        return word.lower() == "true"
    numeric = int in kinds or float in kinds
    for number in (int, float) if numeric else ():
        with suppress(ValueError):
            return number(word)
    if bool in kinds and str not in kinds:
        raise ValueError(f"must be {describe(annotation)}", _guess(word, kinds))
    if numeric or choices or str in kinds:
        return text
    try:
        value = read_yaml(word)
        check(value)
        return value
    except ValueError as error:
        raise ValueError(f"cannot be read: {error}") from None


def split(text: str) -> list[str]:
    """The items of ``[a,b]`` or ``a,b``; commas within brackets do not separate items.

    Raises:
        ValueError: With message and hint, if brackets do not match or an item is empty.

    >>> split("[td, linear(1,0,5)]"), split("td"), split("[]")
    (['td', 'linear(1,0,5)'], ['td'], [])
    """
    inside = text.strip()
    if inside.startswith("[") and inside.endswith("]"):
        inside = inside[1:-1]
    items, depth = [""], 0
    for character in inside:
        depth += (character in "([{") - (character in ")]}")
        if depth < 0:
            raise ValueError(f"must be a list [a,b,…]; nothing opens the {character}", _repaired(text))
        if character == "," and depth == 0:
            items.append("")
        else:
            items[-1] += character
    if depth:
        raise ValueError("must be a list [a,b,…]; a bracket is not closed", _repaired(text))
    if not all(item.strip() for item in items[:-1]):
        raise ValueError("must be a list [a,b,…]; nothing stands before a comma", _repaired(text))
    return [item.strip().strip("'\"") for item in items if item.strip()]


def _repaired(text: str) -> str:
    """The list that was probably meant, if it has no brackets but the outer ones."""
    items = [item.strip() for item in text.strip().removeprefix("[").removesuffix("]").split(",") if item.strip()]
    return suggest.ask([show(items)]) if items and not any(sign in item for item in items for sign in "[](){}") else ""


def names(value: Any) -> list[str]:
    """A list of component names; ``none`` and ``null`` are the empty list.

    Raises:
        ValueError: With message and hint, for anything else.
    """
    if is_null(value):
        return []
    items = split(value) if isinstance(value, str) and value.strip() else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError("must be a list of names, [a,b]", "for none  []")
    if not all(item.strip().removeprefix("+") for item in items):
        raise ValueError("must be a list of names, [a,b]; one is empty")
    return list(items)


def is_null(value: Any) -> bool:
    """Whether a value is ``None``, or text that spells it."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _NULLS)


def show(value: Any) -> str:
    """A value as it can be typed.

    >>> show(None), show(True), show(["td", "+spr"]), show(1e-4)
    ('null', 'true', '[td,+spr]', '0.0001')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return f"[{','.join(map(show, value))}]"
    try:
        return json.dumps(value)
    except TypeError:
        return repr(value)


def describe(annotation: Any) -> str:
    """A type in words: ``a whole number or null``."""
    words = []
    for kind in members(annotation):
        origin = get_origin(kind) or kind
        if origin is Literal:
            words.append(f"one of {', '.join(map(show, get_args(kind)))}")
        elif origin in _LISTS:
            words.append("a list [a,b,…]")
        else:
            words.append("a mapping" if origin is dict else _WORDS.get(kind, getattr(kind, "__name__", str(kind))))
    return " or ".join(words)


def complaint(error: Mapping[str, Any], annotation: Any, value: Any, within: Sequence[Any] = ()) -> tuple[str, str]:
    """Message and hint for an error of pydantic.

    Args:
        error: One of `ValidationError.errors`.
        annotation: Type of the field.
        value: The value as it was typed.
        within: Position of the error within the value of the field: the end of pydantic's ``loc``.
    """
    kind, context = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**{name: f"{bound:g}" if isinstance(bound, float) else bound for name, bound in context.items()}), ""
    if kind == "value_error":  # a validator of the options may add a hint after three spaces
        message, _, hint = str(context["error"]).partition("   ")
        return message, hint.strip()
    if kind == "literal_error":
        choices = [show(choice) for each in members(annotation) if get_origin(each) is Literal for choice in get_args(each)]
        return f"must be {describe(annotation)}", suggest.did_you_mean(value, choices) if isinstance(value, str) else ""
    expected = next((words for prefix, words in _EXPECTED.items() if kind.startswith(prefix)), None)
    if expected is None:
        return str(error["msg"]).replace("Input should be", "must be"), ""
    if any(isinstance(key, int) for key in within) or (within and takes_mapping(annotation)):  # an item or an entry of the value
        return f"must be {expected}", ""
    return f"must be {describe(annotation)}", _guess(value.strip(), members(annotation)) if isinstance(value, str) else ""


def _guess(word: str, kinds: Sequence[Any]) -> str:
    """The value that was probably meant by ``10k``, ``1,5`` or ``yes``; empty if there is no clear one."""
    scaled = re.fullmatch(r"(\d+)\s*([kKmM])", word)
    if scaled and (int in kinds or float in kinds):
        return suggest.ask([scaled[1] + {"k": "_000", "m": "_000_000"}[scaled[2].lower()]])
    if float in kinds and re.fullmatch(r"[-+]?\d+,\d+", word):
        return suggest.ask([word.replace(",", ".")])
    if bool in kinds and word.lower() in ("yes", "on", "1", "no", "off", "0"):
        return suggest.ask([show(word.lower() in ("yes", "on", "1"))])
    return ""


def takes_mapping(annotation: Any) -> bool:
    """Whether the keys below a field are entries of its value."""
    return any((get_origin(kind) or kind) is dict for kind in members(annotation))


def members(annotation: Any) -> list[Any]:
    """The types of a union, or the single type, without their annotations."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        return [inner for member in get_args(annotation) for inner in members(member)]
    return [annotation]


def _item(container: Any, index: int) -> Any:
    """The type of an item of a list or a tuple."""
    kinds = [kind for kind in get_args(container) if kind is not ...] or [Any]
    return kinds[min(index, len(kinds) - 1)]
