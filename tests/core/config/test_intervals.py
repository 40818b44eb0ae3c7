"""How often a run logs, evaluates and saves, where that is left open."""

from __future__ import annotations

from typing import Any

import pytest

from unified.core.base.errors import UsageError
from unified.core.config.compose import compose
from unified.core.config.intervals import intervals

KEYS = ("train.log_every", "evaluate.every", "checkpoint.every")


def found(*words: str, **options: Any) -> dict[str, int]:
    return intervals(compose(list(words)), **options)


def test_in_environments_the_defaults_are_numbers_that_the_configuration_shows() -> None:
    config = compose(["agent=random", "suite=dmc:cartpole_balance"])
    assert [config.sources[key] for key in KEYS] == ["default"] * 3
    assert config.checkpoint.every is None  # so that they take a small share of the time too
    assert intervals(config) == {"log": config.train.log_every, "evaluate": config.evaluate.every, "checkpoint": config.evaluate.every}


@pytest.mark.parametrize(("rows", "batches"), [(50_000, 50_000 / 256), (150, 50)])
def test_of_a_data_set_an_epoch_or_fifty_updates(rows: int, batches: float) -> None:
    long = int(batches * 256)
    assert found("suite=vision:cifar10", batch_size=256, rows=rows) == {"log": 50 * 256, "evaluate": long, "checkpoint": long}


def test_the_configuration_says_what_is_left_open() -> None:
    config = compose(["suite=vision:cifar10"])
    assert (config.train.log_every, config.evaluate.every, config.checkpoint.every) == (None, None, None)
    assert [config.sources[key] for key in KEYS] == [
        "auto where batches are read: 50 updates",
        *["auto where batches are read: an epoch"] * 2,
    ]


def test_offline_presets_for_environments_do_not_count() -> None:
    words = ["agent=sac", "suite=gym:Pendulum-v1"]
    assert compose(words).sources["evaluate.every"] == "preset pendulum of sac"
    config = compose([*words, "train.offline=TRUE", "replay.load=kept"])
    assert [config.sources[key] for key in KEYS[1:]] == ["auto where batches are read: 5,000 updates"] * 2
    assert intervals(config, batch_size=8) == {"log": 400, "evaluate": 40_000, "checkpoint": 40_000}


def test_offline_a_preset_s_budget_of_frames_does_not_count() -> None:
    """20,000 frames of an environment would be 78 updates on batches of 256 rows."""
    offline = ["suite=gym:Pendulum-v1", "offline=true", "replay.load=kept"]
    assert compose(["agent=td3", "suite=gym:Pendulum-v1"]).train.frames == 20_000
    budget = compose(["agent=td3", *offline]).train
    assert (budget.frames, budget.updates) == (None, 100_000)
    budget = compose(["agent=iql", *offline]).train
    assert (budget.frames, budget.updates) == (None, 20_000)  # of a preset in updates
    for word, expected in (("train.updates=7", (None, 7)), ("train.frames=900", (900, None))):
        budget = compose(["agent=iql", *offline, word]).train
        assert (budget.frames, budget.updates) == expected


def test_offline_is_a_short_key() -> None:
    words = ["agent=sac", "suite=gym:Pendulum-v1", "replay.load=kept"]
    short, long = compose([*words, "offline=true"]), compose([*words, "train.offline=true"])
    assert short.train.offline
    assert short.tree == long.tree
    assert short.digest() == long.digest()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["replay.top=0.1"], "replay.top is of a replay that is loaded"),
        (["replay.return_range=1000", "replay.load=kept"], "replay.return_range changes the rewards that are loaded"),
        (["replay.top=0", "replay.load=kept"], "replay.top"),
    ],
)
def test_what_is_made_of_a_loaded_replay_needs_one(words: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        compose(["agent=sac", "suite=gym:Pendulum-v1", *words])


@pytest.mark.parametrize("first", [["suite=digits"], ["agent=sac", "suite=gym:Pendulum-v1", "train.offline=true", "replay.load=kept"]])
def test_what_was_said_counts(first: list[str]) -> None:
    said = found(*first, "train.log_every=7", "evaluate.every=0", "checkpoint.every=9", batch_size=256, rows=1000)
    assert said == {"log": 7, "evaluate": 0, "checkpoint": 9}
