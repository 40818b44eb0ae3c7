"""AC2: one actor-critic for every kind of task, after the agent of UnifiedML (Lerman et al. 2022) and DrQ-v2 (Yarats et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified import Agent, Labelled, Phase
from unified.agents import OffPolicyAgent
from unified.nets import RandomShift, uniform
from unified.plugins.agents.ac2.generative import GenerativeAC2

if TYPE_CHECKING:
    from unified import Builder, Spec, View

#: Policy head where none is selected and actions are numbers.
HEADS = {"control": "truncated_normal", "regress": "deterministic"}


def make_ac2(spec: Spec, options: Any, build: Builder) -> Agent:
    """The agent of a task: `GenerativeAC2` where rows are generated, else `AC2`."""
    return (GenerativeAC2 if spec.task_type == "generate" else AC2)(spec, options, build)


class AC2(OffPolicyAgent):
    """Encoder, actor and critic. The task decides what is learned: control by `td` and `dpg`, labels and targets by `nll`.

    Control: L_Q = Σ_i (Q_i(s, a) - y)² with y = R + γⁿ min_i Q̄_i(s', a'), and L_π = -min_i Q_i(s, a) with a ~ π, as in DrQ-v2. Labels and
    targets: L = -log π(y|x).

    On rows with labels, ``-o reinforce_critic`` learns them by reward alone, and ``-o +reinforce_critic`` by both.
    """

    policy_parts = ("encoder", "trunk", "actor")
    named_observations = False

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.trunk: nn.Module | None = None
        if options.trunk is not None:
            adapter = nn.Sequential(nn.Linear(self.sight.features, options.trunk), nn.LayerNorm(options.trunk), nn.ReLU())
            self.encoder, self.sight.features = nn.Sequential(self.encoder, adapter), options.trunk
            self.trunk = nn.Sequential(nn.Linear(options.trunk, options.trunk), nn.ReLU())
        self.actor = self.make_actor("categorical" if spec.action.discrete else HEADS[spec.task_type])
        self.critic = self.make_critic()
        self.add_target("critic", options.tau)

    def default_aug(self) -> nn.Module | None:
        return RandomShift() if self.sight.pixels else None

    @property
    def base_view(self) -> View:
        return super().base_view if self.spec.task_type == "control" else Labelled(batch_size=self.options.batch_size)

    def phases(self) -> list[Phase]:
        clip = self.options.max_grad_norm
        encoding = ("encoder",) if self.trunk is None else ("encoder", "trunk")
        if self.spec.task_type != "control":
            return [Phase("actor", (self.build.objective("nll"),), trains=(*encoding, "actor"), max_grad_norm=clip)]
        return [
            Phase("critic", (self.build.objective("td"),), trains=(*encoding, "critic"), max_grad_norm=clip),
            Phase("actor", (self.build.objective("dpg"),), trains=("actor",), max_grad_norm=clip),
        ]

    def encode(self, observation: torch.Tensor, encoder: nn.Module | None = None, *, full: bool = True, few: bool = False) -> torch.Tensor:
        """See `Agent.encode`; with a trunk, features are what the trunk makes of those of the encoder."""
        features = super().encode(observation, encoder, full=full or self.trunk is not None, few=few)
        return features if self.trunk is None else self.acting("trunk")(features)

    @torch.no_grad()
    def forward_features(self, observation: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.acting("actor").forward_features(self.encode(observation))  # type: ignore[operator]
        return features

    @property
    def starts(self) -> bool:
        return self.spec.task_type == "control" and super().starts

    def explore(self, features: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """A draw of the policy; a share of the choices is random, since a confident policy over choices would try nothing else."""
        action = super().explore(features, generator)
        if not self.action_space.discrete:
            return action
        random = uniform(self.action_space, len(action), generator)
        coins = torch.rand(len(action), generator=generator, device=self.device) < self.options.explore
        return torch.where(coins.view(-1, *[1] * (action.dim() - 1)), random, action)
