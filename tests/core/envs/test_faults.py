"""What environments do wrong: each kind costs its episode, and leaves the process of the trainer as it was."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.processes import members, soon
from unified.core.base.errors import Notice, PluginFailed, UnifiedError, plugin_errors
from unified.core.base.spec import Space, Spec
from unified.core.envs.adapters import EnvironmentAdapter
from unified.core.envs.placement import step_seconds
from unified.core.envs.suite import Environment, Step
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.core.envs.workers.output import LIMIT, OutputLog
from unified.core.trainer.interrupts import Aborted, Interrupts
from unified.testing.environments import Counter


class Unreadable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


class Faulty(Environment):
    """Four steps; the second calls `fault`."""

    spec = Spec(Space((2,), "float32"), Space((), "int64", 0, 1, 2))

    def __init__(self, fault: Callable[[], Any], at: str = "step") -> None:
        self.fault, self.at, self.steps = fault, at, 0

    def reset(self, seed: int) -> np.ndarray:
        self.steps = 0
        if self.at == "reset":
            self.fault()
        return np.zeros(2, np.float32)

    def step(self, action: np.ndarray) -> Step:
        self.steps += 1
        answer = Step(np.full(2, self.steps, np.float32), 1.0, False, self.steps == 4)
        if self.at == "step" and self.steps == 2:
            found = self.fault()
            return found if isinstance(found, Step) else answer
        return answer

    def close(self) -> None:
        if self.at == "close":
            self.fault()


def faulty(fault: Callable[[], Any], at: str = "step", output: Path | None = None, **more: Any) -> WorkerVectorEnv:
    return WorkerVectorEnv(EnvironmentAdapter(lambda: Faulty(fault, at), "", None), 1, 1, placement="inline", output=output, **more)


def raising(error: BaseException) -> Callable[[], None]:
    def fault() -> None:
        raise error

    return fault


def play(vector: WorkerVectorEnv, steps: int) -> list[bool]:
    """Whether each row failed."""
    failed = []
    for _ in range(steps):
        vector.step_async(np.zeros((vector.num_envs, *vector.spec.action.shape)))
        failed.append(bool(vector.step_wait().failed[0]))
    return failed


# Exceptions

ERRORS = [
    (ValueError("as requested"), "it raised ValueError: as requested"),
    (ValueError("\x1b[31mred"), r"ValueError: \x1b[31mred"),
    (ValueError("half a character: \ud83d"), r"ValueError: half a character: \ud83d"),
    (ValueError("huge " * 1_000_000), "ValueError: huge huge"),
    (Unreadable(), "Unreadable: its message cannot be read"),
    (BaseException("base"), "BaseException: base"),
    (UnifiedError("known " * 100_000), "known known"),
    (SystemExit(0), "SystemExit: 0"),
    (GeneratorExit(), "GeneratorExit"),
    (KeyboardInterrupt(), "KeyboardInterrupt"),
    (StopIteration(), "StopIteration"),
    (MemoryError(), "MemoryError"),
]
NAMES = [f"{number} {type(error).__name__}" for number, (error, _) in enumerate(ERRORS)]


@pytest.mark.parametrize(("error", "says"), ERRORS, ids=NAMES)
def test_whatever_an_environment_raises_costs_its_episode(error: BaseException, says: str, tmp_path: Path) -> None:
    with Interrupts(), faulty(raising(error), output=tmp_path / "log") as vector:
        vector.reset()
        assert play(vector, 5) == [False, True, False, True, False]
        assert vector.failed_episodes == 2
        (message, _) = vector.env_failures
    assert f"environment 0, episode 0 was discarded: {says}" in message or says in message
    assert len(message) < 2500
    message.encode()
    if not isinstance(error, UnifiedError):
        assert "test_faults.py:" in message
    assert "in fault" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit(), ValueError("no")], ids=repr)
def test_a_close_that_raises_is_a_warning(error: BaseException) -> None:
    vector = faulty(raising(error), "close")
    with pytest.warns(Notice, match=f"environment 0 of .* could not be closed: it raised {type(error).__name__}"):
        vector.close()
    vector.close()


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit(), ValueError("no")], ids=repr)
def test_a_component_that_exits_is_named(error: BaseException) -> None:
    with pytest.raises(PluginFailed, match=f"suite x failed to be made: {type(error).__name__}"), plugin_errors("suite x", "to be made"):
        raise error


@pytest.mark.parametrize(("error", "kind"), [(KeyboardInterrupt(), KeyboardInterrupt), (Aborted(), Aborted)], ids=["first", "second"])
def test_ctrl_c_is_no_failure_of_an_environment(error: BaseException, kind: type[BaseException]) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores Ctrl-C in what it starts in the background
    try:
        with faulty(raising(error)) as vector:
            vector.reset()
            with pytest.raises(kind):
                play(vector, 2)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_fault_while_the_step_time_is_measured_is_left_to_the_run() -> None:
    for at in ("step", "reset", "close"):
        assert step_seconds(EnvironmentAdapter(lambda at=at: Faulty(raising(SystemExit(0)), at), "", None)) >= 0


# Rewards


@pytest.mark.parametrize("reward", [1e39, -1e39, float("nan"), float("inf")])
def test_a_reward_that_float32_cannot_hold_fails(reward: float) -> None:
    with faulty(lambda: Step(np.zeros(2, np.float32), reward, False, False)) as vector:
        vector.reset()
        assert play(vector, 2) == [False, True]
        assert "the reward was" in vector.env_failures[0]


# The process of the trainer


def test_a_child_of_a_fork_does_not_train(tmp_path: Path) -> None:
    children: list[int] = []

    def fork() -> None:
        children.append(os.fork())

    with faulty(fork) as vector:
        vector.reset()
        play(vector, 2)
        (tmp_path / str(os.getpid())).touch()
    assert [path.name for path in tmp_path.iterdir()] == [str(os.getpid())]
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0


@pytest.mark.parametrize("at", ["reset", "step", "close"])
@pytest.mark.parametrize(
    ("fault", "setting", "name"),
    [
        (lambda: os.chdir("/"), os.getcwd, "the working directory"),
        (lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype, "torch's default type"),
        (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled, "torch's gradient mode"),
    ],
    ids=["directory", "type", "gradients"],
)
def test_settings_are_restored(
    fault: Callable[[], Any], setting: Callable[[], Any], name: str, at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = setting()
    vector = faulty(fault, at)
    vector.reset()
    play(vector, 8)
    vector.close()
    assert setting() == before
    assert [failure for failure in vector.env_failures if name in failure] == [*vector.env_failures]
    assert len(vector.env_failures) == 1


def test_output_goes_to_the_log_and_streams_are_restored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fault() -> None:
        print("printed")
        sys.stderr.write("\udc80")
        sys.stdout.buffer.write(b"bytes")
        sys.stdout.close()
        print("after its end")
        sys.stdout = None  # type: ignore[assignment]

    before = sys.stdout, sys.stderr
    with faulty(fault, output=tmp_path / "log") as vector:
        vector.reset()
        assert play(vector, 2) == [False, False]
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "log").read_bytes() == b"printed\n\\udc80bytesafter its end\n"


def test_without_a_log_output_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with faulty(lambda: print("printed")) as vector:
        vector.reset()
        play(vector, 2)
    assert capsys.readouterr().out == "printed\n"


def test_a_log_keeps_the_newest_output_within_its_limit(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "log")
    for number in range(30):
        log.write(b"%d" % (number % 10) * (LIMIT // 10))
        assert (tmp_path / "log").stat().st_size <= LIMIT
    log.write(b"x" * 3 * LIMIT + b"end")
    assert (tmp_path / "log").stat().st_size <= LIMIT
    assert (tmp_path / "log").read_bytes().endswith(b"end")


@pytest.mark.parametrize("what", ["link", "FIFO", "directory", "missing directory"])
def test_a_log_that_is_no_file_is_left_alone(what: str, tmp_path: Path) -> None:
    path, other = tmp_path / "log", tmp_path / "other"
    other.write_text("precious")
    if what == "link":
        path.symlink_to(other)
    elif what == "FIFO":
        os.mkfifo(path)
    elif what == "directory":
        path.mkdir()
    OutputLog(path / "log" if what == "missing directory" else path).write(b"text")
    assert other.read_text() == "precious"


# Processes

FILE = """
import os, sys, time
import numpy as np
from unified import Environment, Space, Spec, Step, Suite

