"""Fixtures for tests of plugins, there wherever unified is installed. Light: nothing is imported before a test asks for it.

| fixture | what |
|---|---|
| `plugin_registry` | makes the process's registry hold the built-ins and the plugins given, for this test alone |
| `tiny_run` | trains some hundred frames on a probe environment, in `tmp_path`, and gives the run |
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
    """``plugin_registry(module, other=module)``: plugins as if they were installed, beside the built-ins and nothing else.

    Modules or objects with hook implementations are known by their own names, or by the keyword; ``core=False`` leaves out the
    built-ins. `unified.core.registry.registry` gives what is returned, until the test ends. What a plugin does wrong becomes its record,
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
    """``tiny_run("both", agent="xyz", agent__lr=0.1, train__frames=200)``: a trained run on a probe, nothing on the screen.

    Without an agent it is a small DrQ-v2. Runs are kept in ``tmp_path / "runs"``: the same call again resumes, as always.
    """

    def run(task: str = "both", **values: Any) -> Run:
        from unified.testing.rehearsal import tiny_run

        return tiny_run(tmp_path / "runs", task, **values)

    return run
