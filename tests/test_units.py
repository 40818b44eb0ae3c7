from __future__ import annotations

import doctest

import pytest

from unified import units


def test_examples():
    result = doctest.testmod(units)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("function", [units.count, units.duration, units.size, units.value])
def test_unknown_is_a_question_mark(function):
    assert function(None) == "?"


def test_extremes():
    assert units.duration(float("inf")) == "?"
    assert units.ago(None) == "never"
    assert units.value(float("nan")) == "nan"
    assert units.spread(None, None) == "?"
    assert units.spread(1.5, float("nan")) == "1.50"
    assert units.share(None) == ""
