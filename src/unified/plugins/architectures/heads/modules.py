"""Heads: what reads the numbers that a network gives as values or as policies.

A head has no layers. One of values has `size`, the numbers that stand for one value, and `value`; it also says how a network is built
around its inputs (`network`) and asked about them (`evaluate`), where these are not all that goes in. One of policies has `size_of` and
`policy`. Called as a module it gives what the numbers say without a choice or a draw.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
from annotated_types import Ge, Gt, Le
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.base.schedule import Schedule
from unified.core.components.options import ScheduleText, above
from unified.core.learn.distributions import Policy, Value
from unified.plugins.architectures.heads.policies import Categorical, ClippedGaussian, Deterministic, TanhGaussian, TruncatedNormal
from unified.plugins.architectures.heads.values import (
    CategoricalValue,
    DiscountedValues,
    GaussianValue,
    HistogramValue,
    HorizonValues,
    QuantileValue,
    ScalarValue,
    midpoints,
)
from unified.plugins.architectures.levels import Layers, LevelNetwork
from unified.plugins.architectures.noisy import Noise

if TYPE_CHECKING:
    from unified.core.base.rng import Streams


class ValueHead(nn.Module, ABC):
    """Reads numbers as values."""

    #: Numbers that stand for one value.
    size: int
    #: Whether returns must have one step before their bootstrap.
    one_step: ClassVar[bool] = False

    @abstractmethod
    def value(self, raw: torch.Tensor) -> Value:
        """``(E, B, …, size)`` as a value."""

    def bound(self, low: float, high: float) -> None:
        """Returns lie between these, as far as its own options do not say otherwise."""

    def draw_from(self, streams: Streams) -> None:
        """Take the run's random streams, where it draws."""

    def network(self, layers: Layers, in_features: int, hidden: tuple[int, ...], out_features: int, members: int) -> nn.Module:
        """The network whose numbers it reads.

        Args:
            layers: Makes layers: ``(B, in)``, or ``(E, B, in)`` of each member, to ``(E, B, out)``.
            in_features: Numbers that come in.
            hidden: Units of each hidden layer; empty where a selected architecture has its own.
            out_features: Numbers that have to go out.
            members: E.
        """
        return layers(in_features, hidden, out_features)

    def evaluate(self, network: Callable[..., torch.Tensor], inputs: torch.Tensor) -> Value:
        """Ask a network about inputs ``(B, F)``, and read its answer as a value.

        Args:
            network: Made by `network`, or several of these, whose numbers ``(E, B, out)`` are ordered as ``(E, B, …, size)``.
            inputs: What comes in.
        """
        return self.value(network(inputs))


class PolicyHead(nn.Module, ABC):
    """Reads numbers as policies."""

    #: Whether an action is a choice, or several.
    discrete: ClassVar[bool] = False

    def draw_from(self, streams: Streams) -> None:  # most draw by the generator of an action alone
        """Take the run's random streams, for draws that no generator is handed over for."""

    def add_parameters(self, actions: int) -> None:  # most read all numbers from a network
        """Make the parameters of its own, for actions of this many numbers; called once, before anything else."""

    @abstractmethod
    def size_of(self, actions: int) -> int:
        """Numbers it reads for actions of this many numbers, or of this many choices in all."""

    @abstractmethod
    def policy(self, raw: torch.Tensor, step: int = 0, *, acting: bool = False) -> Policy:
        """``(B, size)`` as a policy; for choices ``(B, A)`` or ``(B, D, A)``.

        Args:
            raw: What the network gave.
            step: Of the agent, for what is scheduled.
            acting: For the environment, and not to be learned from: noise is not clipped.
        """


class ScalarHead(ValueHead):
    """One number for each value.

    Args:
        huber: Threshold beyond which the loss is linear (Huber); null: the squared error.
    """

    size = 1

    def __init__(self, huber: Annotated[float, Gt(0)] | None = None) -> None:
        super().__init__()
        self.huber = huber

    def value(self, raw: torch.Tensor) -> ScalarValue:
        return ScalarValue(raw.squeeze(-1), self.huber)

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        """The values themselves."""
        return raw.squeeze(-1)


