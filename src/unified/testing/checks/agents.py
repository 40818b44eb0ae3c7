"""Checks of acting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch

from unified.core.base.spec import Space
from unified.core.components.descriptors import AgentComponent
from unified.core.learn.actions import Action
from unified.core.learn.agent import Agent
from unified.core.learn.memory import first_batch, state_columns
from unified.core.replay.batch import Batch
from unified.core.replay.views import RolloutSequences
from unified.testing.check import Check, Failed, Skipped
from unified.testing.workshop import Place, build, differences, disturbed, experience, fresh, observations, places, samples, saved, some


def acts_in_every_space(component: AgentComponent) -> str:
    """It acts on any number of environments in every space for which it can be built, with actions as declared."""
    for place in places(component):
        agent = build(component, place)
        for steps in (0, 10**6):  # during random exploration, and long after
            agent.steps = steps
            for count in (1, 3):
                for explore in (False, True):
                    where = f"{place.name}, {count} environments, explore={explore}"
                    action = agent.act(first_batch(agent, observations(component, place, count)), explore=explore)
                    _check_action(action, agent, place.spec.action, count, where)
    return "; ".join(place.name for place in places(component))


def _check_action(action: Any, agent: Agent, env_action: Space, count: int, where: str) -> None:
    if not isinstance(action, Action):
        contract = "`act` returns an Action: the stored actions, the environment actions, and extra columns."
        raise Failed(contract, f"{where}: {type(action).__name__}", "return Action(action, env_action)")
    _check_tensor(action.action, agent.action_space, count, f"{where}: `action`", "`action_space` is the space of stored actions")
    _check_tensor(
        action.env_action, env_action, count, f"{where}: `env_action`", "the spec of the task has the space of environment actions"
    )
    for name, column in action.extra.items():
        if not isinstance(column, torch.Tensor) or len(column) != count:
            contract = "Extra columns of an action have one row for each environment."
            raise Failed(contract, f"{where}: {name} is {_shown(column)}", "use the leading dimension of the observations")


def _check_tensor(value: Any, space: Space, count: int, what: str, source: str) -> None:
    shape = (count, *space.shape)
    contract = f"Actions are tensors of the shape, type and range declared: {source}."
    if not isinstance(value, torch.Tensor) or value.shape != shape or str(value.dtype).removeprefix("torch.") != space.dtype:
        raise Failed(
            contract,
            f"{what} is {_shown(value)}, declared is {space.dtype} {shape}",
            "reshape or cast it in `act`, or change the declaration",
        )
    if value.requires_grad:
        contract = "Actions have no gradient: they go to the environments and the replay."
        raise Failed(contract, f"{what} requires a gradient", "decorate `act` with @torch.no_grad()")
    numbers = value.detach().double().flatten(1) if value.dim() > 1 else value.detach().double()[:, None]
    low, high = (torch.as_tensor(bound, dtype=torch.float64) for bound in (space.low, space.high))
    if not torch.isfinite(numbers).all() or (numbers < low - 1e-6).any() or (numbers > high + 1e-6).any():
        found = f"{what} goes from {numbers.min():g} to {numbers.max():g}, declared is {space.low} to {space.high}"
        raise Failed(contract, found, "clamp or squash the output of the policy")


def acts_repeatably_without_exploring(component: AgentComponent) -> None:
    """Without exploration, the same observation gives the same action, regardless of calls in between."""
    for place in samples(component):
        agent, seen = build(component, place), observations(component, place, 3)
        before = agent.streams.state_dict()
        with disturbed(1):
            first = agent.act(first_batch(agent, seen.clone()), explore=False).env_action
            agent.act(first_batch(agent, seen.flip(0)), explore=False)
        agent.streams.rewind(before)
        with disturbed(2):
            second = agent.act(first_batch(agent, seen.clone()), explore=False).env_action
        if not torch.equal(first, second):
            contract = "Without `explore`, the same observation and state of the streams give the same action."
            change = "draw from self.streams[…] instead of torch's global generator, and store nothing between calls"
            raise Failed(contract, f"{place.name}: {first.tolist()}, then {second.tolist()}", change)


def evaluation_leaves_training_unchanged(component: AgentComponent) -> None:
    """Acting without exploration does not change the training state."""
    for place in samples(component):
        agent = build(component, place)
        before = saved(agent)
        agent.train(False)
        agent.act(first_batch(agent, observations(component, place, 3)), explore=False)
        agent.train()
        if changed := differences(before, saved(agent)):
            contract = "Evaluation does not influence training."
            raise Failed(
                contract, f"{place.name}: acting without `explore` changed {some(changed)}", "change it in `learn`, or only when exploring"
            )


def keeps_a_state_of_each_environment(component: AgentComponent) -> None:
    """The next state has the form of the initial one, and a row of it depends on the same row of observations and states only."""
    for place in samples(component):
        agent = _recurrent(component, place)
        initial, counts = agent.initial_state(3), agent.streams.state_dict()
        first = first_batch(agent, observations(component, place, 3))
        given = {name: column.clone() for name, column in first.items()}
        after = agent.act(first, explore=False).state
        contract = "`act` returns the next state as Action.state, with the names, shapes and types of `initial_state`, without a graph."
        for name, rows in initial.items():
            found = after.get(name)
            if found is None or (found.shape, found.dtype) != (rows.shape, rows.dtype) or found.requires_grad:
                raise Failed(contract, f"{place.name}: {name} is {_shown(found)}, initial {_shown(rows)}", "return Action(…, state=after)")
        if spoilt := [name for name, column in given.items() if not torch.equal(column, first[name])]:
            contract = "`act` leaves its batch as it is: collector and replay still need the state before the step."
            raise Failed(contract, f"{place.name}: {some(spoilt)} changed", "return a new tensor instead of writing into the given one")
        columns = {name: column for name, column in first.items() if not name.startswith("state.")}
        second = Batch({**columns, "is_first": torch.zeros(3, dtype=torch.bool), **state_columns(after)})
        agent.streams.rewind(counts)
        together = agent.act(second, explore=False).state
        for row in range(3):
            agent.streams.rewind(counts)
            alone = agent.act(Batch({name: column[row : row + 1] for name, column in second.items()}), explore=False).state
            if apart := [name for name in together if not _close(alone[name][0], together[name][row])]:
                contract = "Environments share no state: an environment alone has the states that it has among others."
                change = "take the state from the batch, row by row, and keep nothing of it in the agent"
                raise Failed(contract, f"{place.name}: {some(apart)} of environment {row} differ", change)


def learns_along_sequences_as_it_acts(component: AgentComponent) -> None:
    """Features along a sequence are those of its single steps from their stored states, and nothing before a first step reaches them."""
    for place in samples(component):
        agent = _recurrent(component, place)
        if not isinstance(agent.view, RolloutSequences):
            raise Skipped("its view has no sequences")
        single = _features(agent, experience(component, place, 64, replace(agent.view, sequence_length=1, epochs=1)))
        batches = experience(component, place, 64, replace(agent.view, epochs=1))
        if not single:
            raise Skipped("encode_batch adds no features")
        if not any(batch.is_first[:, 1:].any() for batch in batches):
            raise Skipped("no episode begins within a sequence")
        along = _features(agent, batches)
        if apart := [index for index, rows in along.items() if not _close(rows, single[index])]:
            contract = "Features along a sequence equal those of single steps, each from the state that was stored before it."
            change = "start from batch.state, reset it where batch.is_first is true (before that step), and mind the order (B, T)"
            raise Failed(contract, f"{place.name}: {len(apart)} of {len(along)} steps differ, first at slot {apart[0]}", change)
        other = _features(agent, [_with_another_past(batch) for batch in batches])
        for batch in batches:
            begun = batch.is_first.cumsum(1) > 0
            if apart := [index for index in batch.index[begun & batch.mask].tolist() if not _close(along[index], other[index])]:
                contract = "The state is reset at the first step of an episode: nothing of the episode before reaches it."
                raise Failed(
                    contract, f"{place.name}: slots {some(list(map(str, apart)))} depend on it", "reset the state where is_first is true"
                )


def _recurrent(component: AgentComponent, place: Place) -> Agent:
    agent = build(component, place)
    if not agent.initial_state(1):
        raise Skipped("it has no state")
    return agent


def _features(agent: Agent, batches: Iterable[Batch]) -> dict[int, torch.Tensor]:
    """The features of each valid step, by its slot in the replay; none where `encode_batch` adds none."""
    found: dict[int, torch.Tensor] = {}
    for batch in batches:
        with torch.no_grad():
            encoded = agent.encode_batch(fresh(batch))
        if "features" not in encoded:
            return {}
        features = encoded.features
        found.update(zip(batch.index[batch.mask].tolist(), features[batch.mask] if "mask" in encoded else features, strict=True))
    return found


def _with_another_past(batch: Batch) -> Batch:
    """The batch with other states and observations before the first episode that begins in each sequence."""
    begun = batch.is_first.cumsum(1) > 0
    changed = fresh(batch)
    changed["obs"][~begun] = batch.obs[~begun].flip(0)
    changed.update({name: column + 1 for name, column in batch.items() if name.startswith("state.")})
    return changed


def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one.double(), other.double(), rtol=1e-3, atol=1e-4)


def _shown(value: object) -> str:
    if not isinstance(value, torch.Tensor):
        return type(value).__name__
    return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"


CHECKS = tuple(
    Check.of("agents", function)
    for function in (
        acts_in_every_space,
        acts_repeatably_without_exploring,
        evaluation_leaves_training_unchanged,
        keeps_a_state_of_each_environment,
        learns_along_sequences_as_it_acts,
    )
)
