"""Checks of callbacks, in a small run that is resumed, and in one that fails."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from unified.core.base import suggest
from unified.core.base.errors import UnifiedError
from unified.core.components.descriptors import CallbackComponent
from unified.core.components.hookspecs import LIFECYCLE, PROJECT, Callback
from unified.core.runs.run import Run
from unified.core.trainer.build import assemble
from unified.core.trainer.callbacks import CallbackList, Participant
from unified.core.trainer.trainer import Trainer
from unified.testing.check import Check, Failed, Skipped
from unified.testing.rehearsal import tiny_config
from unified.testing.workshop import default_options, differences, some, through_a_file

#: Frames of the run, and of the resumed run.
FRAMES, MORE = 120, 160


@dataclass
class Rehearsal:
    """Observations of a callback.

    Args:
        failures: Its errors in the run that succeeds and its resume, one line each.
        saved: Its state in the last checkpoint; ``None`` if there is none.
        restored: The state that a new callback saves right after loading it.
        spoilt: Its errors in the run that fails.
        teardowns: Number of teardowns in each of the three runs.
    """

    failures: list[str] = field(default_factory=list)
    saved: Any = None
    restored: Any = None
    spoilt: list[str] = field(default_factory=list)
    teardowns: list[int] = field(default_factory=list)


class WatchedHooks(CallbackList):
    """Hooks that count teardowns and store the state right after loading."""

    def __init__(self, participants: Iterable[Participant], report: Callable[[str, str], None]) -> None:
        super().__init__(participants, report)
        self.teardowns = 0
        self.restored: dict[str, Any] = {}

    def call(self, hook: str, *, only: str | None = None, **arguments: Any) -> dict[str, Any]:
        self.teardowns += hook == "teardown"
        answers = super().call(hook, only=only, **arguments)
        if hook == "checkpoint_load":
            self.restored |= super().call("checkpoint_save", only=only, run=arguments["run"], trainer=arguments["trainer"])
        return answers


class Saboteur(Callback):
    """Stops a run in the middle."""

    def on_experience(self, run: Any, trainer: Any, steps: Any) -> None:
        if trainer.clock.steps >= 30:
            raise UnifiedError("sabotaged on purpose")


def answers_known_hooks(component: CallbackComponent) -> str:
    """Every marked hook exists, and every method with the name of a hook is marked."""
    marked, unmarked = _marked(component)
    if unknown := [name for name in marked if name not in LIFECYCLE]:
        hints = [suggest.did_you_mean(name, LIFECYCLE) for name in unknown]
        contract = "A callback implements lifecycle hooks; a hook of another name would never be called."
        raise Failed(contract, f"there is no hook {some(unknown)}", " ".join(filter(None, hints)) or f"there is {', '.join(LIFECYCLE)}")
    if unmarked:
        contract = "Hooks are marked; otherwise they are not called."
        raise Failed(contract, f"not marked: {some(unmarked)}", "inherit from unified.Callback")
    if not marked:
        raise Failed("A callback implements at least one lifecycle hook.", "none", f"there is {', '.join(LIFECYCLE)}")
    return ", ".join(marked)


def watches_without_failing(component: CallbackComponent) -> None:
    """It raises no error in a run and its resume."""
    if failures := rehearsed(component).failures:
        contract = "A callback observes a run without errors; after three errors in a row it is disabled."
        raise Failed(contract, "\n".join(failures), "see the traceback")


def keeps_its_state(component: CallbackComponent) -> None:
    """It restores the state that it saves."""
    names, _ = _marked(component)
    pair = [name for name in ("checkpoint_save", "checkpoint_load") if name in names]
    if not pair:
        raise Skipped("it saves nothing")
    contract = "`checkpoint_load` restores the state that `checkpoint_save` returns, so that a resumed run is the same run."
    if len(pair) == 1:
        raise Failed(contract, f"it has {pair[0]} alone", "write both")
    seen = rehearsed(component)
    if seen.saved is None and seen.failures:
        raise Skipped("it failed before a checkpoint was saved: see watches_without_failing")
    if seen.saved is None:
        raise Failed(contract, "the checkpoint of a run has no state of it", "return its state")
    if lost := differences(seen.saved, seen.restored):
        raise Failed(contract, f"after saving and loading, these differ: {some(lost)}", "restore every key in `checkpoint_load`")


def is_torn_down_once(component: CallbackComponent) -> None:
    """Its teardown is called once at the end of a run, also after an error, and raises no error."""
    seen = rehearsed(component)
    contract = "`teardown` is called once at the end of every run, also if another component failed."
    if any(count != 1 for count in seen.teardowns):
        raise Failed(contract, f"it was called {seen.teardowns} times in three runs", "do not call your own hooks")
    if seen.spoilt:
        raise Failed(contract, "in a run that failed:\n" + "\n".join(seen.spoilt), "do not rely on state that `setup` may not have set")


def _marked(component: CallbackComponent) -> tuple[list[str], list[str]]:
    """Names of its hooks (overridden ones of a `Callback`, or marked ones), and of unmarked methods with the name of a hook."""
    callback = component.load()(default_options(component))
    marked, unmarked = [], []
    for name in dir(type(callback)):
        value = getattr(type(callback), name, None)
        overrides = isinstance(callback, Callback) and name in LIFECYCLE and value is not getattr(Callback, name)
        if overrides or getattr(value, f"{PROJECT}_impl", None) is not None:
            marked.append(name)
        elif name in LIFECYCLE and callable(value) and not isinstance(callback, Callback):
            unmarked.append(name)
    return marked, unmarked


# The rehearsal ------------------------------------------------------------------------------------------------------------------


@cache
def rehearsed(component: CallbackComponent) -> Rehearsal:
    """A run and its resume with a longer budget, and a run that another component stops."""
    if unknown := [name for name in _marked(component)[0] if name not in LIFECYCLE]:
        raise Skipped(f"no run starts with unknown hooks: {some(unknown)}")
    seen = Rehearsal()
    with tempfile.TemporaryDirectory() as directory:
        run = _play(component, Path(directory), FRAMES, seen.failures, seen)
        checkpoint = run.newest_checkpoint()
        assert checkpoint is not None
        seen.saved = checkpoint.load("callbacks").get(_called(component))

        _play(component, Path(directory), MORE, seen.failures, seen, prepare=lambda trainer: trainer.restore(checkpoint))
    with tempfile.TemporaryDirectory() as directory:
        try:
            _play(component, Path(directory), FRAMES, seen.spoilt, seen, others=[Participant("saboteur", Saboteur(), critical=True)])
        except UnifiedError as error:
            if "sabotaged on purpose" not in str(error):
                raise
    return seen


def _play(
    component: CallbackComponent,
    root: Path,
    frames: int,
    failures: list[str],
    seen: Rehearsal,
    prepare: Callable[[Trainer], None] = lambda trainer: None,
    others: Iterable[Participant] = (),
) -> Run:
    """Run the callback and `others`; errors are added to `failures` and the number of teardowns to `seen`."""
    callback = component.load()(default_options(component))
    task: dict[str, Any] = {"suite__rounds": 8}
    if "choose_goals" in _marked(component)[0]:  # the rows of such a run have another column, so it is assembled with the callback
        task = {"suite": "goals:point_reach", "callbacks": [callback]}
    config = tiny_config(root, train__frames=frames, **task)
    run = Run.create_or_open(config)
    with run.lock():
        trainer = assemble(run, config)
        try:
            hooks = WatchedHooks([*others, Participant(_called(component), callback)], lambda name, text: failures.append(text))
            trainer.hooks = hooks
            prepare(trainer)
            try:
                trainer.train()
            finally:
                seen.teardowns.append(hooks.teardowns)
                seen.restored = through_a_file(hooks.restored.get(_called(component), seen.restored))
        finally:
            trainer.source.close()
            trainer.evaluator.close()
    return run


def _called(component: CallbackComponent) -> str:
    return f"callback {component.name}"


CHECKS = tuple(
    Check.of("callbacks", function) for function in (answers_known_hooks, watches_without_failing, keeps_its_state, is_torn_down_once)
)
