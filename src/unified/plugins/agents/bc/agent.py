"""Behaviour cloning: a policy that does what was done. Pomerleau 1991, "Efficient training of artificial neural networks"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unified import Phase
from unified.agents import OffPolicyAgent

if TYPE_CHECKING:
    from unified import Batch, Builder, Spec


class BC(OffPolicyAgent):
    """An encoder and an actor, trained by the likelihood of the actions in the batch alone; there is no critic.

    The loss is the squared error of numbers, L = (μ(s) - a)², and the cross-entropy of choices, L = -log π(a|s).
    """

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.actor = self.make_actor("categorical" if spec.action.discrete else "deterministic")

    def phases(self) -> list[Phase]:
        return [Phase("actor", (self.build.objective("nll"),), trains=("encoder", "actor"))]

    def encode_batch(self, batch: Batch) -> Batch:
        """Add `features`; what comes next plays no part."""
        if "label" in batch:
            return super().encode_batch(batch)
        return batch.with_columns(features=self._features(self.augmented(batch.obs)))
