"""The public bases of agents: what the built-in agents import, what an objective asks of an agent, and its type."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import unified

PACKAGE = Path(unified.__file__).parent
FOLDER = PACKAGE / "plugins" / "agents"
AGENTS = sorted(FOLDER.rglob("*.py"))
PUBLIC = ("unified", "unified.agents", "unified.heads", "unified.nets", "unified.replay")
#: Settings that several agents share: data, which no third party needs.
SHARED = "unified.plugins.agents.robots"


@pytest.mark.parametrize("path", AGENTS, ids=lambda path: "/".join(path.parts[-2:]))
def test_built_in_agents_import_what_a_third_party_may_import(path: Path) -> None:
    own = f"unified.plugins.agents.{path.relative_to(FOLDER).parts[0]}."
    for node in ast.walk(ast.parse(path.read_text())):
        for name in [alias.name for alias in node.names] if isinstance(node, ast.Import) else []:
            assert not name.startswith("unified")
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unified") and not node.module.startswith(own):
            if node.module == SHARED:
                continue
            assert node.module in PUBLIC
            assert {alias.name for alias in node.names} <= set(importlib.import_module(node.module).__all__)


@pytest.mark.parametrize("module", ["unified.agents", "unified.heads", "unified.nets"])
def test_public_modules_have_what_they_export(module: str) -> None:
    there = importlib.import_module(module)
    assert [name for name in there.__all__ if getattr(there, name, None) is None] == []
    assert there.__all__ == sorted(there.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))


def test_options_of_agents_do_not_import_torch() -> None:
    program = "import sys; from unified.agents import OffPolicyOptions, OnPolicyOptions; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.slow
def test_a_wrong_name_in_an_objective_is_an_error_of_mypy(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    module = tmp_path / "wrong.py"
    module.write_text(
        "from unified import Batch, Loss\n"
        "from unified.agents import HasPolicy, OffPolicyAgent\n"
        "def right(agent: HasPolicy, batch: Batch) -> Loss:\n"
        "    return Loss(-agent.policy(batch.features).log_prob(batch.action).mean())\n"
        "def wrong(agent: HasPolicy, batch: Batch) -> Loss:\n"
        "    return Loss(-agent.polici(batch.features).log_prob(batch.action).mean())\n"
        "def fits(agent: OffPolicyAgent, batch: Batch) -> Loss:\n"
        "    return right(agent, batch)\n"
        "def misfits(batch: Batch) -> Loss:\n"
        "    return right(object(), batch)\n"
    )
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", f"--cache-dir={tmp_path / 'cache'}", str(module)]
    environment = {**os.environ, "MYPYPATH": str(PACKAGE.parent)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert '"HasPolicy" has no attribute "polici"' in done.stdout
    assert 'Argument 1 to "right" has incompatible type "object"' in done.stdout
    assert "Found 2 errors" in done.stdout, done.stdout
