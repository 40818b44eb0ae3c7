"""The kit as tests: ids, expected failures, marks, and what is said where nothing can be checked."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from unified.core.base.errors import UsageError
from unified.core.components.descriptors import ArchitectureComponent, CallbackComponent
from unified.core.components.hookspecs import hookimpl
from unified.testing import conformance


@pytest.fixture
def wrong(plugin_registry):
    """A plugin ``wrong`` whose architecture has a dead parameter and whose callback is right."""
    nets = [ArchitectureComponent("dead", "testing.wrong_others:DeadParameter", summary="A dead parameter.")]
    watchers = [CallbackComponent("counts", "testing.wrong_others:Counts", summary="Counts.")]
    return plugin_registry(
        wrong=SimpleNamespace(register_architectures=hookimpl(lambda: nets), register_callbacks=hookimpl(lambda: watchers)),
        empty=SimpleNamespace(),
        broken=ImportError("no module named 'flux'"),
    )


def parameters(test: Any) -> dict[str, Any]:
    """The parameter sets of a parametrised test, by id."""
    (mark,) = test.pytestmark
    return {parameter.id: parameter for parameter in mark.args[1]}


def carry_out(test: Any, name: str) -> None:
    test(*parameters(test)[name].values)


DEAD = "architecture:dead-trains_every_parameter"


def test_one_id_for_each_component_and_check(wrong):
    names = list(parameters(conformance("wrong")))
    assert len(names) == len(set(names))
    assert {DEAD, "architecture:dead-imports", "callback:counts-keeps_its_state"} <= set(names)
    assert "callback:counts-is_documented" not in names
    assert "callback:counts-is_documented" in parameters(conformance("wrong", level="strict"))
    assert all(name.startswith("callback:") for name in parameters(conformance("counts")))


def test_a_check_that_fails_fails_with_its_explanation(wrong):
    with pytest.raises(
        pytest.fail.Exception, match=r"architecture:dead-trains_every_parameter\ncontract: Gradients .*\nseen: .*none for scale"
    ):
        carry_out(conformance("wrong"), DEAD)
    carry_out(conformance("wrong"), "architecture:dead-keeps_its_state")


def test_a_check_that_does_not_apply_is_skipped(wrong):
    with pytest.raises(pytest.skip.Exception, match="no parameters"):
        carry_out(conformance("identity"), "architecture:identity-trains_every_parameter")


def test_a_failure_can_be_expected_and_must_then_come(wrong):
    with pytest.raises(pytest.xfail.Exception, match="by design"):
        carry_out(conformance("wrong", expected_failures={DEAD: "by design"}), DEAD)
    right = "architecture:dead-keeps_its_state"
    with pytest.raises(pytest.fail.Exception, match=r"passes, although it was expected to fail \(by design\)"):
        carry_out(conformance("wrong", expected_failures={right: "by design"}), right)


def test_an_expected_failure_of_no_check_is_an_error_at_once(wrong):
    with pytest.raises(UsageError, match="did you mean  architecture:dead-trains_every_parameter"):
        conformance("wrong", expected_failures={"architecture:dead-trains_every_parametre": "a typing error"})
    with pytest.raises(UsageError, match="no check fits 'suite:"):
        conformance("wrong", marks={"suite:*": pytest.mark.slow})
    with pytest.raises(UsageError, match="there is no level 'strikt'"):
        conformance("wrong", level="strikt")  # type: ignore[arg-type]


def test_marks_go_to_the_checks_that_fit(wrong):
    marked = parameters(conformance("wrong", marks={"*-keeps_its_state": pytest.mark.slow}))
    assert [name for name, parameter in marked.items() if parameter.marks] == [
        "architecture:dead-keeps_its_state",
        "callback:counts-keeps_its_state",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wrogn", "there is no plugin or component 'wrogn'.*did you mean  wrong"),
        ("empty", "plugin 'empty' provides no component, so nothing was checked"),
        ("broken", "plugin broken is broken: ImportError: no module named 'flux'"),
    ],
)
def test_nothing_to_check_is_a_test_that_fails(wrong, name, said):
    with pytest.raises(pytest.fail.Exception, match=said):
        conformance(name)()


@pytest.mark.slow
def test_as_pytest_shows_it(tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "from unified.testing import conformance\n"
        "test_mlp = conformance('mlp', expected_failures={'architecture:mlp-treats_rows_apart': 'not at all'})\n"
        "test_nothing = conformance('mlpp')\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert run.returncode == 1, run.stdout
    assert "PASSED test_mine.py::test_mlp[architecture:mlp-gives_the_shape_it_says]" in run.stdout
    assert "FAILED test_mine.py::test_mlp[architecture:mlp-treats_rows_apart]" in run.stdout
    assert "remove it from expected_failures" in run.stdout
    assert "FAILED test_mine.py::test_nothing" in run.stdout
    assert "did you mean  mlp ?" in run.stdout
    assert "2 failed" in run.stdout
