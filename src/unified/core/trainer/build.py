"""From a config to the objects of a run, and from a run back to them."""

from __future__ import annotations

import os
import warnings
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch

from unified.core.adopted import AdoptedSuite
from unified.core.components import SuiteComponent
from unified.core.device import keep_freed_memory, resolve_device, resolve_precision
from unified.core.environment import SuiteReference, Vector
from unified.core.errors import Notice, PluginFailed, Problem, UsageError, blame
from unified.core.imports import OBJECT
from unified.core.parts import Build
from unified.core.registry import registry
from unified.core.replay import DamagedSegment, Replay, check_free, choose_backing
from unified.core.rng import Streams, derive
from unified.core.run import Run, provenance
from unified.core.spec import Spec
from unified.core.trainer.clock import Clock
from unified.core.trainer.collector import Collector
from unified.core.trainer.evaluator import Episode, Evaluator, summarise
from unified.core.trainer.lifecycle import Participant
from unified.core.trainer.player import Player
from unified.core.trainer.trainer import Trainer

if TYPE_CHECKING:
    from unified.core.agent import Agent
    from unified.core.config import Config
    from unified.core.config.schema import Selection
    from unified.core.run import Checkpoint
    from unified.core.suite import Suite


def launch(config: Config, run: Run | None = None) -> Run:
    """Train what `config` says, from the start or from where the same run was left, to its end.

    Args:
        config: What to train.
        run: Where, if it is there already; else where the config says.

    Raises:
        UsageError: If it cannot be, before anything was started.
        Stopped: If somebody stopped it; everything is saved.
    """
    run = run or Run.create_or_open(config)
    keep_freed_memory()
    try:
        return _launch(run, config)
    except UsageError:
        run.forget_draft()
        raise


def _launch(run: Run, config: Config) -> Run:
    with run.lock():
        if config.replay.save:
            check_free(run.root, config.replay.save, run.path / "replay")
        run.event("resume" if run.checkpoints.paths() else "start", pid=os.getpid())
        checkpoint = run.newest_checkpoint()
        try:
            _train(run, config, checkpoint)
        except PluginFailed as failed:
            where = run.keep_traceback(failed)
            raise PluginFailed(*failed.problems, Problem("all of it is told in", str(where))) from failed.__cause__
    return run


def _train(run: Run, config: Config, checkpoint: Checkpoint | None) -> None:
    trainer = assemble(run, config)
    run.event("components", components=trainer.components)
    try:
        if checkpoint is not None:
            checkpoint = _restore(trainer, checkpoint)
            for line in provenance.changed(checkpoint.manifest.get("components", ()), registry()):
                run.event("warning", message=line)
            run.set_aside(newer_than=checkpoint)
            run.event("restored", frames=checkpoint.frames, exact=trainer.collector.environments.exact)
        elif config.replay.load:
            trainer.replay.load_named(run.root, config.replay.load)
        # Rows of metrics after the checkpoint are lived again.
        run.truncate_metrics(checkpoint.manifest["metrics_offset"] if checkpoint is not None else 0)
        trainer.train()
    finally:
        trainer.collector.environments.close()
        trainer.evaluator.close()


def resume(run: Run) -> Run:
    """Go on with a run that is there, as its own ``config.json`` says.

    Raises:
        UsageError: If what it names is not installed here.
        Stopped: If somebody stopped it again.
    """
    return launch(run.config, run)


def _restore(trainer: Trainer, checkpoint: Checkpoint) -> Checkpoint:
    """Go on from this checkpoint, or from an older one where a part of its replay is damaged."""
    while True:
        try:
            trainer.restore(checkpoint)
            return checkpoint
        except DamagedSegment as damaged:
            older = trainer.run.checkpoints.older(checkpoint)
            if older is None:
                raise
            trainer.run.event("warning", message=f"checkpoint {checkpoint.path.name} is passed over: {damaged}")
            checkpoint = older


def assemble(run: Run, config: Config) -> Trainer:
    """The objects of a run, nothing started yet."""
    environments = make_environments(config, "environment", config.train.environments)
    try:
        return _assemble(run, config, environments)
    except BaseException:
        environments.close()
        raise


def _assemble(run: Run, config: Config, environments: Vector) -> Trainer:
    spec = environments.spec
    streams = Streams(config.seed)
    agent = make_agent(config, spec, streams)
    replay = make_replay(run, config, agent, spec, environments.count, streams)
    view = agent.needs
    clock = Clock(
        spec.action_repeat,
        view.updates_per_step,
        view.learn_after,
        frames=config.train.frames,
        updates=config.train.updates,
        hours=config.train.hours,
    )
    count = min(config.evaluate.environments, config.evaluate.episodes)
    evaluator = Evaluator(lambda: make_environments(config, "evaluation", count), config.evaluate.episodes)
    suite = make(config.suite, config.suite.task or "", config.suite.options)
    objectives = {id(objective): objective for phase in agent.phase_list for objective in phase.objectives}
    participants = [
        Participant(f"agent {config.agent.label}", agent, control=True),
        *(Participant(f"objective {objective.label}", objective, control=True) for objective in objectives.values()),
        Participant(f"suite {config.suite.label}", suite, control=True),
        *(Participant(f"callback {selection.label}", make(selection, selection.options)) for selection in config.callbacks),
    ]
    notes = [*suite.notes(), f"precision {agent.precision} on {agent.device}"]
    return Trainer(run, config, agent, replay, Collector(environments, agent, replay), evaluator, clock, streams, participants, notes)


