"""scikit-learn's data sets as suites."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from unified.core.components.descriptors import SuiteComponent
from unified.core.envs.dataset import DataSuite
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.plugins.suites.splits import SplitOptions
from unified.plugins.suites.tables import components

NAMED = {component.name: component for component in components}
EXPECTED = {
    "digits": ((1797, (1, 8, 8)), 10),
    "iris": ((150, (4,)), 3),
    "wine": ((178, (13,)), 3),
    "breast_cancer": ((569, (30,)), 2),
    "diabetes": ((442, (10,)), None),
}


def suite(name: str, **options: Any) -> Any:
    return NAMED[name].load()("", SplitOptions(**options))


@pytest.mark.parametrize("name", EXPECTED)
def test_every_table(name: str) -> None:
    (count, shape), classes = EXPECTED[name]
    made: DataSuite = suite(name)
    spec, train, test = made.spec(), made.rows("train"), made.rows("test")
    assert len(train) + len(test) == count
    assert abs(len(test) - count / 5) <= 1
    assert (spec.observation.shape, spec.action.n, len(spec.classes)) == (shape, classes, classes or 0)
    assert spec.task_type == ("classify" if classes else "regress")
    assert train.inputs.dtype == spec.observation.dtype
    assert (train.targets.shape[1:], train.targets.dtype) == (spec.action.shape, spec.action.dtype)
    assert NAMED[name].load_tasks() == ()
    as_numbers = train.inputs / 255.0 if spec.observation.dtype == "uint8" else train.inputs.astype(np.float64)
    axes = (0, 2, 3) if as_numbers.ndim == 4 else 0
    np.testing.assert_allclose(spec.mean, as_numbers.mean(axes), rtol=1e-6)
    np.testing.assert_allclose(spec.std, as_numbers.std(axes), rtol=1e-6)


def test_digits_are_those_of_scikit_learn_in_bytes() -> None:
    from sklearn.datasets import load_digits

    rows = suite("digits").rows("train"), suite("digits").rows("test")
    found = {(bytes(picture.tobytes()), int(label)) for side in rows for picture, label in zip(side.inputs, side.targets, strict=True)}
    images, labels = load_digits(return_X_y=True)
    expected = {(bytes([round(v * 255 / 16) for v in image]), int(label)) for image, label in zip(images, labels, strict=True)}
    assert found == expected


def test_folds_are_stratified_and_cover_all() -> None:
    seen: list[bytes] = []
    for fold in range(5):
        made = suite("digits", fold=fold)
        test = made.rows("test")
        seen += [picture.tobytes() for picture in test.inputs]
        assert np.bincount(test.targets).min() >= 34
        assert np.bincount(test.targets).max() <= 37
        assert len(made.rows("train")) + len(test) == 1797
    whole = [picture.tobytes() for side in ("train", "test") for picture in suite("digits").rows(side).inputs]
    assert sorted(seen) == sorted(whole)


def test_the_split_is_its_seeds_and_nobody_elses() -> None:
    one, again, other = suite("iris"), suite("iris"), suite("iris", split_seed=1)
    np.testing.assert_array_equal(one.rows("test").inputs, again.rows("test").inputs)
    assert one.rows("test").inputs.tolist() != other.rows("test").inputs.tolist()


def test_targets_of_diabetes_are_scaled_by_the_training_rows() -> None:
    from sklearn.datasets import load_diabetes

    made = suite("diabetes", fold=0)
    spec, train, test = made.spec(), made.rows("train"), made.rows("test")
    (low,), (high,) = spec.target_range
    original = np.concatenate([rows.targets[:, 0] for rows in (train, test)]) * (high - low) / 2 + (high + low) / 2
    np.testing.assert_allclose(np.sort(original), np.sort(load_diabetes().target), rtol=1e-5)
    assert (train.targets.min(), train.targets.max()) == (-1.0, 1.0)


def test_what_is_read_cannot_be_changed() -> None:
    rows = suite("wine").rows("train")
    rows.inputs[:] = 0  # a part of the rows is a copy
    assert suite("wine").rows("train").inputs.max() > 1


def test_generation_and_one_step() -> None:
    made = suite("digits", task_type="generate")
    assert made.rows("train").targets.dtype == np.uint8
    reference = SuiteReference(NAMED["digits"].target, "", {"test": 0.3}, NAMED["digits"].config)
    with WorkerVectorEnv(reference, 2, seed=1) as vector:
        assert vector.placement == "inline"
        assert vector.reset().shape == (2, 1, 8, 8)
        vector.step_async(np.array([3, 4]))
        assert vector.step_wait().terminated.all()


@pytest.mark.parametrize("options", [{"fold": 5}, {"fold": 2, "folds": 2}, {"fold": -1}, {"test": 0.0}, {"view": "paint"}])
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SplitOptions(**options)


def test_listing_imports_nothing_heavy() -> None:
    program = """
import sys
from unified.plugins.suites import tables
for component in tables.components:
    component.load_tasks(), component.options_model()
assert not {"numpy", "sklearn", "torch"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_reading_imports_no_torch() -> None:
    program = """
import sys
from unified.plugins.suites.splits import SplitOptions
from unified.plugins.suites.tables.suite import Iris
Iris("", SplitOptions()).environment().reset(1)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_components_are_well_formed() -> None:
    for component in components:
        assert isinstance(component, SuiteComponent)
        assert issubclass(component.load(), DataSuite)
