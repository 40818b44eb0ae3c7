"""Networks of one's own in actor and critic: learned, resumed exactly, or refused before a run begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import unified
from core.unpackaged import write
from unified import UsageError
from unified.testing.workshop import differences

TINY: dict[str, Any] = {"actor": "./nets.py:Tiny", "actor.width": 7, "critic": "./nets.py:Tiny"}
ONLY_CRITIC = {"critic": "./nets.py:Tiny"}
OFF_POLICY = {"agent.learning_starts": 10, "agent.batch_size": 8, "train.frames": 40}
ROLLOUTS = {"agent.n_steps": 8, "train.frames": 16, "agent.epochs": 1}
CASES: dict[str, dict[str, Any]] = {
    "sac": {**OFF_POLICY, **TINY, "suite": "gym:Pendulum-v1"},
    "td3": {**OFF_POLICY, **TINY, "suite": "gym:Pendulum-v1", "critic.head": "quantile"},
    "drqv2": {**OFF_POLICY, **TINY, "suite": "gym:Pendulum-v1"},
    "ac2": {**OFF_POLICY, **TINY, "suite": "gym:CartPole-v1"},
    "dqn": {**OFF_POLICY, **ONLY_CRITIC, "suite": "gym:CartPole-v1", "critic.dueling": True, "critic.members": 3},
    "ppo": {**ROLLOUTS, **TINY, "suite": "gym:CartPole-v1"},
    "trpo": {**ROLLOUTS, **TINY, "suite": "gym:Pendulum-v1"},
}
#: The others take more than two seconds.
QUICK = ("sac", "ppo")
QUIET: dict[str, Any] = {
    **{"callbacks": [], "device": "cpu", "train.env_backend": "inline", "train.num_envs": 1, "train.log_every": 8},
    **{"evaluate.every": 0, "evaluate.episodes": 1, "checkpoint.every": 0, "evaluate.max_steps": 5},
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(write(tmp_path))
    return tmp_path


def train(agent: str, root: str = "runs", **changes: Any) -> unified.Run:
    config = {**QUIET, **CASES[agent], "agent": agent, "root": root, **changes}
    if "actor" in changes:
        del config["actor.width"]
    return unified.train(config=config)


def saved(run: unified.Run) -> dict[str, Any]:
    checkpoint = run.checkpoints.newest()
    assert checkpoint is not None
    assert checkpoint.manifest["exact"]
    return {group: checkpoint.load(group) for group in ("parameters", "optimizer", "replay", "collector")}


@pytest.mark.parametrize("agent", [pytest.param(agent, marks=[] if agent in QUICK else pytest.mark.slow) for agent in CASES])
def test_every_agent_learns_with_it_and_resumes_exactly(agent: str) -> None:
    frames = CASES[agent]["train.frames"]
    straight = saved(train(agent))
    train(agent, "twice", **{"train.frames": frames // 2})
    assert not differences(straight, saved(train(agent, "twice")))
    untrained = saved(train(agent, "untrained", **{"train.learn": False}))["parameters"]
    trained = {name: tensor for name, tensor in straight["parameters"].items() if ".one.weight" in name}
    assert {tensor.shape[0] for tensor in trained.values()} == ({16} if agent == "dqn" else {7, 16})
    assert all(not torch.equal(tensor, untrained[name]) for name, tensor in trained.items())


def test_members_of_an_ensemble_begin_differently() -> None:
    parameters = saved(train("sac", **{"train.learn": False}))["parameters"]
    first, second = (tensor for name, tensor in parameters.items() if name.startswith("critic.") and "one.weight" in name)
    assert first.shape == second.shape == (16, 4)
    assert not torch.equal(first, second)


def test_an_object_from_python_is_copied() -> None:
    network = nn.Sequential(nn.Linear(3, 6), nn.Tanh())
    before = network[0].weight.clone()
    train("sac", actor=network)
    assert torch.equal(network[0].weight, before)


@pytest.mark.parametrize(
    ("agent", "values", "says"),
    [
        ("sac", {"actor": "./nets.py:conv"}, "actor=conv gets vectors of 3 numbers, features: Sequential cannot take (3,)"),
        ("sac", {"critic": "./nets.py:conv"}, "critic=conv gets vectors of 4 numbers, features and action: Sequential cannot take (4,)"),
        ("dqn", {"critic": "./nets.py:conv"}, "critic=conv gets vectors of 4 numbers, features: "),
        ("ppo", {"actor": nn.Linear(5, 6)}, "gets vectors of 4 numbers, features: Linear cannot take (4,)"),
        ("ac2", {"actor": "./nets.py:head"}, "head needs out_features: it is a head, and a body is wanted here the agent sizes a linear"),
        ("dqn", {"critic.noisy": True}, "critic.noisy=true needs the default network"),
        pytest.param("ac2", {"suite": "digits", "objective": "vae"}, "generator=Tiny", marks=pytest.mark.slow),
    ],
)
def test_what_does_not_fit_is_refused_before_the_run(agent: str, values: dict[str, Any], says: str, here: Path) -> None:
    with pytest.raises(UsageError) as error:
        train(agent, **values)
    assert says in " ".join(str(error.value).split())
    assert not list(here.glob("runs/**/config.json"))


def test_features_are_not_standardised_again() -> None:
    parameters = saved(train("ac2", suite="wine", **{"train.frames": 16}))["parameters"]
    assert parameters["actor.numbers.body.one.weight"].shape == (7, 13)
