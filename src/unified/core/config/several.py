"""Lists of components with options: callbacks and objectives. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from unified.core.config.resolve import Resolver
from unified.core.config.schema import LISTS, Selection
from unified.core.errors import Problem, UsageError
from unified.core.options import NAME
from unified.core.references import label
from unified.core.suggest import did_you_mean


def several(resolver: Resolver, key: str) -> tuple[list[Selection], dict[str, Any]]:
    """What a list selects, in its order, each with the options below its short name; and the tree of all that.

    ``with=[+tensorboard] with.tensorboard.every=5``, ``objective=[+spr] objective.spr.weight=2``. What is wrong is noted by the resolver.

    Args:
        resolver: Of the layers.
        key: ``"with"`` or ``"objective"``.
    """
    listed = LISTS[key]
    names, source, start = resolver.listed((key, NAME), listed.kind, listed.default, mixed=listed.keeps_plus)
    if not listed.keeps_plus:
        names = list(dict.fromkeys(name.removeprefix("+") for name in names))
    shorts = [_short(name) for name in names]  # a path has dots, so what it selects is configured by its short name
    resolver.known.append(key)
    resolver.sources[f"{key}.{NAME}"], resolver.defaults[f"{key}.{NAME}"] = source, list(listed.default)
    _drop_unselected(resolver, key, shorts, start)
    found: list[Selection] = []
    tree: dict[str, Any] = {NAME: names}
    for name, short in zip(names, shorts, strict=True):
        path = (key, short)
        if shorts.count(short) > 1:
            resolver.problems.append(Problem(f"two {listed.kind} are called {short}: {name}", "call one of them otherwise", source))
        try:
            component = resolver.registry.get(listed.kind, name.removeprefix("+"))
        except UsageError as error:
            resolver.problems += [replace(problem, source=source) for problem in error.problems]
            for below, _ in resolver.below(path):
                resolver.unchecked(below, path)
            continue
        options, below_tree = resolver.component_options(component, path)
        if options is not None:
            found.append(Selection(listed.kind, name, None, component, options))
        if below_tree:
            tree[short] = below_tree
    _refuse_unselected(resolver, key, names, shorts)
    return found, tree


def _short(name: str) -> str:
    return label(name.removeprefix("+"))


def _drop_unselected(resolver: Resolver, key: str, shorts: Sequence[str], start: int) -> None:
    """Options for what the layer at `start` left out go with it."""
    for layer in resolver.layers[:start]:
        for path in list(layer.values):
            if path[0] == key and len(path) > 1 and path[1] not in (*shorts, NAME):
                del layer.values[path]


def _refuse_unselected(resolver: Resolver, key: str, names: Sequence[str], shorts: Sequence[str]) -> None:
    kind = LISTS[key].kind
    for path, where in resolver.below((key,)):
        if path[1] in shorts or path == (key, NAME):
            continue
        if path[1] in resolver.registry.names(kind):
            added = f"+{path[1]}" if LISTS[key].keeps_plus else path[1]
            hint = f"add it:  {key}=[{','.join([*names, added])}]"
        else:
            hint = did_you_mean(path[1], shorts) or f"selected are {', '.join(shorts) or 'none'}"
        resolver.problems.append(Problem(f"{'.'.join(path)}: {kind.removesuffix('s')} {path[1]!r} is not selected", hint, where))
