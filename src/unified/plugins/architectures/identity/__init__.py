"""The identity."""

from __future__ import annotations

from unified.core.components import ArchitectureComponent

component = ArchitectureComponent(
    name="identity",
    target="torch.nn:Identity",
    config="unified.core.options:Options",
    summary="returns its input",
    example="encoder=identity --suite gym:Pendulum-v1",
)
