"""Decision Transformer: reinforcement learning via sequence modeling. Chen, Lu, Rajeswaran et al. 2021."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unified import Action, Batch, ContinuousActions, DiscreteActions, Phase
from unified.agents import ActorOptions, OffPolicyAgent
from unified.nets import make_actor, policy_head
from unified.plugins.agents.decision_transformer.network import ReturnTransformer
from unified.plugins.agents.decision_transformer.windows import ReturnWindows

if TYPE_CHECKING:
    from unified import Builder, Spec, View


class DecisionTransformer(OffPolicyAgent):
    """Imitates the actions of a replay, given the return that followed them; it acts given the return that is wanted.

    L = -log π(a_t | R_{t-K+1}, s_{t-K+1}, a_{t-K+1}, …, R_t, s_t), where R_t = Σ_{k ≥ t} r_k is the return that followed (Chen et al. 2021,
    section 3). There is no critic and no bootstrap. In an episode R begins as the wanted return and falls by each reward; the last K steps
    are the context, which is the state of the policy. Exploration draws from the policy.
    """

    policy_parts = ("encoder", "transformer", "actor")
    named_observations = False
    best_return: torch.Tensor

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.actions = DiscreteActions(spec.action) if spec.action.discrete else ContinuousActions(spec.action)
        sizes = (options.hidden_dim, options.depth, options.heads, options.longest)
        self.transformer = ReturnTransformer(self.sight.features, self.actions.size, *sizes)
        head = policy_head(build, "categorical" if spec.action.discrete else "deterministic")
        self.actor = make_actor(ActorOptions(depth=0), head, options.hidden_dim, build=build, **self._emitted())
        self.register_buffer("best_return", torch.zeros(()))

    @property
    def bottleneck(self) -> None:
        """No bottleneck: the transformer reads all features."""

    def default_aug(self) -> None:
        """No augmentation."""

    @property
    def base_view(self) -> View:
        o = self.options
        schedule = {"updates_per_step": o.updates_per_step, "learn_after": o.learning_starts}
        return ReturnWindows(batch_size=o.batch_size, context=o.context, **schedule)

    def phases(self) -> list[Phase]:
        trains = ("encoder", "transformer", "actor")
        return [Phase("actor", (self.build.objective("nll"),), trains, max_grad_norm=self.options.max_grad_norm)]

    def observe_data(self, rows: Iterable[Batch], returns: np.ndarray) -> None:
        super().observe_data(rows, returns)
        self.best_return.fill_(float(returns.max()) if len(returns) else 0.0)

    def encode_batch(self, batch: Batch) -> Batch:
        """Add `features`, and make the valid steps of all windows rows."""
        features = self.window_features(batch.return_to_go, batch.obs, batch.action, batch.step)
        mask = batch.mask
        weight = batch.weight[:, None].expand(mask.shape)
        return Batch(obs=batch.obs[mask], features=features[mask], action=batch.action[mask], weight=weight[mask])

    def window_features(self, returns: torch.Tensor, obs: torch.Tensor, action: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Features ``(B, K, H)`` of windows."""
        encoded = self.encode(obs.flatten(0, 1)).view(*obs.shape[:2], -1)
        if self.action_space.discrete:
            action = torch.nn.functional.one_hot(action, self.action_space.n or 0)
        features: torch.Tensor = self.acting("transformer")(
            returns / self.options.return_scale, encoded, action.flatten(2).to(encoded.dtype), step
        )
        return features

    def _no_action(self, *shape: int) -> torch.Tensor:
        kind = torch.int64 if self.action_space.discrete else torch.float32
        return torch.zeros(*shape, *self.action_space.shape, dtype=kind, device=self.device)

    # Acting ---------------------------------------------------------------------------------------------------------------------

    def initial_state(self, count: int) -> dict[str, torch.Tensor]:
        """The steps of the episode so far, K at most, from the left: observations, actions, wanted returns, and how many there were."""
        context, space = self.options.context, self.spec.space
        kind = getattr(torch, space.dtype)
        return {
            "obs": torch.zeros(count, context, *space.shape, dtype=kind, device=self.device),
            "action": self._no_action(count, context),
            "wanted": torch.zeros(count, context, device=self.device),
            "steps": torch.zeros(count, dtype=torch.int64, device=self.device),
        }

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        past = {name: batch[f"state.{name}"] for name in ("obs", "action", "wanted", "steps")}
        rows, steps, context = torch.arange(batch.size, device=self.device), past["steps"], self.options.context
        full = steps >= context  # the oldest step leaves

        def moved(column: torch.Tensor) -> torch.Tensor:
            return torch.where(full.view(-1, *[1] * (column.dim() - 1)), column.roll(-1, dims=1), column)

        obs, action, wanted = (moved(past[name]) for name in ("obs", "action", "wanted"))
        at = steps.clamp(max=context - 1)
        before = wanted[rows, (at - 1).clamp(min=0)]
        goal = self.best_return if self.options.target_return is None else torch.full_like(self.best_return, self.options.target_return)
        obs[rows, at] = batch.obs
        wanted[rows, at] = torch.where(batch.is_first, goal, before - batch.reward)
        action[rows, at] = 0
        number = (steps - at)[:, None] + torch.arange(context, device=self.device)
        policy = self.policy(self.window_features(wanted, obs, action, number)[rows, at])
        if explore:
            generator = self.generator("explore")
            chosen = self.actions.to_env(policy.sample(generator), generator)
        else:
            chosen = self.actions.greedy(policy)
        action[rows, at] = chosen.action
        return replace(chosen, state={"obs": obs, "action": action, "wanted": wanted, "steps": steps + 1})