def make(selection: Selection, *arguments: Any) -> Any:
    """What a slot selects, made of `arguments`.

    Raises:
        PluginFailed: If it cannot be, with its name.
    """
    with _made(selection):
        return selection.component.load()(*arguments)


def _made(selection: Selection) -> AbstractContextManager[None]:
    return blame(f"{selection.kind.removesuffix('s')} {selection.label}", "to be made")


def make_environments(config: Config, stream: str, count: int) -> Vector:
    """`count` environments of the run's suite, whose episodes are seeded by the run's seed and the name of the stream."""
    name = f"suite {config.suite.label}:{config.suite.task}" if config.suite.task else f"suite {config.suite.label}"
    with _made(config.suite):
        return Vector(suite_of(config), count, config.seed, stream, config.train.placement, config.train.environment_timeout, name)


def suite_of(config: Config) -> SuiteReference | Suite:
    """The run's suite: by its names, so that any process can build it, or itself where only this process has it."""
    suite, component = config.suite, config.suite.component
    if component.target.startswith(f"{OBJECT}:"):
        made: Suite = make(suite, suite.task or "", suite.options)
        return made
    assert isinstance(component, SuiteComponent)
    adapter = component.adapter if isinstance(component, AdoptedSuite) else ""
    return SuiteReference(component.target, suite.task or "", suite.options.model_dump(mode="json"), component.config, adapter)


def make_agent(config: Config, spec: Spec, streams: Streams) -> Agent:
    """The agent on its device, its first parameters a function of the seed."""
    device = resolve_device(config.device)
    build = Build(device, resolve_precision(config.precision, device), streams, registry(), config.objectives, spec)
    # torch's layers draw their first parameters from the global generator: it is lent for that, and put back.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derive(config.seed, "parameters"))
        agent: Agent = make(config.agent, spec, config.agent.options, build).to(device)
    with _made(config.agent):
        agent.ready()
        agent.needs  # noqa: B018  (a property that raises does it here, where it has a name)
    return agent


def make_replay(run: Run, config: Config, agent: Agent, spec: Spec, lanes: int, streams: Streams) -> Replay:
    """The replay the agent's view asks for, in memory or on disk, refused where neither can hold it."""
    settings, capacity = config.replay, config.replay.capacity
    if config.train.frames is not None and not settings.load:
        # An episode of T steps takes T + 1 slots: twice the steps of the budget is enough whatever their lengths.
        capacity = min(capacity, 2 * (config.train.frames // spec.action_repeat) + lanes * (agent.needs.span + 1))
    directory = run.path / "replay"
    backing = choose_backing(settings.backing, spec, agent.stored_action, capacity, lanes, directory)
    pin = agent.device.type == "cuda"
    return Replay(spec, agent.needs, capacity, lanes, streams, backing=backing, directory=directory, action=agent.stored_action, pin=pin)


def load_agent(run: Run, checkpoint: str | int = "best") -> Player:
    """The trained agent of a run, ready to act; no environment is started.

    Args:
        run: That was trained.
        checkpoint: ``"best"``, ``"newest"``, or the frames of one.
    """
    found = pick_checkpoint(run, checkpoint)
    for line in provenance.changed(found.manifest.get("components", ()), registry()):
        warnings.warn(line, Notice, stacklevel=2)
    spec = Spec.from_json(found.manifest["spec"])
    agent = make_agent(run.config, spec, Streams(run.config.seed))
    agent.load_state_dict(found.load("agent")["parameters"])
    agent.steps = found.manifest["steps"]
    agent.train(False)
    return Player(agent, spec, found.frames)


def evaluate(
    run: Run, episodes: int = 10, checkpoint: str | int = "best", record: tuple[int, int] | None = None
) -> tuple[dict[str, Any], list[Episode]]:
    """Play episodes with a trained agent.

    Returns:
        The row (mean return, spread, …) and the episodes; the first has pictures of size `record`, ``(height, width)``.
    """
    player = load_agent(run, checkpoint)
    evaluator = Evaluator(lambda: make_environments(run.config, "evaluation", 1), episodes)
    evaluator.record = record
    try:
        played = evaluator.evaluate(player.agent, f"of checkpoint {checkpoint}")
        assert played is not None
        return {"kind": "evaluate", "frames": player.frames, **summarise(played)}, played
    finally:
        evaluator.close()


def pick_checkpoint(run: Run, which: str | int) -> Checkpoint:
    """The checkpoint that was named.

    Raises:
        UsageError: If there is none.
    """
    checkpoint = run.checkpoint(which)
    if checkpoint is None:
        raise UsageError(Problem(f"run {run.name} has no checkpoint {which!r}", f"unified runs show {run.name}"))
    return checkpoint
