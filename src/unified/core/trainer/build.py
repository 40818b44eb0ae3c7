"""From a config to the objects of a run, and from a run back to them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from unified import logged
from unified.core.base.errors import Damaged, Notice, PluginFailed, Problem, UsageError, plugin_errors
from unified.core.base.rng import Streams, derive
from unified.core.base.spec import Spec
from unified.core.components.descriptors import SuiteComponent
from unified.core.components.importing import OBJECT
from unified.core.components.user_code import AdoptedSuite
from unified.core.config.intervals import intervals
from unified.core.config.schema import MAX_THREADS
from unified.core.envs.chosen_goals import with_actual_goal
from unified.core.envs.dataset import DataSuite
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import make_vector_env
from unified.core.envs.vector_protocol import VectorEnv
from unified.core.learn.agent import Agent
from unified.core.learn.builder import Builder
from unified.core.learn.device import keep_freed_memory, resolve_device, resolve_precision, threads_for, torch_defaults
from unified.core.learn.multitask import MultiTaskAgent
from unified.core.replay.backing import choose_backing
from unified.core.replay.buffer import Replay
from unified.core.replay.dataset import DatasetBuffer
from unified.core.replay.loaded import Loading, whole_episodes
from unified.core.replay.multitask import MultiTaskReplay
from unified.core.replay.saved_index import INDEX, check_free, read_index, spec_and_rows
from unified.core.runs import lookup, provenance
from unified.core.runs.run import Run
from unified.core.trainer.agent_state import load_parameters
from unified.core.trainer.callbacks import Participant, implemented
from unified.core.trainer.checks import (
    check_epochs,
    check_no_rollouts,
    check_options_used,
    check_same_task,
    check_task_type,
    check_valid_actions,
)
from unified.core.trainer.clock import Clock
from unified.core.trainer.dataset_evaluation import DatasetEvaluator
from unified.core.trainer.evaluation import EpisodeEvaluator, Evaluator
from unified.core.trainer.features import ClassifierFeatures
from unified.core.trainer.inference import InferencePolicy
from unified.core.trainer.multitask import MultiTaskEvaluator, MultiTaskSource, MultiTaskSpec
from unified.core.trainer.replay_device import choose_replay_device
from unified.core.trainer.sources import DatasetSource, EnvCollector, ExperienceSource
from unified.core.trainer.trainer import Trainer
from unified.logged.episodes import Piece, Units

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from unified.core.config.config import Config
    from unified.core.config.schema import Selection
    from unified.core.envs.suite import Suite
    from unified.core.runs.checkpoint import Checkpoint
    from unified.core.trainer.eval_result import EvalResult


#: Makes the source of experience of a run: configuration, run, agent, replay and environments, in the order of `Launcher.make_source`.
MakeSource: TypeAlias = "Callable[[Config, Run, Agent, Replay, VectorEnv], ExperienceSource]"

#: Name of the file of a run that holds what its environments print.
OUTPUT = "environments.log"
#: The run of the agent under construction, for parts that store files in its directory.
OWNER: ContextVar[Run | None] = ContextVar("OWNER", default=None)


@contextmanager
def _parts_of(run: Run) -> Iterator[None]:
    """Context in which constructed parts belong to a run."""
    token = OWNER.set(run)
    try:
        yield
    finally:
        OWNER.reset(token)


def make_collector(config: Config, run: Run, agent: Agent, replay: Replay, environments: VectorEnv) -> ExperienceSource:
    """The default source of experience: the agent acts in this process, in lock-step with learning."""
    return EnvCollector(environments, agent, replay)


@torch_defaults()
def launch(config: Config, run: Run | None = None, make_source: MakeSource | None = None) -> Run:
    """Train a run in this process, from the start or from its newest checkpoint, to the end of its budget.

    Args:
        config: Configuration of the run.
        run: The run, if its directory exists; else the one of the configuration.
        make_source: Makes the source of experience, if the run steps environments; `make_collector` by default.

    Raises:
        UsageError: If the run is refused, before anything was started.
        Stopped: If the run was interrupted; everything is saved.
    """
    run = run or Run.create_or_open(config)
    keep_freed_memory()
    try:
        return _launch(run, config, make_source or make_collector)
    except UsageError:
        run.forget_draft()
        raise


def _launch(run: Run, config: Config, make_source: MakeSource) -> Run:
    with run.lock():
        if config.replay.save:
            check_free(run.root, config.replay.save, run.path / "replay")
        started = bool(run.checkpoints.paths())
        sources = {} if started else {key: source for key, _, source in config.changed()}
        run.event("resume" if started else "start", pid=os.getpid(), **({"sources": sources} if sources else {}))
        checkpoint = run.newest_checkpoint()
        try:
            _train(run, config, checkpoint, make_source)
        except PluginFailed as failed:
            where = run.keep_traceback(failed)
            raise PluginFailed(*failed.problems, Problem("full traceback:", str(where))) from failed.__cause__
    return run


def _train(run: Run, config: Config, checkpoint: Checkpoint | None, make_source: MakeSource) -> None:
    trainer = assemble(run, config, make_source)
    run.event("components", components=trainer.components)
    if not trainer.source.exact:
        run.event("exact", exact=False, reason="; ".join(trainer.source.notes()))
    try:
        if checkpoint is not None:
            checkpoint = _restore(trainer, checkpoint)
            run.set_aside(newer_than=checkpoint)
            run.event("restored", frames=checkpoint.frames, exact=trainer.source.exact and trainer.engine.exact and not trainer.differs)
        elif config.replay.load:
            _load_replay(trainer, config, run)
        trainer.notes.append(f"threads {torch.get_num_threads()}")
        # The run repeats what came after the checkpoint, and writes these rows of metrics again.
        if checkpoint is None:
            run.truncate_metrics(0)
        trainer.train()
    finally:
        with trainer.interrupts:  # Ctrl-C, and not what environments raise, ends it early
            trainer.source.close()
            trainer.evaluator.close()


def _load_replay(trainer: Trainer, config: Config, run: Run) -> None:
    """Load the rows of another run, or logged data, into the replay; offline, the agent looks at all of them once."""
    load, options, replay = config.replay.load or "", config.replay, trainer.replay
    if not isinstance(replay, Replay):
        replay.load_saved(Path(load))  # refused
        return
    loading = Loading(options.top, options.return_range, options.reward_scale, options.reward_shift)
    if logged.parsed(load):
        component = config.suite.component
        units = component.load_units(trainer.source.spec) if isinstance(component, SuiteComponent) else Units(trainer.source.spec)
        with _named(f"replay.load={load}"):
            assert isinstance(trainer.agent, Agent)
            replay.load_episodes(map(partial(_columns, units, trainer.agent), logged.open_data(load).pieces()), loading)
    else:
        replay.load_saved(lookup.find_replay(load, run.root, run.path), loading)
    if not config.online and isinstance(trainer.agent, Agent):
        trainer.agent.observe_data(replay.stored(), whole_episodes(replay.store)[3])


def _columns(units: Units, agent: Agent, piece: Piece) -> dict[str, Any]:
    """The columns of the replay of logged slots; actions are as the policy of the agent would have produced them."""
    action = agent.encode_label(torch.from_numpy(np.ascontiguousarray(units.actions(piece.action)))).numpy()
    rest = {"reward": piece.reward, "terminated": piece.terminated, "last": piece.last, "step": piece.step}
    return {**units.observations(piece.observation), "action": action, **rest}


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Context in which an error of the user begins with what it is about."""
    try:
        yield
    except UsageError as error:
        raise UsageError(*(Problem(f"{what}: {each.message}", each.hint) for each in error.problems)) from error


