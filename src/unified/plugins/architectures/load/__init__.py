"""Parts of other runs."""

from __future__ import annotations

from unified.core.components.descriptors import ArchitectureComponent

component = ArchitectureComponent(
    name="load",
    target="unified.plugins.architectures.load.network:load",
    config="unified.plugins.architectures.load.config:LoadOptions",
    summary="a part of another run's agent: encoder=load:RUN#encoder",
    example="encoder=load encoder.run=RUN",
)
