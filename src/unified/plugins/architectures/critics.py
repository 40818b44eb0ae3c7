"""Critics, in their three forms: V(s), Q(s, a) and Q(s, ·), with any value head."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.components.import_paths import label
from unified.core.learn.distributions import Value
from unified.plugins.architectures.heads.modules import QuantileHead
from unified.plugins.architectures.heads.policies import NEVER
from unified.plugins.architectures.mlp.network import MLP, Bottleneck, EnsembleMLP, Full
from unified.plugins.architectures.noisy import Noise, NoisyEnsembleMLP
from unified.plugins.architectures.normalised import NormalisedEnsembleMLP
from unified.plugins.architectures.reductions import Reduction
from unified.plugins.architectures.selected import Ensemble, selected_network, start_small

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
        return self.head.evaluate(self.values, inputs)


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
        value = self.head.evaluate(self._numbers, self.trunk(features))
        return value if action is None else value.gather(action)

    def _numbers(self, *inputs: torch.Tensor) -> torch.Tensor:
        """What the head asks for: ``(E, B, …, A, size)``."""
        raw: torch.Tensor = self.advantages(*inputs).unflatten(-1, (*self.choices, self.head.size))
        if self.state is None:
            return raw
        state = self.state(*inputs).unflatten(-1, (*self.choices[:-1], 1, self.head.size))
        return state + raw - raw.mean(dim=-2, keepdim=True)  # type: ignore[no-any-return]


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
        options: ``head, network, hidden_dim, depth, members, dueling, noisy, v_min, v_max``, and where there are such ``norm, dropout,
            late_action, last_init, reduce``.
        features: Numbers that come in, F.
        actions: Numbers of an action, where it is one that is given.
        choices: ``(A,)``, or ``(D, A)`` for D choices.
        trunk: Features that all members share, behind a `Bottleneck`; ``None`` for the features as they are.
        stream: Of the noise, for a noisy critic.

    Raises:
        UsageError: If its head is none of values, its network cannot take the inputs, or options exclude each other.
    """
    head = value_head(build, options.head, options.v_min, options.v_max)
    _refuse_unread(options, head, actions, choices)
    body: nn.Module = Full() if trunk is None else Bottleneck(features, trunk)
    features = features if trunk is None else trunk
    network, noise = getattr(options, "network", None), Noise(stream or build.streams["noise"])
    depth, norm, dropout = options.depth, getattr(options, "norm", None), getattr(options, "dropout", 0.0)
    if getattr(options, "late_action", False):
        body, features, depth = nn.Sequential(body, MLP(features, None, options.hidden_dim, 1)), options.hidden_dim, depth - 1

    def layers(in_features: int, hidden: tuple[int, ...], out_features: int) -> nn.Module:
        if network is not None:
            inputs = "features and action" if actions else "features"
            members = range(options.members)
            return Ensemble(selected_network(build, network, "critic", inputs, in_features, out_features) for _ in members)
        sizes: dict[str, Any] = {"members": options.members, "hidden_dim": options.hidden_dim, "depth": len(hidden), "norm": norm}
        if options.noisy:
            return NoisyEnsembleMLP(in_features, out_features, noise, **sizes)
        if dropout or norm == "batch_renorm":
            return NormalisedEnsembleMLP(in_features, out_features, noise, **sizes, dropout=dropout)
        return EnsembleMLP(in_features, out_features, **sizes)

    def values(out_features: int) -> nn.Module:
        hidden = () if network is not None else (options.hidden_dim,) * depth
        made = head.network(layers, features + actions, hidden, out_features, options.members)
        start_small(made, getattr(options, "last_init", None))
        return made

    if choices:
        state = values(math.prod(choices[:-1]) * head.size) if options.dueling else None
        return ChoiceCritic(body, values(math.prod(choices) * head.size), state, head, choices)
    return Critic(body, values(head.size), head)


