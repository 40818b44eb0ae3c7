"""One environment with a fault, chosen by the environment variable ``BAD_WORLD``. `KINDS` holds the faults."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces

from unified.core.base.errors import UnifiedError


class Kind(NamedTuple):
    """One kind of fault.

    Args:
        act: The fault: gets the environment, may return what `step` or `reset` returns instead.
        expect: ``"trains"``: the run finishes with the numbers of a run without the fault; ``"loses"``: it finishes, and failures are
            counted; ``"finishes"``; ``"ends"``: the run saves and ends with exit code 2 and the name of the environment;
            ``"refused"``: it does not start, with the reason.
        where: ``"init"``, ``"reset"``, ``"step"`` (the third of each episode) or ``"close"``.
        inline: The expectation in the process of the trainer; ``""``: it cannot be isolated there.
    """

    act: Callable[[Any], Any]
    expect: str
    where: str = "step"
    inline: str | None = None


KINDS: dict[str, Kind] = {}


def kind(expect: str, where: str = "step", inline: str | None = None) -> Any:
    """Add the decorated fault to `KINDS` under its name."""

    def add(act: Callable[[Any], Any]) -> Callable[[Any], Any]:
        KINDS[act.__name__] = Kind(act, expect, where, inline)
        return act

    return add


def raises(name: str, error: Callable[[], BaseException], expect: str = "ends", where: str = "step", inline: str | None = None) -> None:
    """Add a fault that raises an exception."""

    def act(world: Any) -> None:
        raise error()

    KINDS[name] = Kind(act, expect, where, inline)


def once(name: str) -> None:
    """Add a fault that happens in one episode only: a file is the memory, since processes are replaced."""
    before = KINDS[name]

    def act(world: Any) -> Any:
        mark = Path(os.environ["BAD_WORLD_MARK"])
        if world.episode >= 2 and not mark.exists():
            mark.touch()
            return before.act(world)
        return None

    expect = "loses" if before.expect == "ends" else "finishes"
    KINDS[f"{name}_once"] = Kind(act, expect, before.where, before.inline and expect)


class Unreadable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


# Exceptions
raises("raise_error", lambda: ValueError("as requested"))
raises("raise_escape", lambda: ValueError("\x1b[31mred\x1b[0m \x07 \r\x9b2J"))
raises("raise_unicode", lambda: ValueError("half a character: \ud83d"))
raises("raise_huge", lambda: ValueError("huge " * 1_000_000))
raises("raise_lines", lambda: ValueError("line\n" * 1000))
raises("raise_unreadable", Unreadable)
raises("raise_base", lambda: BaseException("base"))
raises("raise_known", lambda: UnifiedError("known " * 100_000))
raises("sys_exit_0", lambda: SystemExit(0))
raises("sys_exit_3", lambda: SystemExit(3))
raises("sys_exit_text", lambda: SystemExit("text"))
raises("keyboard", KeyboardInterrupt)
raises("generator_exit", GeneratorExit)
raises("stop_iteration", StopIteration)
raises("memory_error", MemoryError)
raises("raise_at_reset", lambda: ValueError("at reset"), where="reset")
raises("sys_exit_at_reset", lambda: SystemExit(0), where="reset")
raises("raise_at_close", lambda: ValueError("at close"), "trains", "close")
raises("sys_exit_at_close", lambda: SystemExit(0), "trains", "close")
raises("keyboard_at_close", KeyboardInterrupt, "trains", "close")
raises("raise_at_start", lambda: ValueError("at start"), "refused", "init")
raises("sys_exit_at_start", lambda: SystemExit(0), "refused", "init")


@kind("ends")
def recursion(world: Any) -> None:
    recursion(world)


for _name in ("raise_error", "sys_exit_0", "keyboard", "raise_base"):
    once(_name)
once("raise_at_reset")


# The end of the process, and silence
@kind("ends", inline="")
def exit_0(world: Any) -> None:
    os._exit(0)


@kind("ends", inline="")
def exit_3(world: Any) -> None:
    os._exit(3)


@kind("ends", inline="")
def abort(world: Any) -> None:
    os.abort()


@kind("ends", inline="")
def segfault(world: Any) -> None:
    ctypes.string_at(0)


@kind("ends", inline="")
def kill_itself(world: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@kind("ends", inline="")
def hang(world: Any) -> None:
    time.sleep(3600)


@kind("ends", inline="")
def spin(world: Any) -> None:
    while True:
        pass


@kind("ends", inline="")
def stop_itself(world: Any) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


@kind("ends", "reset", inline="")
def hang_at_reset(world: Any) -> None:
    time.sleep(3600)


@kind("ends", "reset", inline="")
def exit_at_reset(world: Any) -> None:
    os._exit(1)


@kind("trains", "close", inline="")
def hang_at_close(world: Any) -> None:
    time.sleep(3600)


@kind("refused", "init", inline="")
def exit_at_start(world: Any) -> None:
    os._exit(1)


@kind("finishes", "init", inline="")
def exit_at_first_start(world: Any) -> None:
    mark = Path(os.environ["BAD_WORLD_MARK"])
    if "unified.core.envs.workers.server" in sys.modules["__main__"].__spec__.name and not mark.exists():
        mark.touch()
        os._exit(1)


for _name in ("exit_0", "segfault", "hang", "exit_at_reset"):
    once(_name)
    KINDS[f"{_name}_once"] = KINDS[f"{_name}_once"]._replace(expect="finishes")


# Output
@kind("trains")
def prints(world: Any) -> None:
    print("\x1b[2Jstep", world.t)


@kind("trains")
def print_flood(world: Any) -> None:
    print("flood " * 200_000)


@kind("trains")
def print_without_newline(world: Any) -> None:
    sys.stdout.write("\rprogress" * 100_000)
    sys.stdout.flush()


@kind("trains")
def stderr_flood(world: Any) -> None:
    print("flood " * 200_000, file=sys.stderr)


@kind("trains")
def print_bytes(world: Any) -> None:
    sys.stdout.buffer.write(b"\xff\xfe\x00" * 10_000)
    sys.stdout.flush()


@kind("trains")
def print_half_characters(world: Any) -> None:
    print("ascii")
    sys.stderr.write("\udc80")


@kind("trains")
def warn_flood(world: Any) -> None:
    for number in range(100):
        warnings.warn(f"warning {world.episode} {world.t} {number}", stacklevel=1)
        logging.getLogger("world").error("error %d", number)


@kind("trains", inline="")
def descriptor_flood(world: Any) -> None:
    os.write(1, b"flood " * 20_000)
    os.write(2, b"flood " * 20_000)


@kind("trains")
def close_stdout(world: Any) -> None:
    sys.stdout.close()
    sys.stderr.close()


@kind("trains")
def replace_stdout(world: Any) -> None:
    sys.stdout = sys.stderr = None  # type: ignore[assignment]


@kind("trains", inline="")
def close_output(world: Any) -> None:
    for number in (1, 2):
        with suppress(OSError):
            os.close(number)


@kind("ends", inline="")
def close_descriptors(world: Any) -> None:
    os.closerange(3, 256)


@kind("ends", inline="")
def write_to_descriptors(world: Any) -> None:
    for number in range(3, 64):
        with suppress(OSError):
            os.write(number, b"\x00\x00\x00\x08not json")


# Processes and threads
@kind("trains")
def fork_returns(world: Any) -> None:
    os.fork()


@kind("trains")
def fork_raises(world: Any) -> None:
    if os.fork() == 0:
        raise ValueError("in the child")


@kind("trains")
def fork_exits(world: Any) -> None:
    if os.fork() == 0:
        sys.exit(0)


@kind("trains", inline="")
def leave_a_process(world: Any) -> None:
    if world.episode == 1:
        subprocess.Popen(["sleep", "3600"])


@kind("ends", inline="")
def die_with_a_process(world: Any) -> None:
    subprocess.Popen(["sleep", "3600"])
    os._exit(1)


@kind("ends", inline="")
def die_with_a_fork(world: Any) -> None:
    if os.fork() == 0:
        time.sleep(3600)
    os._exit(1)


@kind("trains", inline="")
def leave_a_thread(world: Any) -> None:
    if world.episode == 1:
        threading.Thread(target=time.sleep, args=(3600,)).start()


# Settings of the process
@kind("trains")
def chdir(world: Any) -> None:
    os.chdir("/")


@kind("trains")
def float64_default(world: Any) -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_default_dtype(sys.modules["torch"].float64)


@kind("trains")
def no_grad(world: Any) -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_grad_enabled(False)


@kind("trains")
def threads(world: Any) -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@kind("trains")
def seeds(world: Any) -> None:
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@kind("trains")
def collect_garbage(world: Any) -> None:
    gc.disable()
    gc.collect()


@kind("trains")
def umask(world: Any) -> None:
    os.umask(0o077)


@kind("trains")
def signals(world: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@kind("trains")
def alarm(world: Any) -> None:
    signal.alarm(0)


# Memory and size
@kind("ends")
def swallow_memory(world: Any) -> None:
    np.zeros(2**52)


@kind("ends")
def huge_observation(world: Any) -> Any:
    return np.zeros(50_000_000, np.float32), 1.0, False, False, {}


@kind("ends")
def huge_reward(world: Any) -> Any:
    return world.seen(), np.zeros(10_000_000), False, False, {}


@kind("trains")
def huge_info(world: Any) -> Any:
    answer = world.answer()
    return (*answer[:4], {"huge": np.zeros(10_000_000), "itself": world})


# Answers
def answers(name: str, expect: str, **changes: Any) -> None:
    """Add a fault that changes parts of the answer of `step`."""

    def act(world: Any) -> Any:
        parts = dict(zip(("observation", "reward", "terminated", "truncated", "info"), world.answer(), strict=True))
        return tuple((parts | changes).values())

    KINDS[name] = Kind(act, expect)


answers("reward_1e39", "ends", reward=1e39)
answers("reward_nan", "ends", reward=float("nan"))
answers("reward_infinite", "ends", reward=float("-inf"))
answers("reward_whole_number", "ends", reward=10**400)
answers("reward_array", "finishes", reward=np.ones(1, np.float32))
answers("reward_two", "ends", reward=np.ones(2))
answers("reward_none", "ends", reward=None)
answers("reward_text", "ends", reward="1")
answers("reward_object", "ends", reward=object())
answers("terminated_text", "ends", terminated="False")
answers("terminated_none", "ends", terminated=None)
answers("observation_nan", "ends", observation=np.full(3, np.nan, np.float32))
answers("observation_1e39", "ends", observation=np.full(3, 1e39))
answers("observation_none", "ends", observation=None)
answers("observation_text", "ends", observation="text")
answers("observation_shape", "ends", observation=np.zeros(4, np.float32))
answers("observation_complex", "ends", observation=np.full(3, 1j))
answers("observation_names", "ends", observation={"one": np.zeros(3, np.float32)})
answers("info_none", "trains", info=None)


@kind("ends")
def step_four(world: Any) -> Any:
    return world.answer()[:4]


@kind("ends")
def step_none(world: Any) -> Any:
    return "nothing"


@kind("ends", "reset")
def reset_alone(world: Any) -> Any:
    return world.seen()


@kind("finishes")
def endless(world: Any) -> Any:
    world.length = 10**9


@kind("trains")
def fine(world: Any) -> None: ...


class World(gymnasium.Env):  # type: ignore[type-arg]
    """Ten steps of three numbers; the fault of the chosen kind happens at the third step of each episode, or where it says."""

    observation_space = spaces.Box(-10.0, 10.0, (3,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self) -> None:
        self.kind = KINDS[os.environ["BAD_WORLD"]]
        self.episode, self.t, self.length = 0, 0, 10
        self._at("init")

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.episode, self.t = self.episode + 1, 0
        self.state = float(self.np_random.uniform())
        found = self._at("reset")
        return (self.seen(), {}) if found is None else found

    def step(self, action: Any) -> Any:
        self.t += 1
        self.state = float(np.cos(self.state * 3 + action))
        found = self._at("step") if self.t == 3 else None
        return self.answer() if found is None else found

    def close(self) -> None:
        self._at("close")

    def seen(self) -> np.ndarray:
        return np.array([self.state, self.t, 1.0], np.float32)

    def answer(self) -> Any:
        return self.seen(), self.state, False, self.t >= self.length, {}

    def _at(self, where: str) -> Any:
        return self.kind.act(self) if self.kind.where == where else None
