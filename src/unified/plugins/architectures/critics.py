"""Critics, in their three forms: V(s), Q(s, a) and Q(s, ·), with any value head."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.components.import_paths import label
from unified.core.learn.distributions import Value
from unified.plugins.architectures.mlp.network import Bottleneck, EnsembleMLP, Full
from unified.plugins.architectures.noisy import Noise, NoisyEnsembleMLP
from unified.plugins.architectures.selected import Ensemble, selected_network

if TYPE_CHECKING:
    from unified.core.base.rng import Stream
    from unified.core.learn.builder import Builder
    from unified.core.replay.batch import Batch
    from unified.plugins.architectures.heads.modules import ValueHead


class Critic(nn.Module):
    """V(s), or Q(s, a) of actions that are numbers.

    Args:
        trunk: What features go through first, one for all members.
        values: ``(B, features + actions)`` to ``(E, B, size)``.
        head: What reads these as values.
    """

    def __init__(self, trunk: nn.Module, values: nn.Module, head: ValueHead) -> None:
        super().__init__()
        self.trunk, self.values, self.head = trunk, values, head

    def forward(self, features: torch.Tensor, action: torch.Tensor | None = None) -> Value:
        """Features ``(B, F)`` and actions ``(B, D)``, where it takes some, to values ``(E, B)``."""
        inputs = self.trunk(features)
        if action is not None:
            inputs = torch.cat([inputs, action], dim=-1)
        return self.head.value(self.values(inputs))


class ChoiceCritic(nn.Module):
    """Q(s, ·) of actions that are choices.

    A dueling critic has two streams of layers, V(s) and advantages A(s, ·), and Q = V + A - mean A, in the numbers that the head reads.
    Sources: Wang et al. 2016, equation 9; Hessel et al. 2018 (Rainbow) for distributions.

    Args:
        trunk: What features go through first, one for all members.
        advantages: ``(B, F)`` to ``(E, B, choices · size)``; alone, they are the values.
        state: ``(B, F)`` to ``(E, B, D · size)``: V(s), of a dueling critic.
        head: What reads the numbers as values.
        choices: ``(A,)``, or ``(D, A)`` for D choices.
    """

    def __init__(self, trunk: nn.Module, advantages: nn.Module, state: nn.Module | None, head: ValueHead, choices: tuple[int, ...]) -> None:
        super().__init__()
        self.trunk, self.advantages, self.state, self.head, self.choices = trunk, advantages, state, head, choices

    def forward(self, features: torch.Tensor, action: torch.Tensor | None = None) -> Value:
        """Features ``(B, F)`` to the values of all choices ``(E, B, A)`` or ``(E, B, D, A)``, or of those that were made ``(E, B)``."""
        inputs = self.trunk(features)
        raw = self.advantages(inputs).unflatten(-1, (*self.choices, self.head.size))
        if self.state is not None:
            state = self.state(inputs).unflatten(-1, (*self.choices[:-1], 1, self.head.size))
            raw = state + raw - raw.mean(dim=-2, keepdim=True)
        value = self.head.value(raw)
        return value if action is None else value.gather(action)


def make_critic(
    build: Builder,
    options: Any,
    features: int,
    *,
    actions: int = 0,
    choices: tuple[int, ...] = (),
    trunk: int | None = None,
    stream: Stream | None = None,
) -> Critic | ChoiceCritic:
    """A critic as its options say (`CriticOptions`): V(s), or Q(s, a) of `actions` numbers, or Q(s, ·) of `choices`.

    Args:
        build: The agent's.
        options: ``head, network, hidden_dim, depth, norm, members, dueling, noisy, v_min, v_max``.
        features: Numbers that come in, F.
        actions: Numbers of an action, where it is one that is given.
        choices: ``(A,)``, or ``(D, A)`` for D choices.
        trunk: Features that all members share, behind a `Bottleneck`; ``None`` for the features as they are.
        stream: Of the noise, for a noisy critic.

    Raises:
        UsageError: If its head is none of values, its network cannot take the inputs, or it is to duel without choices.
    """
    head = value_head(build, options.head, options.v_min, options.v_max)
    body = Full() if trunk is None else Bottleneck(features, trunk)
    features = features if trunk is None else trunk
    network = getattr(options, "network", None)
    if network is not None and options.noisy:
        raise UsageError(Problem("critic.noisy=true needs the default network, and critic selects another one", "critic.noisy=false"))

    def values(out_features: int) -> nn.Module:
        if network is not None:
            inputs = "features and action" if actions else "features"
            members = range(options.members)
            return Ensemble(selected_network(build, network, "critic", inputs, features + actions, out_features) for _ in members)
        sizes: dict[str, Any] = {"members": options.members, "hidden_dim": options.hidden_dim, "depth": options.depth}
        sizes["norm"] = getattr(options, "norm", None)
        if options.noisy:
            return NoisyEnsembleMLP(features + actions, out_features, Noise(stream or build.streams["noise"]), **sizes)
        return EnsembleMLP(features + actions, out_features, **sizes)

    if choices:
        state = values(math.prod(choices[:-1]) * head.size) if options.dueling else None
        return ChoiceCritic(body, values(math.prod(choices) * head.size), state, head, choices)
    if options.dueling:
        raise UsageError(Problem("a dueling critic needs choices to compare, and actions are numbers here", "critic.dueling=false"))
    return Critic(body, values(head.size), head)


def value_head(build: Builder, selection: Any, low: float = -math.inf, high: float = math.inf) -> ValueHead:
    """The head of values that was selected.

    Raises:
        UsageError: If it is none.
    """
    head: Any = build.head(selection)
    if not hasattr(head, "value"):
        name = label(selection if isinstance(selection, str) else getattr(selection, "name", type(selection).__name__))
        raise UsageError(Problem(f"{name} is no head of values", "scalar, categorical or quantile is one"))
    if math.isfinite(low) and math.isfinite(high):
        head.bound(low, high)
    return head  # type: ignore[no-any-return]


def reduced(value: Value, how: str, batch: Batch) -> Value:
    """Reduce an ensemble to one member: ``"least"``, ``"average"`` or ``"mixture"``, with the column `mixture` of the batch (REM)."""
    if how == "mixture":
        return value.mixture(batch.mixture)
    return value.mean_over_ensemble() if how == "average" else value.min()