def _refuse_unread(options: Any, head: ValueHead, actions: int, choices: tuple[int, ...]) -> None:
    """Options of a critic that exclude each other, or that nothing would read."""
    network, reduction = getattr(options, "network", None), Reduction.of(getattr(options, "reduce", "least"))
    late = getattr(options, "late_action", False)
    changed = [name for name, usual in _USUAL.items() if getattr(options, name, usual) != usual]
    if network is not None and changed:
        unread, without = (" ".join(f"critic.{name}={_shown(value[name])}" for name in changed) for value in (vars(options), _USUAL))
        raise UsageError(Problem(f"{unread} needs the default network, and critic selects another one", without))
    if options.noisy and ("dropout" in changed or getattr(options, "norm", None) == "batch_renorm"):
        raise UsageError(Problem("a noisy critic takes neither dropout nor batch renormalisation", "critic.noisy=false"))
    if options.dueling and not choices:
        raise UsageError(Problem("a dueling critic needs choices to compare, and actions are numbers here", "critic.dueling=false"))
    if late and not (actions and options.depth):
        raise UsageError(Problem("critic.late_action is of a critic that takes numbers and has a hidden layer", "critic.late_action=false"))
    if reduction.name == "truncated" and not (isinstance(head, QuantileHead) and reduction.count < getattr(head, "atoms", head.size)):
        what = f"critic.reduce={options.reduce} drops as many quantiles of each member, and has to leave some"
        raise UsageError(Problem(what, "critic.head=quantile critic.head.atoms=25 critic.reduce=truncated(2)"))


#: What the default network alone reads, with the value that changes nothing.
_USUAL = {"noisy": False, "norm": None, "dropout": 0.0, "late_action": False}


def _shown(value: Any) -> str:
    return {None: "null", True: "true", False: "false"}.get(value, str(value))


def value_head(build: Builder, selection: Any, low: float = -math.inf, high: float = math.inf) -> ValueHead:
    """The head of values that was selected.

    Raises:
        UsageError: If it is none.
    """
    head: Any = build.head(selection)
    if not hasattr(head, "value"):
        name = label(selection if isinstance(selection, str) else getattr(selection, "name", type(selection).__name__))
        raise UsageError(
            Problem(f"{name} is no head of values", "scalar, categorical or quantile is one   all: unified plugins list architectures")
        )
    head.draw_from(build.streams)
    if math.isfinite(low) and math.isfinite(high):
        head.bound(low, high)
    return head  # type: ignore[no-any-return]


def greedy_choice(value: Value, mask: torch.Tensor | None) -> torch.Tensor:
    """The choices of greatest value, of the valid ones ``(B, A)`` where they are given; several members are averaged."""
    return value.greedy if mask is None else value.mean.mean(dim=0).masked_fill(~mask, -torch.inf).argmax(dim=-1)


def soft_log_policy(value: Value, temperature: float, mask: torch.Tensor | None = None) -> torch.Tensor:
    """τ ln π of all choices, π = softmax(Q / τ), ``(B, A)`` or ``(B, D, A)``; several members are averaged.

    It is finite wherever Q is: the logarithm is not taken of a probability, which rounds to 0. The policy is over the valid choices
    ``(B, A)`` alone where they are given; others have a probability of exactly 0.

    >>> from unified.plugins.architectures.heads.values import ScalarValue
    >>> soft_log_policy(ScalarValue(torch.tensor([[[10.0, 0.0]]])), 0.03)
    tensor([[  0., -10.]])
    """
    logits = value.mean.mean(dim=0) / temperature
    return temperature * (logits if mask is None else logits.masked_fill(~mask, NEVER)).log_softmax(dim=-1)


def soft_maximum(value: Value, temperature: float, mask: torch.Tensor | None = None) -> Value:
    """Σ π (Q - τ ln π) = τ ln Σ exp(Q / τ) over all choices, π = softmax(Q / τ): ``(E, B, …, A)`` becomes ``(E, B)``.

    Of D choices it is the average of theirs, as in `Value.gather`. Source: Haarnoja et al. 2017, "Reinforcement learning with deep
    energy-based policies", equation 3.
    """
    logs = soft_log_policy(value, temperature, mask)
    probabilities = (logs / temperature).exp()
    entropy = -(probabilities * logs).sum(dim=-1)
    return value.expectation(probabilities).shift(entropy.flatten(1).mean(dim=-1) if entropy.dim() > 1 else entropy)


def reduced(value: Value, how: str, batch: Batch) -> Value:
    """Reduce an ensemble to one member, as a `Reduction` says; with the columns `mixture` (REM) or `subset` (REDQ) of the batch."""
    reduction = Reduction.of(how)
    if reduction.name == "mixture":
        return value.mixture(batch.mixture)
    if reduction.name == "subset":
        return value.members(batch.subset[0]).min()
    if reduction.name == "truncated":
        return value.truncated(reduction.count)
    return value.mean_over_ensemble() if reduction.name == "average" else value.min()


def climbed(value: Value, which: str) -> Value:
    """Of an ensemble ``(E, B)``, the member that an actor climbs ``(1, B)``: ``"least"``, ``"average"`` or ``"first"``."""
    if which == "first":
        return value.members(slice(1))
    return value.mean_over_ensemble() if which == "average" else value.min()
