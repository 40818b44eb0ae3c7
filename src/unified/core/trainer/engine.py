"""How the updates of a run are performed: eagerly, or from a recorded update on by compiled graphs.

Compiled and eager updates round differently. Which one performs an update is therefore a function of the configuration and of the number
of the update, never of time: with ``compile=true`` all updates are compiled, with ``compile=auto`` those from `SWITCH` on, where training
waits for the compiler if it is not ready. What was decided is part of every checkpoint. A run that cannot go on as it was decided, because
there is no compiler any more or another one, goes on eagerly; it is then not exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unified.core.base.errors import Problem, UnifiedError, UsageError
from unified.core.learn.agent import Agent
from unified.core.learn.compiler import CompilationFailed, Compiler
from unified.core.learn.traced import Key, Run, TracedUpdate, Untraceable, trace, update_key

if TYPE_CHECKING:
    from unified.core.learn.compiler import Compilation
    from unified.core.learn.multitask import MultiTaskAgent
    from unified.core.learn.update import UpdateResult
    from unified.core.replay.batch import Batch

#: With ``compile=auto``, the number of the first compiled update, and of the one before which nothing begins. The graphs are compiled
#: beside the updates between them, which takes about a minute of a core; these updates take 8 s with PPO and 50 s with SAC.
SWITCH, BEGIN = 10_000, 2_000
#: With ``compile=auto``, the smallest budget in updates for which it compiles, so that less time is waited than saved.
WORTHWHILE = 50_000
#: With ``compile=auto``, the greatest number of parameters: the time of larger networks is arithmetic, which a compiler does not shorten.
SMALL = 1_500_000
#: Greatest number of graphs of a run. Batches of further shapes are learned eagerly.
GRAPHS = 4
#: Updates after which a compiled one looks whether the agent still has its parameters.
LOOK = 100
#: An update with a phase or target network that is due less often than every so many updates is eager: its graph would not pay.
RARE = 10


@dataclass
class _Update:
    """The updates of one kind: those with the same phases and target networks and the same shapes.

    Attributes:
        kind: In words, for the record.
        traced: As a graph.
        key: Of its code.
        compilation: Makes the code.
        run: The code, once it is loaded.
    """

    kind: str
    traced: TracedUpdate
    key: str
    compilation: Compilation
    run: Run | None = None


class Engine:
    """Performs the updates of a run.

    Args:
        agent: Learns.
        wanted: The option ``compile``.
        updates: Budget of the run in updates; ``None`` if it is not known.
        record: Writes an event of the run to the disk: ``record("engine", from_update=2000, …)``.
        meanwhile: Called while training waits for the compiler; an error of it ends the waiting.
        compiler: Compiles graphs.

    Attributes:
        exact: Whether all updates were performed as it was decided.
    """

    def __init__(
        self,
        agent: Agent | MultiTaskAgent,
        wanted: str | bool,
        updates: int | None,
        record: Callable[..., None],
        meanwhile: Callable[[], object] = lambda: None,
        compiler: Compiler | None = None,
    ) -> None:
        self.agent, self.exact = agent, True
        self._record, self._meanwhile, self._compiler = record, meanwhile, compiler or Compiler()
        self.reason = "" if wanted is False else _obstacle(agent, wanted, updates) or self._compiler.missing()
        #: Number of the first compiled update; ``None`` in a run whose updates are all eager.
        self.from_update = None if wanted is False or self.reason else 1 if wanted is True else SWITCH
        self._keys: dict[str, str] = {}  # kind of update -> key of its code; empty for a kind that is eager
        self._updates: dict[Key, _Update | None] = {}
        self._restored = False

    def notes(self) -> list[str]:
        """A line for the user before the start."""
        if self.from_update is None:
            return [f"updates are not compiled: {self.reason}"] if self.reason else []
        return [f"updates are compiled from number {self.from_update:,} on, which waits for the compiler (compile=false: never)"]

    def learn(self, batch: Batch) -> UpdateResult:
        """One update of the agent.

        Raises:
            UnifiedError: That `meanwhile` raises, or if the parameters are other tensors than those that the graph writes.
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
            what = "a parameter or buffer of the agent was replaced by another tensor, which its compiled update does not know"
            raise UsageError(Problem(what, "change it in place, or compile=false"))
        return update.traced(batch, update.run)

    def _begin(self, key: Key, batch: Batch) -> _Update | None:
        """Begin to compile a kind of update that is new to this process; ``None`` if it is eager."""
        agent, kind = self.agent, _kind(key)
        assert isinstance(agent, Agent)
        assert self.from_update is not None
        known, late = self._keys.get(kind), self.agent.updates + 1 > self.from_update > 1
        if known == "" or (known is None and (late or len(self._keys) == GRAPHS or _is_rare(agent))):
            return None
        try:
            traced = trace(agent, batch, plain_optimizer=True)
            if self._restored and (lack := self._compiler.missing()):
                raise CompilationFailed(lack)
            name = self._compiler.key(traced.text)
            if known and name != known:
                raise CompilationFailed("it was compiled with another compiler, torch, processor or number of threads")
            before = agent.streams.state_dict()
            inputs = traced.inputs(batch)
            agent.streams.rewind(before)
            compilation = self._compiler.start(name, traced.graph, inputs, urgent=agent.updates + 1 >= self.from_update)
        except UnifiedError as error:
            self._give_up(kind, error)
            return None
        self._keys[kind] = name
        return _Update(kind, traced, name, compilation)

    def _switched(self, update: _Update) -> _Update | None:
        """Go over to the compiled graph, now; ``None`` if there is none."""
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
        exact = not (self._restored and (known or not isinstance(error, Untraceable)))
        self._record("engine", from_update=None, update=kind, reason=reason, exact=exact)
        if not exact:
            self.exact = False
            reason = f"{reason}; the run goes on, but not bit for bit as it would have (exact: false)"
        self._record("warning", message=f"updates are not compiled: {reason}")

    def state_dict(self) -> dict[str, Any]:
        return {"from_update": self.from_update, "reason": self.reason, "keys": dict(self._keys)}

    def load_state_dict(self, state: Mapping[str, Any], given_up: Mapping[str, bool]) -> None:
        """Restore a `state_dict`.

        Args:
            state: The state.
            given_up: Kinds of updates that turned out to be eager after it was saved, and whether the run was exact nevertheless.
        """
        self.from_update, self.reason, self._restored = state["from_update"], state["reason"], True
        self._keys, self.exact = {**state["keys"], **dict.fromkeys(given_up, "")}, all(given_up.values())

    def close(self) -> None:
        """End what is being compiled."""
        for update in self._updates.values():
            if update is not None:
                update.compilation.stop()


