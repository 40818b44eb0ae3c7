"""The loop: what a budget, a stop and a failure change, and what they do not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import unified
from core.trainer.moments import At, ask_to_stop
from unified.core.base.errors import EnvironmentFailed, PluginFailed, Problem, UnifiedError
from unified.core.base.rng import Streams
from unified.core.envs.step_batch import StepBatch
from unified.core.learn.agent import UpdateResult
from unified.core.replay.views import Transitions
from unified.core.runs.run import Run
from unified.core.trainer.clock import Clock
from unified.core.trainer.duties import Duties, worth_a_line
from unified.core.trainer.evaluation import EpisodeEvaluator
from unified.core.trainer.interrupts import Stopped
from unified.core.trainer.trainer import Trainer
from unified.plugins.agents.ppo.agent import PPO
from unified.testing.workshop import differences

#: Two environments of 16 steps, minibatches of 8 rows, 2 epochs: 8 updates for each 32 steps.
SMALL: dict[str, Any] = {
    **{"agent": "ppo", "suite": "unified.testing.probes:Probes:both", "suite.rounds": 3, "suite.discrete": True, "device": "cpu"},
    **{"agent.n_steps": 16, "agent.epochs": 2, "agent.batch_size": 8, "agent.hidden_dim": 8, "train.num_envs": 2},
    **{
        "callbacks": [],
        "train.log_every": 20,
        "evaluate.every": 50,
        "evaluate.episodes": 1,
        "checkpoint.every": 30,
        "train.env_backend": "inline",
    },
}
UPDATES = 8
VIEW = Transitions()


def train(root: Path, callback: Any = None, **values: Any) -> Run:
    config = {**SMALL, "root": str(root), **{key.replace("__", "."): value for key, value in values.items()}}
    return unified.train(config=config, callbacks=[callback] if callback is not None else ())


def state_of(run: Run) -> dict[str, Any]:
    """Everything that the newest checkpoint goes on from, without times and without what more evaluations tell."""
    checkpoint = run.checkpoints.newest()
    assert checkpoint is not None
    state = {group: checkpoint.load(group) for group in ("parameters", "optimizer", "collector", "replay", "trainer")}
    for name in ("best_score", "stale"):
        del state["trainer"][name]
    del state["trainer"]["clock"]["elapsed"]
    return state


def rows_of(run: Run) -> list[dict[str, Any]]:
    return [row for row in run.metrics() if row["kind"] == "train"]


def end(trainer: Any) -> None:
    raise UnifiedError(Problem("enough for today"))


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Six rollouts at once."""
    return train(tmp_path_factory.mktemp("straight"), train__updates=6 * UPDATES)


def assert_goes_on_as(run: Run, straight: Run) -> None:
    """The same bits, and the same rows of metrics beside those that the ends of shorter budgets added."""
    assert not differences(state_of(straight), state_of(run))
    assert [row for row in rows_of(run) if row in rows_of(straight)] == rows_of(straight)
    assert not sum(row.get("nonfinite", 0) for row in rows_of(run))


# Budgets ------------------------------------------------------------------------------------------------------------------------


def test_a_budget_in_updates_ends_with_a_whole_rollout(tmp_path: Path) -> None:
    run = train(tmp_path, train__updates=2 * UPDATES + 3)
    assert run.metrics()[-1]["updates"] == 3 * UPDATES


@pytest.mark.parametrize("first", [{"train__updates": 19}, {"train__updates": 24}, {"train__frames": 45}, {"train__frames": 64}], ids=str)
def test_a_longer_budget_has_the_bits_of_the_run_that_had_it_from_the_start(straight: Run, tmp_path: Path, first: dict[str, int]) -> None:
    ended = train(tmp_path, **first)
    assert 0 < ended.metrics()[-1]["updates"] < 6 * UPDATES
    assert_goes_on_as(train(tmp_path, train__updates=6 * UPDATES), straight)


