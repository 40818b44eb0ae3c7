"""Actors: features to a policy, with any policy head."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space
from unified.core.components.import_paths import label
from unified.core.learn.distributions import Policy
from unified.plugins.architectures.heads.modules import PolicyHead, TanhGaussianHead
from unified.plugins.architectures.heads.policies import Categorical, TanhStateDependentGaussian
from unified.plugins.architectures.mlp.network import MLP, Bottleneck, Full
from unified.plugins.architectures.normalised import NormalisedMLP
from unified.plugins.architectures.selected import SelectedNetwork, selected_network, start_small

if TYPE_CHECKING:
    from collections.abc import Callable

    from unified.core.learn.builder import Builder


class Actor(nn.Module):
    """Features to a policy.

    Args:
        trunk: What features go through first.
        numbers: ``(B, F)`` to ``(B, size)``.
        head: What reads these as a policy.
        choices: ``(A,)``, or ``(D, A)`` for D choices; empty for numbers.
    """

    def __init__(
        self, trunk: nn.Module, numbers: MLP | NormalisedMLP | SelectedNetwork, head: PolicyHead, choices: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        self.trunk, self.numbers, self.head, self.choices = trunk, numbers, head, choices

    def forward(self, features: torch.Tensor, step: int = 0, *, acting: bool = False) -> Policy:
        """Features ``(B, F)`` at an agent step to a policy, for acting or for learning (`PolicyHead.policy`)."""
        raw = self.numbers(self.trunk(features))
        return self.head.policy(raw.unflatten(-1, self.choices) if self.choices else raw, step, acting=acting)

    def forward_features(self, features: torch.Tensor) -> torch.Tensor:
        """What the last layer reads of features ``(B, F)``."""
        return self.numbers.forward_features(self.trunk(features))


class Columns(nn.Module):
    """Some of the features: ``(…, F)`` to ``(…, stop - start)``."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features[..., self.start : self.stop]


class MaskedActor(nn.Module):
    """Features and behind them the mask of valid choices ``(…, F + A)`` to a policy over choices that never makes an invalid one.

    Args:
        actor: Features ``(…, F)`` to a policy.
        choices: Number A of choices.
    """

    def __init__(self, actor: nn.Module, choices: int) -> None:
        super().__init__()
        self.actor, self.choices = actor, choices

    def forward(self, features: torch.Tensor, *args: Any, **kwargs: Any) -> Categorical:
        policy: Categorical = self.actor(features[..., : -self.choices], *args, **kwargs)
        return policy.masked(features[..., -self.choices :] > 0)


class StateNoiseActor(Actor):
    """Features to the tanh of a normal policy whose noise is a function of the state: gSDE, Raffin et al. 2021.

    The last layer gives the means, within ±2, at which a tanh still has a slope, as Stable-Baselines3 has it; what it reads is z of the
    deviation √(Σ z² σ²), whose gradient trains it too.

    Args:
        trunk: What features go through first.
        numbers: ``(B, F)`` to ``(B, actions)``.
        head: Says that actions are squashed.
        log_std: First value of log σ, a matrix ``(H, actions)``.
    """

    LIMIT = 2.0

    def __init__(self, trunk: nn.Module, numbers: MLP | NormalisedMLP | SelectedNetwork, head: PolicyHead, log_std: float) -> None:
        super().__init__(trunk, numbers, head)
        weight, bias = numbers.last_layer()
        self.log_std = nn.Parameter(torch.full((weight.shape[1], bias.numel()), log_std))

    def forward(self, features: torch.Tensor, step: int = 0, *, acting: bool = False) -> Policy:
        latent = self.forward_features(features)
        return TanhStateDependentGaussian(self.numbers.last(latent).clamp(-self.LIMIT, self.LIMIT), latent, self.log_std)


