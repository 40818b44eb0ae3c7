"""Checks of objectives, with agents that have the required parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from unified.core.base.errors import UnifiedError, UsageError
from unified.core.components.descriptors import AgentComponent, ObjectiveComponent
from unified.core.config.schema import Selection
from unified.core.learn.agent import Agent
from unified.core.learn.objective import Loss, Objective, make_objective
from unified.core.registry import CORE, registry
from unified.core.replay.batch import Batch
from unified.testing.check import Check, Failed, Skipped
from unified.testing.graphs import compared
from unified.testing.workshop import Place, build, default_options, disturbed, experience, fresh, places, some

#: Maximum number of agents without trainable parts to skip.
_TRIES = 4


@dataclass(frozen=True)
class Pair:
    """An agent and a probe to check an objective with."""

    agent: AgentComponent
    place: Place

    def __str__(self) -> str:
        return f"agent {self.agent.name} ({self.place.name})"


class ReadBatch(Batch):
    """A batch that records the columns that are read."""

    def __init__(self, *arguments: Any, **columns: Any) -> None:
        super().__init__(*arguments, **columns)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> torch.Tensor:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)

    def with_columns(self, **columns: torch.Tensor) -> ReadBatch:
        copy = ReadBatch({**self, **columns})
        copy.read = self.read  # what is read of a copy is read of this batch
        return copy


@cache
def pairs(component: ObjectiveComponent) -> tuple[Pair, ...]:
    """Agents and probes with the required parts and columns: agents of its plugin first, then the built-ins, then variants.

    Raises:
        Skipped: If there is none.
        Failed: If it works with none of them.
    """
    found: list[Pair] = []
    refused: list[str] = []
    for pair in _candidates(component):
        if found and pair.agent.base is not None:  # a variant has the modules and methods of its base
            break
        if any(other.place.pixels == pair.place.pixels for other in found):
            continue
        try:
            loss = _loss(component, pair)
            if isinstance(loss, Loss) and not loss.value.requires_grad and len(found) + len(refused) < _TRIES:
                refused.append(f"{pair}: its loss has no graph")  # its parts have no parameters there; another agent may have some
                continue
        except (AttributeError, UnifiedError) as error:  # the agent lacks something besides parts
            refused.append(f"{pair}: {type(error).__name__}: {error}")
            continue
        found.append(pair)
    if not found and refused:
        contract = "An objective works with an agent that has the required parts, columns and methods."
        raise Failed(contract, "\n".join(refused), "list every part in `parts` and every method in `asks`, or add an agent to the plugin")
    if not found:
        wanted = ", ".join(_objective(component).parts) or "no parts"
        raise Skipped(f"no agent of its plugin or of the built-ins learns from {', '.join(component.needs)} with {wanted}")
    return tuple(found)


def declares_what_it_reads(component: ObjectiveComponent) -> None:
    """It reads only the columns in `needs` and those that `encode_batch` adds."""
    for pair in pairs(component):
        agent, batch = _agent_and_batch(component, pair)
        given = set(_experience(agent, pair)[0])
        rows = ReadBatch(batch)
        _objective(component)(agent, rows)
        if secret := sorted((rows.read & given) - set(component.needs)):
            contract = "An objective declares the columns that it reads, so that a missing one is an error before the first step."
            raise Failed(contract, f"with {pair} it read {', '.join(secret)} too", "add them to `needs`")


def gives_a_finite_loss(component: ObjectiveComponent) -> str:
    """It returns a finite scalar loss with a gradient, metrics as tensors, and one priority per row; a loss of 0 needs no gradient."""
    for pair in pairs(component):
        agent, batch = _agent_and_batch(component, pair)
        loss = _objective(component)(agent, batch)
        contract = (
            "An objective returns Loss(value, metrics, priority): a finite scalar with a gradient, scalar tensors, one number per row."
        )
        if not isinstance(loss, Loss):
            raise Failed(contract, f"with {pair}: {type(loss).__name__}", "return Loss(value)")
        learns = loss.value.requires_grad or not loss.value.any()  # 0 without a graph: it rewards this agent, and trains nothing
        if loss.value.dim() or not torch.isfinite(loss.value) or not learns:
            seen = f"with {pair}: shape {tuple(loss.value.shape)}, value {loss.value.detach().flatten()[:3].tolist()}"
            seen += "" if loss.value.requires_grad else ", no graph"
            raise Failed(contract, seen, "reduce it over the rows (mean) and do not detach it")
        for name, value in loss.metrics.items():
            if not isinstance(value, torch.Tensor) or value.dim() or value.device.type != agent.device.type:
                change = "return a scalar tensor; do not call .item(), which synchronises the device"
                raise Failed(contract, f"with {pair}: metric {name} is {value!r}", change)
        rows = len(next(iter(batch.values())))
        if loss.priority is not None and loss.priority.shape != (rows,):
            raise Failed(contract, f"with {pair}: priorities {tuple(loss.priority.shape)} for {rows} rows", "do not reduce over the rows")
    return "; ".join(map(str, pairs(component)))


def trains_what_it_says(component: ObjectiveComponent) -> None:
    """Gradients reach every part that it trains or adds, and no other."""
    if not component.trains:
        raise Skipped("it has no `trains`: the phase of the agent decides")
    for pair in pairs(component):
        agent, batch = _agent_and_batch(component, pair)
        trains = set(component.trains) | _brought(agent, pair)
        loss = _objective(component)(agent, batch)
        if loss.value.dim() or not loss.value.requires_grad:
            raise Skipped("its loss is not a scalar with a gradient: see gives_a_finite_loss")
        named = [(name, value) for name, value in agent.named_parameters() if value.requires_grad]
        gradients = torch.autograd.grad(loss.value, [value for _, value in named], allow_unused=True)
        reached = {
            name: name.partition(".")[0]
            for (name, _), gradient in zip(named, gradients, strict=True)
            if gradient is not None and gradient.any()
        }
        if leaked := sorted(name for name, part in reached.items() if part not in trains):
            contract = "Gradients of an objective reach only the parts that it trains."
            seen = f"with {pair} they reach {some(leaked)}; it trains {', '.join(sorted(trains))}"
            change = "compute targets under torch.no_grad(), use `with unified.frozen(agent.part):`, and detach inputs"
            raise Failed(contract, seen, change)
        has = {name.partition(".")[0] for name, _ in named}
        if missed := sorted((trains & has) - set(reached.values())):
            contract = "Gradients of an objective reach every part that it trains or adds."
            change = "remove it from `trains`, do not add it, or find where the gradient stops"
            raise Failed(contract, f"with {pair} none reach {', '.join(missed)}", change)


def is_the_same_again(component: ObjectiveComponent) -> None:
    """The same batch and state of the random streams give the same loss."""
    for pair in pairs(component):
        agent, batch = _agent_and_batch(component, pair)
        objective, before, values = _objective(component), agent.streams.state_dict(), []
        for seed in (1, 2):
            agent.streams.rewind(before)
            with disturbed(seed):
                values.append(objective(agent, batch).value.detach())
        if not torch.equal(*values):
            contract = "A loss is a function of agent, batch and streams, so that resuming is exact."
            change = "draw from the streams of the agent, and store nothing in the objective between calls"
            raise Failed(contract, f"with {pair}: {values[0].item()!r}, then {values[1].item()!r}", change)


def leaves_the_update_one_graph(component: ObjectiveComponent) -> str:
    """An update with it is one graph, which gives the bits of `learn`; if it is not, the note says why."""
    pair, *_ = pairs(component)
    batches = _experience(_joined(component, pair), pair)
    try:
        return f"{pair}: {compared(lambda: _joined(component, pair), batches, str(pair))}"
    except (UnifiedError, AttributeError) as error:
        raise Skipped("an update with it fails: see gives_a_finite_loss") from error


def _candidates(component: ObjectiveComponent) -> Iterator[Pair]:
    own = component.origin.provider
    agents = [agent for agent in registry().all("agents") if isinstance(agent, AgentComponent) and agent.origin.provider in (own, CORE)]
    wanted, columns = set(_objective(component).parts) | set(component.trains), set(component.needs)
    for agent in sorted(agents, key=lambda agent: (agent.base is not None, agent.origin.provider != own)):
        try:
            known = places(agent)
        except (Failed, UnifiedError):  # reported by its own checks
            continue
        for place in known:
            pair = Pair(agent, place)
            try:
                built = _joined(component, pair)
            except UsageError:  # the objective refuses this agent
                continue
            has_all = all(hasattr(built, part) for part in wanted) and columns <= set(built.view.columns)
            if has_all and _can_be_moved(built, component):
                yield pair


def _joined(component: ObjectiveComponent, pair: Pair) -> Agent:
    """The agent with the objective added, as by `-o +NAME`, with its columns and modules."""
    selection = Selection(component.kind, f"+{component.name}", None, component, default_options(component))
    return build(pair.agent, pair.place, objectives=(selection,))


def _brought(agent: Agent, pair: Pair) -> set[str]:
    """Names of the modules that the objective added."""
    return {name for name, _ in agent.named_children()} - {name for name, _ in build(pair.agent, pair.place).named_children()}


def _experience(agent: Agent, pair: Pair) -> tuple[Batch, ...]:
    """Experience of the agent without the objective, in the view with it."""
    return experience(pair.agent, pair.place, view=None if agent.view == agent.base_view else agent.view)


def _can_be_moved(agent: Agent, component: ObjectiveComponent) -> bool:
    """Whether the parts that it trains have parameters; an encoder of vectors may be the identity."""
    parts = [getattr(agent, part) for part in component.trains]
    return not parts or any(parameter.requires_grad for part in parts for parameter in part.parameters())


def _agent_and_batch(component: ObjectiveComponent, pair: Pair) -> tuple[Agent, Batch]:
    """The arguments of an objective in an update; the batch is detached if the encoder is not trained."""
    agent = _joined(component, pair)
    batch = agent.encode_batch(fresh(_experience(agent, pair)[0]))
    return agent, batch if "encoder" in component.trains or not component.trains else batch.detach()


def _objective(component: ObjectiveComponent) -> Objective:
    return make_objective(component, default_options(component))


def _loss(component: ObjectiveComponent, pair: Pair) -> Loss:
    agent, batch = _agent_and_batch(component, pair)
    return _objective(component)(agent, batch)


CHECKS = tuple(
    Check.of("objectives", function)
    for function in (
        declares_what_it_reads,
        gives_a_finite_loss,
        trains_what_it_says,
        is_the_same_again,
        leaves_the_update_one_graph,
    )
)
