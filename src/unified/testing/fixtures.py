"""Pytest fixtures for plugins, available wherever unified is installed. Imports happen at their first use.

| fixture | purpose |
|---|---|
| `plugin_registry` | sets the registry of the process to the built-ins and given plugins, for one test |
| `tiny_run` | trains a few hundred frames on a probe environment in `tmp_path` and returns the run |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from unified.core.registry import Registry
    from unified.core.runs.run import Run


@pytest.fixture
def plugin_registry(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry]:
    """``plugin_registry(module, other=module)``: a registry with these plugins and the built-ins only.

    Modules or objects with hook implementations have their own names or that of the keyword; ``core=False`` excludes the
    built-ins. `unified.core.registry.registry` returns it until the test ends. Errors of a plugin become its record,
    as for installed ones.

    >>> def test_mine(plugin_registry):
    ...     plugin_registry(xyz=unified_plugin_xyz)
    ...     assert unified.registry().get("agents", "xyz").qualified == "xyz/xyz"
    """

    def make(*plugins: Any, core: bool = True, **named: Any) -> Registry:
        from unified.core import registry as module
        from unified.testing.plugins import entry_points

        known = module.Registry(entry_points(*plugins, core=core, **named))
        monkeypatch.setattr(module, "_current", [known])
        return known

    return make


@pytest.fixture
def tiny_run(tmp_path: Any) -> Callable[..., Run]:
    """``tiny_run("both", agent="xyz", agent__lr=0.1, train__frames=200)``: a trained run on a probe, without output.

    The default agent is a small DrQ-v2. Runs are in ``tmp_path / "runs"``: the same call resumes.
    """

    def run(task: str = "both", **values: Any) -> Run:
        from unified.testing.rehearsal import tiny_run

        return tiny_run(tmp_path / "runs", task, **values)

    return run
