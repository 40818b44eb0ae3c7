from __future__ import annotations

import pytest
from unified import UsageError

from unified_plugin_example.command import chart


def test_the_chart_shows_boat_and_buoy_and_their_distance(capsys: pytest.CaptureFixture[str]) -> None:
    chart("dock", seed=3)
    *water, last = capsys.readouterr().out.splitlines()
    assert sum(row.count("o") for row in water) == sum(row.count("x") for row in water) == 1
    assert last.startswith("harbour:dock seed 3: the buoy is ")


def test_a_task_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="no task 'dok'"):
        chart("dok")
