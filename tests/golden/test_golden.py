"""The golden runs: resumed they are the straight ones, and both are what was frozen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from golden.runs import EXPECTED, GOLDEN, RENAMED, Found, Golden, compare, elsewhere, expected, hashes, record, resumed, straight, write
from runs.commands import assert_same
from unified import Run


@pytest.fixture(scope="module", params=GOLDEN, ids=lambda golden: golden.name)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Golden, Run]:
    """A golden run and its undisturbed copy."""
    golden: Golden = request.param
    return golden, straight(golden, tmp_path_factory.mktemp("straight"))


def test_resumed_it_is_the_straight_one(trained: tuple[Golden, Run], tmp_path: Path) -> None:
    golden, run = trained
    assert_same(run.path, resumed(golden, tmp_path).path)


def test_it_is_what_was_frozen(trained: tuple[Golden, Run]) -> None:
    golden, run = trained
    found, frozen = record(golden, run), expected(golden)
    if reason := elsewhere(frozen, found):
        pytest.skip(f"frozen where other bits come out: {reason}")
    lines = compare(frozen, found, RENAMED)
    assert not lines, "\n".join([*lines, "if that is meant: PYTHONPATH=src:tests python -m golden freeze " + golden.name])


def test_each_file_is_of_a_run() -> None:
    assert {path.stem for path in EXPECTED.iterdir()} == {golden.name for golden in GOLDEN}


# The comparison itself --------------------------------------------------------------------------------------------------------------


def found(**row: object) -> Found:
    return {"bits_depend_on": {"torch": "1"}, "parameters": hashes({"a.weight": torch.ones(2)}), "metrics": [{"kind": "train", **row}]}


def test_a_last_digit_a_missing_value_and_a_missing_row_are_seen() -> None:
    frozen = found(loss=0.1, q=1.0)
    assert compare(frozen, found(loss=0.1, q=1.0)) == []
    assert compare(frozen, found(loss=0.1 + 2**-56, q=1.0)) == [f"row 0, loss: 0.1 -> {0.1 + 2**-56}"]
    assert compare(frozen, found(loss=0.1)) == ["row 0, q: 1.0 -> (missing)"]
    assert compare(frozen, {**frozen, "metrics": []}) == ["1 rows of metrics were frozen, and 0 are found"]
    assert compare(found(q=float("nan")), found(q=float("nan"))) == []


def test_metrics_are_renamed_by_the_table() -> None:
    assert compare(found(q=1.0), {**found(), "metrics": [{"kind": "rollout", "value": 1.0}]}, {"q": "value", "train": "rollout"}) == []
    assert compare(found(q=1.0), found(value=1.0)) == ["row 0, q: 1.0 -> (missing)", "row 0, value: (missing) -> 1.0"]


def test_parameters_are_known_by_name_and_by_value() -> None:
    then = hashes({"critic.trunk.weight": torch.ones(2), "actor.weight": torch.zeros(2)})
    now = {"critic.body.weight": torch.ones(2), "actor.weight": torch.zeros(2)}
    assert hashes(now)["sha256_of_values"] == then["sha256_of_values"]
    assert hashes(now)["sha256_by_name"] != then["sha256_by_name"]
    assert hashes(now, {"critic.trunk.": "critic.body."}) == then
    assert hashes({**now, "actor.weight": torch.tensor([0.0, 1e-45])})["sha256_of_values"] != then["sha256_of_values"]
    assert hashes({**now, "actor.weight": torch.zeros(1, 2)})["sha256_of_values"] != then["sha256_of_values"]


def test_other_bits_are_expected_elsewhere() -> None:
    assert elsewhere(found(), found()) == ""
    assert elsewhere(found(), {**found(), "bits_depend_on": {"torch": "2"}}) == "torch: 1 -> 2"


def test_what_is_written_is_what_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("golden.runs.EXPECTED", tmp_path / "expected")
    recorded = {**found(loss=0.1), "metrics": [{"kind": "train", "loss": 0.1}, {"kind": "train", "loss": 1e-300}]}
    write(GOLDEN[0], recorded)
    assert expected(GOLDEN[0]) == recorded
