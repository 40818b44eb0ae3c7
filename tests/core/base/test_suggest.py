"""What was probably meant."""

from __future__ import annotations

import pytest

from unified.core.base import suggest

KNOWN = [
    *("seed", "agent", "agent.lr", "agent.batch_size", "agent.encoder", "suite", "suite.size", "suite.task"),
    *("train.frames", "train.num_envs", "train.log_every", "evaluate.every", "evaluate.num_envs", "checkpoint.every"),
]


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [
        ("agent.lrr", ["agent.lr"]),
        ("agent.LR", ["agent.lr"]),
        ("agent.batch-size", ["agent.batch_size"]),
        ("lr", ["agent.lr"]),
        ("lrr", ["agent.lr"]),
        ("size", ["suite.size"]),  # not suite, which looks like it
        ("sed", ["seed"]),
        ("frames", ["train.frames"]),
        ("agent.frames", ["train.frames"]),
        ("trian.frames", ["train.frames"]),
        ("trian.num_envs", ["train.num_envs"]),  # the mistake is in the parent
        ("num_envs", ["train.num_envs", "evaluate.num_envs"]),
        ("every", ["evaluate.every", "checkpoint.every"]),
        ("train.every", ["train.log_every", "evaluate.every", "checkpoint.every"]),
        ("agent.lr.x", []),  # not agent.lr, below which it stands
        ("zzzz", []),
    ],
)
def test_keys(unknown: str, meant: list[str]) -> None:
    assert suggest.keys(unknown, KNOWN) == meant


def test_a_word_of_another_length_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """`difflib` takes a second for a million letters."""
    monkeypatch.setattr(suggest.difflib, "get_close_matches", lambda *words, **more: pytest.fail("compared"))
    assert suggest.closest("a/" * 1_000_000, KNOWN) is None
    assert suggest.keys("a." * 1_000_000 + "x", KNOWN) == []


def test_questions() -> None:
    assert suggest.did_you_mean("Humanoid-Rum", ["humanoid_run", "walker_run"]) == "did you mean  humanoid_run ?"
    assert suggest.did_you_mean("zzz", ["humanoid_run"]) == ""
    assert suggest.ask(["a", "b", "c"]) == "did you mean  a, b or c ?"
