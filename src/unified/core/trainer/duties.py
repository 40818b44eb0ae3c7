"""What a run does between steps: log, evaluate and checkpoint when due. And how a run ends."""

from __future__ import annotations

import math
import signal
import time
from typing import TYPE_CHECKING, Any

from unified.core.base.errors import EnvironmentFailed, PluginFailed, Problem, UnifiedError, plugin_errors
from unified.core.trainer.interrupts import Stopped

if TYPE_CHECKING:
    from unified.core.trainer.trainer import Trainer

#: Greatest share of the time for periodic checkpoints if `checkpoint.every` is null.
SAVING = 0.02


class Duties:
    """Logs, evaluates and checkpoints a trainer's run when due.

    Args:
        trainer: The trainer of the run.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.run, self.clock = trainer, trainer.run, trainer.clock
        self.best_score: float | None = None
        self.nonfinite_updates = 0  # skipped updates since the last log interval without any
        self._stale = 0  # evaluations since the best one
        self._eval_failures = 0
        self._speed_mark, self._progress_mark = (0, 0), 0.0  # frames and updates, and the share of the budget, at the last log

    def start(self) -> None:
        """Measure speed and remaining time from here."""
        self._speed_mark = (self.clock.frames, self.clock.updates)
        self._progress_mark = self.clock.progress
        self.trainer.watch.take()

    def run_due(self) -> None:
        """Log, evaluate and checkpoint, each if it is due.

        Raises:
            UnifiedError: If too many updates were non-finite.
        """
        if self.clock.due("log"):
            self.log()
        if self.clock.due("evaluate"):
            self.evaluate()
        if self._checkpoint_due():
            self.trainer.checkpoint()

    def _checkpoint_due(self) -> bool:
        """Whether a checkpoint is due by frames or by minutes. Results do not depend on checkpoints, so checkpoints may depend on time."""
        options, age = self.trainer.config.checkpoint, time.monotonic() - self.trainer.checkpoint_time
        cheap = options.every is not None or age * SAVING > self.trainer.checkpoint_seconds
        return (self.clock.due("checkpoint") and cheap) or age > 60 * options.every_minutes

    @property
    def out_of_patience(self) -> bool:
        """Whether the last ``train.patience`` evaluations brought no new best score."""
        patience = self.trainer.config.train.patience
        return patience is not None and self._stale >= patience

    def log(self) -> None:
        """Write a row of training metrics and the speed.

        Raises:
            UnifiedError: If more than ``train.max_failures`` updates were non-finite, without a log interval free of them.
        """
        trainer = self.trainer
        self.clock.mark_done("log")
        metrics = trainer.meter.take()
        nonfinite = int(metrics.get("nonfinite", 0))
        self.nonfinite_updates = self.nonfinite_updates + nonfinite if nonfinite else 0
        row = {"kind": "train", **self.clock.counts(), "episodes": trainer.episodes, **metrics}
        self.run.log(row)
        speed = self._speed()
        self.run.event("speed", **speed)
        trainer.hooks.call("on_log", run=self.run, trainer=trainer, row=row, speed=speed)
        if self.nonfinite_updates > (limit := trainer.config.train.max_failures):
            reason = f"{self.nonfinite_updates} updates had a non-finite loss or gradient and were skipped (train.max_failures={limit})"
            give_up(trainer, reason)

    def evaluate(self, *, at_end: bool = False) -> None:
        """Evaluate the agent, write the result, and checkpoint a new best score.

        A stop in the middle discards the evaluation; it stays due, and a resumed run does it first.

        Args:
            at_end: Whether the run ends here. Such an evaluation does not count for ``train.patience``.
        """
        trainer = self.trainer
        trainer.hooks.call("before_evaluation", run=self.run, trainer=trainer)
        start = time.monotonic()
        failures: list[str] = []
        trainer.evaluator.whole = at_end
        try:
            with trainer.watch.measure("evaluate"), plugin_errors(trainer.agent_name, "during evaluation"):
                result = trainer.evaluator.evaluate(trainer.agent, self.clock.frames, lambda: trainer.interrupts.stopping is not None)
        except EnvironmentFailed as failed:  # training may survive it
            result = None
            failures = [f"there is none at {self.clock.frames:,} frames: {failed}"]
            self.clock.mark_done("evaluate")
        trainer.evaluator.record = None
        for failure in (*failures, *trainer.evaluator.take_env_failures()):
            self._eval_failures += 1
            if worth_a_line(self._eval_failures):
                self.run.event("warning", message=f"evaluation: {failure}", frames=self.clock.frames)
        if result is None:
            return
        self.clock.mark_done("evaluate")
        row = {"kind": "evaluate", **self.clock.counts(), **result.row}
        self.run.log(row)
        improved = math.isfinite(result.score) and (self.best_score is None or result.score > self.best_score)
        self._stale = 0 if improved else self._stale + (not at_end)
        if improved:
            self.best_score = result.score
        times = {"elapsed_s": self.clock.elapsed, "seconds": time.monotonic() - start}
        self.run.event("evaluate", **{**row, **times, "best_score": self.best_score})
        trainer.hooks.call("on_evaluation_end", run=self.run, trainer=trainer, row=row, episodes=result.episodes, result=result)
        if improved and self.clock.steps > 0:
            trainer.checkpoint(best=True)

    def last_row(self, kind: str) -> dict[str, Any] | None:
        """The newest row of this kind if it is at the present frames: a run that is resumed at its end writes no second row there."""
        row = next((row for row in self.run.newest_metrics(kind.encode()) if row["kind"] == kind), None)
        return row if row is not None and row["frames"] == self.clock.frames else None

    def _speed(self) -> dict[str, Any]:
        trainer, clock = self.trainer, self.clock
        seconds, shares = trainer.watch.take()
        frames, updates = self._speed_mark
        self._speed_mark = (clock.frames, clock.updates)
        return {
            "frames": clock.frames,
            "frames_per_s": (clock.frames - frames) / seconds,
            "updates_per_s": (clock.updates - updates) / seconds,
            "elapsed_s": clock.elapsed,
            "left_s": self._seconds_left(seconds),
            "share": shares,
            "replay_steps": trainer.replay.steps,
            "replay_bytes": trainer.replay.bytes,
            "checkpoint_age_s": time.monotonic() - trainer.checkpoint_time,
            "restarts": trainer.source.restarts,
            "failed_episodes": trainer.source.failed_episodes,
        }

    def _seconds_left(self, seconds: float) -> float | None:
        """Remaining time at the speed of the last `seconds`; unknown before the first update, since steps without updates are faster."""
        progress, self._progress_mark = self.clock.progress - self._progress_mark, self.clock.progress
        if progress <= 0 or (self.clock.updates == 0 and self.clock.updates_per_step > 0):
            return None
        return seconds * (1 - self.clock.progress) / progress

    def state_dict(self) -> dict[str, Any]:
        return {"bad_updates": self.nonfinite_updates, "best_score": self.best_score, "stale": self._stale}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.nonfinite_updates, self.best_score, self._stale = state["bad_updates"], state["best_score"], state["stale"]


# How a run ends ---------------------------------------------------------------------------------------------------------------------


def finish(trainer: Trainer) -> None:
    """End a run whose budget is used up: a last row, a last evaluation, a checkpoint, and the replay that ``replay.save`` names.

    Raises:
        Stopped: If a signal arrived meanwhile.
    """
    duties, run, clock = trainer.duties, trainer.run, trainer.clock
    if duties.last_row("train") is None:
        metrics, nonfinite = trainer.meter.state_dict(), duties.nonfinite_updates
        duties.log()
        trainer.meter.load_state_dict(metrics, trainer.agent.device)  # a longer budget continues as if this row had not been written
        duties.nonfinite_updates = nonfinite
    if (row := duties.last_row("evaluate")) is None or not trainer.evaluator.is_whole(row):
        duties.evaluate(at_end=True)
    if trainer.interrupts.stopping:
        stop(trainer)
    trainer.checkpoint()
    if trainer.config.replay.save:
        trainer.replay.save_as(run.root, trainer.config.replay.save)
    run.event("finish", **clock.counts(), elapsed_s=clock.elapsed)


def stop(trainer: Trainer, save: bool = True) -> None:
    """End a run because of a signal.

    Args:
        trainer: The trainer of the run.
        save: Whether to save a checkpoint, which is impossible within an update.

    Raises:
        Stopped: Always.
    """
    number = trainer.interrupts.stopping or signal.SIGTERM
    trainer.run.event("stop", signal=signal.Signals(number).name, **trainer.clock.counts())
    if save:
        trainer.checkpoint()
    raise Stopped(trainer.run.lasting_name, number, trainer.clock.frames, saved=save)


def worth_a_line(number: int) -> bool:
    """Whether failure `number` is reported: the first ten, and then each tenth, hundredth, … of them, so that no log fills up."""
    step: int = 10 ** (len(str(number)) - 1)
    return number % step == 0


def give_up(trainer: Trainer, reason: str, hint: str = "", kind: type[UnifiedError] = UnifiedError) -> None:
    """Save and end a run for a reason that a resumed run would meet again.

    Raises:
        UnifiedError: Always.
    """
    trainer.run.event("stop", reason=reason, **trainer.clock.counts())
    hint = hint or f"the last finite weights are saved in {trainer.run.path}"
    problem = Problem(f"stopped at {trainer.clock.frames:,} frames: {reason}", hint)
    try:
        trainer.checkpoint()
    except UnifiedError as error:
        raise kind(problem, *error.problems) from error
    raise kind(problem)


def save_after_error(trainer: Trainer, error: UnifiedError) -> UnifiedError:
    """Save a run that a component ended, on purpose or by a failure; returns the error with the command that continues the run."""
    trainer.run.event("stop", reason=str(error), **trainer.clock.counts())
    failed = isinstance(error, PluginFailed)
    hint = f"{'after fixing it' if failed else 'to continue'}: unified resume {trainer.run.lasting_name}"
    try:
        if not trainer.save_interrupted(failed=failed):
            hint += " (from the newest checkpoint, because a rollout is only used as a whole)"
    except Exception as unsaved:
        hint += f" (saving failed: {type(unsaved).__name__}: {unsaved}; the previous checkpoint is intact)"
    problem = Problem(f"the run ended at {trainer.clock.frames:,} frames", hint)
    ended = (PluginFailed if failed else UnifiedError)(*error.problems, problem)
    for note in getattr(error, "__notes__", ()):  # for example where an environment's process was
        ended.add_note(note)
    return ended
