"""The one loop. It names no plugin, no algorithm and no way of learning."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from unified.core.base.errors import PluginFailed, Problem, UnifiedError, plugin_errors
from unified.core.runs import provenance
from unified.core.trainer.callbacks import CallbackList, Participant
from unified.core.trainer.interrupts import Interrupts, Stopped
from unified.core.trainer.meter import Meter, Stopwatch

if TYPE_CHECKING:
    from unified.core.base.rng import Streams
    from unified.core.config.config import Config
    from unified.core.envs.step_batch import StepBatch
    from unified.core.learn.agent import Agent
    from unified.core.learn.multitask import MultiTaskAgent
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
    """Drives a run to its end: collect, learn, and now and then log, evaluate and checkpoint.

    Args:
        run: Where everything is kept.
        config: What was asked for.
        agent: That acts and learns.
        replay: That keeps the experience.
        source: Where experience comes from.
        evaluator: That judges.
        clock: That says how far the run is and what is due.
        streams: The random streams, checkpointed here.
        participants: What may have hooks, in the order of their calls.
        notes: Lines worth telling before the start.
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
        self.run, self.config, self.notes = run, config, notes
        self.agent, self.replay, self.source, self.evaluator = agent, replay, source, evaluator
        self.clock, self.streams = clock, streams
        self.meter, self.watch = Meter(), Stopwatch()
        self.hooks = CallbackList(participants, lambda name, text: run.event("warning", plugin=name, message=text))
        self.components = provenance.record([*config.components(), *agent.components])
        self._agent_name = f"agent {config.agent.label}"
        self._callback_states: dict[str, Any] = {}  # of the checkpoint, until the callbacks are set up
        self.interrupts = Interrupts()
        self._restored, self._exact = False, True
        self.episodes = 0  # finished in training
        self._nonfinite_updates = 0  # non-finite ones since the last log interval without any
        self._failures = np.zeros(source.num_envs, np.int64)  # episodes of each environment that failed in a row
        self.best_score: float | None = None
        self._stale = 0  # evaluations since the best one
        self._checkpoint_time = time.monotonic()
        self._owed = 0  # updates that were taken and are not done
        self._learning = False  # whether some of the updates that are due at once are not done
        self._stepping = False  # whether the environments are acting
        self._saved: tuple[int, int] | None = None  # steps and rows of metrics that the newest checkpoint holds
        self._speed_mark, self._progress_mark = (0, 0), 0.0  # frames and updates, and the share of the budget, at the last log
        if config.evaluate.at_start:
            clock.expect_at_start("evaluate")

    # The loop -------------------------------------------------------------------------------------------------------------------

    def train(self) -> None:
        """Run until a budget is used up, or until somebody stops it.

        Raises:
            Stopped: After SIGTERM or Ctrl-C, when everything is saved.
            UnifiedError: If the run cannot go on; what was learned is saved, or was at the last checkpoint.
        """
        error: BaseException | None = None
        with self.interrupts:
            try:
                self.hooks.call("setup", run=self.run, trainer=self)
                for name, saved in self._callback_states.items():
                    self.hooks.call("checkpoint_load", only=name, run=self.run, trainer=self, state=saved)
                if not self._restored:
                    self.source.start()
                self._mark_start()
                self._loop()
                self._finish()
            except BaseException as raised:
                error = raised
                if isinstance(raised, PluginFailed) or (isinstance(raised, UnifiedError) and self.hooks.ended_by):
                    raise self._ended_by(raised) from raised.__cause__
                if not isinstance(raised, UnifiedError):
                    self.run.event("stop", reason=f"{type(raised).__name__}: {raised}", **self._counts())
                raise
            finally:
                self.hooks.call("teardown", run=self.run, trainer=self, error=error)

    def _loop(self) -> None:
        while True:
            self._log_when_due()
            self._evaluate_when_due()
            self._checkpoint_when_due()
            if self.interrupts.stopping:
                self._stop()
            if self.clock.done or self._out_of_patience():
                return
            with self.watch.measure("env"), plugin_errors(self._agent_name, "while acting"):
                self.source.step_async()
            self._stepping = True
            for batch in self._due_batches():
                self._learn(batch)
            self._stepping = False  # where an environment raises now, this step never happened
            with self.watch.measure("env"):
                steps = self.source.step_wait()
            self._count(steps)
            if steps is not None:
                self.hooks.call("on_experience", run=self.run, trainer=self, steps=steps)
            self._report_incidents()

    def _due_batches(self) -> Iterator[Batch]:
        self._owed = self.clock.pop_pending_updates()
        self._learning = self._owed > 0
        batches = self.replay.batches(self._owed, self._prepare) if self._learning else iter(())
        while (batch := self._next(batches)) is not None:
            yield batch
        self._learning = False

    def _next(self, batches: Iterator[Batch]) -> Batch | None:
        with self.watch.measure("sample"):
            return next((self.agent.receive(batch) for batch in batches), None)

    def _prepare(self, batch: Batch) -> Batch:
        with plugin_errors(self._agent_name, "while it prepared to learn"):
            return self.agent.process_rollout(self.agent.receive(batch))

    def _learn(self, batch: Batch) -> None:
        with self.watch.measure("update"):
            self.hooks.call("before_update", run=self.run, trainer=self, batch=batch)
            with plugin_errors(self._agent_name, "while learning"):
                learned = self.agent.learn(batch)
            self.clock.updates, self._owed = self.clock.updates + 1, self._owed - 1
            self.meter.add(learned.metrics)
            if learned.priority is not None:
                self.replay.update_priorities(batch.index, learned.priority)
            self.hooks.call("after_update", run=self.run, trainer=self, batch=batch, metrics=learned.metrics)

    def _count(self, steps: StepBatch | None) -> None:
        """A step is done; without answers of environments it was one batch of what is there already."""
        self.clock.advance(1 if steps is None else len(steps.reward), learning=self.replay.ready)
        self.agent.steps = self.clock.steps
        if steps is None:
            return
        ended = (steps.terminated | steps.truncated) & ~steps.failed
        self._failures[steps.ids] = np.where(ended, 0, self._failures[steps.ids] + steps.failed)
        for env_id in ended.nonzero()[0]:
            self.episodes += 1
            self.meter.add_episode(float(steps.returns[env_id]), int(steps.lengths[env_id]), steps.task)

    def _report_incidents(self) -> None:
        """Record what happened to the environments; too many failed episodes of one of them end the run."""
        worst, limit = int(self._failures.argmax()), self.config.train.max_failures
        while self.source.env_failures:
            self.run.event("warning", message=self.source.env_failures.popleft(), frames=self.clock.frames)
        if (failed := self._failures[worst]) > limit:
            self._give_up(f"{failed} episodes of environment {worst} failed in a row, more than train.max_failures={limit}")

    # What is due ----------------------------------------------------------------------------------------------------------------

    def _log_when_due(self, force: bool = False) -> None:
        if not (force or self.clock.due("log")):
            return
        self.clock.mark_done("log")
        measured = self.meter.take()
        bad = int(measured.get("nonfinite", 0))
        self._nonfinite_updates = self._nonfinite_updates + bad if bad else 0
        row = {"kind": "train", **self._counts(), "episodes": self.episodes, **measured}
        self.run.log(row)
        speed = self._speed()
        self.run.event("speed", **speed)
        self.hooks.call("on_log", run=self.run, trainer=self, row=row, speed=speed)
        if self._nonfinite_updates > (limit := self.config.train.max_failures):
            self._give_up(
                f"{self._nonfinite_updates} updates had a non-finite loss or gradient and were skipped (train.max_failures={limit})"
            )

    def _evaluate_when_due(self, force: bool = False) -> None:
        if not (force or self.clock.due("evaluate")):
            return
        self.hooks.call("before_evaluation", run=self.run, trainer=self)
        start = time.monotonic()
        with self.watch.measure("evaluate"), plugin_errors(self._agent_name, "while it was judged"):
            judged = self.evaluator.judge(self.agent, self.clock.frames, lambda: self.interrupts.stopping is not None)
        self.evaluator.record = None
        for incident in self.evaluator.take_env_failures():
            self.run.event("warning", message=f"evaluation: {incident}", frames=self.clock.frames)
        if judged is None:
            return  # stopped in the middle: it is still due, so a resumed run does it first
        self.clock.mark_done("evaluate")
        row = {"kind": "evaluate", **self._counts(), **judged.row}
        self.run.log(row)
        self.run.event("evaluate", **row, elapsed_s=self.clock.elapsed, seconds=time.monotonic() - start)
        improved = math.isfinite(judged.score) and (self.best_score is None or judged.score > self.best_score)
        self._stale = 0 if improved else self._stale + (not force)
        if improved:
            self.best_score = judged.score
        self.hooks.call("on_evaluation_end", run=self.run, trainer=self, row=row, episodes=judged.episodes, judged=judged)
        if improved and self.clock.steps > 0:
            self.checkpoint(best=True)

    def _out_of_patience(self) -> bool:
        patience = self.config.train.patience
        return patience is not None and self._stale >= patience

    def _checkpoint_when_due(self) -> None:
        overdue = time.monotonic() - self._checkpoint_time > 60 * self.config.checkpoint.every_minutes
        if self.clock.due("checkpoint") or overdue:
            self.checkpoint()

    def checkpoint(self, best: bool = False) -> None:
        """Save everything that the run goes on from; nothing where it is saved already."""
        start, mark = time.monotonic(), (self.clock.steps, self.run.metrics_offset)
        if mark == self._saved:
            return
        self.clock.mark_done("checkpoint")
        with self.watch.measure("checkpoint"):
            self.run.save_checkpoint(self.clock.frames, self.state_dict(), self._manifest(), best=best)
        self._checkpoint_time, self._saved = time.monotonic(), mark
        # Rows that fell out of the ring are kept only as long as a checkpoint that can be resumed still holds them.
        if (snapshots := self.run.replay_snapshots()) is not None:
            self.replay.prune(self.run.path / "replay", snapshots)
        self.run.event("checkpoint", frames=self.clock.frames, seconds=self._checkpoint_time - start, best=best)

    # The end --------------------------------------------------------------------------------------------------------------------

    def _mark_start(self) -> None:
        self.clock.start()
        self._checkpoint_time = time.monotonic()
        self._speed_mark = (self.clock.frames, self.clock.updates)
        self._progress_mark = self.clock.progress
        self.watch.take()
        self._report_incidents()

    def _finish(self) -> None:
        if self._last_frames("train") != self.clock.frames:
            measured, bad = self.meter.state_dict(), self._nonfinite_updates
            self._log_when_due(force=True)
            self.meter.load_state_dict(measured, self.agent.device)  # a longer budget goes on as if there had been no row here
            self._nonfinite_updates = bad
        if self._last_frames("evaluate") != self.clock.frames:
            self._evaluate_when_due(force=True)
        if self.interrupts.stopping:
            self._stop()
        self.checkpoint()
        if self.config.replay.save:
            self.replay.save_as(self.run.root, self.config.replay.save)
        self.run.event("finish", **self._counts(), elapsed_s=self.clock.elapsed)

    def _stop(self) -> None:
        number = self.interrupts.stopping or signal.SIGTERM
        self.run.event("stop", signal=signal.Signals(number).name, **self._counts())
        self.checkpoint()
        raise Stopped(self.run.name, number, self.clock.frames)

    def _give_up(self, reason: str) -> None:
        """End the run for a reason that a resumed run would meet again."""
        self.run.event("stop", reason=reason, **self._counts())
        problem = Problem(f"stopped at {self.clock.frames:,} frames: {reason}", f"the last finite weights are kept in {self.run.path}")
        try:
            self.checkpoint()
        except UnifiedError as error:
            raise UnifiedError(problem, *error.problems) from error
        raise UnifiedError(problem)

    def _ended_by(self, error: UnifiedError) -> UnifiedError:
        """Save what is left of a run that a plugin ended, on purpose or because it failed, and say how to go on."""
        self.run.event("stop", reason=str(error), **self._counts())
        failed = isinstance(error, PluginFailed)
        hint = f"{'once it is mended' if failed else 'go on with'}: unified resume {self.run.name}"
        try:
            if self._learning and self.agent.view.whole:
                hint += " (from its newest checkpoint: a rollout is learned from as a whole or not at all)"
            elif self._restored or self.clock.steps:
                if self._stepping:
                    self._count(self.source.step_wait())
                self.clock.refund(self._owed)
                if failed or self._owed:
                    self._exact = False  # an update that failed may have moved something
                self.checkpoint()
        except Exception as unsaved:
            hint += f" (it could not be saved: {type(unsaved).__name__}: {unsaved}; the newest checkpoint is as it was)"
        ended = (PluginFailed if failed else UnifiedError)(*error.problems, Problem(f"the run ended at {self.clock.frames:,} frames", hint))
        for note in getattr(error, "__notes__", ()):  # what an environment's process said of where it was
            ended.add_note(note)
        return ended

    def _last_frames(self, kind: str) -> int | None:
        """Where the last row of this kind was written: a run that is resumed at its end writes none twice."""
        return next((row["frames"] for row in reversed(self.run.metrics()) if row["kind"] == kind), None)

    # State ----------------------------------------------------------------------------------------------------------------------

    def _counts(self) -> dict[str, int]:
        return {"frames": self.clock.frames, "steps": self.clock.steps, "updates": self.clock.updates}

    def _speed(self) -> dict[str, Any]:
        seconds, shares = self.watch.take()
        frames, updates = self._speed_mark
        self._speed_mark = (self.clock.frames, self.clock.updates)
        return {
            "frames": self.clock.frames,
            "frames_per_s": (self.clock.frames - frames) / seconds,
            "updates_per_s": (self.clock.updates - updates) / seconds,
            "elapsed_s": self.clock.elapsed,
            "left_s": self._seconds_left(seconds),
            "share": shares,
            "replay_steps": self.replay.steps,
            "replay_bytes": self.replay.bytes,
            "checkpoint_age_s": time.monotonic() - self._checkpoint_time,
            "restarts": self.source.restarts,
            "failed_episodes": self.source.failed_episodes,
        }

    def _seconds_left(self, seconds: float) -> float | None:
        """By the progress of the last `seconds`; unknown while nothing is learned, which is much faster than what comes."""
        progress, self._progress_mark = self.clock.progress - self._progress_mark, self.clock.progress
        if progress <= 0 or (self.clock.updates == 0 and self.clock.updates_per_step > 0):
            return None
        return seconds * (1 - self.clock.progress) / progress

    def _manifest(self) -> dict[str, Any]:
        spec = self.source.spec
        return {
            "config": self.config.tree,
            "components": self.components,
            "spec": spec.to_json(),
            "replay": self.replay.flush(self.run.path / "replay"),
            "best_score": self.best_score,
            "exact": self._exact and self.source.exact and spec.deterministic,
            "device": str(self.agent.device),
            "precision": self.agent.precision,
            **self._counts(),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the run goes on from, in groups."""
        optimizer = self.agent.training_state()
        return {
            "parameters": optimizer.pop("parameters"),  # apart: it is all that acting needs
            "optimizer": optimizer,
            "trainer": {
                "clock": self.clock.state_dict(),
                "streams": self.streams.state_dict(),
                "meter": self.meter.state_dict(),
                "episodes": self.episodes,
                "bad_updates": self._nonfinite_updates,
                "failures": self._failures.tolist(),
                "best_score": self.best_score,
                "stale": self._stale,
                "exact": self._exact,
            },
            "collector": self.source.state_dict(),
            "replay": self.replay.state_dict(),
            "callbacks": self.hooks.call("checkpoint_save", run=self.run, trainer=self),
        }

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint, exactly as if the run had never stopped.

        Raises:
            DamagedSegment: If a part of its replay cannot be used; another checkpoint can then be restored.
            UsageError: If the checkpoint lacks something, since another version wrote it.
        """
        self.replay.restore(self.run.path / "replay", checkpoint.manifest["replay"])
        with checkpoint.reading("replay") as state:
            self.replay.load_state_dict(state)
        with checkpoint.reading("trainer") as state:
            self.clock.load_state_dict(state["clock"])
            self.streams.load_state_dict(state["streams"])
            self.meter.load_state_dict(state["meter"], self.agent.device)
            self.episodes = state["episodes"]
            self._nonfinite_updates, self._failures = state["bad_updates"], np.array(state["failures"], np.int64)
            self.best_score, self._stale = state["best_score"], state["stale"]
            exact = state["exact"]
        with checkpoint.reading("parameters") as parameters, checkpoint.reading("optimizer") as optimizer:
            self.agent.load_training_state({**optimizer, "parameters": parameters})
        self.agent.steps = self.clock.steps
        with checkpoint.reading("collector") as state:
            self.source.load_state_dict(state)
        self._exact = exact and self.source.exact
        self._restored = True
        self._callback_states = checkpoint.load("callbacks")
