"""Judged as a person asks for it: in whose features, for which classes, and on whose scale."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unified as library
from runs.commands import rows, unified
from unified.core.base.errors import UsageError
from unified.core.runs.run import Run
from unified.core.trainer.build import evaluate, load_agent

FAST = {
    "callbacks": [],
    "evaluate.every": 0,
    "checkpoint.every": 0,
    "agent.actor.hidden_dim": 32,
    "agent.critic.hidden_dim": 32,
    "agent.lr": 3e-3,
}


def train(root: Path, suite: str = "digits", agent: str | None = None, **said: Any) -> library.Run:
    values = {"root": str(root), **FAST, **{key.replace("__", "."): value for key, value in said.items()}}
    return library.train(agent=agent, suite=suite, config=values)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of digits, and one of irises."""
    root = tmp_path_factory.mktemp("judged") / "runs"
    train(root, encoder="mlp", experiment="classifier", train__epochs=15)
    train(root, "iris", experiment="irises", train__epochs=5)
    return root


def test_a_classifier_says_how_sure_it_is(runs: Path) -> None:
    last = Run.find("classifier", runs).metrics()[-1]
    assert last["accuracy"] > 0.85
    assert 0 < last["log_loss"] < 1
    assert 0 <= last["calibration_error"] < 0.3


def test_what_is_made_for_a_class_is_judged_in_the_features_of_a_classifier(runs: Path) -> None:
    options = {"experiment": "made", "suite.conditional": True, "evaluate.features": "classifier", "train.epochs": 30}
    run = train(runs, objective="flow", **{key.replace(".", "__"): value for key, value in options.items()})
    last = run.metrics()[-1]
    assert last["features"].startswith("classifier/ac2/digits/default/seed-1 at ")
    for name in ("frechet", "kernel", "one_nn", "precision", "recall", "density", "coverage", "train_on_generated"):
        assert np.isfinite([last[name], last[f"{name}_floor"]]).all()
    assert 0.2 < last["train_on_generated"] <= 1.0
    assert last["train_on_generated_floor"] > 0.8
    judged = evaluate(run)[1]
    assert judged.row["frechet"] == last["frechet"]
    assert judged.captions == [str(digit) for digit in range(10) for _ in range(6)]
    assert judged.columns == 6
    made = load_agent(run).act(np.eye(10, dtype=np.float32)[3])
    assert (made.shape, made.dtype) == ((1, 8, 8), np.uint8)


def test_pixels_are_the_default_and_features_can_be_asked_for_later(runs: Path) -> None:
    run = train(runs, objective="vae", experiment="decoded", train__epochs=1)
    plain, seen = evaluate(run)[1].row, evaluate(run, features="classifier")[1].row
    assert "features" not in plain
    assert "train_on_generated" not in plain
    assert seen["features"].startswith("classifier/ac2/digits")
    assert plain["frechet"] == run.metrics()[-1]["frechet"] != seen["frechet"]


@pytest.mark.parametrize(
    ("suite", "said", "says"),
    [
        (
            "digits",
            {"objective": "flow", "evaluate__features": "irises"},
            r"its observations are float32 \(4,\), and uint8 \(1, 8, 8\)",
        ),
        ("digits", {"objective": "flow", "evaluate__features": "clasifier"}, r"there is no run 'clasifier'"),
        ("digits", {"evaluate__features": "classifier"}, "digits is no generation task"),
        ("gym:CartPole-v1", {"evaluate__features": "classifier"}, "gym:CartPole-v1 is no generation task"),
        ("digits", {"suite__conditional": True}, "suite.conditional=true: nothing is generated here"),
    ],
)
def test_what_cannot_be_judged_so_is_refused(runs: Path, suite: str, said: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        train(runs, suite, "ac2", experiment="refused", **said)
    assert not (runs / "refused").exists()


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["flow", "vae", "adversarial"])
def test_a_class_can_be_asked_for(objective: str, tmp_path: Path) -> None:
    """By the settings that digits have anyway, pictures made for a digit are taken for it more often than not."""
    config = {"root": str(tmp_path), "callbacks": [], "evaluate.every": 0, "suite.conditional": True, "train.epochs": 150}
    run = library.train(suite="digits", config={**config, "objective": objective})
    assert run.metrics()[-1]["train_on_generated"] > 0.6  # by chance 0.1


@pytest.mark.slow
def test_atari_has_a_human_normalised_score_for_whole_games(tmp_path: Path) -> None:
    words = ["train", "--agent", "random", "--suite", "atari:pong", "train.frames=400", "callbacks=[]", "evaluate.episodes=1"]
    unified(*words, cwd=tmp_path)
    row = json.loads(unified("evaluate", "pong", "-n", "1", "--json", cwd=tmp_path))
    assert row["human_normalised"] == pytest.approx((row["return"] + 20.7) / 35.3)
    assert "human_normalised" in unified("evaluate", "pong", "-n", "1", cwd=tmp_path)
    (path,) = (tmp_path / "runs").glob("*/*/*/*/seed-1")
    assert "human_normalised" in rows(path)[-1]
    unified(*words, "suite.episode_frames=400", "experiment=cut", cwd=tmp_path)
    (cut,) = (tmp_path / "runs/cut").glob("*/*/*/seed-1")
    assert "human_normalised" not in rows(cut)[-1]


@pytest.mark.slow
def test_what_is_made_is_written_as_a_picture(tmp_path: Path) -> None:
    unified("train", "--suite", "digits", "-o", "flow", "suite.conditional=true", "train.epochs=2", "callbacks=[]", cwd=tmp_path)
    said = unified("play", "digits", "-o", "grid.png", cwd=tmp_path)
    assert "60 pictures" in said
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")
