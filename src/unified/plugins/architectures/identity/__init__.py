"""The identity."""

from __future__ import annotations

from unified.core.components.descriptors import ArchitectureComponent

component = ArchitectureComponent(
    name="identity",
    target="torch.nn:Identity",
    config="unified.core.components.options:Options",
    summary="returns its input",
    example="encoder=identity --suite gym:Pendulum-v1",
)
