"""From a configuration to the objects of a run: what the budget, the kind of source and the number of environments decide."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import unified
from unified.cli.resume import resume
from unified.core.base.errors import OtherCode
from unified.core.components import importing
from unified.core.config.compose import compose
from unified.core.registry import registry
from unified.core.runs.run import Run
from unified.core.trainer import build
from unified.core.trainer.build import assemble
from unified.core.trainer.sources import DatasetSource, EnvCollector
from unified.core.trainer.trainer import Trainer
from unified.testing.workshop import differences

PROBE = "unified.testing.probes:Probes:both"
command = typer.Typer()
command.command()(resume)
QUIET: dict[str, Any] = {"callbacks": [], "device": "cpu", "train.env_backend": "inline"}
DQN: dict[str, Any] = {
    **{"agent": "dqn", "suite": PROBE, "suite.rounds": 3, "suite.discrete": True},
    **{"agent.learning_starts": 8, "agent.batch_size": 8, "agent.critic.hidden_dim": 8},
}


@contextmanager
def assembled(root: Path, **values: Any) -> Iterator[Trainer]:
    config = compose([], [], {**QUIET, "root": str(root), **{key.replace("__", "."): value for key, value in values.items()}})
    trainer = assemble(Run.create_or_open(config), config)
    try:
        yield trainer
    finally:
        trainer.source.close()
        trainer.evaluator.close()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root of runs with a saved replay of a probe."""
    root = tmp_path_factory.mktemp("runs")
    config = {**QUIET, **DQN, "root": str(root), "train.frames": 40, "train.learn": False, "replay.save": "probe", "evaluate.episodes": 1}
    unified.train(config={**config, "experiment": "collected"})
    return root


# Intervals ----------------------------------------------------------------------------------------------------------------------


def test_in_environments_intervals_are_frames(tmp_path: Path) -> None:
    with assembled(tmp_path, **DQN) as trainer:
        assert isinstance(trainer.source, EnvCollector)
        assert trainer.clock.every == {"log": 1_000, "evaluate": 10_000, "checkpoint": 10_000}
    with assembled(tmp_path, **DQN, train__log_every=None, evaluate__every=0, checkpoint__every=7, experiment="said") as trainer:
        assert trainer.clock.every == {"log": 1_000, "evaluate": 0, "checkpoint": 7}


@pytest.mark.parametrize("batch_size", [8, 256])
def test_of_a_data_set_they_are_updates_and_epochs(tmp_path: Path, batch_size: int) -> None:
    left = {"evaluate__every": None, "checkpoint__every": None}  # ac2 has presets for digits
    with assembled(tmp_path, agent="ac2", suite="digits", agent__batch_size=batch_size, **left) as trainer:
        assert isinstance(trainer.source, DatasetSource)
        rows, log = trainer.replay.steps, 50 * batch_size
        assert trainer.clock.every == {"log": log, "evaluate": max(rows, log), "checkpoint": max(rows, log)}
        assert (rows > log) == (batch_size == 8)  # an epoch, and 50 updates where that is more


def test_of_a_replay_alone_they_are_updates(root: Path) -> None:
    offline = {"train.offline": True, "replay.load": "probe", "train.updates": 120, "root": str(root), "evaluate.episodes": 1}
    run = unified.train(config={**QUIET, **DQN, **offline, "experiment": "offline"})
    assert [row["updates"] for row in run.metrics() if row["kind"] == "train"] == [50, 100, 120]
    assert [row["updates"] for row in run.metrics() if row["kind"] == "evaluate"] == [120]


def test_an_offline_run_resumes_without_its_source(root: Path) -> None:
    shutil.copytree(root / "replays/probe", root / "replays/passing")
    offline = {"train.offline": True, "replay.load": "passing", "root": str(root), "evaluate.episodes": 1, "experiment": "alone"}
    run = unified.train(config={**QUIET, **DQN, **offline, "train.updates": 20})
    before = run.checkpoints.newest_manifest()["replay"]["head"]
    shutil.rmtree(root / "replays/passing")
    again = unified.train(config={**QUIET, **DQN, **offline, "train.updates": 40})
    assert [row["updates"] for row in again.metrics() if row["kind"] == "train"][-1] == 40
    assert again.checkpoints.newest_manifest()["replay"]["head"] == before


