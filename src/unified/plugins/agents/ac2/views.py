"""AC2 for the view of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unified.plugins.agents.ac2.agent import AC2
from unified.plugins.agents.ac2.maker import Maker

if TYPE_CHECKING:
    from unified.core.agent import Agent
    from unified.core.parts import Build
    from unified.core.spec import Spec


def by_view(spec: Spec, options: Any, build: Build) -> Agent:
    """`AC2` where something is observed, `Maker` where something is made."""
    return (Maker if spec.view == "generate" else AC2)(spec, options, build)
