"""Asynchronous collection: nothing is lost or added twice, weights are as fresh as promised, errors end the run."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unified
from runs.commands import events, newest, rows, run_directory, saved
from runs.commands import unified as command
from unified.core.base.errors import EnvironmentFailed, UnifiedError, UsageError
from unified.core.base.rng import Streams, derive
from unified.core.base.spec import Space, Spec
from unified.core.config.compose import compose
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Transitions
from unified.core.runs.run import Run
from unified.core.trainer import build
from unified.core.trainer.build import assemble, make_agent, make_environments
from unified.core.trainer.sources import EnvCollector
from unified.plugins.launchers.asynchronous.config import AsyncOptions
from unified.plugins.launchers.asynchronous.launcher import Async

#: Every observation names its episode and its step; an episode's length is a function of its seed.
IDS = """
import numpy as np

from unified import Environment, Space, Spec, Step


class Ids(Environment):
    spec = Spec(Space((2,), "float32"), Space((), "int64", 0, 1, 2))

    def reset(self, seed):
        self.name, self.length, self.steps = seed % 2**20, 3 + seed % 7, 0
        return np.array([self.name, 0], np.float32)

    def step(self, action):
        self.steps += 1
        return Step(np.array([self.name, self.steps], np.float32), 1.0, False, self.steps == self.length)


class Chosen(Ids):
    def reset(self, seed, options=None):
        observation = super().reset(seed)
        self.name = (options or {}).get("name", self.name)
        return np.array([self.name, 0], np.float32)


class Broken(Ids):
    def step(self, action):
        if self.steps == 2:
            raise ValueError("the cable fell out")
        return super().step(action)
"""
WORDS = [
    *("train", "--agent", "dqn", "--launcher", "async", "train.num_envs=3", "launcher.collectors=2", "launcher.max_staleness=4"),
    *("agent.batch_size=8", "agent.critic.hidden_dim=8", "agent.learning_starts=20", "replay.capacity=2000"),
    *(
        "train.frames=400",
        "train.log_every=50",
        "evaluate.every=0",
        "evaluate.episodes=1",
        "checkpoint.every=80",
        "callbacks=[]",
        "device=cpu",
    ),
]


def suite(directory: Path, name: str = "Ids") -> list[str]:
    (directory / "ids.py").write_text(IDS)
    return [*WORDS, f"suite=./ids.py:{name}"]


def held(directory: Path) -> list[list[tuple[int, int]]]:
    """Episode and step of every slot of the newest checkpoint's replay, by environment."""
    manifest = json.loads((newest(directory) / "manifest.json").read_text())
    spec = Spec.from_json(manifest["spec"])
    replay = Replay(spec, Transitions(), 2000, len(manifest["replay"]["head"]), Streams(0))
    replay.restore(directory / "replay", manifest["replay"])
    store = replay.store
    assert store.held.sum() == manifest["steps"]
    assert (store.tail == 0).all()
    lanes = [np.concatenate(store.read(lane, 0, int(store.head[lane]))["obs"]) for lane in range(store.num_envs)]
    return [[(int(name), int(step)) for name, step in lane] for lane in lanes]


def expected(stream: str, env: int, slots: int) -> list[tuple[int, int]]:
    """The slots of an environment if none is lost or added twice."""
    found: list[tuple[int, int]] = []
    episode = 0
    while len(found) < slots:
        seed = derive(1, stream, env, episode, bits=31)
        found += [(seed % 2**20, step) for step in range(4 + seed % 7)]
        episode += 1
    return found[:slots]


def assert_complete(directory: Path) -> None:
    streams = [("environment 0", 0), ("environment 0", 1), ("environment 1", 0)]
    for lane, (stream, env) in zip(held(directory), streams, strict=True):
        assert lane == expected(stream, env, len(lane))


