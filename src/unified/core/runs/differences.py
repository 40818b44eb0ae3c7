"""In what the configuration of a run differs from another. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from unified.core.base.errors import Problem

if TYPE_CHECKING:
    from unified.core.config.config import Config


def differences(kept: Mapping[str, Any], config: Config) -> list[Problem]:
    """A line for each value that would change the result of a run, if it went on with this configuration.

    Args:
        kept: The tree of the run's ``config.json``.
        config: With which it is asked to go on.
    """
    from unified.core.config.config import is_identity_exempt, leaves

    before, now = ({".".join(path): value for path, value in leaves(tree)} for tree in (dict(kept), jsonable(config.tree)))
    # An option that this version has and the run's did not is as if the run had said its default.
    before = {**{key: value for key, value in config.defaults.items() if key in now}, **before}
    return [
        Problem(f"  {key}: {_shown(before, key)} -> {_shown(now, key)}")
        for key in sorted({*before, *now})
        if not is_identity_exempt(key) and (key not in before or key not in now or before[key] != now[key])
    ]


def jsonable(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The tree as JSON gives it back (tuples are lists)."""
    return dict(json.loads(json.dumps(tree, default=str)))


def _shown(leaves: Mapping[str, Any], key: str) -> str:
    return json.dumps(leaves[key]) if key in leaves else "(not set)"
