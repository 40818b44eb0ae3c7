"""The training loop. It is the same for every agent and every kind of task."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unified.core.base.errors import EnvironmentFailed, PluginFailed, UnifiedError, UsageError, plugin_errors
from unified.core.config.schema import MAX_THREADS
from unified.core.learn.device import bits_depend_on, differences
from unified.core.runs import provenance
from unified.core.trainer import duties
from unified.core.trainer.agent_state import load_training_state
from unified.core.trainer.callbacks import CallbackList, Participant
from unified.core.trainer.engine import Engine
from unified.core.trainer.interrupts import Interrupts
from unified.core.trainer.meter import Meter, Stopwatch

if TYPE_CHECKING:
    from unified.core.base.rng import Streams
    from unified.core.config.config import Config
    from unified.core.envs.step_batch import StepBatch
    from unified.core.learn.agent import Agent
    from unified.core.learn.multitask import MultiTaskAgent
    from unified.core.learn.update import UpdateResult
    from unified.core.replay.batch import Batch
    from unified.core.replay.buffer import Replay
    from unified.core.replay.dataset import DatasetBuffer
    from unified.core.replay.multitask import MultiTaskReplay
    from unified.core.runs.checkpoint import Checkpoint
    from unified.core.runs.run import Run
    from unified.core.trainer.clock import Clock
    from unified.core.trainer.evaluation import Evaluator
    from unified.core.trainer.sources import ExperienceSource


class Trainer:
    """Trains an agent until a budget is used up: environments step, the agent learns, and duties run when they are due.

    Args:
        run: Directory of the run.
        config: Configuration of the run.
        agent: Acts and learns.
        replay: Stores experience, or the rows of a data set.
        source: Steps environments, or counts batches of a data set.
        evaluator: Evaluates the agent.
        clock: Counts steps and knows budgets and periods.
        streams: Random streams; part of every checkpoint.
        participants: Objects with lifecycle hooks, in the order of their calls.
        notes: Lines printed before the start.
    """

    def __init__(
        self,
        run: Run,
        config: Config,
        agent: Agent | MultiTaskAgent,
        replay: Replay | DatasetBuffer | MultiTaskReplay,
        source: ExperienceSource,
        evaluator: Evaluator,
        clock: Clock,
        streams: Streams,
        participants: list[Participant],
        notes: list[str],
    ) -> None:
        self.run, self.config, self._notes = run, config, notes
        self.agent, self.replay, self.source, self.evaluator = agent, replay, source, evaluator
        self.clock, self.streams = clock, streams
        self._whole = agent.view.whole
        self.engine = Engine(agent, config.compile, clock.planned_updates, self._record, self._waiting)
        self.meter, self.watch = Meter(), Stopwatch()
        self.hooks = CallbackList(participants, lambda name, text: run.event("warning", plugin=name, message=text))
        self.components = provenance.record([*config.components(), *agent.components])
        self.agent_name = f"agent {config.agent.label}"
        self.interrupts = Interrupts()
        self.duties = duties.Duties(self)
        self.episodes = 0  # finished in training
        self.checkpoint_time, self.checkpoint_seconds = time.monotonic(), 0.0
        self._callback_states: dict[str, Any] = {}  # from the checkpoint, until the callbacks are set up
        self._restored, self._exact = False, True
        self.differs = ""  # differences to the restored checkpoint in what bits depend on
        self._failures = np.zeros(source.num_envs, np.int64)  # failed episodes of each environment in a row
        self._env_failures, self._last_failure = 0, ""  # since the start of this process
        self._pending = 0  # updates of this step that are not done yet
        self._in_updates = False  # whether this step still has updates to do
        self._stepping = False  # whether the environments are between step_async and step_wait
        self._saved: tuple[int, int] | None = None  # steps and metrics offset of the newest checkpoint
        self._unchosen: UnifiedError | None = None  # why the goals of episodes that began in this step could not be chosen
        if config.evaluate.at_start:
            clock.expect_at_start("evaluate")

    @property
    def notes(self) -> list[str]:
        """Lines printed before the start."""
        return [*self._notes, *self.engine.notes()]

    @property
    def best_score(self) -> float | None:
        """Highest score of an evaluation; ``None`` before the first one."""
        return self.duties.best_score

    # The loop -------------------------------------------------------------------------------------------------------------------

    def train(self) -> None:
        """Train until a budget is used up, or until the run is stopped.

        Raises:
            Stopped: After SIGTERM or Ctrl-C, when everything is saved.
            UnifiedError: If the run cannot continue. The newest checkpoint holds what was learned.
        """
        error: BaseException | None = None
        with self.interrupts:
            try:
                self._set_up()
                while self._should_continue():
                    self.train_step()
                duties.finish(self)
            except BaseException as raised:
                error = raised
                if isinstance(raised, PluginFailed) or (isinstance(raised, UnifiedError) and self.hooks.ended_by):
                    raise duties.save_after_error(self, raised) from raised.__cause__
                if not isinstance(raised, UnifiedError):
                    self.run.event("stop", reason=f"{type(raised).__name__}: {raised}", **self.clock.counts())
                raise
            finally:
                self.engine.close()
                self.hooks.call("teardown", run=self.run, trainer=self, error=error)

    def _set_up(self) -> None:
        try:
            self.hooks.call("setup", run=self.run, trainer=self)
        except UsageError:  # nothing was done: the run is refused, not ended
            self.hooks.ended_by = ""
            raise
        for name, state in self._callback_states.items():
            self.hooks.call("checkpoint_load", only=name, run=self.run, trainer=self, state=state)
        if not self._restored:
            self.source.start()
            if self._unchosen is not None:
                raise self._unchosen
        self.clock.start()
        self.checkpoint_time = time.monotonic()
        self.duties.start()
        self._check_environments()

    def _should_continue(self) -> bool:
        self.duties.run_due()
        if self.interrupts.stopping:
            duties.stop(self)
        return not (self.clock.done or self.duties.out_of_patience)

    def train_step(self) -> None:
        """Step all environments once, and do the updates that are due while they step."""
        with self.watch.measure("env"), plugin_errors(self.agent_name, "while acting"):
            self.source.step_async()
        self._stepping = True
        for batch in self._due_batches():
            if self.agent.ends_rollout(self._update(batch)):
                self._skip_rest()
                break
        self._stepping = False  # if an environment raises now, this step never happened
        with self.watch.measure("env"):
            steps = self.source.step_wait()
        self._count(steps)
        if steps is not None:
            self.hooks.call("on_experience", run=self.run, trainer=self, steps=steps)
        if self._unchosen is not None:
            raise self._unchosen
        if self.source.env_failures or (steps is not None and steps.any_over):
            self._check_environments()

    def choose_goals(self, env_ids: np.ndarray, observation: np.ndarray) -> np.ndarray | None:
        """Goals of the episodes that begin, by the hook of this name; an error ends the run once the step is complete."""
        needed = observation["desired_goal"].shape
        try:
            found = self.hooks.call("choose_goals", run=self.run, trainer=self, env_ids=env_ids, observation=observation)
            owner, goals = next(reversed(found.items()), ("", None))
            with plugin_errors(owner, "in choose_goals"):
                if goals is not None and (np.shape(goals) != needed or not np.isfinite(goals).all()):
                    raise ValueError(f"it must return finite goals of the shape {needed}; these have the shape {np.shape(goals)}")
        except UnifiedError as error:
            self._unchosen = error
            return None
        return goals

    def _due_batches(self) -> Iterator[Batch]:
        self._pending = self.clock.pop_pending_updates()
        self._in_updates = self._pending > 0
        if not self._in_updates:
            return
        batches = self.replay.batches(self._pending, self._prepare)
        while (batch := self._next(batches)) is not None:
            yield batch
        self._in_updates = False

    def _skip_rest(self) -> None:
        """Leave out the updates on a rollout that are not done: it is consumed, and they do not count."""
        self.replay.consume()  # type: ignore[union-attr]  # whole rollouts are in a replay
        self._pending, self._in_updates = 0, False

    def _next(self, batches: Iterator[Batch]) -> Batch | None:
        with self.watch.measure("sample"):
            batch = next(batches, None)
            return batch if batch is None or self._whole else self.agent.receive(batch)  # parts of a rollout were received with it

    def _prepare(self, batch: Batch) -> Batch:
        with plugin_errors(self.agent_name, "while it prepared to learn"):
            return self.agent.prepare_rollout(self.agent.receive(batch))

    def _update(self, batch: Batch) -> UpdateResult:
        with self.watch.measure("update"):
            self.hooks.call("before_update", run=self.run, trainer=self, batch=batch)
            with plugin_errors(self.agent_name, "while learning"):
                result = self.engine.learn(batch)
            self.clock.updates, self._pending = self.clock.updates + 1, self._pending - 1
            self.meter.add(result.metrics)
            if result.priority is not None:
                self.replay.update_priorities(batch.index, result.priority)
            self.hooks.call("after_update", run=self.run, trainer=self, batch=batch, metrics=result.metrics)
        return result

    def _waiting(self) -> None:
        """Stop the run on a signal while an update waits for the compiler; a resume continues from the newest checkpoint."""
        if self.interrupts.stopping:
            duties.stop(self, save=False)

    def _record(self, name: str, **fields: Any) -> None:
        """Write an event of the engine to the disk before the update that it concerns."""
        self.run.event(name, **fields)
        self.run.sync_events()

    def _given_up(self) -> set[str]:
        """The kinds of updates that the engine could not compile, in any process of the run that was exact until then."""
        events = [event for event in self.run.newest_events(b'"engine"') if event["event"] == "engine"]
        return {str(event.get("update")) for event in events if event.get("from_update") is None and event.get("exact")}

    def _count(self, steps: StepBatch | None) -> None:
        """Count one step of all environments; ``None`` counts one batch of stored data."""
        self.clock.advance(1 if steps is None else len(steps.reward), learning=self.replay.ready)
        self.agent.steps = self.clock.steps
        if steps is None:
            return
        self.agent.observe(steps)
        if not steps.any_over:
            return
        ids = steps.ids
        for row in steps.over.nonzero()[0]:
            if steps.failed[row]:
                self._failures[ids[row]] += 1
            else:
                self._failures[ids[row]] = 0
                self.episodes += 1
                success = float(steps.extra["success"][row]) if "success" in steps.extra else None
                self.meter.add_episode(float(steps.returns[row]), int(steps.lengths[row]), steps.task, success)

    def _check_environments(self) -> None:
        """Record failures of environments; too many failed episodes in a row of one environment end the run."""
        while self.source.env_failures:
            self._env_failures += 1
            self._last_failure = self.source.env_failures.popleft()
            if duties.worth_a_line(self._env_failures):
                self.run.event("warning", message=self._last_failure, frames=self.clock.frames, number=self._env_failures)
        worst, limit = int(self._failures.argmax()), self.config.train.max_failures
        if (failed := self._failures[worst]) > limit:
            self._failures[:] = 0  # a run that is resumed, after a repair, begins to count again
            what = f"{failed} episodes of environment {worst} of {self.config.suite.title} failed in a row"
            reason = f"{what}, more than train.max_failures={limit}; the last: {self._last_failure}"
            duties.give_up(
                self, reason, f"everything is saved; when it is repaired: unified resume {self.run.lasting_name}", EnvironmentFailed
            )

    # Checkpoints ----------------------------------------------------------------------------------------------------------------

    def checkpoint(self, best: bool = False) -> None:
        """Save a checkpoint, unless the newest one holds the same state already.

        Args:
            best: Whether the newest evaluation has the best score.
        """
        self.run.check_place()
        start, mark = time.monotonic(), (self.clock.steps, self.run.metrics_offset)
        if mark == self._saved:
            return
        self.clock.mark_done("checkpoint")
        with self.watch.measure("checkpoint"):
            state = self.state_dict()
            snapshot = self.replay.flush(self.run.path / "replay")
            self.run.save_checkpoint(self.clock.frames, state, self._manifest(snapshot), best=best)
        self.checkpoint_time, self._saved = time.monotonic(), mark
        # Segments with rows that fell out of the ring are deleted once no checkpoint refers to them.
        if (snapshots := self.run.replay_snapshots()) is not None:
            self.replay.prune(self.run.path / "replay", snapshots)
        self.checkpoint_seconds = self.checkpoint_time - start
        self.run.event("checkpoint", frames=self.clock.frames, seconds=self.checkpoint_seconds, best=best)

    def save_interrupted(self, *, failed: bool) -> bool:
        """Save a run that an error interrupted; returns whether it continues from here and not from the previous checkpoint.

        Args:
            failed: Whether the error was a failure, so that an update may be half done.
        """
        if self._in_updates and self.agent.view.whole:
            return False
        if self._restored or self.clock.steps:
            if self._stepping:
                self._count(self.source.step_wait())
            self.clock.refund(self._pending)
            if failed or self._pending:
                self._exact = False
            self.checkpoint()
        return True

    def _manifest(self, snapshot: Any) -> dict[str, Any]:
        spec = self.source.spec
        return {
            "components": self.components,
            "spec": spec.to_json(),
            "replay": snapshot,
            "best_score": self.best_score,
            "exact": self._exact and self.engine.exact and self.source.exact and spec.deterministic,
            "bits_depend_on": bits_depend_on(self.agent.device, self.agent.precision),
            **self.clock.counts(),
        }

    def state_dict(self) -> dict[str, Any]:
        """The complete training state, in groups that can be loaded one by one."""
        optimizer = self.agent.training_state()
        return {
            "parameters": optimizer.pop("parameters"),  # a group of their own: acting needs nothing else
            "optimizer": optimizer,
            "trainer": {
                "clock": self.clock.state_dict(),
                "streams": self.streams.state_dict(),
                "meter": self.meter.state_dict(),
                "episodes": self.episodes,
                "failures": self._failures.tolist(),
                "exact": self._exact and self.engine.exact,
                "engine": self.engine.state_dict(),
                **self.duties.state_dict(),
            },
            "collector": self.source.state_dict(),
            "replay": self.replay.state_dict(),
            "callbacks": self.hooks.call("checkpoint_save", run=self.run, trainer=self),
        }

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restore the state of a checkpoint; the run then continues bit for bit as if it had never stopped, unless something `differs`.

        Raises:
            Damaged: If a part of it is damaged or does not fit. Another checkpoint can then be restored.
            OtherCode: If the agent has other parts or shapes than the one that was saved.
        """
        with checkpoint.reading("manifest") as manifest:
            self.replay.restore(self.run.path / "replay", manifest["replay"])
        with checkpoint.reading("replay") as state:
            self.replay.load_state_dict(state)
        with checkpoint.reading("trainer") as state:
            self.clock.load_state_dict(state["clock"])
            self.streams.load_state_dict(state["streams"])
            self.meter.load_state_dict(state["meter"], self.agent.device)
            self.episodes, self._failures = state["episodes"], np.array(state["failures"], np.int64)
            self.duties.load_state_dict(state)
            self.engine.load_state_dict(state["engine"], self._given_up())
            exact = state["exact"]
            if self.clock.frames != checkpoint.frames:
                raise ValueError(f"its clock stands at {self.clock.frames:,} frames")
        load_training_state(self.agent, self.config.agent.component, checkpoint)
        self.agent.steps = self.clock.steps
        with checkpoint.reading("collector") as state:
            self.source.load_state_dict(state)
        with checkpoint.reading("callbacks") as state:
            self._callback_states = dict(state)
        with checkpoint.reading("manifest") as manifest:
            then = manifest["bits_depend_on"]
            if self.config.threads == "auto":
                torch.set_num_threads(min(int(then["threads"]), MAX_THREADS))
            self.differs = differences(then, bits_depend_on(self.agent.device, self.agent.precision))
        self._exact = exact and self.source.exact and not self.differs
        self._restored = True
