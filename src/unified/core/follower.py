"""Copies that follow a part: target networks, averages that answer, momentum encoders. One mechanism."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Follower:
    """A copy that moves by θ' ← θ' + τ (θ - θ'); what is no parameter is copied.

    Args:
        source: The part.
        tau: τ; 1 is a hard copy.
        every: Updates between two steps.

    Attributes:
        copy: Its parameters need no gradient.
    """

    def __init__(self, source: nn.Module, tau: float, every: int = 1) -> None:
        self.source, self.tau, self.every = source, tau, every
        self.copy = copy.deepcopy(source).requires_grad_(False)
        self._ours: list[torch.Tensor] = list(self.copy.parameters())
        self._theirs: list[torch.Tensor] = list(source.parameters())
        self._versions = self._seen()

    @torch.no_grad()
    def follow(self, trained: bool) -> None:
        """One step. Where no optimiser moves the source (`trained`) and nobody else has touched it, its copy is where it is already."""
        if self._ours and (trained or self._versions != self._seen()):
            torch._foreach_lerp_(self._ours, self._theirs, self.tau)
        for buffer, newer in zip(self.copy.buffers(), self.source.buffers(), strict=True):
            buffer.copy_(newer)

    def _seen(self) -> list[int]:
        return [parameter._version for parameter in self._theirs]