def test_a_row_at_the_end_of_a_budget_takes_nothing_from_the_next_one(tmp_path: Path) -> None:
    """Budgets that end between two rows of metrics: the next row is of the whole interval."""
    whole = rows_of(train(tmp_path / "whole", train__frames=80))
    train(tmp_path / "parts", train__frames=70)
    parts = rows_of(train(tmp_path / "parts", train__frames=80))
    assert [row["frames"] for row in parts] == [20, 40, 60, 70, 80]
    assert [row for row in parts if row["frames"] != 70] == whole


def test_an_evaluation_at_the_end_of_a_budget_does_not_try_patience(tmp_path: Path) -> None:
    values = {"evaluate__every": 1000, "suite": "unified.testing.probes:Probes:constant"}
    for frames in range(10, 60, 10):
        run = train(tmp_path, train__frames=frames, train__patience=2, **values)
    assert run.metrics()[-1]["frames"] == 50


# Stops and failures -------------------------------------------------------------------------------------------------------------


def test_a_stop_in_the_middle_of_a_rollout_waits_for_its_end(straight: Run, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(tmp_path, At(3 * UPDATES - 3, ask_to_stop), train__updates=4 * UPDATES)
    assert rows_of(train(tmp_path, train__frames=90))[-1]["updates"] < 6 * UPDATES
    assert_goes_on_as(train(tmp_path, train__updates=6 * UPDATES), straight)


@pytest.mark.parametrize("update", [2 * UPDATES + 1, 2 * UPDATES + 5, 3 * UPDATES])
def test_a_rollout_that_a_callback_ends_in_the_middle_is_learned_from_as_a_whole(straight: Run, tmp_path: Path, update: int) -> None:
    with pytest.raises(UnifiedError, match=r"(?s)enough for today.*newest checkpoint"):
        train(tmp_path, At(update, end), train__updates=4 * UPDATES)
    assert_goes_on_as(train(tmp_path, train__updates=6 * UPDATES), straight)


@pytest.mark.parametrize("update", [3, 2 * UPDATES + 5])
def test_a_rollout_in_which_the_agent_fails_is_learned_from_as_a_whole(
    straight: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: int
) -> None:
    calls, learn = [0], PPO.learn

    def failing(self: PPO, batch: Any) -> UpdateResult:
        calls[0] += 1
        if calls[0] == update:
            raise ValueError("oh")
        return learn(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(PPO, "learn", failing)
        with pytest.raises(PluginFailed, match=r"agent ppo failed while learning: ValueError: oh"):
            train(tmp_path, train__updates=4 * UPDATES)
    assert_goes_on_as(train(tmp_path, train__updates=6 * UPDATES), straight)


def test_where_updates_are_draws_of_their_own_those_not_done_are_owed_again(tmp_path: Path) -> None:
    """Eight environments owe eight updates at once; the third is the last that is done."""
    dqn = {"agent": "dqn", "agent.learning_starts": 8, "agent.batch_size": 4, "agent.critic.hidden_dim": 8, "agent.updates_per_step": 1.0}
    values = {key: value for key, value in SMALL.items() if not key.startswith("agent")} | dqn | {"train.num_envs": 8}
    config = {**values, "root": str(tmp_path), "train.frames": 48}
    with pytest.raises(UnifiedError, match="enough for today"):
        unified.train(config=config, callbacks=[At(3, end)])
    run = unified.train(config=config)
    straight = unified.train(config={**config, "root": str(tmp_path / "straight")})
    assert run.metrics()[-1]["updates"] == straight.metrics()[-1]["updates"]


# The loop by hand ---------------------------------------------------------------------------------------------------------------


class Log:
    """Stands for a run: events and rows."""

    name, lasting_name, path = "toy", "toy", Path("toy")
    metrics_offset = 0

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def event(self, name: str, **fields: Any) -> None:
        self.events.append((name, fields))

    def log(self, row: dict[str, Any]) -> None:
        self.event("row", **row)


def make_trainer(agent: Any = None, replay: Any = None, source: Any = None, clock: Clock | None = None, max_failures: int = 2) -> Trainer:
    config: Any = SimpleNamespace(
        agent=SimpleNamespace(label="toy"),
        suite=SimpleNamespace(title="suite toy:task"),
        components=lambda: [],
        evaluate=SimpleNamespace(at_start=False),
        compile=False,
        train=SimpleNamespace(max_failures=max_failures, patience=None),
    )
    agent = agent or SimpleNamespace(components=[], steps=0, device=torch.device("cpu"), view=VIEW, observe=lambda steps: None)
    replay = replay or SimpleNamespace(ready=True)
    anything: Any = SimpleNamespace(env_failures=[], failed_episodes=0, num_envs=3)
    run: Any = Log()
    return Trainer(run, config, agent, replay, source or anything, anything, clock or Clock(), Streams(1), [], [])


def steps(failed: list[bool], ended: list[bool]) -> StepBatch:
    count = len(failed)
    zeros, no = np.zeros((count, 1), np.float32), np.zeros(count, bool)
    return StepBatch(
        *(zeros, zeros[:, 0], np.array(ended), no, np.array(failed), zeros, np.zeros(count), np.zeros(count, np.int64)),
    )


def test_one_environment_that_always_fails_ends_the_run_though_others_go_well(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(max_failures=2)
    monkeypatch.setattr(trainer, "checkpoint", lambda: None)
    for _ in range(3):
        trainer._check_environments()
        trainer._count(steps(failed=[False, True, False], ended=[True, False, True]))
    message = r"3 episodes of environment 1 of suite toy:task failed in a row, more than train.max_failures=2"
    with pytest.raises(UnifiedError, match=message) as raised:
        trainer._check_environments()
    assert raised.value.exit_code == 2
    assert "unified resume" in str(raised.value)
    trainer._check_environments()  # a run that is resumed begins to count again
    assert trainer.episodes == 6


def test_an_evaluation_that_fails_does_not_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise EnvironmentFailed("the screen went dark")

    monkeypatch.setattr(EpisodeEvaluator, "evaluate", fail)
    run = train(tmp_path, train__frames=120)
    warnings = [event["message"] for event in run.events() if event["event"] == "warning"]
    assert run.events()[-1]["event"] == "finish"
    assert warnings == [f"evaluation: there is none at {frames} frames: the screen went dark" for frames in (50, 100, 120)]
    assert not [row for row in run.metrics() if row["kind"] == "evaluate"]


@pytest.mark.parametrize(("failures", "lines"), [(10, 10), (100, 19), (1000, 28), (1050, 28)])
def test_many_failures_are_few_lines(failures: int, lines: int) -> None:
    assert sum(worth_a_line(number) for number in range(1, failures + 1)) == lines


def test_failures_of_different_environments_and_at_different_times_are_not_in_a_row() -> None:
    trainer = make_trainer(max_failures=1)
    for turn in range(12):
        failing = np.arange(3) == turn % 3
        trainer._count(steps(failed=list(failing), ended=list(~failing)))
        trainer._check_environments()
    assert trainer.episodes == 24


class TwoPhases:
    """Tells of one phase at every update and of another at every second; the priorities are the rows' own numbers."""

    components: tuple[Any, ...] = ()
    device, view = torch.device("cpu"), VIEW
    steps = 0

    def __init__(self) -> None:
        self.updates = 0

    def receive(self, batch: Any) -> Any:
        return batch.to(self.device)

    def ends_rollout(self, result: UpdateResult) -> bool:
        return False

    def learn(self, batch: Any) -> UpdateResult:
        self.updates += 1
        metrics = {"critic": torch.tensor(float(self.updates))}
        if self.updates % 2 == 0:
            metrics["actor"] = torch.tensor(10.0 * self.updates)
        return UpdateResult(metrics, batch.index + 0.5)


class Batches:
    """A replay whose batches are numbered; it remembers priorities, and how many updates were done when each batch was taken."""

    ready = True

    def __init__(self) -> None:
        self.priorities: list[tuple[int, float]] = []
        self.given = 0

    def batches(self, count: int, prepare: Any) -> Any:
        for _ in range(count):
            self.given += 1
            yield SimpleNamespace(index=torch.tensor([self.given]), to=lambda device, index=self.given: batch_of(index))

    def update_priorities(self, index: torch.Tensor, priority: torch.Tensor) -> None:
        self.priorities.append((int(index), float(priority)))


def batch_of(index: int) -> Any:
    return SimpleNamespace(index=torch.tensor([index]))


def test_updates_of_two_phases_are_counted_averaged_and_prioritised_one_by_one() -> None:
    agent, replay = TwoPhases(), Batches()
    trainer = make_trainer(agent, replay, clock=Clock(updates_per_step=5.0))
    trainer.clock.advance(1, learning=True)
    counted = []
    for batch in trainer._due_batches():
        trainer._update(batch)
        counted.append(trainer.clock.updates)
    assert counted == [1, 2, 3, 4, 5]
    assert replay.priorities == [(index, index + 0.5) for index in range(1, 6)]
    assert trainer.meter.take() == {"critic": np.mean([1, 2, 3, 4, 5]), "actor": np.mean([20, 40])}
    assert list(trainer._due_batches()) == []


def test_an_agent_that_fails_has_done_what_it_did_before() -> None:
    class Fragile(TwoPhases):
        def learn(self, batch: Any) -> UpdateResult:
            if self.updates == 2:
                raise ValueError("oh")
            return super().learn(batch)

    trainer = make_trainer(Fragile(), Batches(), clock=Clock(updates_per_step=5.0))
    trainer.clock.advance(1, learning=True)
    with pytest.raises(PluginFailed, match="agent toy failed while learning: ValueError: oh"):
        list(map(trainer._update, trainer._due_batches()))
    assert (trainer.clock.updates, trainer._pending) == (2, 3)


@pytest.mark.parametrize(
    ("every", "frames", "age", "seconds", "due"),
    [
        (10, 25, 0.0, 5.0, True),  # frames that are set count alone
        (None, 25, 0.0, 0.0, False),
        (None, 25, 1.0, 0.0, True),
        (None, 25, 49.0, 1.0, False),
        (None, 25, 51.0, 1.0, True),
        (None, 5, 51.0, 1.0, False),
        (None, 5, 601.0, 100.0, True),  # after `every_minutes` in any case
    ],
)
def test_checkpoints_take_a_small_share_of_the_time_unless_their_frames_are_set(
    every: int | None, frames: int, age: float, seconds: float, due: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    clock = Clock(every={"checkpoint": 10})
    clock.steps = frames
    options = SimpleNamespace(checkpoint=SimpleNamespace(every=every, every_minutes=10.0))
    trainer: Any = SimpleNamespace(run=None, clock=clock, config=options, checkpoint_time=1000.0 - age, checkpoint_seconds=seconds)
    assert Duties(trainer)._checkpoint_due() == due


def test_the_event_of_an_evaluation_has_the_best_score_so_far(straight: Run) -> None:
    rows = [row for row in straight.metrics() if row["kind"] == "evaluate"]
    events = [event for event in straight.events() if event["event"] == "evaluate"]
    assert len(rows) > 2
    best = [max(row["return"] for row in rows[: number + 1]) for number in range(len(rows))]
    assert [event["best_score"] for event in events] == best
    assert all(row.items() <= event.items() for row, event in zip(rows, events, strict=True))


@pytest.mark.slow
def test_environments_that_share_a_process_train_with_the_same_bits(straight: Run, tmp_path: Path) -> None:
    assert_goes_on_as(train(tmp_path, train__updates=6 * UPDATES, train__env_backend="process", train__env_workers=1), straight)