def make_actor(
    options: Any,
    head: PolicyHead,
    features: int,
    *,
    actions: int = 0,
    choices: tuple[int, ...] = (),
    trunk: int | None = None,
    build: Builder | None = None,
    log_std: float | None = None,
) -> Actor:
    """An actor as its options say (`ActorOptions`), of `actions` numbers or of `choices`.

    Args:
        options: ``network, hidden_dim, depth, norm, last_init``.
        head: Its head (`policy_head`).
        features: Numbers that come in, F.
        actions: Numbers of an action.
        choices: ``(A,)``, or ``(D, A)`` for D choices.
        trunk: Features behind a `Bottleneck`; ``None`` for the features as they are.
        build: The agent's; makes ``options.network``.
        log_std: First value of log σ of noise that is a function of the state (`StateNoiseActor`); ``None``: the head has its own noise.

    Raises:
        UsageError: If the network cannot take the features, or the head has no such noise.
    """
    body = Full() if trunk is None else Bottleneck(features, trunk)
    emitted = math.prod(choices) if choices else actions
    if isinstance(head, PolicyHead):  # another class with the same methods need not have this one
        head.add_parameters(emitted)
    size = head.size_of(emitted)
    if log_std is not None:
        if not isinstance(head, TanhGaussianHead):
            what = "agent.use_sde is noise of a squashed normal policy over numbers, and this policy is none"
            raise UsageError(Problem(what, "agent.use_sde=false   or actor.head=tanh_gaussian on a task that takes numbers"))
        size = actions
    features = features if trunk is None else trunk
    network, norm = getattr(options, "network", None), getattr(options, "norm", None)
    numbers: MLP | NormalisedMLP | SelectedNetwork
    if build is not None and network is not None:
        numbers = selected_network(build, network, "actor", "features", features, size)
    elif norm is not None:
        numbers = NormalisedMLP(features, size, options.hidden_dim, options.depth, norm)
    else:
        numbers = MLP(features, size, options.hidden_dim, options.depth)
    start_small(numbers, getattr(options, "last_init", None))
    return Actor(body, numbers, head, choices) if log_std is None else StateNoiseActor(body, numbers, head, log_std)


def policy_head(build: Builder, selection: Any) -> PolicyHead:
    """The head of policies that was selected.

    Raises:
        UsageError: If it is none.
    """
    head: Any = build.head(selection)
    if not hasattr(head, "policy"):
        name = label(selection if isinstance(selection, str) else getattr(selection, "name", type(selection).__name__))
        raise UsageError(
            Problem(f"{name} is no head of policies", "actor.head=tanh_gaussian, gaussian, categorical, truncated_normal, deterministic")
        )
    if isinstance(head, PolicyHead):
        head.draw_from(build.streams)
    return head  # type: ignore[no-any-return]


def uniform(space: Space, count: int, generator: torch.Generator, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Actions ``(count, *space)`` without any preference: choices, of the valid ones ``(count, A)`` where they are given, or numbers
    within [-1, 1]."""
    if mask is not None:
        return torch.rand(mask.shape, generator=generator, device=mask.device).masked_fill(~mask, -1.0).argmax(dim=-1)
    shape, device = (count, *space.shape), generator.device
    if space.n:
        return torch.randint(space.n, shape, generator=generator, device=device)
    return torch.empty(shape, device=device).uniform_(-1.0, 1.0, generator=generator)


def epsilon_greedy(
    greedy: Callable[[], torch.Tensor],
    space: Space,
    count: int,
    epsilon: float,
    generator: torch.Generator,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """The greedy choices ``(count, *space)``, and in the place of each row with probability ε a uniformly random one.

    Args:
        greedy: Computes the greedy choices; not called where ε is 1.
        space: Of the choices.
        count: Rows.
        epsilon: ε.
        generator: Of a coin and of a random choice for each row.
        mask: Valid choices of each row ``(count, A)``; ``None`` where all are.
    """
    coins = torch.rand(count, generator=generator, device=generator.device) < epsilon  # one for each environment
    action = uniform(space, count, generator, mask)
    if epsilon < 1.0:
        action = torch.where(coins.view(-1, *[1] * (action.dim() - 1)), action, greedy())
    return action
