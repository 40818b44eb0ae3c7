"""Descriptor of the suite envpool."""

from __future__ import annotations

from unified.core.components.descriptors import SuiteComponent

component = SuiteComponent(
    name="envpool",
    target="unified.plugins.suites.envpool.suite:EnvPool",
    config="unified.plugins.suites.envpool.config:EnvPoolOptions",
    tasks=None,
    example="CartPole-v1",
    converters="unified.plugins.suites.gym.spaces:converters",
    check="unified.plugins.suites.envpool.suite:check",
    extra="envpool",
    summary="environments in C++ that step on threads; fast with many of them, and not exactly resumable (needs the extra envpool)",
)