def test_an_offline_run_goes_on_with_the_rows_that_it_began_with(tmp_path: Path) -> None:
    """Its source is a run that has grown in the meantime: it resumes bit for bit, and a new run reads more."""
    source = {
        **QUIET,
        **DQN,
        "root": str(tmp_path),
        "train.learn": False,
        "evaluate.every": 0,
        "evaluate.episodes": 1,
        "experiment": "source",
    }
    unified.train(config={**source, "train.frames": 40})
    offline = {**QUIET, **DQN, "root": str(tmp_path), "offline": True, "replay.load": "source", "evaluate.episodes": 1}
    straight = unified.train(config={**offline, "train.updates": 40, "experiment": "straight"})
    unified.train(config={**offline, "train.updates": 20, "experiment": "stopped"})
    unified.train(config={**source, "train.frames": 160})
    resumed = unified.train(config={**offline, "train.updates": 40, "experiment": "stopped"})
    later = unified.train(config={**offline, "train.updates": 40, "experiment": "later"})
    heads = [run.checkpoints.newest_manifest()["replay"]["head"] for run in (straight, resumed, later)]
    assert heads[0] == heads[1] < heads[2]
    ours, theirs, others = (build.load_agent(run, "newest").agent.state_dict() for run in (resumed, straight, later))
    assert not differences(ours, theirs)
    assert differences(ours, others)


@pytest.mark.parametrize("words", ["bc", "rem", "iql", "awac", "cql", "decision_transformer", "dqn +cql", "bc top"])
def test_every_offline_agent_learns_choices_from_a_saved_replay(root: Path, words: str) -> None:
    name, *more = words.split()
    small = {f"agent.{key}": value for key, value in registry().get("agents", name).small.items()}  # type: ignore[attr-defined]
    changes = {"objective": "+cql"} if "+cql" in more else {"replay.top": 0.5} if more else {}
    values = {"agent": name, "suite": PROBE, "suite.rounds": 3, "suite.discrete": True, **small, **changes}
    offline = {"offline": True, "replay.load": "probe", "train.updates": 12, "root": str(root), "evaluate.episodes": 1}
    run = unified.train(config={**QUIET, **values, **offline, "experiment": f"offline-{'-'.join([name, *more]).replace('+', '')}"})
    assert run.metrics()[-1]["updates"] == 12
    assert not any(row.get("nonfinite") for row in run.metrics())


def test_a_data_set_that_is_learned_by_reward_alone_is_an_environment(tmp_path: Path) -> None:
    values = {**DQN, "suite": "digits", "encoder": "mlp"}
    del values["suite.rounds"], values["suite.discrete"]
    with assembled(tmp_path, **values) as trainer:
        assert isinstance(trainer.source, EnvCollector)
        assert trainer.clock.every == {"log": 1_000, "evaluate": 10_000, "checkpoint": 10_000}


# Resuming --------------------------------------------------------------------------------------------------------------------------


def test_a_budget_that_is_reached_says_that_nothing_is_trained(tmp_path: Path) -> None:
    probe = {**QUIET, **DQN, "agent": "random", "root": str(tmp_path), "train.learn": False, "evaluate.every": 0, "evaluate.episodes": 1}
    config = {key: value for key, value in probe.items() if not key.startswith("agent.")}
    run = unified.train(config={**config, "train.frames": 40})
    for word in ("train.frames=20", "train.frames=40"):
        said = CliRunner().invoke(command, [run.lasting_name, word, "--accept-config", "--root", str(tmp_path)])
        assert said.exception is None
        assert f"has 40 frames, and {word} is reached: nothing is trained; the run keeps the new budget" in said.output.replace("\n", "")
    assert {row["frames"] for row in run.metrics()} == {40}
    said = CliRunner().invoke(command, [run.lasting_name, "train.frames=60", "--root", str(tmp_path)])
    assert "nothing is trained" not in said.output
    assert max(row["frames"] for row in run.metrics()) == 60


NET = """
from torch import nn

class Tiny(nn.Sequential):
    def __init__(self, in_features):
        super().__init__(nn.Flatten(), nn.Linear(in_features, {}), nn.ReLU())
"""


def edited(nets: Path, width: int) -> None:
    """The file of the network as a new process imports it."""
    nets.write_text(NET.format(width))
    for name in [name for name, module in sys.modules.items() if getattr(module, "__file__", None) == str(nets)]:
        del sys.modules[name]
    importing._digests.clear()


def test_changed_code_is_no_damage_and_no_older_checkpoint_is_tried(tmp_path: Path) -> None:
    nets = tmp_path / "nets.py"
    edited(nets, 4)
    config = {**QUIET, **DQN, "root": str(tmp_path / "runs"), "encoder": f"{nets}:Tiny", "checkpoint.every": 20, "evaluate.episodes": 1}
    run = unified.train(config={**config, "train.frames": 40})
    before = sorted(run.checkpoints.frames())
    assert len(before) == 2
    edited(nets, 5)
    does_not_fit = "part .*encoder.* of agent dqn does not fit checkpoint .*weight is .*, and .* in the checkpoint"
    with pytest.raises(OtherCode, match=does_not_fit) as error:
        unified.train(config={**config, "train.frames": 60})
    assert error.value.exit_code == 2
    sentence, file = error.value.problems
    assert "experiment=NAME" in sentence.hint
    assert file.message == f"{nets} has been edited: architecture '{nets}:Tiny' may differ"
    assert sorted(run.checkpoints.frames()) == before
    assert not [event for event in run.events() if "damaged" in str(event.get("message"))]
    edited(nets, 4)
    again = unified.train(config={**config, "train.frames": 60})
    assert max(row["frames"] for row in again.metrics()) == 60


