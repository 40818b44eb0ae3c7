"""Uniform random actions."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="random",
    target="unified.plugins.agents.random.agent:Random",
    summary="uniform random actions, the floor that every agent is measured against",
)
