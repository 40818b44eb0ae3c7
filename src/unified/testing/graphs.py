"""An update as a graph beside the same update operation by operation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from unified.core.learn.agent import Agent
from unified.core.learn.traced import Key, TracedUpdate, Untraceable, trace, update_key
from unified.core.learn.update import UpdateResult
from unified.core.replay.batch import Batch
from unified.testing.check import Failed
from unified.testing.workshop import differences, fresh, saved, some

#: Updates that are compared: one in which everything is due, the one before and the one after.
UPDATES = 3


def compared(make: Callable[[], Agent], batches: Sequence[Batch], name: str) -> str:
    """Compare some updates by graphs with those of `Agent.learn`.

    Args:
        make: Makes the agent; two are equal.
        batches: Of its experience.
        name: Of the case, for the error.

    Returns:
        A note: how many operations the graphs have, or why there is none.

    Raises:
        Failed: If results differ.
    """
    agent, eager = make(), make()
    period = math.lcm(*(phase.every for phase in agent.phase_list), *(target.every for target in agent.targets.values()))
    graphs: dict[Key, TracedUpdate] = {}
    reasons: dict[str, None] = {}
    for each in (agent, eager):
        each.updates = (period - 2) % period
    alike = [batch for batch in batches if update_key(agent, batch) == update_key(agent, batches[0])]
    for number in range(UPDATES):
        update: Callable[[Batch], UpdateResult]
        batch = alike[number % len(alike)]
        for each in (agent, eager):
            each.steps += 1000
        key = update_key(agent, batch)
        try:
            update = graphs[key] = graphs.get(key) or trace(agent, fresh(batch))
        except Untraceable as reason:
            reasons[str(reason)] = None
            update = agent.learn
        _refuse_difference(agent, eager, name, "tracing an update changes nothing", {}, {})
        ours, theirs = update(fresh(batch)), eager.learn(fresh(batch))
        results = [{"metrics": result.metrics, "priority": result.priority} for result in (ours, theirs)]
        _refuse_difference(agent, eager, name, f"update {agent.updates} as a graph equals `learn`", *results)
    sizes = " or ".join(str(len(graph.graph.graph.nodes)) for graph in graphs.values())
    return "; ".join([*([f"one graph of {sizes} operations"] if graphs else []), *(f"eager, since {reason}" for reason in reasons)])


def _refuse_difference(agent: Agent, eager: Agent, name: str, expected: str, *results: dict[str, object]) -> None:
    ours, theirs = ({**result, "state": saved(each)} for result, each in zip(results, (agent, eager), strict=True))
    apart = differences(ours, theirs)
    if agent.streams.state_dict() != eager.streams.state_dict():
        apart.append("the counters of the random streams")
    if apart:
        contract = "An update is a function of state, schedules, batch and streams, and changes nothing but the state."
        change = "keep no counter and no tensor outside parameters, buffers and optimisers; read agent.steps through a Schedule"
        raise Failed(contract, f"{name}: {expected}, and these differ: {some(apart)}", change)