# The clock and the replay -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("environments", [1, 3])
def test_a_rollout_is_due_after_its_horizon_in_every_environment(tmp_path: Path, environments: int) -> None:
    ppo = {"agent": "ppo", "suite": PROBE, "agent.n_steps": 8, "agent.epochs": 3, "agent.batch_size": 4}
    with assembled(tmp_path, **ppo, train__num_envs=environments) as trainer:
        assert trainer.clock.learn_every == 8 * environments
        assert trainer.clock.updates_per_step * trainer.clock.learn_every == pytest.approx(3 * 8 * environments / 4)


def test_a_ring_is_no_longer_than_its_budget_needs(tmp_path: Path) -> None:
    with assembled(tmp_path, **DQN, train__frames=50, train__num_envs=2) as short:
        assert 2 * 50 <= short.replay.store.slots < 150
    with assembled(tmp_path, **DQN, train__frames=50, replay__capacity=70, experiment="smaller") as small:
        assert small.replay.store.slots == 70


@pytest.mark.parametrize("environments", [1, 3])
def test_prioritised_rows_do_not_depend_on_the_budget(tmp_path: Path, environments: int) -> None:
    """The ring is longer for a longer budget; what is drawn, and with it every bit of the run, is the same."""

    def train(where: str, frames: int) -> Run:
        values = {**QUIET, **DQN, "root": str(tmp_path / where), "evaluate.episodes": 1, "train.num_envs": environments}
        return unified.train(
            config={**values, "replay.sampler": "prioritised", "replay.sampler.beta": 0.4, "train.frames": frames, "train.log_every": 60}
        )

    straight = train("straight", 360)
    assert train("twice", 180).metrics()[-1]["updates"] > 0
    twice = train("twice", 360)
    groups = []
    for run in (straight, twice):
        checkpoint = run.checkpoints.newest()
        assert checkpoint is not None
        groups.append({group: checkpoint.load(group) for group in ("parameters", "optimizer", "replay", "collector")})
    assert not differences(*groups)
    assert [row for row in twice.metrics() if row["kind"] == "train"] == [row for row in straight.metrics() if row["kind"] == "train"]


# Several suites, and errors -----------------------------------------------------------------------------------------------------

TWO: dict[str, Any] = {
    **{"suite": ["gym:CartPole-v1", "gym:Acrobot-v1"], "agent.trunk": 16, "agent.actor.hidden_dim": 16, "agent.critic.hidden_dim": 16},
    **{"agent.batch_size": 8, "agent.learning_starts": 20, "train.frames": 300, "evaluate.every": 0, "evaluate.episodes": 1},
}


@pytest.mark.parametrize("budget", [{}, {"train.updates": 101}])
def test_beta_ends_at_1_in_every_task(tmp_path: Path, budget: dict[str, Any]) -> None:
    with assembled(tmp_path, **TWO, **budget, **{"replay.sampler": "prioritised"}) as trainer:
        trainer.train()
        replay: Any = trainer.replay
        due = trainer.clock.pop_pending_updates()  # after the last step: the budget of frames ends the run before them
        for sampler in (each.sampler for each in replay.replays):
            assert sampler.beta(sampler.drawn + due) == pytest.approx(1)
            assert sampler.beta(sampler.drawn - 2) < 1


@pytest.mark.parametrize("values", [DQN, TWO])
def test_an_error_after_the_source_was_made_closes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]) -> None:
    made: list[EnvCollector] = []
    closed: list[EnvCollector] = []

    class Noted(EnvCollector):
        def close(self) -> None:
            closed.append(self)
            super().close()

    def make_source(config: Any, run: Any, agent: Any, replay: Any, environments: Any) -> EnvCollector:
        made.append(Noted(environments, agent, replay))
        return made[-1]

    def fail(*arguments: Any) -> None:
        raise RuntimeError("no evaluator")

    monkeypatch.setattr(build, "make_evaluator", fail)
    config = compose([], [], {**QUIET, **values, "root": str(tmp_path)})
    with pytest.raises(RuntimeError, match="no evaluator"):
        assemble(Run.create_or_open(config), config, make_source)
    assert made
    assert closed == made[::-1]
