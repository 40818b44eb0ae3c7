"""What is asked of an agent that acts."""

from __future__ import annotations

from typing import Any

import torch

from unified.core.base.spec import Space
from unified.core.components.descriptors import AgentComponent
from unified.core.learn.actions import Action
from unified.core.learn.agent import Agent
from unified.core.replay.batch import Batch
from unified.testing.check import Check, Failed
from unified.testing.workshop import build, differences, disturbed, observations, places, saved, some


def acts_in_every_space(component: AgentComponent) -> str:
    """Wherever it can be built it acts on any number of environments: what it stores and what it enacts are as declared."""
    for place in places(component):
        agent = build(component, place)
        for steps in (0, 10**6):  # while it may still act at random, and long after
            agent.steps = steps
            for count in (1, 3):
                for explore in (False, True):
                    where = f"{place.name}, {count} environments, explore={explore}"
                    action = agent.act(Batch(obs=observations(component, place, count)), explore=explore)
                    _check_action(action, agent, place.spec.action, count, where)
    return "; ".join(place.name for place in places(component))


def _check_action(action: Any, agent: Agent, env_action: Space, count: int, where: str) -> None:
    if not isinstance(action, Action):
        contract = "`act` returns an Action: what is stored, what is enacted, and further columns."
        raise Failed(contract, f"{where}: {type(action).__name__}", "return Action(action, env_action)")
    _check_tensor(action.action, agent.action_space, count, f"{where}: `stored`", "`action_space` says what the replay keeps")
    _check_tensor(action.env_action, env_action, count, f"{where}: `env_action`", "the task's spec says what the environment takes")
    for name, column in action.extra.items():
        if not isinstance(column, torch.Tensor) or len(column) != count:
            contract = "Further columns of an action have one row for each environment."
            raise Failed(contract, f"{where}: {name} is {_shown(column)}", "give it the leading dimension of the observations")


def _check_tensor(value: Any, space: Space, count: int, what: str, source: str) -> None:
    shape = (count, *space.shape)
    contract = f"Actions are tensors of the shape, type and range declared: {source}."
    if not isinstance(value, torch.Tensor) or value.shape != shape or str(value.dtype).removeprefix("torch.") != space.dtype:
        raise Failed(
            contract, f"{what} is {_shown(value)}, declared is {space.dtype} {shape}", "reshape or cast it in `act`, or declare it"
        )
    if value.requires_grad:
        contract = "Acting leaves no graph behind: actions go to the environments and the replay."
        raise Failed(contract, f"{what} requires a gradient", "put @torch.no_grad() above `act`")
    numbers = value.detach().double().flatten(1) if value.dim() > 1 else value.detach().double()[:, None]
    low, high = (torch.as_tensor(bound, dtype=torch.float64) for bound in (space.low, space.high))
    if not torch.isfinite(numbers).all() or (numbers < low - 1e-6).any() or (numbers > high + 1e-6).any():
        found = f"{what} goes from {numbers.min():g} to {numbers.max():g}, declared is {space.low} to {space.high}"
        raise Failed(contract, found, "clamp or squash what the policy gives")


def acts_repeatably_without_exploring(component: AgentComponent) -> None:
    """Without exploring, the same observation gives the same action, whatever was done in between."""
    for place in places(component):
        agent, seen = build(component, place), observations(component, place, 3)
        before = agent.streams.state_dict()
        with disturbed(1):
            first = agent.act(Batch(obs=seen.clone()), explore=False).env_action
            agent.act(Batch(obs=seen.flip(0)), explore=False)
        agent.streams.rewind(before)
        with disturbed(2):
            second = agent.act(Batch(obs=seen.clone()), explore=False).env_action
        if not torch.equal(first, second):
            contract = "Without `explore` an agent answers the same observation with the same action, at the same state of its streams."
            change = "draw from self.streams[…] instead of torch's global generator, and keep nothing from one call to the next"
            raise Failed(contract, f"{place.name}: {first.tolist()}, then {second.tolist()}", change)


def is_judged_without_a_trace(component: AgentComponent) -> None:
    """Acting without exploring changes nothing that is learned from."""
    for place in places(component):
        agent = build(component, place)
        before = saved(agent)
        agent.train(False)
        agent.act(Batch(obs=observations(component, place, 3)), explore=False)
        agent.train()
        if changed := differences(before, saved(agent)):
            contract = "Evaluating leaves no trace: training goes on as if nobody had looked."
            raise Failed(
                contract, f"{place.name}: acting without `explore` changed {some(changed)}", "change it in `learn`, or exploring only"
            )


def _shown(value: object) -> str:
    if not isinstance(value, torch.Tensor):
        return type(value).__name__
    return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"


CHECKS = tuple(
    Check.of("agents", function) for function in (acts_in_every_space, acts_repeatably_without_exploring, is_judged_without_a_trace)
)
