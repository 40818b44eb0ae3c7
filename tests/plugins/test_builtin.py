"""What the built-ins say of themselves is true."""

from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatchcase

import gymnasium
import pytest

from unified.core.components.descriptors import KINDS, ObjectiveComponent
from unified.core.config.compose import compose
from unified.core.registry import registry
from unified.plugins.suites.dmc.tasks import BENCHMARKING, TASKS

COMPONENTS = [(kind, component) for kind in KINDS for component in registry().all(kind) if component.target]


@pytest.mark.parametrize(("kind", "component"), COMPONENTS, ids=lambda value: getattr(value, "name", value))
def test_targets_exist_and_options_are_described(kind: str, component: object) -> None:
    if getattr(component, "extra", None) == "envpool":  # 0.8 GB, not among what the tests need
        pytest.importorskip("envpool")
    assert component.load() is not None  # type: ignore[attr-defined]
    for name, field in component.options_model().model_fields.items():  # type: ignore[attr-defined]
        assert field.description, name
    assert component.summary  # type: ignore[attr-defined]


@pytest.mark.parametrize("component", registry().all("objectives"), ids=lambda component: component.name)
def test_objectives_declare_what_they_read(component: ObjectiveComponent) -> None:
    assert set(component.needs) == set(component.load().needs)


def test_the_list_of_tasks_is_dm_controls() -> None:
    code = (
        "import os; os.environ['MUJOCO_GL'] = 'disable'; from dm_control import suite;"
        "print(' '.join('_'.join(t) for t in suite.ALL_TASKS)); print(' '.join('_'.join(t) for t in suite.BENCHMARKING))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()
    assert set(TASKS) == set(out[-2].split())
    assert set(BENCHMARKING) == set(out[-1].split())


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("cartpole_balance", {"train.frames": 1_100_000, "agent.stddev": "linear(1.0,0.1,100000)", "agent.lr": 1e-4, "agent.n_step": 3}),
        ("cheetah_run", {"train.frames": 3_100_000, "agent.stddev": "linear(1.0,0.1,500000)", "agent.feature_dim": 50}),
        ("humanoid_run", {"train.frames": 30_100_000, "agent.stddev": "linear(1.0,0.1,2000000)", "agent.lr": 8e-5}),
        ("humanoid_walk", {"agent.feature_dim": 100, "agent.batch_size": 256}),
        ("walker_run", {"train.frames": 3_100_000, "agent.n_step": 1, "agent.batch_size": 512}),
        ("quadruped_run", {"replay.capacity": 100_000, "agent.n_step": 3, "agent.batch_size": 256}),
    ],
)
def test_the_published_settings_of_a_task(task: str, expected: dict[str, object]) -> None:
    config = compose(["agent=drqv2", f"suite=dmc:{task}"])
    for key, value in expected.items():
        found: object = config.tree
        for part in key.split("."):
            found = found[part]  # type: ignore[index]
        assert found == value, key


def test_presets_name_tasks_that_exist() -> None:
    suites = registry().all("suites")
    known = [f"{suite.name}:{task}" if task else suite.name for suite in suites for task in suite.load_tasks() or ("",)]  # type: ignore[attr-defined]
    known += [f"gym:{name}" for name in (*gymnasium.registry, "minigrid:MiniGrid-Empty-5x5-v0")]  # the last one is not installed
    for component in (*registry().all("agents"), *registry().all("objectives"), *suites):
        for preset in component.load_presets():  # type: ignore[attr-defined]
            for pattern in preset.match.split():
                assert pattern.startswith(("several", "data", "unified.testing:")) or any(fnmatchcase(name, pattern) for name in known), (
                    pattern
                )
