"""Atari 2600 games."""

from __future__ import annotations

from unified.core.components.descriptors import SuiteComponent

component = SuiteComponent(
    name="atari",
    target="unified.plugins.suites.atari.suite:Atari",
    config="unified.plugins.suites.atari.config:AtariOptions",
    tasks="unified.plugins.suites.atari.tasks:TASKS",
    example="pong",
    ids=r"(?:ALE/)?(\w+?)(?:NoFrameskip|Deterministic)?-v\d+",
    summary="Atari 2600 games in the Arcade Learning Environment, with sticky actions (Machado et al. 2018)",
)
