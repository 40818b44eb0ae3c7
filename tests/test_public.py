"""What a plugin needs is public: what is shown and written for authors uses nothing else."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator

import pytest

import unified
from runs.beside import EXAMPLE, REPOSITORY
from unified.cli import scaffold

#: The modules that a plugin may import; `API_VERSION` is about what they export.
PUBLIC = ("unified", "unified.agents", "unified.heads", "unified.nets", "unified.replay", "unified.testing", "unified.testing.probes")

#: What was promised with `API_VERSION` 2: a name that is taken away raises the number.
PROMISED = {
    "unified": """
        API_VERSION Action Agent AgentComponent ArchitectureComponent ArrayVectorEnv Batch Builder CallbackComponent CommandComponent Config
        ContinuousActions DataSuite DiscreteActions Environment EpisodeFailed Labelled LauncherComponent LearningOptions
        Loss Objective ObjectiveComponent Options Part Phase PhaseLoss PhaseStep Preset Problem RecipeComponent Rollout Rows Run
        Schedule Space Spec Step Suite
        SuiteComponent Transitions UnifiedError UsageError View
        compose frozen hookimpl hookspec launch load output_shape registry train
    """,
    "unified.agents": """
        ActorCriticOptions ActorOptions CriticOptions HasBootstrap HasCritic HasPolicy NoiseOptions OffPolicyAgent OffPolicyOptions
        OnPolicyAgent OnPolicyOptions RolloutOptions TwinCriticOptions
    """,
    "unified.heads": """
        Categorical CategoricalValue Deterministic Gaussian Policy PolicyHead QuantileValue ScalarValue TanhGaussian TruncatedNormal
        Value ValueHead
    """,
    "unified.nets": """
        MLP Actor ChoiceCritic Critic EnsembleMLP
        RandomShift Sight epsilon_greedy make_actor make_critic output_shape policy_head uniform
    """,
    "unified.replay": """
        Array Batch Column Gatherer Labelled Replay Rollout Sampler Store SumTree Transitions Uniform View all_eligible locate windows
    """,
    "unified.testing": "Check Failed Skipped conformance",
    "unified.testing.probes": "Both ByAction Constant Delayed Observation Probe ProbeOptions Probes",
}


def sources() -> dict[str, str]:
    """Everything that is shown to authors of plugins: the example, what `plugins new` writes, and the code of the pages."""
    found = {path.relative_to(REPOSITORY).as_posix(): path.read_text() for path in EXAMPLE.rglob("*.py")}
    for kind in scaffold.KINDS:
        files = scaffold.render("mine", [kind])
        found |= {f"{kind}: {name}": text for name, text in files.items() if name.endswith(".py")}
    for page in (REPOSITORY / "README.md", REPOSITORY / "docs" / "plugins.md"):
        for index, text in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)):
            named = re.match(r"# ([\w./-]+\.py)\n", text)
            if not (named and any((root / named[1]).exists() for root in (EXAMPLE, REPOSITORY))):  # pieces of files that are there
                found[f"{page.name}: {index}"] = text
    return found


SOURCES = sources()


def private(text: str) -> Iterator[str]:
    """What is taken from unified that it does not export, and underscored attributes that are defined elsewhere."""
    tree = ast.parse(text)
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    own |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if of_unified(alias.name) and alias.name not in PUBLIC)
        elif isinstance(node, ast.ImportFrom) and node.module and of_unified(node.module):
            exported = importlib.import_module(node.module).__all__ if node.module in PUBLIC else ()
            yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name not in exported)
        elif isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr) and node.attr not in own:
            yield f".{node.attr}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"unified\.(?:core|plugins|cli)[\w.]*", node.value)


def of_unified(module: str) -> bool:
    return module.split(".")[0] == "unified"


@pytest.mark.parametrize("name", SOURCES)
def test_authors_are_shown_what_is_public(name: str) -> None:
    assert not list(private(SOURCES[name]))


def test_what_is_private_is_seen() -> None:
    text = "from unified.core.replay.batch import Batch\nimport unified.api\nfrom unified import Batchh\n"
    text += "self._build\nx = 'unified.plugins.suites'"
    assert set(private(text)) == {"unified.core.replay.batch.Batch", "unified.api", "unified.Batchh", "._build", "unified.plugins.suites"}


@pytest.mark.parametrize("module", PUBLIC)
def test_public_modules_have_what_they_export_and_what_was_promised(module: str) -> None:
    there = importlib.import_module(module)
    for name in there.__all__:
        assert getattr(there, name) is not None
    assert unified.API_VERSION == 2
    assert set(PROMISED[module].split()) <= set(there.__all__)


def test_the_kit_advises_what_is_public() -> None:
    texts = [path.read_text() for path in (REPOSITORY / "src" / "unified" / "testing" / "checks").glob("*.py")]
    strings = [node.value for text in texts for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    told = [match for text in strings if isinstance(text, str) for match in re.findall(r"\bunified\.([\w.]+\w)(?![\w.]*:)", text)]
    assert "frozen" in told
    assert {name for name in told if name.split(".")[0] not in (*unified.__all__, "testing")} == set()


def test_what_makes_objectives_is_public() -> None:
    assert "self.build.objective(" in scaffold.render("mine", ["agent"])["src/unified_plugin_mine/agent.py"]
    assert not re.search(r"\b_build\b", (REPOSITORY / "src" / "unified" / "core" / "learn" / "agent.py").read_text())
