"""Copies that follow a part: target networks, averages that answer, momentum encoders. One mechanism."""

from __future__ import annotations

import copy
from collections.abc import Container, Iterable

import torch
from torch import nn


class EmaCopy:
    """A copy that moves by θ' ← θ' + τ (θ - θ'); what is no parameter is copied.

    Args:
        part: Name of the part that is followed.
        source: The part.
        tau: τ; 1 is a hard copy.
        every: Updates between two steps.

    Attributes:
        copy: Its parameters need no gradient.
    """

    def __init__(self, part: str, source: nn.Module, tau: float, every: int = 1) -> None:
        self.part, self.tau, self.every = part, tau, every
        self.copy = copy.deepcopy(source).requires_grad_(False)
        self._look_at(source)
        self._versions = _versions(self._theirs)

    def _look_at(self, source: nn.Module) -> None:
        """Find the parameters of both: to go through all modules takes as long as to move the copy."""
        self._source = source
        self._ours: list[torch.Tensor] = list(self.copy.parameters())
        self._theirs: list[torch.Tensor] = list(source.parameters())
        self._modules = list(zip(self.copy.modules(), source.modules(), strict=True))

    @torch.no_grad()
    def update(self, source: nn.Module, moved: Container[torch.Tensor]) -> None:
        """One step.

        Args:
            source: The part as it is now.
            moved: Every parameter that an optimiser moves. Where none of these is among them and nobody wrote into them, the copy is
                where they are already, and nothing is to be done.
        """
        if source is not self._source:
            self._look_at(source)
        # Optimisers' fused steps do not count as writing.
        if self._ours and (any(parameter in moved for parameter in self._theirs) or self._versions != _versions(self._theirs)):
            torch._foreach_lerp_(self._ours, self._theirs, self.tau)
        for ours, theirs in self._modules:
            for name, newer in theirs._buffers.items():  # a module may put another in its place, or make one later
                if newer is not None and ours._buffers.get(name) is None:
                    ours.register_buffer(name, newer.clone())
                elif newer is not None:
                    ours.get_buffer(name).copy_(newer)


def _versions(parameters: Iterable[torch.Tensor]) -> list[int]:
    return [parameter._version for parameter in parameters]
