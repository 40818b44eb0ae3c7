"""Recurrent networks: a memory from one step to the next."""

from __future__ import annotations

from unified.core.components.descriptors import ArchitectureComponent

components = (
    ArchitectureComponent(
        name="gru",
        places=("memory",),
        target="unified.plugins.architectures.recurrent.network:GRU",
        summary="gated recurrent unit: the memory of a policy",
        example="--agent ppo agent.memory=gru --suite unified.testing:CartPoleWithoutVelocities",
    ),
    ArchitectureComponent(
        name="lstm",
        places=("memory",),
        target="unified.plugins.architectures.recurrent.network:LSTM",
        summary="long short-term memory: the memory of a policy",
        example="--agent ppo agent.memory=lstm --suite unified.testing:CartPoleWithoutVelocities",
    ),
)
