"""A run looks names up where its configuration did."""

from __future__ import annotations

from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.components.descriptors import Component
from unified.core.config.compose import compose
from unified.core.registry import Registry
from unified.core.trainer.build import make_agent


class Counting(Registry):
    """Notes the names that are looked up."""

    asked: list[str]

    def get(self, kind: str, name: str) -> Component:
        self.asked.append(name)
        return super().get(kind, name)


def test_an_agent_is_built_with_the_registry_of_its_configuration() -> None:
    registry = Counting()
    registry.asked = []
    config = compose(["agent=drqv2", "suite=dmc:walker_walk", "device=cpu"], registry=registry)
    registry.asked.clear()
    make_agent(config, Spec(Space((3, 84, 84), "uint8"), Space((2,), "float32", -1.0, 1.0)), Streams(1))
    assert "drqv2_cnn" in registry.asked
