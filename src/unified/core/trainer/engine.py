"""Perform the updates of a run: eagerly, or by compiled graphs from a recorded update on; on a GPU, by CUDA graphs.

Compiled and eager updates round differently. Which one performs an update is therefore a function of the configuration and of the number
of the update, never of time: ``compile=true`` compiles all updates, ``compile=auto`` those from `SWITCH` on, where training waits for the
compiler if it is not ready. The decision is part of every checkpoint. A resumed run that cannot follow it is no longer exact: without a
compiler it continues eagerly, and with another one it compiles again. CUDA graphs have the bits of eager updates and replace them from
the first on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unified.core.base.errors import Problem, UnifiedError, UsageError
from unified.core.learn.agent import Agent
from unified.core.learn.compiler import CompilationFailed, Compiler
from unified.core.learn.cuda_graph import CudaGraphs
from unified.core.learn.traced import Key, RunGraph, TracedUpdate, Untraceable, trace, update_key

if TYPE_CHECKING:
    from unified.core.learn.compiler import Compilation
    from unified.core.learn.cuda_graph import CudaGraph
    from unified.core.learn.multitask import MultiTaskAgent
    from unified.core.learn.update import UpdateResult
    from unified.core.replay.batch import Batch

#: With ``compile=auto``, numbers of the first compiled update and of the first update after which graphs are recorded. Between them, the
#: graphs are compiled beside training, which takes about a minute of a core; the updates in between take 8 s with PPO and 50 s with SAC.
SWITCH, BEGIN = 10_000, 2_000
#: With ``compile=auto``, the smallest budget in updates that is compiled: shorter runs would wait longer than they save.
WORTHWHILE = 50_000
#: With ``compile=auto``, the greatest number of parameters: larger networks spend their time in arithmetic, which no compiler shortens.
SMALL = 1_500_000
#: Greatest number of graphs of a run. Batches of further shapes are learned eagerly.
GRAPHS = 4
#: Updates between two checks that the agent still has the parameters that the graph writes.
LOOK = 100
#: An update with a phase or a target network whose period is longer than this is eager: its graph would not pay off.
RARE = 10


@dataclass
class _Update:
    """The updates of one kind: the same phases, target networks and shapes.

    Attributes:
        kind: Description, for events and checkpoints.
        traced: The recorded graph.
        key: Key of the compiled code.
        compilation: Compiles the graph.
        run: The compiled code, once it is loaded.
    """

    kind: str
    traced: TracedUpdate
    key: str
    compilation: Compilation | CudaGraph
    run: RunGraph | None = None


class Engine:
    """Performs the updates of a run.

    Args:
        agent: The agent.
        option: The option ``compile``.
        updates: Budget of the run in updates; ``None`` if it is unknown.
        record: Writes an event of the run to the disk: ``record("engine", from_update=2000, …)``.
        meanwhile: Called while training waits for the compiler; an exception that it raises ends the wait.
        compiler: Compiles graphs; by default `CudaGraphs` for an agent on a GPU.

    Attributes:
        exact: Whether all updates of this process followed the decision.
    """

    def __init__(
        self,
        agent: Agent | MultiTaskAgent,
        option: str | bool,
        updates: int | None,
        record: Callable[..., None],
        meanwhile: Callable[[], object] = lambda: None,
        compiler: Compiler | CudaGraphs | None = None,
    ) -> None:
        self.agent, self.exact = agent, True
        self._record, self._meanwhile = record, meanwhile
        self._compiler = compiler or (CudaGraphs() if agent.device.type == "cuda" else Compiler())
        self.reason = "" if option is False else _obstacle(agent, option, updates, self._compiler.rounds) or self._compiler.missing()
        first = 1 if option is True or not self._compiler.rounds else SWITCH
        #: Number of the first compiled update; ``None`` in a run whose updates are all eager.
        self.from_update = None if option is False or self.reason else first
        self._keys: dict[str, str] = {}  # kind of update -> key of its code; empty for a kind that is eager
        self._updates: dict[Key, _Update | None] = {}
        self._restored = False

    def notes(self) -> list[str]:
        """Lines that are printed before the start."""
        if self.from_update is None:
            return [f"updates are not compiled: {self.reason}"] if self.reason else []
        if not self._compiler.rounds:
            return ["updates are CUDA graphs (compile=false: no update)"]
        return [f"updates are compiled from update {self.from_update:,} on, which waits for the compiler (compile=false: no update)"]

    def learn(self, batch: Batch) -> UpdateResult:
        """One update of the agent.

        Raises:
            UnifiedError: If `meanwhile` raises it, or if the parameters are not the tensors that the graph writes.
        """
        if self.from_update is None or self.agent.updates + 1 < min(BEGIN, self.from_update):
            return self.agent.learn(batch)
        assert isinstance(self.agent, Agent)
        key = update_key(self.agent, batch)
        if key not in self._updates:
            self._updates[key] = self._begin(key, batch)
        update = self._updates[key]
        if update is not None and update.run is None and self.agent.updates + 1 >= self.from_update:
            update = self._updates[key] = self._switched(update)
        if update is None or update.run is None:
            return self.agent.learn(batch)
        if self.agent.updates % LOOK == 0 and not update.traced.is_bound:
            what = "a parameter or buffer of the agent was replaced by another tensor, which the compiled update does not write"
            raise UsageError(Problem(what, "change parameters in place, or set compile=false"))
        return update.traced(batch, update.run)

    def _begin(self, key: Key, batch: Batch) -> _Update | None:
        """Start to compile a kind of update that is new in this process; ``None`` if its updates are eager."""
        agent, kind = self.agent, _kind(key)
        assert isinstance(agent, Agent)
        assert self.from_update is not None
        known, late = self._keys.get(kind), self.agent.updates + 1 > self.from_update > 1
        if known == "" or (known is None and (late or len(self._keys) == GRAPHS or _is_rare(agent))):
            return None
        try:
            traced = trace(agent, batch, plain_optimizer=self._compiler.rounds)
            if self._restored and (lack := _unsupported(agent) or self._compiler.missing()):
                raise CompilationFailed(lack)
            name = self._compiler.key(traced.text)
            if self._compiler.rounds and known and name != known:
                self.exact = False
                what = "the compiler, torch, the processor or the number of threads changed"
                self._record("warning", message=f"updates are compiled again, because {what}; the run is not exact (exact: false)")
            before = agent.streams.state_dict()
            inputs = traced.inputs(batch)
            agent.streams.rewind(before)
            compilation = self._compiler.start(name, traced, inputs, urgent=agent.updates + 1 >= self.from_update)
        except UnifiedError as error:
            self._give_up(kind, error)
            return None
        self._keys[kind] = name
        return _Update(kind, traced, name, compilation)

    def _switched(self, update: _Update) -> _Update | None:
        """Load the compiled graph, which performs the next update; ``None`` if compiling failed."""
        try:
            update.run = update.compilation.wait(self._meanwhile)
        except CompilationFailed as error:
            self._give_up(update.kind, error)
            return None
        self._record("engine", from_update=self.agent.updates + 1, update=update.kind, key=update.key)
        return update

    def _give_up(self, kind: str, error: UnifiedError) -> None:
        """Perform the updates of a kind eagerly from now on."""
        known, reason = self._keys.get(kind), error.problems[0].message
        self._keys[kind] = ""
        if self._restored and self._compiler.rounds and (known or not isinstance(error, Untraceable)):
            self.exact = False
        self._record("engine", from_update=None, update=kind, reason=reason, exact=self.exact)
        if not self.exact:
            reason = f"{reason}; the run continues eagerly and is not exact (exact: false)"
        self._record("warning", message=f"updates are not compiled: {reason}")

    def state_dict(self) -> dict[str, Any]:
        return {"from_update": self.from_update, "keys": dict(self._keys)}

    def load_state_dict(self, state: Mapping[str, Any], given_up: set[str]) -> None:
        """Restore a `state_dict`.

        Args:
            state: The state.
            given_up: Kinds of updates that could not be compiled after the state was saved.
        """
        if state["from_update"] != self.from_update:
            self.reason = "the start of the run decided so" if state["from_update"] is None else ""
        self.from_update, self._restored = state["from_update"], True
        self._keys = {**state["keys"], **dict.fromkeys(given_up, "")}

    def close(self) -> None:
        """Stop all compilations."""
        for update in self._updates.values():
            if update is not None:
                update.compilation.stop()


def _obstacle(agent: Agent | MultiTaskAgent, option: str | bool, updates: int | None, rounds: bool) -> str:
    """The reason why the updates of a new run are eager; empty if they are compiled, or CUDA graphs where `rounds` is false."""
    if not isinstance(agent, Agent):
        return "the run has several suites"
    if reason := _unsupported(agent):
        return reason
    if not agent.phase_list:
        return "the agent does not learn"
    if option == "auto":
        if updates is not None and updates < WORTHWHILE:
            return f"the budget at the start of the run, {updates:,} updates, is too small (in a new run, compile=true compiles them)"
        if rounds and (size := sum(parameter.numel() for parameter in agent.updater.moved)) > SMALL:
            return f"the networks are large, {size:,} parameters (compile=true compiles them)"
    return ""


def _unsupported(agent: Agent) -> str:
    """The reason why there are no graphs for the device of the agent; empty if there are."""
    return "" if agent.device.type in ("cpu", "cuda") else f"the device is {agent.device}"


def _kind(key: Key) -> str:
    """Description of a kind of update: ``actor, critic_target of obs float32 (256, 3) (3, 1), …``."""
    phases, targets, columns = key
    texts = (f"{name} {str(dtype).removeprefix('torch.')} {shape} {strides}" for name, shape, strides, dtype in columns)
    return f"{', '.join([*phases, *targets])} of {', '.join(texts)}"


def _is_rare(agent: Agent) -> bool:
    """Whether a phase or a target network with a long period is due in the next update."""
    number, periods = agent.updates + 1, [each.every for each in agent.phase_list] + [each.every for each in agent.targets.values()]
    return any(every > RARE and number % every == 0 for every in periods)
