"""The conformance checks as pytest tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import pytest

from unified.core.base import suggest
from unified.core.base.errors import Problem, UnifiedError, UsageError
from unified.testing.check import LEVELS, Failed, Level, Skipped
from unified.testing.kit import Case, cases, components_of, missing_extra
from unified.testing.settings import configure


def conformance(
    name: str,
    *,
    level: Level = "contract",
    expected_failures: Mapping[str, str] | None = None,
    marks: Mapping[str, pytest.MarkDecorator] | None = None,
    options: Sequence[str] = (),
    task: str | None = None,
) -> Callable[..., None]:
    """One test for each component of a plugin and each check: ``test_xyz = conformance("xyz")``.

    Args:
        name: A plugin (entry point or package) or one component.
        level: ``"contract"``, or ``"strict"`` for more checks.
        expected_failures: The reason of each known failure, by the id of the check (``"agent:xyz-saves_and_loads"``). If such a check
            passes, its test fails.
        marks: Pytest marks by pattern of the ids: ``{"suite:*": pytest.mark.slow}``.
        options: Options of the components: ``["agent.critic.head=quantile"]``.
        task: Task for suites and agents, as of `unified plugins check --task`.

    Returns:
        A parametrised test function. If the name is unknown or nothing can be checked, it is a test that fails with the reason.

    Raises:
        UsageError: If `level`, an option or the task does not exist, or `expected_failures` or `marks` match no check.

    >>> test_xyz = conformance("xyz", expected_failures={"agent:xyz-saves_and_loads": "the authors' code has no state"})   # doctest: +SKIP
    """
    if level not in LEVELS:
        raise UsageError(Problem(f"there is no level {level!r}", f"one of {', '.join(LEVELS)}"))
    expected, marks = dict(expected_failures or {}), dict(marks or {})
    try:
        components = components_of(name)
    except UnifiedError as error:
        return _failing(str(error))
    components = configure(components, options, task) if options or task else components
    selected = cases(components, level)
    if not selected:
        return _failing(f"plugin {name!r} provides no component, so nothing was checked    see: unified plugins show {name}")
    reasons = [missing_extra(component) for component in components if component.extra]
    if len(reasons) == len(components) and all(reasons):
        return _failing(f"nothing was checked: {reasons[0]}")
    ids = [case.id for case in selected]
    _refuse_unknown(expected, marks, ids)
    parameters = [
        pytest.param(case, id=case.id, marks=[mark for pattern, mark in marks.items() if fnmatchcase(case.id, pattern)])
        for case in selected
    ]

    @pytest.mark.parametrize("case", parameters)
    def test_conformance(case: Case) -> None:
        __tracebackhide__ = True
        _carry_out(case, expected.get(case.id))

    return test_conformance


def _carry_out(case: Case, known: str | None) -> None:
    __tracebackhide__ = True
    try:
        case.run()
    except Skipped as skipped:
        pytest.skip(str(skipped))
    except Exception as error:
        if known is not None:
            pytest.xfail(known)
        if not isinstance(error, Failed | UnifiedError):
            raise
        pytest.fail(f"{case.id}\n{error}", pytrace=False)
    if known is not None:
        pytest.fail(f"{case.id} passes, although it was expected to fail ({known}): remove it from expected_failures", pytrace=False)


def _refuse_unknown(expected: Mapping[str, Any], marks: Mapping[str, Any], ids: list[str]) -> None:
    problems = [
        Problem(f"expected_failures names no check: {key!r}", suggest.did_you_mean(key, ids) or f"for example {ids[0]!r}")
        for key in expected
        if key not in ids
    ]
    problems += [
        Problem(f"marks: no check fits {pattern!r}", f"for example {ids[0]!r}")
        for pattern in marks
        if not any(fnmatchcase(test, pattern) for test in ids)
    ]
    if problems:
        raise UsageError(*problems)


def _failing(message: str) -> Callable[[], None]:
    def test_conformance() -> None:
        __tracebackhide__ = True
        pytest.fail(message, pytrace=False)

    return test_conformance
