"""YAML and JSON files of values, with the line of each key, so that an error can name it. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unified.core.config.overrides import Path as Key
from unified.core.config.overrides import path_of
from unified.core.errors import Problem, UsageError

SUFFIXES = (".yaml", ".yml", ".json")


def read(name: str, path: Path) -> tuple[dict[str, Any], dict[Key, int]]:
    """The tree of a file, and the lines of its keys where it is YAML.

    Args:
        name: Of the recipe, as it was said.
        path: The file.

    Raises:
        UsageError: If it cannot be read or is not a tree, with the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(Problem(f"recipe {name} cannot be read: {error.strerror or error}")) from error
    except UnicodeDecodeError as error:
        raise UsageError(Problem(f"recipe {name} cannot be read: it is not text in UTF-8")) from error
    try:
        tree, lines = (_json(text), {}) if path.suffix == ".json" else _yaml(text)
    except RecursionError:
        raise UsageError(Problem(f"recipe {name} cannot be read: it is nested too deeply")) from None
    except ValueError as error:
        raise UsageError(Problem(f"recipe {name} cannot be read: {error}")) from error
    if tree is None:
        tree = {}
    if not isinstance(tree, Mapping):
        raise UsageError(Problem(f"recipe {name} is not a tree of keys and values", "for example  agent.lr: 1e-4"))
    return dict(tree), lines


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"it says {next(key for key in names if names.count(key) > 1)} twice")
    return tree


def _yaml(text: str) -> tuple[Any, dict[Key, int]]:
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            lines: dict[Key, int] = {}
            _note_lines(node, (), (), lines)
            return (None if node is None else loader.construct_document(node)), lines
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        at_end = "<stream end>" in (error.problem or "")
        mark = error.context_mark if at_end and error.context_mark else error.problem_mark
        said = (error.problem or "").replace("'<stream end>'", "the end of the file")
        raise ValueError((f"line {mark.line + 1}, column {mark.column + 1}: " if mark else "") + said) from None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def _note_lines(node: Any, prefix: Key, above: tuple[int, ...], lines: dict[Key, int]) -> None:
    """Note the line of each key that a file spells out, whether dotted or nested; refuse what YAML would forget in silence."""
    if id(node) in above:
        raise ValueError(f"line {node.start_mark.line + 1}: {'.'.join(prefix)} contains itself")
    if getattr(node, "id", "") != "mapping":
        return
    here: set[Key] = set()
    for key, value in node.value:
        if key.id != "scalar" or key.value == "<<":
            continue
        path, line = (*prefix, *path_of(key.value)), key.start_mark.line + 1
        opens = value.id == "mapping" and value.value
        # `agent: {…}` and `agent.lr: 1` beside it add up, but the same key in one mapping, or one leaf said twice, do not.
        if path in here or (path in lines and not opens):
            raise ValueError(f"it says {'.'.join(path)} twice, on lines {lines[path]} and {line}")
        here.add(path)
        lines.setdefault(path, line)
        _note_lines(value, path, (*above, id(node)), lines)
