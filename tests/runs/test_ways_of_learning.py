"""Every way of learning through the one loop: stopped, resumed, and used by a person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unified as library
from runs.commands import events, killed_and_the_same, rows, unified
from unified.core.base.errors import UsageError
from unified.core.replay.batch import Batch
from unified.core.trainer.build import evaluate, load_agent

QUIET = ["callbacks=[]", "train.log_every=2000", "evaluate.every=4000", "checkpoint.every=2000"]
DATA = ["train", "--agent", "ac2", "--suite", "iris", "agent.actor.hidden_dim=16", "agent.batch_size=32", "train.frames=8000", *QUIET]
ROLLOUTS = [
    *["train", "--agent", "ppo", "--suite", "gym:CartPole-v1", "train.num_envs=2", "agent.n_steps=64", "agent.epochs=2"],
    *["train.frames=2000", "callbacks=[]", "train.log_every=200", "evaluate.every=1000", "evaluate.episodes=2", "checkpoint.every=300"],
]


@pytest.mark.slow
@pytest.mark.parametrize("words", [DATA, ROLLOUTS], ids=["data", "rollouts"])
def test_killed_and_resumed_it_is_the_same_run(words: list[str], tmp_path: Path) -> None:
    killed_and_the_same(words, tmp_path)


def train(tmp_path: Path, agent: str | None, suite: str, **config: Any) -> library.Run:
    values = {"root": str(tmp_path / "runs"), "callbacks": [], **{key.replace("__", "."): value for key, value in config.items()}}
    return library.train(agent=agent, suite=suite, config=values)


def test_a_data_set_alone_is_learned_by_the_generalist(tmp_path: Path) -> None:
    run = train(tmp_path, None, "iris", train__epochs=60, agent__batch_size=32, agent__lr=3e-3, agent__actor__hidden_dim=32)
    assert run.config.agent.name == "ac2"
    last = run.metrics()[-1]
    assert last["metric"] == "accuracy"
    assert last["accuracy"] > 0.85
    assert last["frames"] == 60 * 120


@pytest.mark.slow
def test_a_judgement_says_what_was_taken_for_what(tmp_path: Path) -> None:
    run = train(tmp_path, None, "iris", train__epochs=60, agent__lr=3e-3)
    frames, judged = evaluate(run)
    assert frames > 0
    assert judged.metric == "accuracy"
    text = "\n".join(judged.report)
    assert "setosa" in text
    assert "confusion" in text
    said = unified("evaluate", "iris", cwd=tmp_path)
    assert "accuracy" in said
    assert json.loads(unified("evaluate", "iris", "--json", cwd=tmp_path))["accuracy"] == pytest.approx(judged.score)


@pytest.mark.slow
def test_numbers_are_learned_too_and_judged_in_their_units(tmp_path: Path) -> None:
    run = train(tmp_path, None, "diabetes", train__epochs=150)
    last = run.metrics()[-1]
    assert last["metric"] == "r2"
    assert last["r2"] > 0.3
    assert 20 < last["rmse"] < 80  # of 25 to 346


@pytest.mark.slow
def test_a_task_is_learned_by_reward_alone(tmp_path: Path) -> None:
    options = {"train__epochs": 20, "agent__batch_size": 64, "evaluate__every": 0}
    run = train(tmp_path, None, "digits", objective="reinforce_critic", encoder="mlp", **options)
    assert run.metrics()[-1]["accuracy"] > 0.7
    rewards = [row["reward"] for row in run.metrics() if "reward" in row]
    assert rewards[0] < 0.3 < 0.6 < rewards[-1]


def test_reward_beside_labels_trains_the_critic_that_nobody_trained(tmp_path: Path) -> None:
    run = train(tmp_path, None, "iris", objective="+reinforce_critic", train__epochs=20)
    (phase,) = load_agent(run).agent.phase_list
    assert set(phase.trains) == {"encoder", "actor", "critic"}


def test_averaged_weights_answer_where_that_is_asked_for(tmp_path: Path) -> None:
    run = train(tmp_path, None, "iris", train__epochs=5, agent__ema=True)
    agent = load_agent(run).agent
    obs = torch.randn(32, 4, generator=torch.Generator().manual_seed(0)) * 3
    with torch.no_grad():
        agent.actor_average.numbers[-1].weight.zero_()
        agent.actor_average.numbers[-1].bias.copy_(torch.tensor([0.0, 0.0, 1.0]))
    assert agent.act(Batch(obs=obs), explore=False).env_action.tolist() == [2] * 32
    agent.train()
    assert agent.act(Batch(obs=obs), explore=False).env_action.tolist() != [2] * 32


@pytest.mark.slow
def test_a_few_rows_are_learned_by_heart(tmp_path: Path) -> None:
    run = train(tmp_path, None, "digits", encoder="mlp", train__overfit=8, agent__batch_size=8, train__updates=150, agent__lr=3e-3)
    assert [row["nll"] for row in run.metrics() if "nll" in row][-1] < 0.1


@pytest.mark.slow
def test_a_run_ends_where_nothing_gets_better(tmp_path: Path) -> None:
    run = train(tmp_path, None, "iris", train__epochs=10_000, train__patience=3, evaluate__every=1024, agent__lr=1e-2)
    judged = [row["accuracy"] for row in run.metrics() if row["kind"] == "evaluate"]
    best = int(np.argmax(judged))
    assert len(judged) == best + 4
    assert run.metrics()[-1]["frames"] < 10_000 * 120


def test_a_part_of_another_run_is_a_part(tmp_path: Path) -> None:
    first = train(tmp_path, None, "digits", encoder="mlp", train__epochs=3, experiment="first")
    load = {"encoder__name": "load:first#encoder", "encoder__root": str(tmp_path / "runs"), "encoder__frozen": True}
    second = train(tmp_path, None, "digits", train__epochs=3, experiment="second", **load)
    theirs, ours = (load_agent(run).agent.encoder.state_dict() for run in (first, second))
    assert all(torch.equal(a, b) for a, b in zip(theirs.values(), ours.values(), strict=True))
    with pytest.raises(UsageError, match="has no part 'eyes'"):
        train(tmp_path, None, "digits", experiment="third", **{**load, "encoder__name": "load:first#eyes"})


def test_collected_once_learned_from_without_an_environment(tmp_path: Path) -> None:
    kept = {"train__frames": 1500, "replay__save": "kept", "evaluate__episodes": 1, "evaluate__every": 0}
    collected = train(tmp_path, "sac", "gym:Pendulum-v1", train__learn=False, experiment="collected", **kept)
    assert {row["updates"] for row in collected.metrics()} == {0}
    offline = {"train__offline": True, "replay__load": "kept", "train__updates": 40, "evaluate__episodes": 1, "evaluate__every": 0}
    learned = train(tmp_path, "sac", "gym:Pendulum-v1", agent__batch_size=32, agent__critic__hidden_dim=16, experiment="offline", **offline)
    last = learned.metrics()[-1]
    assert (last["updates"], last["frames"]) == (40, 40 * 32)
    assert not events(learned.path, "warning")
    cloned = train(tmp_path, "ac2", "gym:Pendulum-v1", objective="nll", experiment="cloned", **offline)
    assert cloned.metrics()[-1]["updates"] == 40
    with pytest.raises(UsageError, match=r"train\.offline=true needs a saved replay"):
        train(tmp_path, "sac", "gym:Pendulum-v1", train__offline=True, experiment="nothing")


def test_epochs_are_of_a_data_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"train.epochs counts rows of a data set"):
        train(tmp_path, "ppo", "gym:CartPole-v1", train__epochs=3)


@pytest.mark.parametrize("objective", ["flow", "vae", "adversarial"])
def test_pictures_are_made_and_compared_with_those_that_were_kept(objective: str, tmp_path: Path) -> None:
    options = {"agent__actor__hidden_dim": 32, "agent__critic__hidden_dim": 32, "train__epochs": 2, "evaluate__every": 0}
    run = train(tmp_path, None, "digits", objective=objective, **options)
    last = run.metrics()[-1]
    assert last["metric"] == "coverage"
    for name in ("frechet", "kernel", "one_nn", "precision", "recall", "density", "coverage"):
        assert np.isfinite(last[name])
        assert np.isfinite(last[f"{name}_floor"])
    assert last["frechet"] > last["frechet_floor"]
    judged = evaluate(run)[1]
    assert judged.pictures is not None
    assert judged.pictures.shape[1:] == (1, 8, 8)


def test_prioritised_rows_are_drawn_by_what_was_wrong_with_them(tmp_path: Path) -> None:
    options = {"replay__sampler": "prioritised", "train__frames": 400, "agent__learning_starts": 100, "evaluate__episodes": 1}
    run = train(tmp_path, "dqn", "gym:CartPole-v1", agent__critic__hidden_dim=16, **options)
    assert run.metrics()[-1]["updates"] > 0


def test_the_same_rows_in_the_same_order_for_the_same_seed(tmp_path: Path) -> None:
    short = {"train__epochs": 3, "agent__actor__hidden_dim": 16, "train__log_every": 100}
    first, again = (train(tmp_path / name, None, "iris", **short) for name in ("first", "again"))
    other = train(tmp_path / "other", None, "iris", seed=2, **short)
    assert rows(Path(first.path)) == rows(Path(again.path))
    assert rows(Path(first.path)) != rows(Path(other.path))