def test_no_step_is_lost_or_added_twice_when_the_run_is_killed(tmp_path: Path) -> None:
    words = suite(tmp_path)
    command(*words, cwd=tmp_path, fault=saved(2), expect=-signal.SIGKILL)
    directory = run_directory(tmp_path)
    assert_complete(directory)
    command("resume", "ids", cwd=tmp_path)
    assert_complete(directory)
    assert rows(directory)[-1]["steps"] >= 400
    assert events(directory, "restored")[-1]["exact"] is False


@pytest.mark.slow
def test_the_run_says_that_it_is_not_exact(tmp_path: Path) -> None:
    command(*suite(tmp_path), cwd=tmp_path)
    directory = run_directory(tmp_path)
    assert_complete(directory)
    assert json.loads((newest(directory) / "manifest.json").read_text())["exact"] is False
    (event,) = events(directory, "exact")
    assert event["exact"] is False
    assert "2 threads act with weights up to 4 updates old" in event["reason"]


def broken(tmp_path: Path) -> dict[str, str]:
    words = dict(word.split("=", 1) for word in suite(tmp_path, "Broken") if "=" in word)
    return words | {"agent": "dqn", "launcher": "async", "train.env_backend": "inline", "train.max_failures": "3"}


def test_an_environment_that_fails_in_a_thread_ends_the_run_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EnvironmentFailed, match=r"of suite Broken failed in a row.*the cable fell out"):
        unified.train(config=broken(tmp_path))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("collector")]


@pytest.mark.parametrize("error", [ValueError("the cable fell out"), SystemExit("the cable fell out")], ids=["Exception", "SystemExit"])
@pytest.mark.parametrize("method", ["step_async", "step_wait"])
def test_an_error_in_a_thread_ends_the_run_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, method: str
) -> None:
    monkeypatch.chdir(tmp_path)

    def fall(collector: Any) -> None:
        raise error

    monkeypatch.setattr(EnvCollector, method, fall)
    with pytest.raises(UnifiedError, match="the cable fell out") as raised:
        unified.train(config=broken(tmp_path))
    assert any("collector 0" in problem.message or "collector 1" in problem.message for problem in raised.value.problems)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("collector")]


@pytest.mark.parametrize("most", [0, 4])
@pytest.mark.parametrize("agent", ["dqn", "ppo"])
def test_the_weights_are_at_most_so_many_updates_old(tmp_path: Path, most: int, agent: str) -> None:
    values: dict[str, Any] = {"agent.batch_size": 8, "train.num_envs": 2, "train.frames": 300, "callbacks": []}
    values |= {"agent.n_steps": 16} if agent == "ppo" else {"agent.learning_starts": 20}
    (tmp_path / "ids.py").write_text(IDS)
    config = compose(
        [f"agent={agent}", f"suite={tmp_path / 'ids.py'}:Ids", f"root={tmp_path}", "device=cpu", "evaluate.every=0"], values=values
    )
    launcher = Async(AsyncOptions(collectors=2, max_staleness=most))
    trainer = assemble(Run.create_or_open(config), config, launcher.make_source)
    source: Any = trainer.source
    try:
        trainer.train()
    finally:
        source.close()
        trainer.evaluator.close()
    assert trainer.agent.updates > 0
    for collector in source.collectors:
        assert collector.staleness
        assert max(collector.staleness) <= most
        assert collector.version > 0  # later weights arrived


@contextmanager
def made(tmp_path: Path, most: int, collectors: int = 1, suite: str = "Ids") -> Iterator[Any]:
    """The source of a run of two environments per collector, started."""
    (tmp_path / "ids.py").write_text(IDS)
    words = ["agent=dqn", f"suite={tmp_path / 'ids.py'}:{suite}", f"root={tmp_path}", "device=cpu"]
    values = {"train.num_envs": 2 * collectors, "train.frames": 300, "train.env_backend": "inline", "callbacks": []}
    config = compose(words, values=values)
    launcher = Async(AsyncOptions(collectors=collectors, max_staleness=most))
    trainer = assemble(Run.create_or_open(config), config, launcher.make_source)
    try:
        trainer.source.start()
        yield trainer.source
    finally:
        trainer.source.close()
        trainer.evaluator.close()


