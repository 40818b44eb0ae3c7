"""The benchmarks compare equal networks, and their arithmetic is right."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

import gpu
import neighbours
import ours
from reference import by_hand
from row import NotInstalled, Rates, in_turns, pairs_in_turns, require
from unified.core.base.rng import Streams
from unified.core.config.compose import compose
from unified.core.envs.dataset import DataSuite
from unified.core.trainer.build import built_suite, make_agent


def numbers(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


#: Numbers of parameters of Stable-Baselines3: three convolutions and two layers; twin critics and an actor, some with α; two perceptrons.
#: Then those of torchvision's ResNet-18 with a 3×3 first layer and ten classes.
LEARNED = {
    "dqn": (4 * 64 + 1) * 32 + (32 * 16 + 1) * 64 + (64 * 9 + 1) * 64 + (3136 + 1) * 512 + (512 + 1) * 6,
    "sac": 2 * (5 * 256 + 257 * 256 + 257) + (4 * 256 + 257 * 256 + 257 * 2) + 1,
    "td3": 2 * (5 * 256 + 257 * 256 + 257) + (4 * 256 + 257 * 256 + 257),
    "tqc": 2 * (5 * 256 + 257 * 256 + 257 * 25) + (4 * 256 + 257 * 256 + 257 * 2) + 1,
    # Batch renormalisation before each layer has a gain and a bias for each of its inputs.
    "crossq": 2 * (5 * 1024 + 1025 * 1024 + 1025 + 2 * (4 + 1024 + 1024)) + (4 * 256 + 257 * 256 + 257 * 2 + 2 * (3 + 256 + 256)) + 1,
    "ppo": (5 * 64 + 65 * 64 + 65 * 2) + (5 * 64 + 65 * 64 + 65),
    "digits": numbers(by_hand.network()),
    "pictures": 11_173_962,
}


@pytest.mark.parametrize("name", ours.SETTINGS)
def test_ours_trains_as_many_numbers_as_the_reference(name: str) -> None:
    config = compose([], [], ours.SETTINGS[name](100, 100), default_recipe=True)
    suite = built_suite(config)
    spec = suite.spec() if isinstance(suite, DataSuite) else suite.environment().spec
    agent = make_agent(config, spec, Streams(0))
    parts = dict.fromkeys(part for phase in agent.phase_list for part in phase.trains)
    assert sum(numbers(agent.get_submodule(part)) for part in parts) == LEARNED[name]


def test_each_turn_is_compared_with_itself() -> None:
    fast, slow, other = iter((30.0, 10.0, 32.0)), iter((9.0, 4.0, 8.0)), iter((10.0, 5.0, 8.0))
    rates = in_turns({"fast": fast.__next__, "slow": slow.__next__}, other.__next__, turns=3)
    assert rates["fast"].ratios == [2.0, 3.0, 4.0]
    row = rates["fast"].row("what", "steps/s", 3.0)
    assert (row.ours, row.reference, row.ratio, row.target) == ("30 steps/s", "8 steps/s", "3.00× (2.00 to 4.00)", "≥ 3×")
    assert rates["slow"].ratio_text() == "0.90× (0.80 to 1.00)"
    assert rates["slow"].ratio_text(invert=True) == "1.11× (1.00 to 1.25)"
    assert rates["slow"].scaled(2.0) == Rates([18.0, 8.0, 16.0], [20.0, 10.0, 16.0])


def test_a_missing_reference_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("row.find_spec", lambda module: None)
    with pytest.raises(NotInstalled, match="pip install lightning"):
        require("lightning")


def test_every_pair_of_an_arm_and_a_peer_is_measured_in_the_same_turns() -> None:
    ours, one, other = iter((8.0, 6.0)), iter((4.0, 2.0)), iter((1.0, 3.0))
    rates = pairs_in_turns({"a": ours.__next__}, {"x": one.__next__, "y": other.__next__}, turns=2)
    assert rates == {("a", "x"): Rates([8.0, 6.0], [4.0, 2.0]), ("a", "y"): Rates([8.0, 6.0], [1.0, 3.0])}


def test_time_runs_from_the_first_count_that_is_not_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 11.0, 14.0])
    monkeypatch.setattr(ours, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    watch = ours.Watch(skip=20)
    for done in (8, 16, 24, 32, 40):
        watch.mark(done)
    assert watch.per_second == (40 - 24) / (14.0 - 10.0)


def test_a_run_beside_a_neighbour_is_compared_with_itself_alone() -> None:
    row = neighbours.row("what", [[10.0, 5.0, 20.0, 30.0], [20.0, 8.0, 25.0, 35.0], [30.0, 18.0, 30.0, 45.0]], 0.45)
    assert row.ours == "8 updates/s, 35 ms of processor time each"
    assert row.reference == "20 updates/s, 25 ms of processor time each"
    assert (row.ratio, row.target) == ("0.50× (0.40 to 0.60)", "≥ 0.45×")


def test_without_a_gpu_its_rows_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NotInstalled, match="there is no GPU here"):
        next(gpu.measure())


def test_an_update_is_measured_on_a_batch_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "SECONDS", 0.01)
    monkeypatch.setattr(gpu, "WARM_UP", 1)
    small = {"agent.learning_starts": 20, "agent.batch_size": 4}
    rates = gpu.measured(ours.sac(0, 100) | small | {"device": "cpu", "compile": False})
    assert len(rates.ours) == len(rates.reference) == gpu.TURNS
    assert min(rates.ours + rates.reference) > 0
