"""Built-ins are found by walking the packages: a new component edits no file of the others."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import unified

AGENT = '''
"""Of a test."""
from unified.core.components.descriptors import AgentComponent

component = AgentComponent("newcomer", "unified.plugins.agents.random.agent:Random", summary="of a test")
'''
OBJECTIVE = '''
"""Of a test."""
from unified.core.components.descriptors import ObjectiveComponent

components = (ObjectiveComponent("novelty", "unified.plugins.objectives.td.objective:TD", summary="of a test"),)
'''


def test_a_new_package_is_listed_documented_and_trains(tmp_path: Path) -> None:
    copy = tmp_path / "src" / "unified"
    shutil.copytree(Path(unified.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for place, text in (("agents/newcomer", AGENT), ("objectives/novelty", OBJECTIVE)):
        (copy / "plugins" / place).mkdir()
        (copy / "plugins" / place / "__init__.py").write_text(text)

    def said(*words: str) -> str:
        environment = {"PYTHONPATH": str(copy.parent), "PATH": "", "HOME": str(tmp_path)}
        done = subprocess.run([sys.executable, "-m", "unified", *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "newcomer" in said("plugins", "list", "agents")
    assert "calls methods of the agent" in said("plugins", "show", "novelty")
    assert "newcomer" in said("train", "--agent", "newcomer", "--suite", "gym:CartPole-v1", "--dry-run")


def test_descriptors_are_light() -> None:
    code = "import sys, unified.plugins as p; p.builtins(); assert not {'torch', 'numpy', 'gymnasium', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
