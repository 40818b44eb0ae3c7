"""Suites of environments that have none."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from core.unpackaged import write
from unified.core.base.errors import UsageError
from unified.core.envs.adapters import EnvironmentAdapter
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.core.registry import registry
from unified.testing.environments import CounterEnvironment, CounterOptions


def counter() -> CounterEnvironment:
    return CounterEnvironment(CounterOptions())


def test_a_class_a_function_and_an_object() -> None:
    rows = []
    for thing in (counter, counter()):
        suite = EnvironmentAdapter(thing, "", None)
        one, two = suite.environment(), suite.environment()
        assert one is not two
        assert one is not thing
        rows += [one.reset(3), two.reset(3)]
    for row in rows[1:]:
        np.testing.assert_array_equal(rows[0], row)
    assert EnvironmentAdapter(counter(), "", None).placement == "inline"
    assert EnvironmentAdapter(counter, "", None).placement == "auto"


def test_one_environment_is_never_two(monkeypatch: pytest.MonkeyPatch) -> None:
    only = counter()
    EnvironmentAdapter(lambda: only, "", None).environment()
    with pytest.raises(UsageError, match="gives the same environment again"):
        EnvironmentAdapter(lambda: only, "", None).environment()


def test_what_cannot_be_copied_is_told() -> None:
    environment = counter()
    environment.lock = threading.Lock()
    with pytest.raises(UsageError, match=r"CounterEnvironment cannot be copied.*pass a function that returns it"):
        EnvironmentAdapter(environment, "", None).environment()


def test_what_is_made_must_be_an_environment() -> None:
    with pytest.raises(UsageError, match=r"makes int, which is no unified.Environment"):
        EnvironmentAdapter(lambda: 3, "", None).environment()


def test_an_object_stays_in_this_process() -> None:
    environment = counter()
    with WorkerVectorEnv(EnvironmentAdapter(environment, "", None), 2, seed=1) as vector:
        assert vector.placement == "inline"
        assert vector.reset().shape == (2, 3)
    assert environment.steps == 0
    with pytest.raises(UsageError, match="cannot live in another process"):
        WorkerVectorEnv(EnvironmentAdapter(environment, "", None), 1, seed=1, placement="process")


@pytest.mark.parametrize("text", ["./envs.py:Lines:hard", "./envs.py:Line:hard", "./envs.py:Bell:2", "./envs.py:annotated"])
def test_processes_find_what_is_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(write(tmp_path))
    suite = registry().get("suites", text)
    options = suite.options_model()().model_dump(mode="json")
    task = text.split(":")[2] if text.count(":") == 2 else ""
    reference = SuiteReference(suite.target, task, options, suite.config, suite.adapter)
    monkeypatch.chdir("/")
    rows = []
    for placement in ("inline", "process"):
        with WorkerVectorEnv(reference, 2, seed=1, placement=placement) as vector:
            rows.append(vector.reset().copy())
            space = vector.spec.action
            vector.step_async(np.ones((2, *space.shape), space.dtype))
            steps = vector.step_wait()
            rows += [steps.observation, steps.reward]
    for one, other in zip(rows[:3], rows[3:], strict=True):
        np.testing.assert_array_equal(one, other)
