"""What is asked of a callback: a small real run that ends well and is resumed, and one that ends badly."""

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

#: Frames of the run, and of the same run resumed.
FRAMES, MORE = 120, 160


@dataclass
class Rehearsal:
    """What was seen of a callback.

    Args:
        failures: What it raised in the run that ends well and when that was resumed, one line each.
        saved: What the last checkpoint holds of it; ``None`` if nothing.
        restored: What it saves right after that was loaded into a new one.
        spoilt: What it raised in the run that ends badly.
        teardowns: How often its teardown was due in each of the three.
    """

    failures: list[str] = field(default_factory=list)
    saved: Any = None
    restored: Any = None
    spoilt: list[str] = field(default_factory=list)
    teardowns: list[int] = field(default_factory=list)


class WatchedHooks(CallbackList):
    """Hooks that count how often a run is torn down, and keep what is saved right after something was loaded."""

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
    """Ends a run in the middle."""

    def on_experience(self, run: Any, trainer: Any, steps: Any) -> None:
        if trainer.clock.steps >= 30:
            raise UnifiedError("sabotaged on purpose")


def answers_known_hooks(component: CallbackComponent) -> str:
    """Every hook that it marks exists, and every method named like a hook is marked."""
    marked, unmarked = _marked(component)
    if unknown := [name for name in marked if name not in LIFECYCLE]:
        hints = [suggest.did_you_mean(name, LIFECYCLE) for name in unknown]
        contract = "A callback answers lifecycle hooks; one of another name would never be called."
        raise Failed(contract, f"there is no hook {some(unknown)}", " ".join(filter(None, hints)) or f"there is {', '.join(LIFECYCLE)}")
    if unmarked:
        contract = "What answers a hook is marked: only then is it called."
        raise Failed(contract, f"not marked: {some(unmarked)}", "inherit from unified.Callback")
    if not marked:
        raise Failed("A callback answers at least one lifecycle hook.", "none", f"there is {', '.join(LIFECYCLE)}")
    return ", ".join(marked)


def watches_without_failing(component: CallbackComponent) -> None:
    """In a run to its end, and when it is resumed, nothing that it does raises."""
    if failures := rehearsed(component).failures:
        contract = "A callback watches a run without failing; after three failures in a row it is left out."
        raise Failed(contract, "\n".join(failures), "see where it was raised")


def keeps_its_state(component: CallbackComponent) -> None:
    """What it saves in a checkpoint it takes up again."""
    names, _ = _marked(component)
    pair = [name for name in ("checkpoint_save", "checkpoint_load") if name in names]
    if not pair:
        raise Skipped("it saves nothing")
    contract = "What `checkpoint_save` gives, `checkpoint_load` takes up: a resumed run is the same run."
    if len(pair) == 1:
        raise Failed(contract, f"it has {pair[0]} alone", "write both")
    seen = rehearsed(component)
    if seen.saved is None and seen.failures:
        raise Skipped("it failed before anything was saved: see watches_without_failing")
    if seen.saved is None:
        raise Failed(contract, "nothing of it is in the checkpoint of a run", "return what has to survive")
    if lost := differences(seen.saved, seen.restored):
        raise Failed(contract, f"saved and loaded, these differ: {some(lost)}", "take up every key in `checkpoint_load`")


def is_torn_down_once(component: CallbackComponent) -> None:
    """Its teardown is called once at the end of a run, also of one that ends with an error, and raises nothing."""
    seen = rehearsed(component)
    contract = "`teardown` comes once, at the end of every run, and also where something else ended it."
    if any(count != 1 for count in seen.teardowns):
        raise Failed(contract, f"it was due {seen.teardowns} times in three runs", "call none of your own hooks")
    if seen.spoilt:
        raise Failed(
            contract, "in a run that ended badly:\n" + "\n".join(seen.spoilt), "take nothing for granted that `setup` had no time for"
        )


def _marked(component: CallbackComponent) -> tuple[list[str], list[str]]:
    """Names of its hooks: overridden ones of a `Callback`, or marked ones; and methods named like hooks that it does not mark."""
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
    """A run to its end, resumed with a longer budget; and one that somebody else ends in the middle."""
    if unknown := [name for name in _marked(component)[0] if name not in LIFECYCLE]:
        raise Skipped(f"no run begins with hooks that do not exist: {some(unknown)}")
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
    """A run with the callback alone, and `others`; what fails is added to `failures`, how often it was torn down to `seen`."""
    config = tiny_config(root, train__frames=frames, suite__rounds=8)
    run = Run.create_or_open(config)
    with run.lock():
        trainer = assemble(run, config)
        try:
            callback = component.load()(default_options(component))
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