def _restore(trainer: Trainer, checkpoint: Checkpoint) -> Checkpoint:
    """Go on from this checkpoint, or from the newest older one that is not damaged."""
    run = trainer.run
    while True:
        try:
            trainer.restore(checkpoint)
            with checkpoint.reading("manifest") as manifest:
                warnings = provenance.changed(manifest.get("components", ()), run.config.registry)
                if trainer.differs:
                    warnings.append(f"this resume is not exact, results may differ in the last digits: {trainer.differs}")
                run.truncate_metrics(max(0, manifest["metrics_offset"]), manifest.get("metrics_sha256"))
        except Damaged as damaged:
            older = run.checkpoints.older(checkpoint)
            if older is None:
                raise
            run.event("warning", message=f"checkpoint {checkpoint.path.name} is damaged and skipped: {damaged.problems[0].message}")
            checkpoint = older
            continue
        for line in warnings:
            run.event("warning", message=line)
        return checkpoint


def assemble(run: Run, config: Config, make_source: MakeSource | None = None) -> Trainer:
    """The objects of a run; nothing is started. Torch has the run's number of threads afterwards, until a checkpoint is restored.

    Args:
        config: Configuration of the run.
        run: The run.
        make_source: See `launch`.

    Raises:
        UsageError: If agent, suite and source of experience do not fit.
    """
    make, limit = _assemble_tasks if config.several_suites else _assemble_one, torch.get_num_threads()
    torch.set_num_threads(1)  # the first parameters do not depend on the number
    with ExitStack() as opened, _parts_of(run):  # an error closes what was opened
        trainer = make(run, config, make_source or make_collector, opened)
        opened.pop_all()
    torch.set_num_threads(threads_for(trainer.agent, limit) if config.threads == "auto" else config.threads)
    return trainer


