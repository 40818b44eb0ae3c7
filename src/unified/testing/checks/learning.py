"""Checks of learning."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch

from unified.core.components.descriptors import AgentComponent
from unified.core.learn.agent import Agent
from unified.core.learn.memory import first_batch
from unified.core.learn.update import UpdateResult
from unified.core.replay.batch import Batch
from unified.testing.check import Check, Failed, Skipped
from unified.testing.graphs import compared
from unified.testing.workshop import (
    SEED,
    Place,
    build,
    differences,
    disturbed,
    experience,
    fresh,
    learner,
    learns_its_own_way,
    observations,
    samples,
    saved,
    some,
)


def moves_what_its_phases_train(component: AgentComponent) -> None:
    """An update changes all parts that its phases train and nothing else, and its metrics are finite."""
    for place in samples(component):
        agent = learner(component, place)
        if not agent.phase_list:
            raise Skipped("it overrides `learn` and has no phases")
        batches = experience(component, place)
        trained: set[str] = set()
        moved: set[str] = set()
        for number in range(1, 3 * max(phase.every for phase in agent.phase_list) + 1):
            before = _parameters(agent)
            learned = agent.learn(fresh(batches[number % len(batches)]))
            _check_metrics(learned, agent, place)
            now = {name for name, value in _parameters(agent).items() if not torch.equal(value, before[name])}
            due = {part for phase in agent.phase_list if number % phase.every == 0 for part in phase.trains}
            _refuse_leaks(now, due, agent, place)
            trained, moved = trained | due, moved | now
        still = {name for name, value in agent.named_parameters() if value.requires_grad and _part(name) in trained} - moved
        if still:
            contract = "Every parameter of a trained part is trained."
            change = "use it in `forward`, remove it, or call requires_grad_(False)"
            raise Failed(contract, f"{place.name}: unchanged in {number} updates: {some(sorted(still))}", change)


def _refuse_leaks(moved: Iterable[str], due: set[str], agent: Agent, place: Place) -> None:
    allowed = due | set(agent.target_parts)
    if wrong := sorted(name for name in moved if _part(name) not in allowed):
        contract = "An update changes exactly the parts that its due phases train, and target networks."
        seen = f"{place.name}: {some(wrong)} changed; trained are {', '.join(sorted(due)) or 'none'}"
        raise Failed(contract, seen, "add the part to Phase(trains=…), or do not change it")


def _check_metrics(learned: UpdateResult, agent: Agent, place: Place) -> None:
    contract = "`learn` returns UpdateResult(metrics): finite scalar tensors on the device of the agent."
    if not isinstance(learned, UpdateResult):
        raise Failed(contract, f"{place.name}: {type(learned).__name__}", "return UpdateResult(metrics)")
    for name, value in learned.metrics.items():
        if not isinstance(value, torch.Tensor) or value.dim() or value.device.type != agent.device.type or value.requires_grad:
            seen = f"{place.name}: {name} is {value!r}"
            raise Failed(contract, seen, "return a detached scalar tensor; do not call .item(), which synchronises the device")
        if not torch.isfinite(value):
            raise Failed(contract, f"{place.name}: {name} is {value.item()}", "check the scale of its terms")


def survives_a_bad_batch(component: AgentComponent) -> None:
    """A batch of NaN changes nothing and is counted, and the next update succeeds."""
    for place in samples(component):
        if place.spec.task_type == "generate":  # its rows are bytes and its noise is random
            continue
        agent, batches = learner(component, place), experience(component, place)
        agent.learn(fresh(batches[0]))
        before = _parameters(agent)
        metrics = agent.learn(_poisoned(batches[1])).metrics
        target_parts = set(agent.target_parts)
        contract = "An update with a non-finite loss or gradient changes nothing."
        change = "use a fused optimiser with `found_inf` like the base class, or check before the step"
        wrong = [name for name, value in agent.named_parameters() if not torch.isfinite(value).all()]
        if not place.pixels:  # bytes cannot be NaN, so parts that learn from bytes alone may change
            wrong += [name for name, value in _parameters(agent).items() if not torch.equal(value, before[name])]
            wrong = [name for name in wrong if _part(name) not in target_parts or not torch.isfinite(_parameters(agent)[name]).all()]
        if wrong:
            raise Failed(contract, f"{place.name}: moved {some(list(dict.fromkeys(wrong)))}", change)
        if agent.phase_list and not learns_its_own_way(agent) and metrics["nonfinite"] != 1:
            raise Failed("Such updates are counted in the metric `nonfinite`.", f"{place.name}: {metrics['nonfinite']}", "count them")
        _check_metrics(agent.learn(fresh(batches[2])), agent, place)
        if spoilt := [name for name, value in _parameters(agent).items() if not torch.isfinite(value).all()]:
            raise Failed(contract, f"{place.name}: the next update made non-finite {some(spoilt)}", f"{change}; its moments count too")


def saves_and_loads(component: AgentComponent) -> None:
    """Loading its training state into an agent with other initial parameters makes both equal."""
    for place in samples(component):
        agent, batches = build(component, place), experience(component, place)
        for batch in batches[:2]:
            agent.learn(fresh(batch))
        state, counters = saved(agent), agent.streams.state_dict()
        one, other = (_loaded(component, place, state, counters, parameters=SEED + each) for each in (1, 2))
        if lost := differences(state, saved(one)):
            contract = "`load_training_state` restores the state that `training_state` returns."
            raise Failed(contract, f"{place.name}: after saving and loading, these differ: {some(lost)}", "restore every saved key")
        contract = "A loaded agent equals the saved one, regardless of its initial parameters."
        change = "store learned state in parameters and buffers, or in `training_state`"
        seen = observations(component, place, 3)
        actions = [_without_exploring(each, seen) for each in (agent, one, other)]
        if not torch.equal(actions[0], actions[1]) or not torch.equal(actions[1], actions[2]):
            raise Failed(contract, f"{place.name}: for one observation, saved {actions[0].tolist()}, loaded {actions[1].tolist()}", change)
        for each in (one, other):
            with disturbed(1):  # global generators are checked elsewhere
                each.learn(fresh(batches[2]))
        if apart := differences(saved(one), saved(other)):
            raise Failed(contract, f"{place.name}: the next updates of two loaded agents differ in {some(apart)}", change)


def goes_on_as_if_never_stopped(component: AgentComponent) -> None:
    """Loaded in the middle of acting and learning, it continues exactly like the uninterrupted agent."""
    for place in samples(component):
        agent, batches = build(component, place), experience(component, place)
        _live(agent, component, place, batches[:3])
        state = saved(agent)
        resumed = _loaded(component, place, state, agent.streams.state_dict(), steps=agent.steps)
        if differences(state, saved(resumed)):
            raise Skipped("it does not restore its state: see saves_and_loads")
        lives = []
        for each in (agent, resumed):
            with disturbed(1):
                lives.append(_live(each, component, place, batches[3:]))
        ours, theirs = lives
        apart = [f"action {number}" for number, (a, b) in enumerate(zip(ours, theirs, strict=True)) if not torch.equal(a, b)]
        apart += differences(saved(agent), saved(resumed))
        if agent.streams.state_dict() != resumed.streams.state_dict():
            apart.append("the counters of the random streams")
        if apart:
            contract = "The state of acting and learning is in `training_state` and the streams of the run, so that resuming is exact."
            change = (
                "find the attribute that `act` or `learn` changes (a counter, a running mean, a generator); make it a buffer of a module, "
                "or save it in `training_state` and restore it in `load_training_state`"
            )
            raise Failed(contract, f"{place.name}: resumed and uninterrupted differ in {some(apart)}", change)


def is_a_function_of_its_seed(component: AgentComponent) -> None:
    """Two agents with the same seed and data are equal: all random numbers come from the streams of the run."""
    for place in samples(component):
        states = []
        for seed in (1, 2):
            with disturbed(seed):
                agent = build(component, place)
                acted = _live(agent, component, place, experience(component, place)[:4])
                states.append({"state": saved(agent), "actions": dict(enumerate(acted))})
        if apart := differences(states[0], states[1]):
            contract = "The same seed gives the same bits: parameters, actions and updates."
            change = "draw from self.streams[name].torch(self.device), never from torch's, NumPy's or Python's own generator (dropout does)"
            raise Failed(contract, f"{place.name}: two agents of one seed differ in {some(apart)}", change)


def updates_as_one_graph(component: AgentComponent) -> str:
    """Its update is one graph, which gives the bits of `learn`; if it is not, the note says why."""
    notes = []
    for place in samples(component):
        note = compared(partial(learner, component, place), experience(component, place), place.name)
        notes.append(f"{place.name}: {note}")
    return "; ".join(notes)


# Helpers ------------------------------------------------------------------------------------------------------------------------


def _live(agent: Agent, component: AgentComponent, place: Place, batches: Iterable[Batch]) -> list[torch.Tensor]:
    """Explore and learn in turns; returns the actions."""
    acted = []
    for batch in batches:
        for count in (1, 2):
            acted.append(agent.act(first_batch(agent, observations(component, place, count)), explore=True).action)
            agent.steps += count
        agent.learn(fresh(batch))
    return acted


def _loaded(
    component: AgentComponent, place: Place, state: dict[str, Any], counters: dict[str, Any], *, parameters: int = SEED + 1, steps: int = 0
) -> Agent:
    agent = build(component, place, parameters=parameters)
    agent.load_training_state(copy.deepcopy(state))  # optimisers keep references to the tensors
    agent.streams.load_state_dict(counters)
    agent.steps = steps
    return agent


def _without_exploring(agent: Agent, seen: torch.Tensor) -> torch.Tensor:
    before = agent.streams.state_dict()
    agent.train(False)
    with disturbed(1):
        action = agent.act(first_batch(agent, seen), explore=False).env_action
    agent.train()
    agent.streams.rewind(before)
    return action


def _parameters(agent: Agent) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in agent.named_parameters()}


def _part(name: str) -> str:
    return name.partition(".")[0]


def _poisoned(batch: Batch) -> Batch:
    """The batch with NaN in all float columns."""
    return Batch({name: torch.full_like(value, torch.nan) if value.is_floating_point() else value.clone() for name, value in batch.items()})


CHECKS = tuple(
    Check.of("agents", function)
    for function in (
        moves_what_its_phases_train,
        survives_a_bad_batch,
        saves_and_loads,
        goes_on_as_if_never_stopped,
        is_a_function_of_its_seed,
        updates_as_one_graph,
    )
)
