"""Options of asynchronous collection. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified.core.components.options import Options


class AsyncOptions(Options):
    """How threads collect while another one learns."""

    collectors: int = Field(1, ge=1)
    """Threads that act; the environments (train.num_envs) are divided among them."""
    max_staleness: int = Field(16, ge=0)
    """Updates that the weights of a collector may be behind when it acts."""
    queue: int = Field(32, ge=1)
    """Steps of all collectors that may wait for the learner."""