def _assemble_one(run: Run, config: Config, make_source: MakeSource, opened: ExitStack) -> Trainer:
    """The objects of a run of one suite."""
    suite = built_suite(config)
    environments: VectorEnv | None = None
    if isinstance(suite, DataSuite):
        with _made(config.suite):
            spec = suite.spec()
    elif not config.online:
        spec, _ = _offline_rows(config, run, suite)
        with _made(config.suite):
            check_same_task(config, spec, suite)
    else:
        environments = _open_environments(config, run, "environment", opened)
        spec = environments.spec
    streams = Streams(config.seed)
    agent = make_agent(config, spec, streams, budget=_budget(config, spec))
    replay: Replay | DatasetBuffer
    source: ExperienceSource = DatasetSource(spec)
    view = agent.view
    objectives = {id(objective): objective for objective in agent.objectives}
    participants = [
        Participant(f"agent {config.agent.label}", agent, critical=True),
        *(Participant(f"objective {objective.label}", objective, critical=True) for objective in objectives.values()),
        Participant(f"suite {config.suite.label}", suite, critical=True),
        *(Participant.of_callback(selection.label, make(selection, selection.options)) for selection in config.callbacks),
    ]
    chooses = implemented(participants, "choose_goals")
    check_options_used(config, view)
    if view.from_dataset:
        replay = make_fixed_replay(config, suite, agent, streams)
        limits = _budgets(config) | {"every": intervals(config, view.batch_size, replay.size)}
        clock = Clock(view.batch_size, 1.0, pending_updates=1.0, rows=replay.size, **limits)
    elif not config.online and not isinstance(suite, DataSuite):
        check_epochs(config)
        limits = _budgets(config) | {"every": intervals(config, view.batch_size)}
        clock = Clock(view.batch_size, 1.0, pending_updates=1.0, **limits)
        replay = make_replay(run, config, agent, suite, spec, 1, streams, clock.planned_updates)
    else:
        check_epochs(config)
        if spec.task_type == "generate":
            what = f"agent {config.agent.label} needs rewards; {config.suite.text} is a generation task and has none"
            raise UsageError(Problem(what, "leave --agent out: the default agent generates"))
        if environments is None:  # a data set, learned by its rewards
            environments = _open_environments(config, run, "environment", opened)
        learn_every, per_step = view.update_schedule(environments.num_envs)
        limits = _budgets(config) | {"every": intervals(config)}
        clock = Clock(spec.action_repeat, per_step if config.train.learn else 0.0, view.learn_after, learn_every, **limits)
        stored = with_actual_goal(spec, suite) if chooses else spec
        replay = make_replay(run, config, agent, suite, stored, environments.num_envs, streams, clock.planned_updates)
        with _made(config.launcher):
            source = make_source(config, run, agent, replay, environments)
        opened.callback(source.close)
    evaluator = make_evaluator(config, suite, run)
    notes = [*suite.notes(), *agent.notes(), *source.notes(), f"precision {agent.precision} on {agent.device}"]
    trainer = Trainer(run, config, agent, replay, source, evaluator, clock, streams, participants, notes)
    if chooses:
        source.choose_goals(suite, trainer.choose_goals)
    return trainer


