"""Suggestions for tasks and for options that were renamed."""

from __future__ import annotations

import pytest

from unified.core.base.errors import UsageError
from unified.core.components.descriptors import SuiteComponent
from unified.core.config import suggestions
from unified.core.config.compose import compose
from unified.core.config.suggestions import meant_task

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


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("train.budget=5", "train.budget was renamed to train.frames    train.frames=…"),
        ("agent.decay=0.5", "agent.decay was renamed to agent.discount    agent.discount=…"),
        ("judge.every=3", "judge.every was renamed to evaluate.every    evaluate.every=…"),
        ("watchers=[console]", "watchers was renamed to callbacks    callbacks=…"),
        ("watchers.video.every=3", "watchers.video.every was renamed to callbacks.video.every    callbacks.video.every=…"),
        ("replay.decay=0.5", "replay.decay does not exist"),  # replay has nothing under the new name
    ],
)
def test_an_old_name_is_answered_with_the_new_one(monkeypatch: pytest.MonkeyPatch, word: str, says: str) -> None:
    renamed = {"train.budget": "train.frames", "decay": "discount", "judge": "evaluate", "watchers": "callbacks"}
    monkeypatch.setattr(suggestions, "RENAMED_OPTIONS", renamed)
    with pytest.raises(UsageError) as error:
        compose(["agent=drqv2", "suite=dmc:cartpole_balance", word])
    (problem,) = map(str, error.value.problems)
    assert problem.startswith(says)
    assert problem.endswith("(from the command line)")