class Faulty(Environment):
    spec = Spec(Space((2,), "float32"), Space((), "int64", 0, 1, 2))
    def reset(self, seed):
        return np.zeros(2, np.float32)
    def step(self, action):
        FAULT
        return Step(np.zeros(2, np.float32), 1.0, False, False)

class Faults(Suite):
    def environment(self):
        if "start" in self.task and not os.path.exists(self.task):
            open(self.task, "w").close()
            os._exit(1)
        return Faulty()
"""


def processes(tmp_path: Path, fault: str, task: str = "", timeout: float = 20.0) -> WorkerVectorEnv:
    (tmp_path / "faults.py").write_text(FILE.replace("FAULT", fault))
    reference = SuiteReference(f"{tmp_path / 'faults.py'}:Faults", task)
    return WorkerVectorEnv(reference, 1, 1, placement="process", timeout=timeout, output=tmp_path / "log")


@pytest.mark.parametrize(
    ("fault", "failed"),
    [
        pytest.param("sys.exit(0)", True, id="exit"),
        pytest.param(r"sys.stdout.write('\rprogress' * 300_000); sys.stdout.flush()", False, id="flood"),
        pytest.param("os.fork()", False, id="fork"),
        pytest.param("sys.stdout.close(); sys.stderr.close()", False, id="close"),
    ],
)
def test_a_process_survives(fault: str, failed: bool, tmp_path: Path) -> None:
    with processes(tmp_path, fault) as vector:
        vector.reset()
        pid = vector._ports[0].process.pid  # type: ignore[attr-defined]
        assert play(vector, 3) == [failed] * 3
        assert vector._ports[0].process.pid == pid  # type: ignore[attr-defined]
        assert vector.restarts == 0
        assert len(vector._ports[0].process.output) < 4000  # type: ignore[attr-defined]
    assert not (tmp_path / "log").exists() or (tmp_path / "log").stat().st_size <= LIMIT


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        pytest.param("print('last words', flush=True); os.abort()", "last words", id="abort"),
        pytest.param("os.fork() == 0 and time.sleep(3600); os._exit(3)", "ended with code 3", id="fork and exit"),
        pytest.param(r"os.write(int(sys.argv[1]), b'\0\0\0\4what')", "sent an invalid answer", id="other bytes"),
        pytest.param("os.closerange(3, 100)", "ended with code", id="closed descriptors"),
    ],
)
def test_a_process_that_is_lost_costs_its_episode_and_leaves_no_process(fault: str, says: str, tmp_path: Path) -> None:
    with processes(tmp_path, fault) as vector:
        vector.reset()
        pid = vector._ports[0].process.pid  # type: ignore[attr-defined]
        assert play(vector, 1) == [True]
        assert vector.restarts == 2
        assert any(says in failure for failure in vector.env_failures)
        assert soon(lambda: not members(pid))


def test_a_process_that_dies_at_its_start_is_started_again(tmp_path: Path) -> None:
    with processes(tmp_path, "pass", str(tmp_path / "start")) as vector:
        vector.reset()
        assert play(vector, 2) == [False, False]


def test_processes_that_hang_are_ended_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unified.core.envs.workers.process.PATIENCE", 1.0)
    options = {"misbehave": "hang"}
    vector = WorkerVectorEnv(SuiteReference(f"{Counter.__module__}:Counter", "counter", options), 2, 1, placement="process")
    vector.reset()
    vector.step_async(np.zeros((2, 1)))
    pids = [port.process.pid for port in vector._ports]  # type: ignore[attr-defined]
    vector.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, signal.SIG_DFL)
