"""A source whose environments are stepped by threads, while the main thread learns."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from unified.core.base.errors import PluginFailed, Problem, UnifiedError, plugin_errors
from unified.core.envs.step_batch import StepBatch
from unified.core.trainer.sources import EnvCollector, ExperienceSource

if TYPE_CHECKING:
    from unified.core.envs.vector_protocol import VectorEnv
    from unified.core.learn.agent import Agent, PolicySnapshot
    from unified.core.replay.buffer import Replay

#: Seconds after which a thread that waits checks its condition again, also without a notification.
RECHECK = 1.0

#: Fields of a step that hold observations.
OBSERVATIONS = ("observation", "reset_observation")


@dataclass(frozen=True)
class Arrival:
    """What `Replay.extend` gets of one step of one collector."""

    actions: np.ndarray
    steps: StepBatch
    extra: dict[str, np.ndarray]


class Outbox:
    """Takes the place of the replay in a collector: keeps what it adds until the learner fetches it.

    Args:
        extra: Names of the further columns of the replay.
        first: Number of the collector's first environment.
    """

    def __init__(self, extra: tuple[str, ...], first: int) -> None:
        self.extra, self.first = extra, first
        self.arrivals: deque[Arrival] = deque()
        self.begun: list[tuple[int, np.ndarray]] = []

    def begin(self, env_id: int, observation: np.ndarray) -> None:
        self.begun.append((self.first + env_id, observation.copy()))

    def extend(self, actions: np.ndarray, steps: StepBatch, extra: dict[str, np.ndarray]) -> None:
        self.arrivals.append(Arrival(actions, replace(steps, env_ids=self.first + steps.ids), extra))


class Collector:
    """Environments, a copy of the agent that acts in them, and the thread in which that happens.

    Args:
        name: Name of the thread, in errors and warnings.
        environments: The environments.
        agent: Acts with the newest snapshot; its random streams are its own.
        first: Number of the first environment among all of the run.
        extra: Names of the further columns of the replay.
        agent_name: Name of the agent in errors.
    """

    def __init__(self, name: str, environments: VectorEnv, agent: Agent, first: int, extra: tuple[str, ...], agent_name: str) -> None:
        self.name, self.environments, self.agent, self.agent_name = name, environments, agent, agent_name
        self.outbox: Any = Outbox(extra, first)
        self.inner = EnvCollector(environments, agent, self.outbox)
        self.busy = False
        self.version = -1  # of the snapshot that it acts with
        self.error: UnifiedError | None = None
        self.thread: threading.Thread | None = None
        #: Updates that the weights were behind at each of the last actions.
        self.staleness: deque[int] = deque(maxlen=1000)

    def step(self) -> None:
        """Act once in all environments."""
        with plugin_errors(self.agent_name, f"while acting in {self.name}"):
            self.inner.step_async()
        self.inner.step_wait()

    def state_dict(self) -> dict[str, Any]:
        arrivals = [{"actions": a.actions, "steps": self._packed(a.steps), "extra": a.extra} for a in self.outbox.arrivals]
        return {"source": self.inner.state_dict(), "streams": self.agent.streams.state_dict(), "arrivals": arrivals}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.agent.streams.load_state_dict(state["streams"])
        self.outbox.arrivals.extend(Arrival(a["actions"], self._unpacked(a["steps"]), dict(a["extra"])) for a in state["arrivals"])
        self.inner.load_state_dict(state["source"])

    def _packed(self, steps: StepBatch) -> dict[str, Any]:
        """The fields of a step; observations as bytes, since named ones are records."""
        return asdict(steps) | {name: np.frombuffer(getattr(steps, name).tobytes(), np.uint8) for name in OBSERVATIONS}

    def _unpacked(self, saved: dict[str, Any]) -> StepBatch:
        like = self.environments.observations
        observations = {name: np.frombuffer(saved[name].tobytes(), like.dtype).reshape(like.shape) for name in OBSERVATIONS}
        return StepBatch(**saved | observations)


class AsyncSource(ExperienceSource):
    """Threads act with weights that are at most so many updates old; each step of a collector arrives as a whole, in its order.

    The run is not reproducible: how many updates lie between two actions depends on time. No step is lost or added twice: a checkpoint
    holds the steps that have not arrived yet, beside the unfinished episodes.

    Args:
        agent: The agent that learns.
        replay: Receives the rows.
        collectors: The collectors.
        max_staleness: Updates that the weights may be behind when a collector acts.
        queue: Steps that may wait for the learner.
        timeout: Seconds to wait for each thread at the end.
    """

    def __init__(self, agent: Agent, replay: Replay, collectors: list[Collector], max_staleness: int, queue: int, timeout: float) -> None:
        self.agent, self.replay, self.collectors = agent, replay, collectors
        self.max_staleness, self.queue, self.timeout = max_staleness, queue, timeout
        self.spec = collectors[0].environments.spec
        self.num_envs = sum(collector.environments.num_envs for collector in collectors)
        self.exact = False
        self.env_failures = deque(maxlen=100)
        self._snapshot: PolicySnapshot = agent.policy_snapshot()
        self._changed = threading.Condition()
        self._paused = self._closed = False
        # An on-policy view holds a limited number of steps of each environment: there the collectors take turns.
        self._in_turn = agent.view.max_slots is not None
        self._next = 0  # collector whose turn it is

    restarts = property(lambda self: sum(collector.environments.restarts for collector in self.collectors))
    failed_episodes = property(lambda self: sum(collector.environments.failed_episodes for collector in self.collectors))

    def notes(self) -> list[str]:
        count = len(self.collectors)
        threads = "1 thread acts" if count == 1 else f"{count} threads act"
        return [f"launcher async: {threads} with weights up to {self.max_staleness} updates old, so the run is not reproducible"]

    def start(self) -> None:
        for collector in self.collectors:
            collector.inner.start()
            self._deliver_begun(collector)

    def step_async(self) -> None:
        """Publish the weights if the collectors' are more than half of the limit behind; start the threads at the first call."""
        with self._changed:
            self._publish(self.max_staleness // 2)
        for collector in self.collectors:
            if collector.thread is None:
                collector.thread = threading.Thread(target=self._collect, args=(collector,), name=collector.name, daemon=True)
                collector.thread.start()

    def step_wait(self) -> StepBatch:
        """Add the next step of a collector to the replay.

        Updates since `step_async` may have made the weights too old for a collector that has not acted yet. If no step is ready, the
        current weights are published first: otherwise this thread would wait for a collector that waits for weights.

        Raises:
            UnifiedError: The error of a collector, with the name of its thread.
        """
        with self._changed:
            while self._ready() is None and self._error() is None:
                self._publish(self.max_staleness)
                self._changed.wait(RECHECK)
            found = self._ready()
            if found is None:
                failed = self._error()
                assert failed is not None
                assert failed.error is not None
                raise failed.error
            arrival = found.outbox.arrivals.popleft()
            self._next = (self.collectors.index(found) + 1) % len(self.collectors)
            self._changed.notify_all()
        self._deliver(arrival)
        self._report(found)
        return arrival.steps

    def _publish(self, lag: int) -> None:
        """Publish the current weights if the published ones are more than `lag` updates old. The caller holds the lock."""
        if self.agent.updates - self._snapshot.version > lag:
            self._snapshot = self.agent.policy_snapshot()
            self._changed.notify_all()

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, and check it once per `RECHECK` even if nothing notifies. The caller holds the lock."""
        while not condition():
            self._changed.wait(RECHECK)

    def _ready(self) -> Collector | None:
        """The next collector with a step that can be delivered."""
        order = [*self.collectors[self._next :], *self.collectors[: self._next]]
        return next((each for each in (order[:1] if self._in_turn else order) if each.outbox.arrivals), None)

    def _error(self) -> Collector | None:
        return next((collector for collector in self.collectors if collector.error is not None), None)

    def _deliver(self, arrival: Arrival) -> None:
        self.replay.extend(arrival.actions, arrival.steps, arrival.extra)

    def _deliver_begun(self, collector: Collector) -> None:
        for env_id, observation in collector.outbox.begun:
            self.replay.begin(env_id, observation)
        collector.outbox.begun.clear()

    def _report(self, collector: Collector) -> None:
        failures = collector.environments.env_failures
        while failures:
            self.env_failures.append(f"{collector.name}: {failures.popleft()}")

    # In the threads -------------------------------------------------------------------------------------------------------------

    def _collect(self, collector: Collector) -> None:
        try:
            while self._wait_for_turn(collector):
                collector.agent.steps = int(self.agent.steps)  # for schedules of exploration; no number while an update is recorded
                collector.step()
                self._end_turn(collector)
        except UnifiedError as error:
            collector.error = type(error)(*error.problems, Problem(f"it happened in the thread of {collector.name} (launcher async)"))
            collector.error.__cause__ = error.__cause__ or error
            self._end_turn(collector)
        except BaseException as error:  # also `SystemExit`, or the main thread would wait for ever
            collector.error = PluginFailed.by(f"launcher async, {collector.name},", "while collecting", error)
            self._end_turn(collector)

    def _wait_for_turn(self, collector: Collector) -> bool:
        """Wait until the collector may act, with weights that are new enough; false at the end."""
        with self._changed:
            self._wait_until(lambda: self._closed or self._may_act(collector))
            if self._closed:
                return False
            collector.busy, snapshot = True, self._snapshot
            collector.staleness.append(int(self.agent.updates) - snapshot.version)
        if collector.version != snapshot.version:
            collector.agent.load_policy_snapshot(snapshot)
            collector.version = snapshot.version
        return True

    def _may_act(self, collector: Collector) -> bool:
        waiting = len(collector.outbox.arrivals) if self._in_turn else sum(len(each.outbox.arrivals) for each in self.collectors)
        fresh = int(self.agent.updates) - self._snapshot.version <= self.max_staleness
        return not self._paused and waiting < self.queue and fresh

    def _end_turn(self, collector: Collector) -> None:
        with self._changed:
            collector.busy = False
            self._changed.notify_all()

    def _while_paused(self, function: Callable[[], Any]) -> Any:
        """Call a function while no collector acts."""
        try:
            with self._changed:
                self._paused = True
                self._wait_until(lambda: not any(collector.busy for collector in self.collectors))
            return function()
        finally:
            with self._changed:
                self._paused = False
                self._changed.notify_all()

    def set_reset_options(self, env_id: int, options: Mapping[str, Any] | None) -> None:
        """Set the reset options of the next episode that the environment begins, once its collector has ended its present step.

        The collector may be ahead of the steps that have arrived: the options are then of a later episode than the one that follows the
        newest arrival.
        """
        collector = next(each for each in reversed(self.collectors) if each.outbox.first <= env_id)
        self._while_paused(lambda: collector.inner.set_reset_options(env_id - collector.outbox.first, options))

    # State ----------------------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        return self._while_paused(lambda: {"collectors": [each.state_dict() for each in self.collectors], "next": self._next})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Rebuild the unfinished episodes, with the steps that had not arrived. The collectors act with the present weights of the agent.

        Raises:
            UnifiedError: If the state is of another number of collectors.
        """
        if "collectors" not in state or len(state["collectors"]) != len(self.collectors):
            saved = len(state.get("collectors", ()))
            hint = f"launcher.collectors={saved}" if saved else "launcher=local"
            raise UnifiedError(Problem("the checkpoint was saved with another launcher, or another number of collectors", hint))
        for collector, each in zip(self.collectors, state["collectors"], strict=True):
            collector.load_state_dict(each)
            if collector.outbox.begun:  # an episode that could not be rebuilt was truncated behind the steps that wait
                while collector.outbox.arrivals:
                    self._deliver(collector.outbox.arrivals.popleft())
                self._deliver_begun(collector)
            self._report(collector)
        self._next = state["next"]
        self._snapshot = self.agent.policy_snapshot()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for collector in self.collectors:
            if collector.thread is not None:
                collector.thread.join(self.timeout)
            collector.environments.close()
