"""Options of the suite envpool. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified.core.components.options import Options


class EnvPoolOptions(Options):
    """Environments of EnvPool. Everything else is as EnvPool sets it, but single frames are observed, since the replay stacks frames."""

    observe: tuple[str, ...] = ()
    """Keys of a Dict observation to use: [image] or [position,velocity]; none uses all."""
    threads: int | None = Field(None, ge=1)
    """Threads that step the environments; by default one for each core, at most one for each environment. Results do not depend on it."""
    clip_rewards: bool = False
    """Atari games: learn from the sign of rewards; reported returns are the score of the game."""
    life_loss: bool = False
    """Atari games: end an episode with each life."""
    sticky: float = Field(0.0, ge=0, lt=1)
    """Atari games: probability that a frame repeats the action of the frame before."""
