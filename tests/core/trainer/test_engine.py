"""Which update is compiled, what is recorded of it, and that a resume decides as the run did. No graph is recorded here."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import unified
from core.trainer.moments import At, ask_to_stop
from unified.core.base.errors import UsageError
from unified.core.learn.compiler import CompilationFailed
from unified.core.learn.traced import Untraceable, trace, update_key
from unified.core.learn.update import UpdateResult
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.runs.run import Run
from unified.core.trainer import engine as engine_module
from unified.core.trainer.engine import Engine
from unified.core.trainer.interrupts import Stopped
from unified.core.trainer.trainer import Trainer
from unified.testing.workshop import build, differences, experience, places

#: Two environments of 16 steps, minibatches of 8 rows, 2 epochs: 8 updates for each 32 steps.
SMALL: dict[str, Any] = {
    **{"agent": "ppo", "suite": "unified.testing.probes:Probes:both", "suite.rounds": 3, "suite.discrete": True, "device": "cpu"},
    **{"agent.n_steps": 16, "agent.epochs": 2, "agent.batch_size": 8, "agent.hidden_dim": 8, "train.num_envs": 2},
    **{"callbacks": [], "train.log_every": 20, "evaluate.every": 0, "checkpoint.every": 30, "train.env_backend": "inline"},
}
UPDATES = 8


class Traced:
    """In the place of a graph, which would take seconds to record: another update than the eager one, as compiled code rounds otherwise."""

    def __init__(self, agent: Any, batch: Batch, *, plain_optimizer: bool) -> None:
        if agent.updater.reduce is not None:
            raise Untraceable("gradients are averaged over processes")
        self.agent, self.graph, self.text, self.is_bound = agent, None, str(update_key(agent, batch)), True

    def inputs(self, batch: Batch) -> list[torch.Tensor]:
        self.agent.generator("policy")  # draws, as the noise of an update does
        return []

    def __call__(self, batch: Batch, run: Callable[[], None]) -> UpdateResult:
        run()
        result = self.agent.learn(batch)
        with torch.no_grad():
            for parameter in self.agent.parameters():
                parameter.mul_(1 + 2**-20)
        return result


class Interpreter:
    """In the place of the compiler."""

    lack, version, fails, rounds = "", "1", False, True
    #: Keys of the graphs that ran.
    ran: list[str]

    def __init__(self) -> None:
        self.ran = []

    def missing(self) -> str:
        return self.lack

    def key(self, text: str) -> str:
        return hashlib.sha256(f"{self.version} {text}".encode()).hexdigest()[:8]

    def start(self, key: str, traced: Traced, inputs: list[torch.Tensor], *, urgent: bool) -> Any:
        def wait(meanwhile: Callable[[], object]) -> Any:
            meanwhile()
            if self.fails:
                raise CompilationFailed("g++ ended")
            return lambda: self.ran.append(key)

        return SimpleNamespace(wait=wait, stop=lambda: None)


@pytest.fixture(autouse=True)
def compiler(monkeypatch: pytest.MonkeyPatch) -> Interpreter:
    """The compiler of all runs of a test. ``compile=auto`` compiles from update 2½ rollouts on, and every run is long enough."""
    made = Interpreter()
    monkeypatch.setattr(engine_module, "Compiler", lambda: made)
    monkeypatch.setattr(engine_module, "trace", Traced)
    monkeypatch.setattr(engine_module, "SWITCH", 2 * UPDATES + UPDATES // 2)
    monkeypatch.setattr(engine_module, "BEGIN", UPDATES // 2)
    monkeypatch.setattr(engine_module, "WORTHWHILE", UPDATES)
    return made


class Killed(BaseException):
    """Ends a process at once."""


def kill(trainer: Any) -> None:
    raise Killed


def train(root: Path, *, stop_at: int = 0, killed_at: int = 0, **values: Any) -> Run:
    config = {**SMALL, "train.updates": 6 * UPDATES, "compile": "auto", "root": str(root), **values}
    ends = [At(stop_at, ask_to_stop)] * bool(stop_at) + [At(killed_at, kill)] * bool(killed_at)
    return unified.train(config=config, callbacks=ends)


def resumed(root: Path, stop_at: int, change: Callable[[], None] = lambda: None, **values: Any) -> Run:
    """A run that is stopped at an update and resumed."""
    with pytest.raises(Stopped):
        train(root, stop_at=stop_at, **values)
    change()
    return train(root, **values)


def events(run: Run, name: str = "engine") -> list[dict[str, Any]]:
    return [event for event in run.events() if event["event"] == name]


def exact(run: Run) -> bool:
    checkpoint = run.checkpoints.newest()
    assert checkpoint is not None
    return bool(checkpoint.manifest["exact"])


def state_of(run: Run) -> dict[str, Any]:
    """Everything that the newest checkpoint goes on from, without times."""
    checkpoint = run.checkpoints.newest()
    assert checkpoint is not None
    state = {group: checkpoint.load(group) for group in ("parameters", "optimizer", "collector", "replay", "trainer")}
    del state["trainer"]["clock"]["elapsed"]
    return state


def without_engine(run: Run) -> dict[str, Any]:
    state = state_of(run)
    del state["trainer"]["engine"]
    return state


def test_updates_are_eager_before_the_switch_and_compiled_from_it_on(tmp_path: Path, compiler: Interpreter) -> None:
    run = train(tmp_path)
    (event,) = events(run)
    assert event["from_update"] == engine_module.SWITCH
    assert event["key"] in compiler.ran
    assert len(compiler.ran) == 6 * UPDATES - engine_module.SWITCH + 1
    state = state_of(run)["trainer"]["engine"]
    assert state["from_update"] == engine_module.SWITCH
    assert state["keys"] == {event["update"]: event["key"]}


@pytest.mark.parametrize("wanted", ["auto", True])
@pytest.mark.parametrize("stop_at", [1, 2 * UPDATES, 2 * UPDATES + 3, 4 * UPDATES])
def test_a_resume_switches_where_the_run_did(tmp_path: Path, wanted: Any, stop_at: int) -> None:
    straight, again = train(tmp_path / "straight", compile=wanted), resumed(tmp_path / "resumed", stop_at, compile=wanted)
    assert not differences(state_of(straight), state_of(again))
    assert straight.metrics() == again.metrics()
    assert exact(again)


def test_what_is_compiled_is_another_run_than_an_eager_one(tmp_path: Path) -> None:
    compiled, eager = train(tmp_path / "auto"), train(tmp_path / "false", compile=False)
    assert differences(without_engine(compiled), without_engine(eager))


@pytest.mark.parametrize(
    ("stop_at", "change"), [(stop, change) for stop in (1, 4 * UPDATES) for change in ({"lack": "no g++"}, {"fails": True})]
)
def test_a_resume_without_the_compiler_goes_on_eagerly_and_says_so(
    tmp_path: Path, compiler: Interpreter, stop_at: int, change: dict[str, Any]
) -> None:
    before = len(events(resumed(tmp_path, stop_at, lambda: vars(compiler).update(change)), "warning"))
    run = train(tmp_path)
    assert not exact(run)
    assert before == 1
    (warning,) = events(run, "warning")
    assert "exact: false" in warning["message"]
    assert "no g++" in warning["message"] or "g++ ended" in warning["message"]
    assert events(run)[-1]["from_update"] is None


def test_a_run_whose_compiler_returns_before_the_next_checkpoint_is_exact(tmp_path: Path, compiler: Interpreter) -> None:
    """The process without the compiler ended before its first checkpoint, so nothing of its updates is left."""
    with pytest.raises(Stopped):
        train(tmp_path, stop_at=4 * UPDATES)
    compiler.lack = "no g++"
    with pytest.raises(Killed):
        train(tmp_path, killed_at=4 * UPDATES + 1)
    compiler.lack = ""
    run = train(tmp_path)
    assert len(events(run, "restored")) == 2
    assert exact(run)
    assert not differences(state_of(run), state_of(train(tmp_path / "straight")))


def test_a_resume_with_another_compiler_is_not_exact(tmp_path: Path, compiler: Interpreter) -> None:
    run = resumed(tmp_path, 4 * UPDATES, lambda: vars(compiler).update(version="2"))
    assert not exact(run)
    assert "compiled again" in events(run, "warning")[0]["message"]
    assert [event["from_update"] for event in events(run)] == [engine_module.SWITCH, 4 * UPDATES + 1]


def test_a_failed_compilation_is_a_decision_that_a_resume_keeps(tmp_path: Path, compiler: Interpreter) -> None:
    compiler.fails = True
    run = resumed(tmp_path / "failed", engine_module.SWITCH, lambda: vars(compiler).update(fails=False), **{"checkpoint.every": 0})
    assert exact(run)
    assert not compiler.ran
    assert events(run)[0]["from_update"] is None
    eager = train(tmp_path / "false", compile=False, **{"checkpoint.every": 0})
    assert not differences(without_engine(run), without_engine(eager))
    assert run.metrics() == eager.metrics()


def test_what_an_inexact_resume_gave_up_before_it_saved_anything_is_compiled_by_the_next_one(
    tmp_path: Path, compiler: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Stopped):
        train(tmp_path, stop_at=4 * UPDATES)
    compiler.lack = "no g++"
    with monkeypatch.context() as lost:
        lost.setattr(Trainer, "checkpoint", lambda trainer, best=False: None)
        with pytest.raises(Stopped):
            train(tmp_path, stop_at=5 * UPDATES)
    compiler.lack = ""
    run = train(tmp_path)
    assert exact(run)
    assert not differences(without_engine(run), without_engine(train(tmp_path / "straight")))


def test_a_resume_on_a_device_without_graphs_compiles_nothing(
    bench: Callable[..., Bench], compiler: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bench("auto")
    made.engine.load_state_dict(made.engine.state_dict(), set())
    monkeypatch.setattr(engine_module, "_unsupported", lambda agent: "the device is mps")
    for _ in range(2 * engine_module.SWITCH):
        made.learn()
    assert not compiler.ran
    assert not made.engine.exact


def test_a_signal_ends_the_wait_for_the_compiler(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="newest checkpoint"):
        train(tmp_path, stop_at=engine_module.SWITCH - 1)
    assert not differences(state_of(train(tmp_path / "straight")), state_of(train(tmp_path)))


# The engine alone -------------------------------------------------------------------------------------------------------------------


@dataclass
class Bench:
    """An engine of a small TD3, and batches for it."""

    engine: Engine
    batches: tuple[Batch, ...]
    recorded: list[tuple[str, dict[str, Any]]]

    def learn(self, rows: int | None = None) -> None:
        batch = self.batches[self.engine.agent.updates % len(self.batches)]
        self.engine.learn(Batch({name: value[:rows] for name, value in batch.items()}))


@pytest.fixture
def bench(compiler: Interpreter) -> Callable[..., Bench]:
    component = registry().get("agents", "td3")
    place = next(place for place in places(component) if not place.pixels)

    def make(wanted: Any = True, updates: int | None = None, change: Callable[[Any], None] = lambda agent: None) -> Bench:
        agent, recorded = build(component, place), list[tuple[str, dict[str, Any]]]()
        change(agent)
        record = lambda name, **fields: recorded.append((name, fields))  # noqa: E731
        return Bench(Engine(agent, wanted, updates, record, compiler=compiler), experience(component, place), recorded)

    return make


def test_each_set_of_due_phases_is_a_graph(bench: Callable[..., Bench], compiler: Interpreter) -> None:
    made = bench()
    for _ in range(4):
        made.learn()
    assert len(compiler.ran) == 4
    assert compiler.ran[:2] == compiler.ran[2:]
    assert len({*compiler.ran}) == 2


def test_what_is_seldom_due_is_learned_eagerly(bench: Callable[..., Bench], compiler: Interpreter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "RARE", 1)
    made = bench()
    for _ in range(4):
        made.learn()
    assert len(compiler.ran) == 2 == len({*compiler.ran}) + 1


@pytest.mark.parametrize("wanted", [True, "auto"])
def test_further_shapes_are_learned_eagerly(bench: Callable[..., Bench], compiler: Interpreter, wanted: Any) -> None:
    """With auto those that come after the switch, and in any case those after the fourth."""
    made = bench(wanted)
    for _ in range(engine_module.SWITCH + 1):
        made.learn()
    compiler.ran.clear()
    for rows in (1, 2, 3, 4) * 2:
        made.learn(rows)
    assert len(made.engine.state_dict()["keys"]) == (4 if wanted is True else 2)
    assert len(compiler.ran) == (4 if wanted is True else 0)


def test_a_failure_after_the_newest_checkpoint_is_kept_too(bench: Callable[..., Bench], compiler: Interpreter) -> None:
    """The checkpoint does not know of it yet; the events do."""
    made = bench("auto")
    made.engine.load_state_dict(made.engine.state_dict(), {engine_module._kind(update_key(made.engine.agent, made.batches[0]))})
    for _ in range(2 * engine_module.SWITCH):
        made.learn()
    assert made.engine.exact
    assert len({*compiler.ran}) == 1


def test_an_update_that_cannot_be_traced_is_eager(bench: Callable[..., Bench], compiler: Interpreter) -> None:
    made = bench(change=lambda agent: setattr(agent.updater, "reduce", lambda tensors: tensors))
    made.learn()
    made.learn()
    assert not compiler.ran
    assert made.engine.exact
    assert [name for name, _ in made.recorded] == ["engine", "warning"] * 2
    assert "averaged over processes" in made.recorded[1][1]["message"]


def test_a_replaced_parameter_is_an_error(bench: Callable[..., Bench], compiler: Interpreter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "trace", trace)
    monkeypatch.setattr(engine_module, "LOOK", 1)
    monkeypatch.setattr(compiler, "start", lambda key, traced, inputs, urgent: SimpleNamespace(wait=lambda meanwhile: traced.graph))
    made = bench()
    made.learn()
    for parameter in made.engine.agent.parameters():
        parameter.data.mul_(0.5)  # in place
    made.learn()
    layer = next(module for module in made.engine.agent.actor.modules() if isinstance(module, torch.nn.Linear))
    layer.weight = torch.nn.Parameter(layer.weight.detach().clone())
    with pytest.raises(UsageError, match=r"replaced by another tensor.*compile=false"):
        made.learn()


@pytest.mark.parametrize(
    ("wanted", "updates", "change", "reason"),
    [
        ("auto", 3, {}, "the budget at the start of the run, 3 updates, is too small"),
        ("auto", None, {"SMALL": 10}, "the networks are large"),
        (True, 3, {"SMALL": 10}, ""),
        ("auto", None, {}, ""),
    ],
)
def test_why_a_run_is_eager(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, wanted: Any, updates: int | None, change: dict[str, int], reason: str
) -> None:
    for name, value in change.items():
        monkeypatch.setattr(engine_module, name, value)
    engine = bench(wanted, updates).engine
    (note,) = engine.notes()
    assert (engine.from_update is None) == bool(reason)
    assert reason in note


def test_false_is_eager_without_a_line(bench: Callable[..., Bench]) -> None:
    engine = bench(False).engine
    assert engine.from_update is None
    assert not engine.notes()


def test_nothing_begins_with_the_first_updates(bench: Callable[..., Bench]) -> None:
    made = bench("auto")
    for _ in range(engine_module.BEGIN - 1):
        made.learn()
    assert not made.engine.state_dict()["keys"]
    made.learn()
    assert made.engine.state_dict()["keys"]


def test_a_longer_budget_does_not_change_what_was_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: Interpreter) -> None:
    monkeypatch.setattr(engine_module, "WORTHWHILE", 5 * UPDATES)
    train(tmp_path, **{"train.updates": 4 * UPDATES})
    run = train(tmp_path)
    assert not compiler.ran
    assert exact(run)
    assert state_of(run)["trainer"]["engine"] == {"from_update": None, "keys": {}}


def test_without_a_compiler_a_run_is_eager(bench: Callable[..., Bench], compiler: Interpreter) -> None:
    compiler.lack = "there is no C++ compiler g++"
    assert "there is no C++ compiler g++" in bench("auto").engine.notes()[0]


@pytest.mark.parametrize("wanted", ["false", "auto"])
def test_an_eager_run_does_not_import_the_compiler(tmp_path: Path, wanted: str) -> None:
    """With auto, a run of a small budget. (The package `torch._inductor` itself comes with every optimiser of torch.)"""
    program = (
        "import sys, unified\n"
        "from unified.testing.rehearsal import tiny_run\n"
        f"tiny_run(sys.argv[1], compile={wanted!r})\n"
        "sys.exit(any(f'torch._inductor.{name}' in sys.modules for name in ('compile_fx', 'codecache')))"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=environment, check=False).returncode == 0


def test_true_is_refused_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/bin/false")
    with pytest.raises(UsageError, match="compile=true: there is no C\\+\\+ compiler /bin/false"):
        train(tmp_path, compile=True)