def _assemble_tasks(run: Run, config: Config, make_source: MakeSource, opened: ExitStack) -> Trainer:
    """The objects of a run of several suites: agent, replay, source and evaluator consist of those of the tasks."""
    if not config.online:
        raise UsageError(Problem("train.offline=true learns one task from a replay, and there are several suites", "leave it out"))
    streams = Streams(config.seed)
    specs: dict[str, Spec] = {}
    agents: dict[str, Agent] = {}
    suites: dict[str, Suite] = {}
    environments: dict[str, VectorEnv] = {}  # of the tasks that are stepped
    for number, (name, task) in enumerate(config.tasks.items()):
        suite = suites[name] = built_suite(task)
        if isinstance(suite, DataSuite):
            with _made(task.suite):
                specs[name] = suite.spec()
        else:
            environments[name] = _open_environments(task, run, f"environment {number}", opened)
            specs[name] = environments[name].spec
        agent = agents[name] = _task_agent(task, specs[name], streams, agents)
        check_no_rollouts(task, agent.view)
        check_options_used(task, agent.view)
        if not agent.view.from_dataset and name not in environments:
            environments[name] = _open_environments(task, run, f"environment {number}", opened)
    stepped = [name for name in specs if not agents[name].view.from_dataset]
    clock = _task_clock(config, agents, specs, stepped)
    updates = clock.planned_updates  # of all tasks, which take turns
    each = None if updates is None else max(1, updates // len(agents))
    replays: list[Replay | DatasetBuffer] = []
    sources: dict[str, ExperienceSource] = {}
    for number, (name, task) in enumerate(config.tasks.items()):
        agent, suite = agents[name], suites[name]
        if name not in stepped:
            replays.append(make_fixed_replay(task, suite, agent, streams))
            continue
        vector, directory = environments[name], run.path / "replay" / str(number)
        replay = make_replay(run, task, agent, suite, specs[name], vector.num_envs, streams, each, directory)
        replays.append(replay)
        with _made(config.launcher):
            sources[name] = make_source(task, run, agent, replay, vector)
        opened.callback(sources[name].close)
    whole = MultiTaskAgent(agents, tuple(config.agent.options.shared))
    source = MultiTaskSource(MultiTaskSpec(specs), sources)
    evaluator = MultiTaskEvaluator({name: make_evaluator(task, suites[name], run) for name, task in config.tasks.items()})
    participants = [
        *(Participant(f"agent {config.agent.label}", agent, critical=True) for agent in agents.values()),
        *(Participant(f"objective {each.label}", each, critical=True) for phase in whole.phase_list for each in phase.objectives),
        *(Participant(f"suite {name}", suite, critical=True) for name, suite in suites.items()),
        *(Participant.of_callback(selection.label, make(selection, selection.options)) for selection in config.callbacks),
    ]
    notes = [f"{name}: {note}" for name in specs for note in (*suites[name].notes(), *agents[name].notes())]
    notes += [*source.notes(), f"precision {whole.precision} on {whole.device}"]
    trainer = Trainer(run, config, whole, MultiTaskReplay(replays), source, evaluator, clock, streams, participants, notes)
    if implemented(participants, "choose_goals"):
        source.choose_goals(next(iter(suites.values())), trainer.choose_goals)
    return trainer


def _open_environments(config: Config, run: Run, stream: str, opened: ExitStack) -> VectorEnv:
    """The environments that a run, or one of its tasks, is trained in; an error during assembly closes them."""
    environments = make_environments(config, stream, config.train.num_envs, run)
    opened.callback(environments.close)
    return environments


def _task_agent(task: Config, spec: Spec, streams: Streams, before: Mapping[str, Agent]) -> Agent:
    """The agent of one of several tasks; it shares parts with the first one."""
    first = next(iter(before.values()), None)
    if first is not None:
        parts = {part: first.get_submodule(part) for part in task.agent.options.shared}
        return make_agent(task, spec, streams, parts, budget=_budget(task, spec))
    agent = make_agent(task, spec, streams, budget=_budget(task, spec))
    own = [name for name, _ in agent.named_children()]
    if missing := [part for part in task.agent.options.shared if part not in own]:
        raise UsageError(Problem(f"agent.shared: there is no part {', '.join(missing)}", f"there are {', '.join(own)}"))
    return agent


def _task_clock(config: Config, agents: Mapping[str, Agent], specs: Mapping[str, Spec], stepped: list[str]) -> Clock:
    """The clock of several tasks: a step is one of any environment, and every task gets as many updates as the others.

    Frames are counted as for one task if all environments repeat actions equally often; else a frame is an agent step. Without
    environments a frame is a row of a batch.
    """
    views = [agents[name].view for name in stepped]
    if not stepped:
        rows = sum(agent.view.batch_size for agent in agents.values())
        return Clock(rows, len(agents), pending_updates=len(agents), every=intervals(config, rows), **_budgets(config))
    repeats = {specs[name].action_repeat for name in stepped}
    per_step = sum(view.updates_per_step for view in views) / len(views) * len(agents) / len(stepped)
    return Clock(
        repeats.pop() if len(repeats) == 1 else 1,
        per_step if config.train.learn else 0.0,
        max(view.learn_after for view in views) * len(stepped),
        every=intervals(config),
        **_budgets(config),
    )


def _budgets(config: Config) -> dict[str, Any]:
    train = config.train
    return {"frames": train.frames, "updates": train.updates, "hours": train.hours, "epochs": train.epochs}


def built_suite(config: Config) -> Suite:
    """The suite of a run, in this process."""
    with _made(config.suite):
        suite = suite_of(config)
        return suite.build() if isinstance(suite, SuiteReference) else suite


def make_evaluator(config: Config, suite: Suite, run: Run, **overrides: Any) -> Evaluator:
    """The evaluator of a run: by the test rows of a data set, or by episodes.

    Args:
        config: Configuration of the run.
        suite: The suite of the run.
        run: The run; the classifier for features is found beside it.
        **overrides: Options of ``evaluate`` that replace those of the run.

    Raises:
        UsageError: If there is no such classifier, or the run generates nothing that it could read.
    """
    wanted = type(config.evaluate).model_validate(config.evaluate.model_dump() | overrides)
    spec = suite.spec() if isinstance(suite, DataSuite) else None
    features = None
    if wanted.features:
        if spec is None or spec.task_type != "generate":
            what = f"evaluate.features={wanted.features}: features compare generated data, and {config.suite.text} is no generation task"
            raise UsageError(Problem(what, "leave it out, or generate: --suite digits -o flow"))
        classifier = Run.find(wanted.features, run.root)
        features = ClassifierFeatures(load_agent(classifier), "/".join(classifier.identity), spec)
    if isinstance(suite, DataSuite):
        return DatasetEvaluator(suite, features, wanted.samples)
    count = min(wanted.num_envs, wanted.episodes)
    return EpisodeEvaluator(suite, lambda: make_environments(config, "evaluation", count, run), wanted.episodes, wanted.max_steps)


def make_fixed_replay(config: Config, suite: Suite, agent: Agent, streams: Streams) -> DatasetBuffer:
    """The rows that an agent of a labelled view learns from.

    Raises:
        UsageError: If the suite has none.
    """
    if not isinstance(suite, DataSuite):
        what = f"agent {config.agent.label} learns from rows with labels here, and suite {config.suite.label} has none"
        raise UsageError(Problem(what, "a data set: --suite digits"))
    with _made(config.suite):
        rows = suite.rows("train")
    return DatasetBuffer(rows, agent.view, streams, overfit=config.train.overfit, pin=agent.device.type == "cuda")


def make(selection: Selection, *arguments: Any) -> Any:
    """The component that a slot selects, called with `arguments`.

    Raises:
        PluginFailed: If it cannot be, with its name.
    """
    with _made(selection):
        return selection.component.load()(*arguments)


def _made(selection: Selection) -> AbstractContextManager[None]:
    return plugin_errors(f"{selection.kind.removesuffix('s')} {selection.label}", "to be made")


def make_environments(config: Config, stream: str, count: int, run: Run | None = None) -> VectorEnv:
    """`count` environments of the run's suite. The run's seed and the name of the stream seed their episodes.

    What they print goes to a file of `run`.
    """
    output, train = None if run is None else run.path / OUTPUT, config.train
    with _made(config.suite):
        suite = suite_of(config)
        placed = (train.env_backend, train.env_timeout, config.suite.title, output, train.env_workers)
        return make_vector_env(suite, count, config.seed, stream, *placed)


def suite_of(config: Config) -> SuiteReference | Suite:
    """The run's suite: by its names, so that any process can build it, or itself where only this process has it."""
    suite, component = config.suite, config.suite.component
    if component.target.startswith(f"{OBJECT}:"):
        made: Suite = make(suite, suite.task or "", suite.options)
        return made
    assert isinstance(component, SuiteComponent)
    adapter = component.adapter if isinstance(component, AdoptedSuite) else ""
    return SuiteReference(component.target, suite.task or "", suite.options.model_dump(mode="json"), component.config, adapter)


def _budget(config: Config, spec: Spec) -> int | None:
    """Agent steps of a run whose budget is in frames; ``None`` where a step is a batch of stored rows."""
    frames = config.train.frames
    stepped = config.online and spec.task_type == "control"
    return frames // spec.action_repeat if frames is not None and stepped else None


def make_agent(
    config: Config,
    spec: Spec,
    streams: Streams,
    shared: Mapping[str, torch.nn.Module] | None = None,
    budget: int | None = None,
) -> Agent:
    """The agent on its device, its first parameters a function of the seed.

    Args:
        config: Configuration of the run.
        spec: Spec of the task.
        streams: Random streams.
        shared: Modules of another agent that take the place of its parts, by name (`Agent.share`).
        budget: Agent steps of the whole run, for schedules over the budget; to act needs none.
    """
    check_task_type(config, spec)
    task = spec
    device = resolve_device(config.device)
    with _made(config.agent):
        if not getattr(config.agent.component.load(), "named_observations", False):  # a factory of agents declares nothing
            spec = spec.joined()
    build = Builder(device, resolve_precision(config.precision, device, spec), streams, config.registry, config.objectives, spec, budget)
    # torch's layers draw their first parameters from the global generator: it is lent for that, and put back.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derive(config.seed, "parameters"))
        agent: Agent = make(config.agent, spec, config.agent.options, build).to(device)
        with _made(config.agent):
            for part, module in (shared or {}).items():
                agent.share(part, module)
            agent.configure()
            check_valid_actions(config, task, agent)
            agent.view  # noqa: B018  (a property that raises does it here, where it has a name)
    return agent


def make_replay(
    run: Run,
    config: Config,
    agent: Agent,
    suite: Suite,
    spec: Spec,
    num_envs: int,
    streams: Streams,
    updates: int | None,
    directory: Path | None = None,
) -> Replay:
    """The replay for the agent's view, in memory or on disk; in the run's directory unless another one is given.

    `updates` is the number of updates that the run makes of it, if known (`Clock.planned_updates`).

    Raises:
        UsageError: If neither can hold it, or the sampler cannot work with the view or the task.
    """
    settings, capacity = config.replay, config.replay.capacity
    if agent.view.max_slots is not None:
        capacity = min(capacity, agent.view.max_slots * num_envs)
    if not config.online:
        _, capacity = _offline_rows(config, run, suite)
    elif config.train.frames is not None and not settings.load:
        # An episode of T steps takes T + 1 slots: twice the steps of the budget is enough whatever their lengths.
        capacity = min(capacity, 2 * (config.train.frames // spec.action_repeat) + num_envs * (agent.view.window + 1))
    directory = directory or run.path / "replay"
    action, extra = agent.action_space, agent.extra_columns
    backing = choose_backing(settings.backing, spec, action, capacity, num_envs, directory, extra)
    pin = agent.device.type == "cuda"
    with _made(settings.sampler):
        sampler = settings.sampler.component.make(settings.sampler.options)
    device = choose_replay_device(settings.device, agent.device, agent.view, sampler, spec, capacity, num_envs)
    arguments: dict[str, Any] = {"action": action, "sampler": sampler, "pin": pin, "extra": extra, "suite": suite, "updates": updates}
    with _made(settings.sampler):
        return Replay(spec, agent.view, capacity, num_envs, streams, backing, directory, device=device, **arguments)


def _offline_rows(config: Config, run: Run, suite: Suite) -> tuple[Spec, int]:
    """The spec and the number of rows of an offline run: of its newest checkpoint, or of the replay that it loads before there is one.

    Logged data has no spec: it is learned from as data of the suite's task.
    """
    manifest = run.checkpoints.newest_manifest()
    if manifest:
        return spec_and_rows({"spec": manifest.get("spec"), "cut": manifest.get("replay")}, f"the newest checkpoint of {run.path}")
    load = config.replay.load or ""
    if logged.parsed(load):
        with _made(config.suite), closing(suite.environment()) as environment:
            return environment.spec, logged.open_data(load).slots
    source = lookup.find_replay(load, run.root, run.path)
    return spec_and_rows(read_index(source), source / INDEX)


def refuse_one_of_several(run: Run) -> None:
    """Refuse to act in, or to show, one task of a run that learns several.

    Raises:
        UsageError: If the run has several suites.
    """
    if run.policy_config.several_suites:
        what = f"run {run.name} learns several tasks ({' and '.join(run.policy_config.tasks)}), and this needs one"
        raise UsageError(Problem(what, f"unified evaluate {run.lasting_name}"))


@torch_defaults()
def load_agent(run: Run, checkpoint: str | int = "best") -> InferencePolicy:
    """The trained agent of a run, ready to act; no environment is started.

    Args:
        run: That was trained.
        checkpoint: ``"best"``, ``"newest"``, or the frames of one.
    """
    refuse_one_of_several(run)
    return _load_one(run, pick_checkpoint(run, checkpoint))


def _load_one(run: Run, found: Checkpoint) -> InferencePolicy:
    """The agent of a checkpoint of a run of one suite."""
    _notice(run, found)
    with found.reading("manifest") as manifest:
        spec, steps = Spec.from_json(manifest["spec"]), int(manifest["steps"])
    with _parts_of(run):
        agent = make_agent(run.policy_config, spec, Streams(run.policy_config.seed))
    load_parameters(agent, run.policy_config.agent.component, found)
    agent.steps = steps
    agent.train(False)
    component = run.policy_config.suite.component
    converters = component.load_converters(spec) if isinstance(component, SuiteComponent) else None
    return InferencePolicy(agent, spec, found.frames, converters)


def _notice(run: Run, found: Checkpoint) -> None:
    """Warn of packages in other versions, and of options that no longer exist."""
    config = run.policy_config
    lines = [f"{key} no longer exists and is ignored" for key in config.gone]
    with found.reading("manifest") as manifest:
        lines += provenance.changed(manifest.get("components", ()), config.registry)
    for line in lines:
        warnings.warn(line, Notice, stacklevel=3)


@torch_defaults()
def evaluate(
    run: Run, episodes: int = 10, checkpoint: str | int = "best", record: tuple[int, int] | None = None, features: str | None = None
) -> tuple[int, EvalResult]:
    """Evaluate a trained agent with the number of threads of its training, on which the last digits of what it computes depend.

    Args:
        run: The run that trained it.
        episodes: Number of episodes, if the task has episodes.
        checkpoint: See `load_agent`.
        record: ``(height, width)`` of the first episode's pictures.
        features: Run of a classifier that provides the features for comparing generated data; ``None`` for the option of the run, empty
            for the data itself.

    Returns:
        The frames of training, and the result.
    """
    overrides = {"episodes": episodes, "num_envs": 1} | ({} if features is None else {"features": features or None})
    evaluator: Evaluator
    agent: Any
    if record is not None:
        refuse_one_of_several(run)
    found = pick_checkpoint(run, checkpoint)
    with found.reading("manifest") as manifest:
        torch.set_num_threads(min(int(manifest["bits_depend_on"]["threads"]), MAX_THREADS))
    if run.policy_config.several_suites:
        agent, frames = _load_tasks(run, found)
        tasks = run.policy_config.tasks.items()
        evaluator = MultiTaskEvaluator({name: make_evaluator(task, built_suite(task), run, **overrides) for name, task in tasks})
    else:
        player = _load_one(run, found)
        agent, frames = player.agent, player.frames
        evaluator = make_evaluator(run.policy_config, built_suite(run.policy_config), run, **overrides)
    evaluator.record = record
    try:
        result = evaluator.evaluate(agent, f"of checkpoint {checkpoint}")
        assert result is not None
        return frames, result
    finally:
        evaluator.close()


def _load_tasks(run: Run, found: Checkpoint) -> tuple[MultiTaskAgent, int]:
    """The agent of a checkpoint of a run of several suites, and the frames of it."""
    config = run.policy_config
    _notice(run, found)
    with found.reading("manifest") as manifest:
        streams, specs, steps = Streams(config.seed), MultiTaskSpec.from_json(manifest["spec"]).tasks, int(manifest["steps"])
    agents: dict[str, Agent] = {}
    with _parts_of(run):
        for name, task in config.tasks.items():
            agents[name] = _task_agent(task, specs[name], streams, agents)
    agent = MultiTaskAgent(agents, tuple(config.agent.options.shared))
    load_parameters(agent, config.agent.component, found)
    agent.steps = steps
    agent.train(False)
    return agent, found.frames


def pick_checkpoint(run: Run, which: str | int) -> Checkpoint:
    """The checkpoint that was named, to load the parameters from.

    Raises:
        UsageError: If there is none.
    """
    checkpoint = run.checkpoint(which, groups=("parameters",))
    if checkpoint is None:
        raise UsageError(Problem(f"run {run.name} has no checkpoint {which!r}", f"unified runs show {run.lasting_name}"))
    return checkpoint