class QuantileHead(ValueHead):
    """Returns at `atoms` quantiles. Source: Dabney et al. 2018 (QR-DQN).

    Args:
        atoms: Number N of quantiles.
        huber: Threshold beyond which the loss is linear; 0: the quantile loss itself.
    """

    def __init__(self, atoms: Annotated[int, Ge(1)] = 51, huber: Annotated[float, Ge(0)] = 1.0) -> None:
        super().__init__()
        self.size, self.huber = atoms, huber

    def value(self, raw: torch.Tensor) -> QuantileValue:
        return QuantileValue(raw, self.huber)

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        """The quantiles."""
        return raw


class ImplicitQuantileHead(QuantileHead):
    """Returns at quantiles whose levels τ are an input of the network: Z_τ(s) = f(ψ(s) ⊙ φ(τ)). Source: Dabney et al. 2018 (IQN).

    In training the levels are uniform draws, new ones for every row and every call, so that prediction, target and choice of an action have
    levels of their own. In evaluation they are the middles of `grid` equal parts, so that the same observation has the same value.

    ψ are the hidden layers but for the last one (`LevelNetwork`): with a single one, as for Atari, ψ(s) are the features of the encoder, as
    published. So they are where a selected network stands for the layers.

    Args:
        atoms: Number N of levels that are drawn for a row, for predictions, targets and the choice of an action alike.
        grid: Number of levels in evaluation.
        cosines: Number of cosines that a level is told by, cos πiτ for i = 1, 2, ….
        huber: Threshold beyond which the loss is linear; 0: the quantile loss itself.
    """

    def __init__(
        self,
        atoms: Annotated[int, Ge(1)] = 64,
        grid: Annotated[int, Ge(1)] = 32,
        cosines: Annotated[int, Ge(1)] = 64,
        huber: Annotated[float, Ge(0)] = 1.0,
    ) -> None:
        super().__init__(atoms, huber)
        self.atoms, self.grid, self.cosines, self.size = atoms, grid, cosines, 1
        self.noise: Noise | None = None

    def draw_from(self, streams: Streams) -> None:
        self.noise = Noise(streams["levels"])

    def network(self, layers: Layers, in_features: int, hidden: tuple[int, ...], out_features: int, members: int) -> nn.Module:
        return LevelNetwork(layers, in_features, hidden, out_features, members, self.cosines)

    def evaluate(self, network: Callable[..., torch.Tensor], inputs: torch.Tensor) -> QuantileValue:
        rows, device = len(inputs), inputs.device
        if not self.training or self.noise is None:
            return self.value(_quantiles(network(inputs, midpoints(self.grid, device).expand(rows, -1))))
        levels = torch.rand(rows, self.atoms, generator=self.noise(device), device=device)
        return QuantileValue(_quantiles(network(inputs, levels)), self.huber, levels)


def _quantiles(raw: torch.Tensor) -> torch.Tensor:
    """``(E, B, N, …, 1)`` as ``(E, B, …, N)``."""
    return raw.squeeze(-1).movedim(2, -1)


class BoundedHead(ValueHead):
    """Reads numbers as probabilities of `atoms` returns from `low` to `high`.

    Args:
        atoms: Number N of returns.
        low: Least return; null: the critic's v_min.
        high: Greatest return; null: the critic's v_max.
    """

    atoms: torch.Tensor

    def __init__(
        self,
        atoms: Annotated[int, Ge(2)] = 51,
        low: float | None = None,
        high: Annotated[float | None, above("low")] = None,
    ) -> None:
        super().__init__()
        self.size, self.low, self.high = atoms, low, high
        self.register_buffer("atoms", torch.zeros(atoms))
        self.bound(-10.0, 10.0)

    def bound(self, low: float, high: float) -> None:
        low, high = low if self.low is None else self.low, high if self.high is None else self.high
        if low >= high:
            raise UsageError(Problem(f"returns from {low:g} to {high:g} cannot be told apart", "critic.head.low=0 critic.head.high=100"))
        self.atoms.copy_(torch.linspace(low, high, self.size))

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        """The probabilities."""
        return raw.softmax(dim=-1)


