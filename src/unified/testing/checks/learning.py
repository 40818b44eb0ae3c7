"""What is asked of an agent that learns."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch

from unified.core.components.descriptors import AgentComponent
from unified.core.learn.agent import Agent
from unified.core.learn.memory import first_batch
from unified.core.learn.update import UpdateResult
from unified.core.replay.batch import Batch
from unified.testing.check import Check, Failed, Skipped
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
    places,
    saved,
    some,
)


def moves_what_its_phases_train(component: AgentComponent) -> None:
    """An update moves the parts that its phases train, all of them and nothing else, and tells finite numbers."""
    for place in places(component):
        agent = learner(component, place)
        if not agent.phase_list:
            raise Skipped("it learns in its own way and has no phases that say what moves")
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
            contract = "Every parameter of a part that a phase trains is trained."
            change = "use it in `forward`, take it out, or say requires_grad_(False) where it is meant to stay"
            raise Failed(contract, f"{place.name}: never moved in {number} updates: {some(sorted(still))}", change)


def _refuse_leaks(moved: Iterable[str], due: set[str], agent: Agent, place: Place) -> None:
    allowed = due | set(agent.target_parts)
    if wrong := sorted(name for name in moved if _part(name) not in allowed):
        contract = "An update moves exactly the parts that its due phases train, and the targets that follow."
        seen = f"{place.name}: {some(wrong)} moved; trained are {', '.join(sorted(due)) or 'none'}"
        raise Failed(contract, seen, "name the part in Phase(trains=…), or leave it alone")


def _check_metrics(learned: UpdateResult, agent: Agent, place: Place) -> None:
    contract = "`learn` returns Learned(metrics): finite scalars, as tensors on the agent's device."
    if not isinstance(learned, UpdateResult):
        raise Failed(contract, f"{place.name}: {type(learned).__name__}", "return Learned(metrics)")
    for name, value in learned.metrics.items():
        if not isinstance(value, torch.Tensor) or value.dim() or value.device.type != agent.device.type or value.requires_grad:
            seen = f"{place.name}: {name} is {value!r}"
            raise Failed(contract, seen, "give a detached tensor of no dimensions; no .item(): it would wait for the device")
        if not torch.isfinite(value):
            raise Failed(contract, f"{place.name}: {name} is {value.item()}", "look at the scale of what it is made of")


def survives_a_bad_batch(component: AgentComponent) -> None:
    """A batch of numbers that are none moves nothing, is counted, and the next update is a good one."""
    for place in places(component):
        if place.spec.task_type == "generate":  # its rows are bytes, and noise is its own
            continue
        agent, batches = learner(component, place), experience(component, place)
        agent.learn(fresh(batches[0]))
        before = _parameters(agent)
        metrics = agent.learn(_poisoned(batches[1])).metrics
        target_parts = set(agent.target_parts)
        contract = "An update with a non-finite loss or gradient moves nothing."
        change = "step with a fused optimiser as the base does (its `found_inf` leaves everything as it is), or test before the step"
        wrong = [name for name, value in agent.named_parameters() if not torch.isfinite(value).all()]
        if not place.pixels:  # bytes cannot be poisoned: what is learned from them alone may move
            wrong += [name for name, value in _parameters(agent).items() if not torch.equal(value, before[name])]
            wrong = [name for name in wrong if _part(name) not in target_parts or not torch.isfinite(_parameters(agent)[name]).all()]
        if wrong:
            raise Failed(contract, f"{place.name}: moved {some(list(dict.fromkeys(wrong)))}", change)
        if agent.phase_list and not learns_its_own_way(agent) and metrics["nonfinite"] != 1:
            raise Failed("Such updates are counted in the metric `nonfinite`.", f"{place.name}: {metrics['nonfinite']}", "count them")
        _check_metrics(agent.learn(fresh(batches[2])), agent, place)
        if spoilt := [name for name, value in _parameters(agent).items() if not torch.isfinite(value).all()]:
            raise Failed(contract, f"{place.name}: the next, good update spoilt {some(spoilt)}", f"{change}; its moments count too")


def saves_and_loads(component: AgentComponent) -> None:
    """Its training state, read back into an agent of other first parameters, makes it the same agent."""
    for place in places(component):
        agent, batches = build(component, place), experience(component, place)
        for batch in batches[:2]:
            agent.learn(fresh(batch))
        state, counters = saved(agent), agent.streams.state_dict()
        one, other = (_loaded(component, place, state, counters, parameters=SEED + each) for each in (1, 2))
        if lost := differences(state, saved(one)):
            contract = "What `training_state` gives, `load_training_state` takes up."
            raise Failed(contract, f"{place.name}: saved and loaded, these differ: {some(lost)}", "load every key that is saved")
        contract = "An agent that is loaded is the one that was saved, whatever the new one was before."
        change = "keep what is learned in parameters and buffers of modules, or add it to `training_state`"
        seen = observations(component, place, 3)
        actions = [_without_exploring(each, seen) for each in (agent, one, other)]
        if not torch.equal(actions[0], actions[1]) or not torch.equal(actions[1], actions[2]):
            raise Failed(contract, f"{place.name}: for one observation, saved {actions[0].tolist()}, loaded {actions[1].tolist()}", change)
        for each in (one, other):
            with disturbed(1):  # what is drawn from nobody's generator is another check's
                each.learn(fresh(batches[2]))
        if apart := differences(saved(one), saved(other)):
            raise Failed(contract, f"{place.name}: the next updates of two loaded agents differ in {some(apart)}", change)


def goes_on_as_if_never_stopped(component: AgentComponent) -> None:
    """Loaded in the middle of acting and learning, it goes on exactly like the agent that was never stopped: nothing is hidden."""
    for place in places(component):
        agent, batches = build(component, place), experience(component, place)
        _live(agent, component, place, batches[:3])
        state = saved(agent)
        resumed = _loaded(component, place, state, agent.streams.state_dict(), steps=agent.steps)
        if differences(state, saved(resumed)):
            raise Skipped("it does not take up what it saves: see saves_and_loads")
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
            contract = "Everything that acting and learning go on from is in `training_state` and the run's streams: resuming is exact."
            change = (
                "find the attribute that `act` or `learn` changes (a counter, a running mean, a generator); make it a buffer of a module, "
                "or save it in `training_state` and take it up in `load_training_state`"
            )
            raise Failed(contract, f"{place.name}: resumed and uninterrupted differ in {some(apart)}", change)


def is_a_function_of_its_seed(component: AgentComponent) -> None:
    """Two agents of one seed, given the same, become the same: nothing is drawn from anywhere but the run's streams."""
    for place in places(component):
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


# Pieces -------------------------------------------------------------------------------------------------------------------------


def _live(agent: Agent, component: AgentComponent, place: Place, batches: Iterable[Batch]) -> list[torch.Tensor]:
    """Explore and learn in turns; returns what was done."""
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
    agent.load_training_state(copy.deepcopy(state))  # optimisers take up the very tensors they are given
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
    """The batch with every real number replaced by one that is none."""
    return Batch({name: torch.full_like(value, torch.nan) if value.is_floating_point() else value.clone() for name, value in batch.items()})


CHECKS = tuple(
    Check.of("agents", function)
    for function in (
        moves_what_its_phases_train,
        survives_a_bad_batch,
        saves_and_loads,
        goes_on_as_if_never_stopped,
        is_a_function_of_its_seed,
    )
)