@pytest.mark.parametrize("most", [0, 4])
def test_a_collector_that_wakes_after_too_many_updates_gets_newer_weights(tmp_path: Path, most: int) -> None:
    with made(tmp_path, most) as source:
        arrived: list[Any] = []
        waiting = threading.Thread(target=lambda: arrived.append(source.step_wait()), daemon=True)
        with source._changed:  # the collector cannot act before the updates
            source.step_async()
            source.agent.updates += most + 1
        waiting.start()
        waiting.join(30)
        assert not waiting.is_alive()
        assert len(arrived) == 1
        assert source.collectors[0].staleness.popleft() == 0


def test_reset_options_reach_the_environment_of_that_number(tmp_path: Path) -> None:
    chosen = 2**21  # larger than any name
    with made(tmp_path, most=4, collectors=2, suite="Chosen") as source:
        source.step_async()
        source.step_wait()
        source.set_reset_options(3, {"name": chosen})
        found: list[int] = []
        for _ in range(200):
            source.step_async()
            steps = source.step_wait()
            found += [int(steps.ids[row]) for row in np.flatnonzero(steps.ended & (steps.reset_observation[:, 0] == chosen))]
        assert found == [3]


def test_environments_are_closed_if_those_of_another_collector_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    closed: list[str] = []

    def make(config: Any, stream: str, count: int, run: Any) -> Any:
        if stream == "environment 1":
            raise RuntimeError("no more environments")
        environments = make_environments(config, stream, count, run)
        close = environments.close
        monkeypatch.setattr(environments, "close", lambda: (closed.append(stream), close()))
        opened.append(environments)
        return environments

    monkeypatch.setattr(build, "make_environments", make)
    with pytest.raises(UnifiedError, match="no more environments"), made(tmp_path, most=4, collectors=2):
        pass
    assert len(opened) == 2
    assert {"environment", "environment 0"} <= set(closed)


@pytest.mark.slow
def test_another_launcher_does_not_resume_it_silently(tmp_path: Path) -> None:
    words = suite(tmp_path)
    command(*words, cwd=tmp_path)
    output = command(
        *[word for word in words if word not in ("--launcher", "async") and not word.startswith(("launcher", "train.frames"))],
        "launcher=local",
        "train.frames=500",
        cwd=tmp_path,
        expect=1,
    )
    assert "saved by another source of experience" in output


@pytest.mark.parametrize("name", ["ac2", "crossq", "ddpg", "dqn", "drqv2", "ppo", "pqn", "sac", "td3", "trpo"])
def test_a_snapshot_holds_all_that_an_agent_acts_with(name: str) -> None:
    config = compose([f"agent={name}", "suite=gym:CartPole-v1", "device=cpu", "callbacks=[]"])
    environments = make_environments(config, "environment", 1)
    environments.close()
    learner, actor = (make_agent(config, environments.spec, Streams(1)) for _ in range(2))
    batch = Batch(obs=torch.randn(256, 4))
    before = learner.act(batch, explore=False).env_action
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(torch.randn_like(parameter))
    learner.updates, learner.steps = 7, 5000
    wanted = learner.act(batch, explore=False).env_action
    assert not torch.equal(before, wanted)
    snapshot = learner.policy_snapshot()
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.zero_()  # the snapshot is a copy
    actor.load_policy_snapshot(snapshot)
    assert torch.equal(actor.act(batch, explore=False).env_action, wanted)
    assert (snapshot.version, actor.updates, actor.steps) == (7, 7, 5000)


def test_a_snapshot_of_another_agent_is_refused() -> None:
    spec = Spec(Space((4,), "float32"), Space((), "int64", 0, 1, 2))
    dqn, ppo = (make_agent(compose([f"agent={name}", "suite=gym:CartPole-v1"]), spec, Streams(1)) for name in ("dqn", "ppo"))
    with pytest.raises(UsageError, match="of another agent"):
        ppo.load_policy_snapshot(dqn.policy_snapshot())
