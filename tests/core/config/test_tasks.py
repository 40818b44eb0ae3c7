"""Tasks as people write them."""

from __future__ import annotations

import pytest

from unified.core.components import SuiteComponent
from unified.core.config.tasks import meant_task

TASKS = ("battle_zone", "pong", "HalfCheetah-v5", "half_cheetah_v5")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("BattleZone", "battle_zone"),
        ("battlezone", "battle_zone"),
        ("battle-zone", "battle_zone"),
        ("pong", "pong"),
        ("half_cheetah_v5", "half_cheetah_v5"),
        ("halfcheetahv5", "halfcheetahv5"),
        ("pongg", "pongg"),
        (None, None),
    ],
)
def test_a_task_is_spelled_as_its_suite_spells_it(written: str | None, meant: str | None) -> None:
    suite = type("Here", (SuiteComponent,), {"load_tasks": lambda self: TASKS})("games")
    assert meant_task(written, suite) == meant
    assert meant_task(written, SuiteComponent("any")) == written
