"""Values: text is read by the type of the field it is for, and what pydantic finds wrong is said plainly. Torch-free."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from unified.core import suggest

_INTEGER = re.compile(r"[-+]?\d[\d_]*")
_NUMBER = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?")
_NULLS = ("null", "none", "~")


def read(value: Any, annotation: Any) -> Any:
    """A value for a field of this type: text (of a command line, or YAML's ``1e-4``) is parsed, anything else passes.

    Raises:
        ValueError: If text cannot be read as this type; the message says what must be there.

    >>> read("1e5", int), read("none", int | None), read("[1, 2]", list[int]), read("1_000", float)
    (100000, None, [1, 2], 1000.0)
    """
    annotation = _bare(annotation)
    kinds = members(annotation)
    if isinstance(value, bool) and bool not in kinds and Any not in kinds and not _is_choice(True, kinds):
        raise ValueError(f"must be {describe(annotation)}")
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        wanted = next((kind for kind in kinds if get_origin(kind) in (list, tuple, set, frozenset)), None)
        if wanted is not None and get_args(wanted):
            return [read(item, get_args(wanted)[0]) for item in value]
    return _parse(value, annotation, kinds) if isinstance(value, str) else value


def _parse(text: str, annotation: Any, kinds: Sequence[Any]) -> Any:
    if type(None) in kinds and text.strip().lower() in _NULLS:
        return None
    # Text fits a field of text always, so it is tried last.
    kinds = sorted((kind for kind in kinds if kind is not type(None)), key=lambda kind: kind is str)
    for kind in kinds:
        try:
            return _parse_one(text, kind)
        except ValueError as error:
            if len(kinds) == 1 and kind not in _PLAIN and str(error):
                raise
    raise ValueError(f"must be {describe(annotation)}" + _guess(text.strip(), kinds))


def _guess(word: str, kinds: Sequence[Any]) -> str:
    """What was probably meant by ``10k``, ``1,5`` or ``yes``; nothing where that is not clear."""
    meant = ""
    scaled = re.fullmatch(r"(\d+)\s*([kKmM])", word)
    if scaled and (int in kinds or float in kinds):
        meant = scaled[1] + {"k": "_000", "m": "_000_000"}[scaled[2].lower()]
    elif float in kinds and re.fullmatch(r"[-+]?\d+,\d+", word):
        meant = word.replace(",", ".")
    elif bool in kinds and word.lower() in ("yes", "on", "1", "no", "off", "0"):
        meant = show(word.lower() in ("yes", "on", "1"))
    return f"   {suggest.ask([meant])}" if meant else ""


def _parse_one(text: str, kind: Any) -> Any:
    word, origin = text.strip(), get_origin(kind)
    if kind is str:
        return text
    if kind is bool:
        if word.lower() in ("true", "false"):
            return word.lower() == "true"
    elif kind is int:
        if _INTEGER.fullmatch(word):
            return int(word)
        if _NUMBER.fullmatch(word) and float(word).is_integer():
            return int(float(word))
    elif kind is float:
        if _NUMBER.fullmatch(word) or word.lower().lstrip("+-") == "inf":
            return float(word)
    elif origin is Literal:
        return _parse_choice(word, get_args(kind))
    elif origin in (list, tuple, set, frozenset) or kind in (list, tuple):
        inner = (get_args(kind) or (Any,))[0]
        return [read(item, inner) for item in split(word)]
    else:
        return _parse_any(word)
    raise ValueError(f"must be {describe(kind)}")


def _parse_choice(word: str, choices: Sequence[Any]) -> Any:
    for choice in choices:
        if show(choice) == word:
            return choice
    hint = suggest.did_you_mean(word, [show(choice) for choice in choices])
    raise ValueError(f"must be one of {', '.join(map(show, choices))}" + (f"   {hint}" if hint else ""))


def _parse_any(word: str) -> Any:
    """Text for a field of another type, as YAML reads it."""
    import yaml

    try:
        return yaml.safe_load(word)
    except yaml.YAMLError as error:
        raise ValueError(f"cannot be read: {str(error).splitlines()[0]}") from None


def split(text: str) -> list[str]:
    """The items of ``[a,b]``, or of ``a,b``; commas within brackets separate nothing.

    Raises:
        ValueError: If brackets do not match, or nothing stands between two commas.

    >>> split("[td, linear(1,0,5)]"), split("td"), split("[]")
    (['td', 'linear(1,0,5)'], ['td'], [])
    """
    inside = text.strip()
    if inside.startswith("[") and inside.endswith("]"):
        inside = inside[1:-1]
    items, depth, start = [], 0, 0
    for index, character in enumerate(inside):
        depth += (character in "([{") - (character in ")]}")
        if depth < 0:
            raise ValueError(f"must be a list [a,b,…]; nothing opens the {character}{_repaired(text)}")
        if character == "," and depth == 0:
            items.append(inside[start:index])
            start = index + 1
    if depth:
        raise ValueError(f"must be a list [a,b,…]; a bracket is not closed{_repaired(text)}")
    last = inside[start:]
    if not all(item.strip() for item in items):
        raise ValueError(f"must be a list [a,b,…]; nothing stands before a comma{_repaired(text)}")
    return [item.strip().strip("'\"") for item in [*items, last] if item.strip()]


def _repaired(text: str) -> str:
    """The list that was probably meant, where there are no brackets but the outer ones."""
    items = [item.strip() for item in text.strip().removeprefix("[").removesuffix("]").split(",") if item.strip()]
    return f"   {suggest.ask([show(items)])}" if items and not any(sign in item for item in items for sign in "[](){}") else ""


def names(value: Any) -> list[str]:
    """A list of names, as it was typed or written; ``none`` and ``null`` are the empty one.

    Raises:
        ValueError: If it is none.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in _NULLS):
        return []
    said = split(value) if isinstance(value, str) and value.strip() else value
    if not isinstance(said, list | tuple) or not all(isinstance(item, str) for item in said):
        raise ValueError("must be a list of names, [a,b]   for none  []")
    if not all(item.strip().removeprefix("+") for item in said):
        raise ValueError("must be a list of names, [a,b]; one is empty")
    return list(said)


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


_PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}


def describe(annotation: Any) -> str:
    """A type in words: ``a whole number or null``."""
    annotation = _bare(annotation)
    words = []
    for kind in members(annotation):
        origin = get_origin(kind)
        if origin is Literal:
            words.append(f"one of {', '.join(map(show, get_args(kind)))}")
        elif origin in (list, tuple, set, frozenset):
            words.append("a list [a,b,…]")
        elif origin is dict or kind is dict:
            words.append("a mapping")
        else:
            words.append(_PLAIN.get(kind, getattr(kind, "__name__", str(kind))))
    return " or ".join(words)


def complaint(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors, in our words."""
    kind, context = error["type"], error.get("ctx", {})
    said = {
        "greater_than": "must be greater than {gt}",
        "greater_than_equal": "must be at least {ge}",
        "less_than": "must be less than {lt}",
        "less_than_equal": "must be at most {le}",
        "value_error": "{error}",
        "literal_error": "must be one of {expected}",
        "finite_number": "must be a finite number",
        "string_pattern_mismatch": "must match {pattern}",
        "string_too_short": "must not be empty",
    }.get(kind)
    if said is not None:
        return said.format(**{name: f"{bound:g}" if isinstance(bound, float) else bound for name, bound in context.items()})
    for prefix, words in (("int", _PLAIN[int]), ("float", _PLAIN[float]), ("bool", _PLAIN[bool]), ("string", _PLAIN[str])):
        if kind.startswith(prefix):
            return f"must be {words}"
    return str(error["msg"]).replace("Input should be", "must be")


def takes_mapping(annotation: Any) -> bool:
    """Whether dotted keys below the field are entries of one value."""
    return any(get_origin(kind) is dict or kind is dict for kind in members(_bare(annotation)))


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def members(annotation: Any) -> list[Any]:
    """The types of a union, or the one type."""
    annotation = _bare(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return [inner for member in get_args(annotation) for inner in members(_bare(member))]
    return [annotation]


def _is_choice(value: Any, kinds: Sequence[Any]) -> bool:
    return any(value in get_args(kind) for kind in kinds if get_origin(kind) is Literal)