class CategoricalHead(BoundedHead, PolicyHead):
    """Of values, a distribution over `atoms` returns from `low` to `high`; of policies, one over choices. Source: Bellemare et al. 2017.

    Args:
        atoms: Number N of returns, for values only.
        low: Least return; null: the critic's v_min.
        high: Greatest return; null: the critic's v_max.
    """

    discrete = True

    def value(self, raw: torch.Tensor) -> CategoricalValue:
        return CategoricalValue(raw, self.atoms)

    def size_of(self, actions: int) -> int:
        return actions

    def policy(self, raw: torch.Tensor, step: int = 0, *, acting: bool = False) -> Categorical:
        return Categorical(raw)


class TwoHotHead(BoundedHead):
    """One number for each value, regressed by classification: its target is spread over the two returns beside it (`HistogramValue`).

    Args:
        atoms: Number N of returns.
        low: Least return; null: the critic's v_min.
        high: Greatest return; null: the critic's v_max.
    """

    def value(self, raw: torch.Tensor) -> HistogramValue:
        return HistogramValue(raw, self.atoms)


class HLGaussHead(BoundedHead):
    """One number for each value, regressed by classification: its target is a normal distribution around it.

    Source: Farebrother et al. 2024, "Stop regressing: training value functions via classification for scalable deep RL", section 3.1.

    Args:
        atoms: Number N of returns.
        low: Least return; null: the critic's v_min.
        high: Greatest return; null: the critic's v_max.
        sigma: Standard deviation of that distribution, in distances between returns.
    """

    def __init__(
        self,
        atoms: Annotated[int, Ge(2)] = 51,
        low: float | None = None,
        high: Annotated[float | None, above("low")] = None,
        sigma: Annotated[float, Gt(0)] = 0.75,
    ) -> None:
        super().__init__(atoms, low, high)
        self.sigma = sigma

    def value(self, raw: torch.Tensor) -> HistogramValue:
        return HistogramValue(raw, self.atoms, sigma=self.sigma)


class SigmaHead(ValueHead):
    """Mean and deviation of a return, as a normal distribution. Source: Seitzer et al. 2022 (β-NLL).

    Args:
        beta: Exponent β of the weight σ^2β of a row.
        low: Least logarithm of the deviation; the greatest is 3 more than that of the critic's v_max - v_min.
    """

    size = 2

    def __init__(self, beta: Annotated[float, Ge(0), Le(1)] = 0.5, low: float = -5.0) -> None:
        super().__init__()
        self.beta, self.low = beta, low
        self.bound(-10.0, 10.0)

    def bound(self, low: float, high: float) -> None:
        self.high = 3.0 + math.log(high - low)

    def value(self, raw: torch.Tensor) -> GaussianValue:
        mean, log_std = raw.unbind(dim=-1)
        return GaussianValue(torch.stack([mean, log_std.clamp(self.low, self.high).exp()], dim=-1), self.beta)

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        """The mean."""
        return raw[..., 0]


class GammasHead(ValueHead):
    """Returns by several discounts at once, the last of which is acted by. Source: Fedus et al. 2019.

    Args:
        discounts: γ_k, in the order in which they are learned; they replace agent.discount.
    """

    one_step = True
    discounts: torch.Tensor

    def __init__(self, discounts: tuple[float, ...] = (0.9, 0.95, 0.98, 0.99)) -> None:
        super().__init__()
        if not discounts or not all(0.0 <= each <= 1.0 for each in discounts):
            shown = ",".join(f"{each:g}" for each in discounts)
            raise UsageError(Problem(f"discounts are between 0 and 1, at least one: [{shown}]", "critic.head.discounts=[0.9,0.99]"))
        self.size = len(discounts)
        self.register_buffer("discounts", torch.tensor(discounts))

    def value(self, raw: torch.Tensor) -> DiscountedValues:
        return DiscountedValues(raw, self.discounts)

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        """The values."""
        return raw


