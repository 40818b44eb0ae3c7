"""Load the state of an agent from a checkpoint: upgraded if another version of its package wrote it, and refused if it does not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch.nn.parameter import is_lazy

from unified.core.base.errors import OtherCode, Problem, error_text, plugin_errors
from unified.core.registry import registry
from unified.core.runs import provenance

if TYPE_CHECKING:
    from unified.core.components.descriptors import Component
    from unified.core.learn.agent import Agent
    from unified.core.learn.multitask import MultiTaskAgent
    from unified.core.runs.checkpoint import Checkpoint

#: Tensors that an error lists.
_LISTED = 3


def load_parameters(agent: Agent | MultiTaskAgent, component: Component, checkpoint: Checkpoint) -> None:
    """Load the parameters of a checkpoint, to act.

    Args:
        agent: The configured agent.
        component: The agent's descriptor.
        checkpoint: The checkpoint.

    Raises:
        Damaged: If they are no parameters.
        OtherCode: If the agent has other parts or shapes.
    """
    with checkpoint.reading("parameters") as parameters:
        state = _fitting(agent, component, checkpoint, {"parameters": parameters})
        agent.load_state_dict(state["parameters"])


def load_training_state(agent: Agent | MultiTaskAgent, component: Component, checkpoint: Checkpoint) -> None:
    """Load the parameters and optimisers of a checkpoint, to learn; otherwise as `load_parameters`."""
    with checkpoint.reading("parameters") as parameters, checkpoint.reading("optimizer") as optimizer:
        state = _fitting(agent, component, checkpoint, {**optimizer, "parameters": parameters})
        try:
            agent.load_training_state(state)
        except ValueError as error:  # of torch's optimisers
            raise _misfit("an optimiser", component, checkpoint, error_text(error)) from error


def _fitting(agent: Agent | MultiTaskAgent, component: Component, checkpoint: Checkpoint, state: dict[str, Any]) -> dict[str, Any]:
    (now,) = provenance.record([component])
    since = _trained_by(checkpoint).get("version", "")
    if since and since != now["version"]:
        with plugin_errors(f"agent {component.name}", f"to upgrade the state of version {since}"):
            state = agent.upgrade_state(state, since)
    own, given = agent.state_dict(), state["parameters"]
    wrong = {name: text for name in dict.fromkeys([*own, *given]) if (text := _difference(name, own, given))}
    if wrong:
        parts = dict.fromkeys(re.sub(r"^agents\.\d+\.", "", name).partition(".")[0] for name in wrong)
        more = f"; and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
        texts = "; ".join(list(wrong.values())[:_LISTED]) + more
        raise _misfit(f"part {', '.join(parts)}", component, checkpoint, texts)
    return state


def _difference(name: str, own: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """How a tensor differs from that of the checkpoint; empty if it fits."""
    if name not in own:
        return f"{name} is in the checkpoint only"
    if name not in given:
        return f"{name} is not in the checkpoint"
    here, there = (None if is_lazy(each[name]) else tuple(getattr(each[name], "shape", ())) for each in (own, given))
    return f"{name} is {here}, and {there} in the checkpoint" if here is not None and here != there else ""


def _misfit(what: str, component: Component, checkpoint: Checkpoint, difference: str) -> OtherCode:
    (now,), then = provenance.record([component]), _trained_by(checkpoint)
    by = f"{then['distribution']} {then['version']}" if then.get("distribution") else then.get("file", "another version of it")
    message = f"{what} of agent {component.name} does not fit checkpoint {checkpoint.path}, which {by} trained: {difference}"
    hint = "undo the change of its code, or start a new run: experiment=NAME"
    if then.get("version", "") != now["version"]:
        hint = f"pip install '{then['distribution']}=={then['version']}'   or a new run: experiment=NAME"
    edited = [record for record in checkpoint.manifest.get("components", ()) if "sha256" in record]
    return OtherCode(Problem(message, hint), *map(Problem, provenance.changed(edited, registry())))


def _trained_by(checkpoint: Checkpoint) -> provenance.Record:
    """The record of the agent in the manifest of a checkpoint."""
    return next((record for record in checkpoint.manifest.get("components", ()) if record["kind"] == "agents"), {})
