"""n environments that step together, each with its own episodes, seeds and failures."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from unified.core.base.cores import usable_cores
from unified.core.base.errors import UnifiedError
from unified.core.base.rng import derive
from unified.core.envs.placement import Placement, place
from unified.core.envs.step_batch import StepBatch
from unified.core.envs.suite import EnvironmentState, Suite, UnsupportedRender
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_protocol import Steppable, VectorEnv
from unified.core.envs.workers.inline import EnvWorker, Guard, SyncWorker, WorkerLost
from unified.core.envs.workers.output import OutputLog
from unified.core.envs.workers.process import EnvProcess, ProcessWorker
from unified.core.envs.workers.protocol import Message

#: Episodes in a row of one environment that are skipped within a step because they fail at their first observation.
STARTS = 10
#: Longest part of an episode, in agent steps, that is repeated in order to rebuild it. An environment without a state of its own cannot be
#: rebuilt beyond it: its actions are no longer kept, and a resumed run truncates the episode.
REBUILD_STEPS = 100_000


@dataclass
class _EnvState:
    """The unfinished episode of one environment, and how to rebuild it: from `state`, or else the reset, by repeating `actions`."""

    observation: np.ndarray
    episode: int = -1
    options: dict[str, Any] | None = None
    length: int = 0
    episode_return: float = 0.0
    state: EnvironmentState | None = None
    actions: list[np.ndarray] = field(default_factory=list)
    rebuildable: bool = True
    started: bool = True  # whether the episode has a first observation; one without cannot be rebuilt
    next_seed: int | None = None  # of the next episode, once it was computed


def make_vector_env(
    suite: SuiteReference | Suite,
    num_envs: int,
    seed: int,
    stream: str = "environment",
    env_backend: Placement = "auto",
    timeout: float = 60.0,
    name: str = "",
    output: Path | None = None,
    workers: int | None = None,
) -> VectorEnv:
    """Environments of a suite: with ``env_backend="auto"`` its own implementation if it has one (`Suite.vector`), else workers.

    The arguments are those of `WorkerVectorEnv`.

    Raises:
        UnifiedError: If the environments cannot be built.
    """
    if env_backend == "auto":
        built = suite.build() if isinstance(suite, SuiteReference) else suite
        if (vector := built.vector(num_envs, seed, stream)) is not None:
            return vector
    return WorkerVectorEnv(suite, num_envs, seed, stream, env_backend, timeout, name, output, workers)


class WorkerVectorEnv(Steppable):
    """n environments of one task. An environment whose episode ends resets in the same step, which returns both observations.

    Episode e of environment i is reset with ``derive(seed, stream, i, e, bits=31)``, so what happens in it is a function of that and of
    its actions, wherever it runs. Options of a reset that somebody sets (`set_reset_options`) are recorded with their episode.

    Args:
        suite: A reference, or a suite built in this process.
        num_envs: Number of environments.
        seed: The run's.
        stream: Name of the random stream; collecting and evaluating have different ones.
        placement: ``"process"`` (other processes), ``"inline"`` (this process), or ``"auto"``: the placement of the suite, else by the
            measured time of a step.
        timeout: Seconds after which a silent environment counts as hanging; only processes can be timed out.
        name: Name of the task in messages.
        output: File for the output of the environments (`OutputLog`); ``None`` prints that of inline ones, and drops that of processes.
        workers: Number of processes that share the environments; ``None`` for one per core.

    Attributes:
        spec: The environments'.
        placement: Where the environments live: ``"process"`` or ``"inline"``.
        observations: What to act on now, ``(n, *observation)``.
        restarts: Processes that died or hung and were replaced.
        failed_episodes: Number of episodes that failed.
        env_failures: The last 100 failures, one line each; a reader may clear them.
        exact: Whether the last `load_state_dict` rebuilt every episode bit for bit.
        rebuilt: The same for each environment, ``(n,)`` bool; where it is false the unfinished episode counts as truncated.

    Raises:
        UnifiedError: If the environment cannot be built, with its own reason.
    """

    def __init__(
        self,
        suite: SuiteReference | Suite,
        num_envs: int,
        seed: int,
        stream: str = "environment",
        placement: Placement = "auto",
        timeout: float = 60.0,
        name: str = "",
        output: Path | None = None,
        workers: int | None = None,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"a vector has at least 1 environment, not {num_envs}")
        reference = suite if isinstance(suite, SuiteReference) else SuiteReference.of(suite)
        built = suite.build() if isinstance(suite, SuiteReference) else suite
        self.num_envs, self.seed, self.stream, self.timeout = num_envs, seed, stream, timeout
        self.restarts = self.failed_episodes = 0
        self.env_failures: deque[str] = deque(maxlen=100)
        self._log = OutputLog(output)
        self._guard = Guard(self._log, self.env_failures)
        with self._guard:  # steps of an environment in this process may be measured
            self.placement = place(built, reference, placement)
        self.exact, self.rebuilt = True, np.ones(num_envs, bool)
        self._pending = False
        self._stateful = True  # until an environment has no state
        self._ports: list[EnvWorker] = []
        self._processes: list[EnvProcess] = []
        self._task = name or built.task or getattr(built, "name", "") or type(built).__name__
        try:
            self._open(built, reference, min(num_envs, workers or usable_cores()))
        except BaseException:
            self.close()
            raise
        self.spec = self._ports[0].spec
        self._max_steps = math.inf
        self.observations = self.spec.zeros(num_envs)
        self._actions = np.zeros((num_envs, *self.spec.action.shape), self.spec.action.dtype)  # of the step under way
        self._lanes = [_EnvState(observation) for observation in self.observations.copy()]
        self._next_options: list[dict[str, Any] | None] = [None] * num_envs

    def _open(self, suite: Suite, reference: SuiteReference | None, workers: int) -> None:
        names = [f"environment {i} of {self._task}" for i in range(self.num_envs)]
        if self.placement == "inline":
            build = reference.build if reference is not None else partial(_same, suite)
            self._ports.extend(SyncWorker(build, name, self._guard) for name in names)
            return
        assert reference is not None
        for share in np.array_split(np.arange(self.num_envs), workers):
            many = f"environments {share[0]} to {share[-1]} of {self._task}"
            name = names[share[0]] if len(share) == 1 else many
            self._processes.append(EnvProcess(reference, len(share), name, self._log, self.timeout))
        for process in self._processes:
            process.ready()
            first = len(self._ports)
            self._ports.extend(ProcessWorker(process, i, names[first + i]) for i in range(process.count))

    # Episodes

    def reset(self, stream: str | None = None) -> np.ndarray:
        """Begin a new episode everywhere; returns the first observations ``(n, *observation)``.

        Args:
            stream: Go over to the random stream of this name, from its episode 0; else the next episode of the present stream begins.
        """
        self._idle("reset")
        if stream is not None:
            self.stream = stream
            for lane in self._lanes:
                lane.episode = -1
        self.observations = self._zeros()
        for i in range(self.num_envs):
            self._ports[i].send(self._reset_request(i))
        with self._guard:
            for i in range(self.num_envs):
                self._start(i, self._first(i))
        return self.observations

    def set_reset_options(self, env_id: int, options: Mapping[str, Any] | None) -> None:
        """Set the options that the next episode of an environment is reset with (`Environment.reset`); the episodes after it have none.

        They are part of the episode: a rebuilt or resumed episode is reset with them again.

        Args:
            env_id: Number of the environment.
            options: Plain JSON data; arrays become lists. ``None`` takes back what was set before.

        Raises:
            TypeError: If the options are not plain data.
        """
        self._idle("set_reset_options")
        self._next_options[env_id] = None if options is None else json.loads(json.dumps(options, default=_plain))

    def limit_episodes(self, steps: int) -> None:
        """Truncate episodes after this many steps, also if the task has another time limit or none."""
        self._max_steps = steps

    def step_async(self, actions: np.ndarray) -> None:
        """Send one action to each environment, ``(n, *action)``; processes are at work until `step_wait`."""
        self._actions = self._next_actions(actions, was_reset=self._lanes[0].episode >= 0)
        for i in range(self.num_envs):
            self._ports[i].send(self._step_request(i) if self._lanes[i].started else self._reset_request(i))
        self._pending = True

    def step_wait(self) -> StepBatch:
        """Wait for the step that `step_async` sent.

        The row of an environment that fails is `failed`: its episode is discarded and the next one begins. If that one cannot start, its
        `reset_observation` is an old one, and each further step requests the start of an episode and fails, until one has started.
        """
        if not self._pending:
            raise RuntimeError("step_wait() without step_async()")
        n = self.num_envs
        steps = StepBatch(
            observation=self._zeros(),
            reward=np.zeros(n, np.float32),
            terminated=np.zeros(n, bool),
            truncated=np.zeros(n, bool),
            failed=np.zeros(n, bool),
            reset_observation=self._zeros(),
            returns=np.zeros(n, np.float64),
            lengths=np.zeros(n, np.int64),
            life_lost=np.zeros(n, bool),
            extra={name: np.zeros((n, *space.shape), space.dtype) for name, space in self.spec.columns.items()},
            interrupted=np.zeros(n, bool),
        )
        self.observations = self._zeros()
        try:
            with self._guard:
                answers = [self._answer(i) for i in range(n)]
        finally:
            self._pending = False
        for i, answer in enumerate(answers):
            self._settle(i, answer, steps)
        return steps

    def _settle(self, i: int, answer: Message, steps: StepBatch) -> None:
        """Write the answer of environment i into row i."""
        lane, head = self._lanes[i], answer.head
        if not lane.started or "failed" in head or "interrupted" in head:
            if "interrupted" in head:
                self._interrupt(i, head["interrupted"])
            elif lane.started:
                self._discard(i, head["failed"])
            steps.failed[i], steps.interrupted[i] = True, "interrupted" in head
            steps.observation[i] = lane.observation  # finite, and never stored
            steps.reset_observation[i] = self._start(i, answer)
            return
        steps.observation[i] = self.observations[i] = lane.observation = answer.arrays[0].copy()
        columns = len(steps.extra)
        for values, array in zip(steps.extra.values(), answer.arrays[1 : 1 + columns], strict=True):
            values[i] = array
        steps.reward[i] = head["reward"]
        lane.episode_return += head["raw_reward"]
        lane.length += 1
        if head["life_lost"]:
            steps.life_lost[i] = True
        if head["terminated"] or head["truncated"]:
            steps.terminated[i], steps.truncated[i] = head["terminated"], head["truncated"]
            steps.returns[i], steps.lengths[i] = lane.episode_return, lane.length
            steps.reset_observation[i] = self._start(i, Message(head, answer.arrays[1 + columns :]))
            return
        if lane.rebuildable:
            lane.actions.append(self._actions[i])
            if len(lane.actions) >= REBUILD_STEPS and not self._save(i):
                lane.rebuildable, lane.actions = False, []

    def _start(self, i: int, answer: Message) -> np.ndarray:
        """Book the beginning of environment i's next episode. One that fails at its first observation is skipped; after `STARTS` of them,
        or a lost worker, none has started, and the observation is the old one."""
        for attempt in range(1, STARTS + 1):
            before, started = self._lanes[i], bool(answer.arrays)
            lane = _EnvState(before.observation, before.episode + 1, self._next_options[i], rebuildable=started, started=started)
            self._lanes[i] = lane
            if started:
                self._next_options[i] = None
                lane.observation = answer.arrays[0].copy()
                break
            self._discard(i, f"it could not start: {answer.head.get('start') or answer.head.get('failed')}")
            if answer.head.get("lost") or attempt == STARTS:
                break
            self._ports[i].send(self._reset_request(i))
            answer = self._first(i)
        self.observations[i] = lane.observation
        return lane.observation

    def _first(self, i: int) -> Message:
        """The answer to a reset request. A lost worker is replaced once."""
        try:
            return self._ports[i].recv(self.timeout)
        except WorkerLost as lost:
            self._replace(i, lost)
        self._ports[i].send(self._reset_request(i))
        try:
            return self._ports[i].recv(self.timeout)
        except WorkerLost as again:
            return Message({"start": str(again), "lost": True})

    # Requests

    def _seed(self, i: int, episode: int) -> int:
        return derive(self.seed, self.stream, i, episode, bits=31)

    def _reset_request(self, i: int) -> Message:
        return Message({"op": "reset", "seed": self._seed(i, self._lanes[i].episode + 1), "options": self._next_options[i]})

    def _step_request(self, i: int) -> Message:
        lane = self._lanes[i]
        if lane.next_seed is None:
            lane.next_seed = self._seed(i, lane.episode + 1)
        head = {"op": "step", "next": lane.next_seed, "options": self._next_options[i]}
        if lane.length + 1 >= self._max_steps:
            head["last"] = True
        return Message(head, (self._actions[i],))

    def _rebuild_request(self, i: int) -> Message:
        lane = self._lanes[i]
        head = {"op": "rebuild", "seed": self._seed(i, lane.episode), "options": lane.options}
        head["state"] = None if lane.state is None else list(lane.state)
        return Message(head, (self._stacked(lane.actions), *(lane.state or {}).values()))

    def _stacked(self, actions: list[np.ndarray]) -> np.ndarray:
        space = self.spec.action
        return np.array(actions, space.dtype).reshape(len(actions), *space.shape)

    # Lost processes and failed episodes

    def _answer(self, i: int) -> Message:
        """The answer of environment i to its step, or to its reset if no episode has started. A lost worker is replaced and its episode
        rebuilt, once for each step; an episode that cannot be rebuilt is interrupted: the steps before this one are kept."""
        if not self._lanes[i].started:
            return self._first(i)
        try:
            return self._ports[i].recv(self.timeout)
        except WorkerLost as lost:
            self._replace(i, lost)
        try:
            if self._rebuild(i):
                self._ports[i].send(self._step_request(i))
                return self._ports[i].recv(self.timeout)
            reason, what = "it could not be rebuilt", "interrupted"
        except WorkerLost as lost:
            reason, what = f"its process was lost twice at one step: {lost}", "failed"
        self._ports[i].send(self._reset_request(i))
        first = self._first(i)
        return Message({"start": first.head.get("failed"), **first.head, what: reason}, first.arrays)

    def _replace(self, i: int, lost: WorkerLost) -> None:
        """Start the worker again. If that fails, the next request to it fails too."""
        lane = self._lanes[i]
        try:
            self.restarts += self._ports[i].restart()
            what = "it was restarted"
        except WorkerLost as again:
            self.restarts += 1
            what = str(again)
        self.env_failures.append(f"environment {i}, episode {lane.episode}, step {lane.length}: {lost}; {what}")

    def _rebuild(self, i: int) -> bool:
        """Whether environment i is again where its episode was, bit for bit."""
        if self._why_not(i) is not None:
            return False
        self._ports[i].send(self._rebuild_request(i))
        return self._same_again(i)

    def _why_not(self, i: int) -> str | None:
        """The reason why the episode of environment i cannot be rebuilt, if there is one."""
        lane = self._lanes[i]
        if not lane.started:
            return "it had not started"
        if not lane.rebuildable:
            return f"it is longer than {REBUILD_STEPS:,} steps and the environment has no state_dict"
        if lane.state is None and not self.spec.deterministic:
            return "the suite is not deterministic and the environment has no state_dict"
        return None

    def _same_again(self, i: int) -> bool:
        longest = max(len(lane.actions) for lane in self._lanes)
        answer = self._ports[i].recv(self.timeout * (1 + longest / 50))  # many steps in one answer
        return bool(answer.arrays) and np.array_equal(answer.arrays[0], self._lanes[i].observation)

    def _save(self, i: int, again: bool = False) -> bool:
        """Take the state of environment i, from which its episode is rebuilt from now on; whether it has one."""
        if not self._stateful:
            return False
        lane = self._lanes[i]
        self._ports[i].send(Message({"op": "save"}))
        try:
            answer = self._ports[i].recv(self.timeout)
        except WorkerLost as lost:
            self._replace(i, lost)
            if not self._rebuild(i):
                raise UnifiedError(f"environment {i} was lost while its state was saved and could not be rebuilt") from None
            if not again:
                return self._save(i, again=True)
            return lane.state is not None  # as it was before: the next time a newer one is taken
        if answer.head.get("state") is None:  # it has none, or cannot say it
            if "failed" in answer.head:
                self.env_failures.append(f"environment {i} has no state from now on: {answer.head['failed']}")
            self._stateful = False
            return False
        lane.state = {name: array.copy() for name, array in zip(answer.head["state"], answer.arrays, strict=True)}
        lane.actions, lane.rebuildable = [], True
        return True

    def _interrupt(self, i: int, reason: str) -> None:
        self.failed_episodes += 1
        lane = self._lanes[i]
        self.env_failures.append(f"environment {i}, episode {lane.episode} was truncated after {lane.length:,} steps: {reason}")

    def _discard(self, i: int, reason: str) -> None:
        self.failed_episodes += 1
        self.env_failures.append(f"environment {i}, episode {self._lanes[i].episode} was discarded: {reason}")

    # State

    def state_dict(self) -> dict[str, Any]:
        """The unfinished episodes, from which `load_state_dict` rebuilds them.

        Where environments have a state (`Environment.state_dict`) it is saved; else the actions of the episode are, up to `REBUILD_STEPS`.
        """
        self._idle("state_dict")
        if self._lanes[0].episode < 0:
            raise RuntimeError("reset the environments before their state is taken")
        with self._guard:
            for i in range(self.num_envs):
                if self._lanes[i].started:
                    self._save(i)
        states = [
            {
                "episode": lane.episode,
                "length": lane.length,
                "return": lane.episode_return,
                "state": lane.state,
                "actions": self._stacked(lane.actions),
                "rebuildable": lane.rebuildable,
                "observation": self._saved(lane.observation),
                "options": lane.options,
            }
            for lane in self._lanes
        ]
        counts = {"restarts": self.restarts, "failed_episodes": self.failed_episodes}
        return {"stream": self.stream, "lanes": states, "next_options": list(self._next_options), **counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Rebuild the unfinished episodes of `state`, and compare the observation that is reached with the stored one.

        An episode that cannot be rebuilt (`rebuilt` is false there, `exact` is false) is truncated where it was, with a line in
        `env_failures`, and the environment begins its next one: `observations` then holds its first observation.
        """
        self._idle("load_state_dict")
        if len(state["lanes"]) != self.num_envs:
            raise UnifiedError(f"the state is of {len(state['lanes'])} environments and there are {self.num_envs}")
        self.stream, self.restarts, self.failed_episodes = state["stream"], state["restarts"], state["failed_episodes"]
        self._lanes = [
            _EnvState(
                self._observation(lane["observation"]),
                lane["episode"],
                lane["options"],
                lane["length"],
                lane["return"],
                lane["state"],
                list(np.array(lane["actions"])),
                lane["rebuildable"],
                started=lane["rebuildable"] or lane["length"] > 0,
            )
            for lane in state["lanes"]
        ]
        self._next_options = list(state["next_options"])
        self.observations = np.stack([lane.observation for lane in self._lanes])
        with self._guard:
            self._rebuild_all()
        self.exact = bool(self.rebuilt.all())

    def _rebuild_all(self) -> None:
        reasons = [self._why_not(i) for i in range(self.num_envs)]
        for i, reason in enumerate(reasons):
            self._ports[i].send(self._rebuild_request(i) if reason is None else self._reset_request(i))
        for i, reason in enumerate(reasons):
            if reason is None:
                reason = self._different(i)
                if reason is not None:
                    self._ports[i].send(self._reset_request(i))
            self.rebuilt[i] = reason is None
            if reason is not None:
                lane = self._lanes[i]
                what = f"environment {i}, episode {lane.episode} was truncated after {lane.length:,} steps"
                self.env_failures.append(f"{what}, so this resume is not exact: {reason}")
                self._start(i, self._first(i))

    def _different(self, i: int) -> str | None:
        """The reason why a rebuilt episode is not the one that was saved, if it is another one."""
        try:
            same = self._same_again(i)
        except WorkerLost as lost:
            self._replace(i, lost)
            try:
                same = self._rebuild(i)
            except WorkerLost as again:
                self._replace(i, again)
                return f"the environment was lost twice while rebuilding it ({again})"
        return None if same else "rebuilding it did not lead to the observation that was stored"

    # Pictures, and the end

    def render(self, i: int, height: int, width: int) -> np.ndarray:
        """The present state of environment i, ``(height, width, 3)`` uint8.

        Raises:
            UnsupportedRender: If it has no picture.
        """
        self._idle("render")
        request = Message({"op": "render", "height": height, "width": width})
        self._ports[i].send(request)
        try:
            picture = self._ports[i].recv(self.timeout)
        except WorkerLost as lost:
            self._replace(i, lost)
            if not self._rebuild(i):
                raise UnifiedError(f"environment {i} was lost while rendering and could not be rebuilt") from None
            self._ports[i].send(request)
            picture = self._ports[i].recv(self.timeout)
        if "failed" in picture.head:
            raise UnsupportedRender(f"environment {i} could not be drawn: {picture.head['failed']}")
        return picture.arrays[0]

    def close(self) -> None:
        """End every environment and its process. Closing twice does no harm."""
        self._closed = True
        ends: list[EnvProcess | EnvWorker] = [*self._processes, *self._ports]
        for each in ends:
            each.shut_down()
        for each in ends:
            each.close()

    @property
    def _stepping(self) -> bool:
        return self._pending

    def _zeros(self) -> np.ndarray:
        return np.zeros(self.observations.shape, self.observations.dtype)

    def _saved(self, observation: np.ndarray) -> np.ndarray:
        """One observation as a plain array: a record of named ones as its bytes."""
        return observation.copy() if observation.dtype.names is None else np.frombuffer(observation.tobytes(), np.uint8)

    def _observation(self, saved: np.ndarray) -> np.ndarray:
        """The observation that `_saved` gave."""
        kind = self.spec.record_type()
        return np.array(saved) if kind.names is None else np.frombuffer(saved.tobytes(), kind).reshape(()).copy()


def _plain(value: Any) -> Any:
    """Arrays and numbers of NumPy as plain data, for `json.dumps`."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"reset options are plain data, and {type(value).__name__} is not")


def _same(suite: Suite) -> Suite:
    return suite
