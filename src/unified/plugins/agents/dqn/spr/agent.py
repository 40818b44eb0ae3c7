"""SPR: data-efficient reinforcement learning with self-predictive representations. Schwarzer et al. 2021; with the resets of 2023."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from unified import Phase, Transitions, hookimpl
from unified.plugins.agents.dqn.agent import DQN
from unified.replay import gather_transitions

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from unified import Batch
    from unified.heads import Value
    from unified.replay import Gatherer, Store

#: Parts that a reset moves towards fresh weights; it makes the others anew.
SHRUNK = ("encoder", "dynamics")


@dataclass(frozen=True)
class Annealed(Transitions):
    """Transitions whose n and γ are those of the update that they are drawn for; `n_step` is the greatest n.

    Args:
        horizon: Returns n and γ.
    """

    horizon: Callable[[], tuple[int, float]] = lambda: (1, 0.99)

    def gather(self, store: Store, index: np.ndarray, gatherer: Gatherer) -> Batch:
        n_step, discount = self.horizon()
        return gather_transitions(replace(self, n_step=n_step, discount=discount), store, index, gatherer)


class SPR(DQN):
    """DQN with Rainbow's parts, whose encoder also predicts its own features of the steps that follow (objective `spr`).

    L = L_TD + (c / K) Σ_{k ≤ K} (2 - 2 cos(q(g(ẑ_{t+k})), ḡ(z̄_{t+k}))), where ẑ follows from the features of s_t and the K actions by the
    dynamics, z̄ are the target encoder's features, g a projection and q a prediction of it (Schwarzer et al. 2021, section 2.2).

    ``reset_every`` gives it the plasticity of fresh networks: heads are made anew, encoder and dynamics move towards fresh weights,
    θ ← α θ + (1 - α) φ, and moments of optimisers restart. Target networks have fresh weights of their own (Nikishin et al. 2022; D'Oro et
    al. 2023, SR-SPR). After each reset n and γ go from ``n_step_start`` and ``discount_start`` to ``n_step`` and ``discount``, in equal
    factors of n and of 1 - γ (Schwarzer et al. 2023, BBF). Where the encoder has nothing to train, nothing is predicted: encoder=mlp.
    """

    def phases(self) -> list[Phase]:
        (phase,) = super().phases()
        if not any(parameter.requires_grad for parameter in self.encoder.parameters()):
            return [phase]
        o = self.options
        spr = self.build.objective("spr", weight=o.spr_weight, jumps=o.jumps, projection=o.projection)
        return [replace(phase, objectives=(*phase.objectives, spr))]

    @property
    def base_view(self) -> Transitions:
        view, start = Transitions.of(self.options, self.sight.stack), self.options.n_step_start
        if start is None and self.options.discount_start is None:
            return view
        return Annealed(**{**vars(view), "n_step": max(view.n_step, start or 1)}, horizon=self.horizon)

    @property
    def last_reset(self) -> int:
        """Number of updates before the last reset; 0 before the first one. A reset without a whole cycle behind it does not happen."""
        every, end = self.options.reset_every, self.options.no_resets_after
        if every is None:
            return 0
        cycles = self.updates // every
        return every * (cycles if end is None else max(0, min(cycles, end // every - 1)))

    def horizon(self) -> tuple[int, float]:
        """n and γ of the next update."""
        o = self.options
        share = min(1.0, (self.updates - self.last_reset) / o.anneal_updates)
        n_step = between(o.n_step_start or o.n_step, o.n_step, share)
        start = o.discount if o.discount_start is None else o.discount_start
        return round(n_step), 1.0 - between(1.0 - start, 1.0 - o.discount, share)

    @hookimpl
    def before_update(self) -> None:
        """Reset the networks where it is due, once."""
        if self.updates and self.updates == self.last_reset and self.updates != self._reset_at:
            self._reset_at = self.updates
            self.reset()

    _reset_at = 0

    @torch.no_grad()
    def reset(self) -> None:
        """Heads anew, encoder and dynamics towards fresh weights, and every moment of an optimiser 0; all in place."""
        fresh, others = (self._fresh(role) for role in ("online", "target"))
        for part, optimizer in self.updater.optimizers.items():
            self._mix(part, getattr(self, part), getattr(fresh, part))
            for state in optimizer.state.values():
                for moment in state.values():
                    moment.zero_()
        for name, target in self.targets.items():
            if (target.tau == 1.0 and target.every == 1) or name in self._averages.values():  # a copy stays one
                target.copy.load_state_dict(getattr(self, target.part).state_dict())
            else:
                self._mix(target.part, self.get_submodule(name), getattr(others, target.part))

    def _mix(self, part: str, module: nn.Module, fresh: nn.Module) -> None:
        kept = self.options.shrink if part in SHRUNK else 0.0
        for parameter, other in zip(module.parameters(), fresh.parameters(), strict=True):
            parameter.lerp_(other, 1.0 - kept)

    def _fresh(self, role: str) -> SPR:
        """An agent of the same options that has learned nothing, its parameters a function of seed, updates and role."""
        build = copy.copy(self.build)
        build.streams, build.used = type(self.streams)(self.streams.seed), []
        with torch.enable_grad(), torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.streams[f"reset {role}"].at(self.updates).initial_seed())
            agent = type(self)(self.spec, self.options, build).to(self.device)
            agent.configure()
        return agent

    def _values(self, observation: torch.Tensor) -> Value:
        if not self.options.target_acts:
            return super()._values(observation)
        encoder = self.get_submodule("encoder_target") if self.copies_encoder else self.encoder
        value: Value = self.get_submodule("critic_target")(self.encode(observation, encoder, few=True))
        return value


def between(start: float, end: float, share: float) -> float:
    """From `start` to `end`, both above 0, in equal factors.

    >>> between(10, 3, 0.0), round(between(10, 3, 0.5), 2), between(10, 3, 1.0)
    (10.0, 5.48, 3.0)
    """
    return start * (end / start) ** share
