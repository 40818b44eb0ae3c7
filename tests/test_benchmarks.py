"""What the benchmarks compare is comparable: the same networks on both sides; and their arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

import ours
from reference import by_hand
from row import NotInstalled, Rates, in_turns, require
from unified.core.base.rng import Streams
from unified.core.config.compose import compose
from unified.core.envs.dataset import DataSuite
from unified.core.trainer.build import built_suite, make_agent


def numbers(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


#: Numbers that Stable-Baselines3 learns: three convolutions and two layers; twin critics, an actor and α; two perceptrons.
#: And those of torchvision's ResNet-18 with a 3×3 first layer and ten classes.
LEARNED = {
    "dqn": (4 * 64 + 1) * 32 + (32 * 16 + 1) * 64 + (64 * 9 + 1) * 64 + (3136 + 1) * 512 + (512 + 1) * 6,
    "sac": 2 * (5 * 256 + 257 * 256 + 257) + (4 * 256 + 257 * 256 + 257 * 2) + 1,
    "ppo": (5 * 64 + 65 * 64 + 65 * 2) + (5 * 64 + 65 * 64 + 65),
    "digits": numbers(by_hand.network()),
    "pictures": 11_173_962,
}


@pytest.mark.parametrize("name", ours.SETTINGS)
def test_both_sides_learn_the_same_network(name: str) -> None:
    config = compose([], [], ours.SETTINGS[name](100, 100), default_recipe=True)
    suite = built_suite(config)
    spec = suite.spec() if isinstance(suite, DataSuite) else suite.environment().spec
    agent = make_agent(config, spec, Streams(0))
    parts = dict.fromkeys(part for phase in agent.phase_list for part in phase.trains)
    assert sum(numbers(agent.get_submodule(part)) for part in parts) == LEARNED[name]


def test_each_turn_is_compared_with_itself() -> None:
    def said(*rates: float) -> Iterator[float]:
        return iter(rates)

    fast, slow, other = said(30.0, 10.0, 32.0), said(9.0, 4.0, 8.0), said(10.0, 5.0, 8.0)
    rates = in_turns({"fast": fast.__next__, "slow": slow.__next__}, other.__next__, turns=3)
    assert rates["fast"].ratios == [2.0, 3.0, 4.0]
    row = rates["fast"].row("what", "steps/s", 3.0)
    assert (row.ours, row.theirs, row.ratio, row.wanted) == ("30 steps/s", "8 steps/s", "3.00× (2.00 to 4.00)", "≥ 3×")
    assert rates["slow"].told() == "0.90× (0.80 to 1.00)"
    assert rates["slow"].told(invert=True) == "1.11× (1.00 to 1.25)"
    assert rates["slow"].times(2.0) == Rates([18.0, 8.0, 16.0], [20.0, 10.0, 16.0])


def test_a_side_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("row.find_spec", lambda module: None)
    with pytest.raises(NotInstalled, match="pip install lightning"):
        require("lightning")


def test_time_runs_from_the_first_count_that_is_not_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 11.0, 14.0])
    monkeypatch.setattr(ours, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    watch = ours.Watch(skip=20)
    for done in (8, 16, 24, 32, 40):
        watch.mark(done)
    assert watch.per_second == (40 - 24) / (14.0 - 10.0)