class HorizonHead(ValueHead):
    """Returns of the next 1, 2, … steps, none of which is bootstrapped from itself. Source: De Asis et al. 2020.

    Args:
        steps: The longest horizon H.
        last: How many of the longest are averaged to act.
    """

    def __init__(self, steps: Annotated[int, Ge(1)] = 32, last: Annotated[int, Ge(1)] = 5) -> None:
        super().__init__()
        self.size, self.last = steps, last

    def value(self, raw: torch.Tensor) -> HorizonValues:
        return HorizonValues(raw, self.last)

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        """The values."""
        return raw


class TanhGaussianHead(PolicyHead):
    """Mean and deviation of a normal distribution, squashed by tanh. Source: Haarnoja et al. 2018.

    Args:
        low: Least logarithm of the deviation, approached smoothly, so that gradients never vanish altogether.
        high: Greatest logarithm of the deviation.
    """

    def __init__(self, low: float = -5.0, high: Annotated[float, above("low")] = 2.0) -> None:
        super().__init__()
        self.low, self.high = low, high

    def size_of(self, actions: int) -> int:
        return 2 * actions

    def policy(self, raw: torch.Tensor, step: int = 0, *, acting: bool = False) -> TanhGaussian:
        mean, spread = raw.chunk(2, dim=-1)
        return TanhGaussian(mean, 0.5 * (self.high + self.low) + 0.5 * (self.high - self.low) * spread.tanh())

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        """The mode."""
        return raw.chunk(2, dim=-1)[0].tanh()


class GaussianHead(PolicyHead):
    """A mean, within [-1, 1] by tanh, and a deviation that is learned and the same in every state; draws are clipped (`ClippedGaussian`).

    Source: Kostrikov et al. 2021 (IQL), its code; Nair et al. 2020 (AWAC).

    Args:
        low: Least logarithm of the deviation.
        high: Greatest logarithm of the deviation.
    """

    def __init__(self, low: float = -5.0, high: Annotated[float, above("low")] = 2.0) -> None:
        super().__init__()
        self.low, self.high = low, high
        self.log_std: nn.Parameter
        self.register_parameter("log_std", None)

    def add_parameters(self, actions: int) -> None:
        self.log_std = nn.Parameter(torch.zeros(actions))

    def size_of(self, actions: int) -> int:
        return actions

    def policy(self, raw: torch.Tensor, step: int = 0, *, acting: bool = False) -> ClippedGaussian:
        return ClippedGaussian(raw.tanh(), self.log_std.clamp(self.low, self.high))

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        """The mode."""
        return raw.tanh()


class TruncatedNormalHead(PolicyHead):
    """A mean, within [-1, 1] by tanh, and noise of a scheduled deviation. Source: Yarats et al. 2021.

    Args:
        stddev: Standard deviation of the noise, over agent steps.
        clip: Greatest noise in an action of an update; null: no limit.
    """

    def __init__(self, stddev: ScheduleText = "linear(1.0,0.1,100000)", clip: Annotated[float, Gt(0)] | None = 0.3) -> None:
        super().__init__()
        self.stddev, self.clip = Schedule(stddev), clip

    def size_of(self, actions: int) -> int:
        return actions

    def policy(self, raw: torch.Tensor, step: int = 0, *, acting: bool = False) -> TruncatedNormal:
        return TruncatedNormal(raw.tanh(), self.stddev(step), None if acting else self.clip)

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        """The mode."""
        return raw.tanh()


class DeterministicHead(PolicyHead):
    """One action, within [-1, 1] by tanh; without noise. Source: Lillicrap et al. 2015."""

    def size_of(self, actions: int) -> int:
        return actions

    def policy(self, raw: torch.Tensor, step: int = 0, *, acting: bool = False) -> Deterministic:
        return Deterministic(raw.tanh())

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        """The action."""
        return raw.tanh()