def _obstacle(agent: Agent | MultiTaskAgent, wanted: str | bool, updates: int | None) -> str:
    """Why the updates of a new run are eager; empty if they are compiled."""
    if not isinstance(agent, Agent):
        return "the run has several suites"
    if agent.device.type != "cpu":
        return f"the device is {agent.device}"
    if not agent.phase_list:
        return "the agent does not learn"
    if wanted == "auto":
        if updates is not None and updates < WORTHWHILE:
            return f"the budget at the start of the run, {updates:,} updates, is too small (in a new run, compile=true compiles them)"
        if (size := sum(parameter.numel() for parameter in agent.updater.moved)) > SMALL:
            return f"the networks are large, {size:,} parameters (compile=true compiles them)"
    return ""


def _kind(key: Key) -> str:
    """The kind of an update in words: ``actor, critic_target of obs float32 (256, 3) (3, 1), …``."""
    phases, targets, columns = key
    texts = (f"{name} {str(dtype).removeprefix('torch.')} {shape} {strides}" for name, shape, strides, dtype in columns)
    return f"{', '.join([*phases, *targets])} of {', '.join(texts)}"


def _is_rare(agent: Agent) -> bool:
    """Whether the next update has something to do that is seldom due."""
    number, periods = agent.updates + 1, [each.every for each in agent.phase_list] + [each.every for each in agent.targets.values()]
    return any(every > RARE and number % every == 0 for every in periods)
