"""Where environments live: in this process, or each in one of its own."""

from __future__ import annotations

import time
from typing import Literal

import numpy as np

from unified.core.base.errors import UsageError
from unified.core.envs.suite import Suite
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.workers.inline import failure_of

Placement = Literal["auto", "process", "inline"]

#: Above this many seconds a step, a process of its own costs less than it saves (a round trip is about 0.1 ms).
WORTH_A_PROCESS = 1e-3


def place(suite: Suite, reference: SuiteReference | None, placement: Placement) -> Literal["process", "inline"]:
    """The requested placement, else that of the suite, else the better one by the measured time of a step.

    Raises:
        UsageError: If a process is requested and cannot import the suite by name.
    """
    wanted = suite.placement if placement == "auto" else placement
    if wanted == "auto":
        wanted = "process" if reference is not None and step_seconds(suite) >= WORTH_A_PROCESS else "inline"
    if wanted == "process" and reference is None:
        name = type(suite).__qualname__
        raise UsageError(f"{name} cannot live in another process: its class or its options cannot be imported there by name")
    return wanted


def step_seconds(suite: Suite, steps: int = 30) -> float:
    """Mean time of a step with random actions in an environment of its own, resets left out."""
    environment = suite.environment()
    try:
        space, seconds = environment.spec.action, 0.0
        generator = np.random.default_rng(0)
        low, high = (np.where(np.isfinite(bound), bound, one) for bound, one in zip(space.bounds(), (-1.0, 1.0), strict=True))
        environment.reset(0)
        for episode in range(1, steps + 1):
            action = generator.integers(space.n) if space.n else generator.uniform(low, high)
            start = time.perf_counter()
            try:
                step = environment.step(np.asarray(action, space.dtype))
                ended = step.terminated or step.truncated
            except BaseException as error:
                failure_of(error)
                ended = True
            seconds += time.perf_counter() - start
            if ended:
                environment.reset(episode)
        return seconds / steps
    except BaseException as error:
        failure_of(error)
        return 0.0  # it cannot be measured: what it does is reported when the run has begun
    finally:
        try:
            environment.close()
        except BaseException as error:
            failure_of(error)
