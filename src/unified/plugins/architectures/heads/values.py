"""How a value is represented: one number, a distribution over fixed returns, or returns at quantiles, fixed or drawn."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, Self

import torch
from torch.nn import functional as F

from unified.core.learn.distributions import Value


class Represented(Value):
    """What all representations share: an array whose last dimensions, `own` of them, stand for one value.

    Args:
        numbers: ``(E, B, *own)``, ``(E, B, A, *own)`` or ``(E, B, D, A, *own)``.
    """

    own: ClassVar[int] = 1

    def __init__(self, numbers: torch.Tensor) -> None:
        self.numbers = numbers

    @abstractmethod
    def _blend(self, dim: int, weights: torch.Tensor | None = None) -> Self:
        """The convex combination along a dimension of `numbers`, with weights that broadcast against the mean, or equal ones."""

    def _like(self, numbers: torch.Tensor) -> Self:
        """Other numbers, in the same representation."""
        return type(self)(numbers)

    def _per_row(self, rows: torch.Tensor) -> torch.Tensor:
        """``(B,)`` so that it broadcasts against the numbers."""
        return rows.view(1, -1, *[1] * (self.numbers.dim() - 2))

    def gather(self, action: torch.Tensor) -> Self:
        index = action.view(1, *action.shape, *[1] * (1 + self.own))
        shape = (self.numbers.shape[0], *action.shape, 1, *self.numbers.shape[self.numbers.dim() - self.own :])
        chosen = self._like(self.numbers.gather(1 + action.dim(), index.expand(shape)).squeeze(1 + action.dim()))
        return chosen._over_dimensions()

    def expectation(self, probabilities: torch.Tensor) -> Self:
        return self._blend(probabilities.dim(), probabilities[None])._over_dimensions()

    def clamped(self, low: float, high: float) -> Self:
        return self._like(self.numbers.clamp(low, high))

    def _over_dimensions(self) -> Self:
        """``(E, B, D)`` to ``(E, B)``; ``(E, B)`` as it is."""
        return self._blend(2) if self.numbers.dim() - self.own > 2 else self

    def rows(self, which: slice) -> Self:
        return self._like(self.numbers[:, which])

    def members(self, which: torch.Tensor | slice) -> Self:
        return self._like(self.numbers[which])

    def min(self) -> Self:
        if len(self.numbers) == 1:
            return self
        index = self.mean.argmin(dim=0, keepdim=True)
        index = index.view(*index.shape, *[1] * self.own).expand(1, *self.numbers.shape[1:])
        return self._like(self.numbers.gather(0, index))

    def mean_over_ensemble(self) -> Self:
        return self if len(self.numbers) == 1 else self._kept(self._blend(0))

    def mixture(self, weights: torch.Tensor) -> Self:
        return self._kept(self._blend(0, weights.T.view(*weights.T.shape, *[1] * (self.numbers.dim() - self.own - 2))))

    def _kept(self, blended: Self) -> Self:
        """With the dimension of the members, which blending takes away."""
        return self._like(blended.numbers[None])


class ScalarValue(Represented):
    """A value that is one number, compared by squared error, or by Huber's loss.

    Args:
        values: ``(E, B)``, ``(E, B, A)`` or ``(E, B, D, A)``.
        huber: Error beyond which the loss is linear (Huber 1964; ½ of the squared error below it); ``None`` for the squared error.
    """

    own = 0

    def __init__(self, values: torch.Tensor, huber: float | None = None) -> None:
        super().__init__(values)
        self.huber = huber

    @property
    def mean(self) -> torch.Tensor:
        return self.numbers

    def _like(self, numbers: torch.Tensor) -> Self:
        return type(self)(numbers, self.huber)

    def _blend(self, dim: int, weights: torch.Tensor | None = None) -> Self:
        return self._like(self.numbers.mean(dim) if weights is None else (self.numbers * weights).sum(dim))

    def shift(self, delta: torch.Tensor) -> Self:
        return self._like(self.numbers + self._per_row(delta))

    def backup(self, reward: torch.Tensor, discount: torch.Tensor) -> Self:
        return self._like(self._per_row(reward) + self._per_row(discount) * self.numbers)

    def loss(self, target: Self) -> torch.Tensor:
        wanted = target.numbers.expand_as(self.numbers)
        if self.huber is None:
            return F.mse_loss(self.numbers, wanted, reduction="none").sum(dim=0)
        return F.huber_loss(self.numbers, wanted, reduction="none", delta=self.huber).sum(dim=0)


class CategoricalValue(Represented):
    """A distribution over fixed returns, the atoms, compared by cross-entropy. Source: Bellemare et al. 2017 (C51).

    Args:
        logits: ``(E, B, …, N)``: of each atom.
        atoms: ``(N,)``, at equal distances, rising.
        offset: ``(B,)``, by how much the returns of each row are greater than the atoms; ``None`` for nothing.
    """

    def __init__(self, logits: torch.Tensor, atoms: torch.Tensor, offset: torch.Tensor | None = None) -> None:
        super().__init__(logits)
        self.atoms, self.offset = atoms, offset

    @property
    def probabilities(self) -> torch.Tensor:
        """Of each atom, ``(E, B, …, N)``."""
        return self.numbers.softmax(dim=-1)

    @property
    def mean(self) -> torch.Tensor:
        mean = self.probabilities @ self.atoms
        return mean if self.offset is None else mean + self.offset.view(1, -1, *[1] * (mean.dim() - 2))

    def _like(self, numbers: torch.Tensor) -> Self:
        return type(self)(numbers, self.atoms, self.offset)

    def _blend(self, dim: int, weights: torch.Tensor | None = None) -> Self:
        # Probabilities are mixed, in logarithms; a weight of 0 would have no gradient but a nan.
        logs = self.numbers.log_softmax(dim=-1)
        return self._like((logs if weights is None else logs + weights.clamp_min(1e-30).log()[..., None]).logsumexp(dim))

    def shift(self, delta: torch.Tensor) -> Self:
        shifted = self._like(self.numbers)
        shifted.offset = delta if self.offset is None else self.offset + delta
        return shifted

    def backup(self, reward: torch.Tensor, discount: torch.Tensor) -> Self:
        if self.offset is not None:
            reward = reward + discount * self.offset
        returns = self._per_row(reward) + self._per_row(discount) * self.atoms  # (1, B, …, N)
        return type(self)(project(self.probabilities, returns.expand_as(self.numbers), self.atoms).log(), self.atoms)

    def rows(self, which: slice) -> Self:
        some = self._like(self.numbers[:, which])
        some.offset = None if self.offset is None else self.offset[which]
        return some

    def clamped(self, low: float, high: float) -> Self:
        returns = self.atoms if self.offset is None else self.atoms + self._per_row(self.offset)
        masses = project(self.probabilities, returns.clamp(low, high).expand_as(self.numbers), self.atoms)
        return type(self)(masses.log(), self.atoms)

    def loss(self, target: Self) -> torch.Tensor:
        if self.offset is not None:
            target = target.backup(-self.offset, torch.ones_like(self.offset))
        return -(target.probabilities * self.numbers.log_softmax(dim=-1)).sum(dim=-1).sum(dim=0)

    @torch.no_grad()
    def td_error(self, target: Self) -> torch.Tensor:
        """KL(target ‖ prediction), averaged over the members: the cross-entropy without the target's entropy.

        The entropy is a property of the target that no prediction can lower: with it, rows of random returns would be drawn most however
        well they are predicted. Source: Hessel et al. 2018 (Rainbow), section "Prioritized replay".
        """
        if self.offset is not None:
            target = target.backup(-self.offset, torch.ones_like(self.offset))
        wanted = target.probabilities
        entropy = torch.special.entr(wanted).sum(dim=-1)
        return (-(wanted * self.numbers.log_softmax(dim=-1)).sum(dim=-1) - entropy).mean(dim=0).clamp_min(0.0)  # rounding


def project(probabilities: torch.Tensor, returns: torch.Tensor, atoms: torch.Tensor) -> torch.Tensor:
    """Spread the probabilities of any returns over the atoms: what lies between two goes to both, in proportion to its nearness.

    Returns beyond the atoms count as the outermost one; no mass is lost, whether a return falls on an atom or between two. Source:
    Bellemare et al. 2017, equation 7.

    Args:
        probabilities: ``(…, N)``.
        returns: ``(…, N)``, that they belong to.
        atoms: ``(N,)``, at equal distances, rising.
    """
    last = len(atoms) - 1
    place = (returns.clamp(atoms[0], atoms[-1]) - atoms[0]) / (atoms[1] - atoms[0])
    place = place.clamp(0, last)  # rounding
    below = place.nan_to_num().floor().clamp(0, last - 1)  # numbers that are none stay so in the masses, and index nothing
    upper = place - below
    index = below.long()
    spread = torch.zeros_like(probabilities).scatter_add_(-1, index, probabilities * (1.0 - upper))
    return spread.scatter_add_(-1, index + 1, probabilities * upper)


class HistogramValue(CategoricalValue):
    """A value that is one number, told by a distribution over fixed returns and compared by cross-entropy with a target spread over them.

    The distribution is a means to regress and not one of returns: what is backed up is its mean. The target is spread over the two atoms
    beside it, in proportion to its nearness, so that their mean is the target (two-hot); or it is a normal distribution around it, of which
    each atom has what lies between the middles to its neighbours (HL-Gauss). Sources: Imani & White 2018; Farebrother et al. 2024, "Stop
    regressing", section 3.1. Targets beyond the atoms count as the outermost one.

    Args:
        logits: ``(E, B, …, N)``: of each atom.
        atoms: ``(N,)``, at equal distances, rising.
        offset: See `CategoricalValue`.
        sigma: Deviation of the normal distribution, in distances between atoms; 0: two-hot.
    """

    def __init__(self, logits: torch.Tensor, atoms: torch.Tensor, offset: torch.Tensor | None = None, sigma: float = 0.0) -> None:
        super().__init__(logits, atoms, offset)
        self.sigma = sigma

    def _like(self, numbers: torch.Tensor) -> Self:
        return type(self)(numbers, self.atoms, self.offset, self.sigma)

    def backup(self, reward: torch.Tensor, discount: torch.Tensor) -> Self:
        returns = self._per_row(reward) + self._per_row(discount) * self.mean[..., None]
        return type(self)(spread(returns, self.atoms, self.sigma).log(), self.atoms, None, self.sigma)

    def clamped(self, low: float, high: float) -> Self:
        returns = self.mean[..., None].clamp(low, high)
        return type(self)(spread(returns, self.atoms, self.sigma).log(), self.atoms, None, self.sigma)

    @torch.no_grad()
    def td_error(self, target: Self) -> torch.Tensor:
        """|δ|, the distance between the means: how a target is spread depends on where it lies between two atoms."""
        return Value.td_error(self, target)


def spread(returns: torch.Tensor, atoms: torch.Tensor, sigma: float = 0.0) -> torch.Tensor:
    """Probabilities of the atoms ``(…, N)`` that stand for certain returns ``(…, 1)``; see `HistogramValue`.

    >>> spread(torch.tensor([[0.25], [9.0]]), torch.tensor([0.0, 1.0, 2.0])).tolist()
    [[0.75, 0.25, 0.0], [0.0, 0.0, 1.0]]
    """
    width = atoms[1] - atoms[0]
    places = (atoms - returns.clamp(atoms[0], atoms[-1])) / width  # of the atoms, seen from the return
    if not sigma:
        return (1.0 - places.abs()).clamp_min(0.0)
    edges = torch.cat([places - 0.5, places[..., -1:] + 0.5], dim=-1)
    mass = torch.erf(edges / (sigma * math.sqrt(2.0))).diff(dim=-1)
    return mass / mass.sum(dim=-1, keepdim=True)


class QuantileValue(Represented):
    """Returns at quantiles, compared pair by pair by the quantile Huber loss.

    The levels of the quantiles are fixed at (2i + 1) / 2N (Dabney et al. 2018, QR-DQN), or drawn for each row (Dabney et al. 2018, IQN).
    They weigh the errors of these quantiles in a loss: as a target, their levels do not count. Averages of several are averages of their
    quantiles.

    Args:
        quantiles: ``(E, B, …, N)``.
        huber: Error κ beyond which the loss is linear; 0 for the quantile loss itself.
        levels: ``(B, N)`` within [0, 1]; ``None`` for the fixed ones.
    """

    def __init__(self, quantiles: torch.Tensor, huber: float = 1.0, levels: torch.Tensor | None = None) -> None:
        super().__init__(quantiles)
        self.huber, self.levels = huber, levels

    @property
    def mean(self) -> torch.Tensor:
        return self.numbers.mean(dim=-1)

    def _like(self, numbers: torch.Tensor) -> Self:
        return type(self)(numbers, self.huber, self.levels)

    def _blend(self, dim: int, weights: torch.Tensor | None = None) -> Self:
        return self._like(self.numbers.mean(dim) if weights is None else (self.numbers * weights[..., None]).sum(dim))

    def shift(self, delta: torch.Tensor) -> Self:
        return self._like(self.numbers + self._per_row(delta))

    def backup(self, reward: torch.Tensor, discount: torch.Tensor) -> Self:
        return self._like(self._per_row(reward) + self._per_row(discount) * self.numbers)

    def truncated(self, drop: int) -> Self:
        """The quantiles of all members in one, in rising order and without the greatest `drop` of each member, as an ensemble of one.

        They are dropped from all together and not from each member. Source: Kuznetsov et al. 2020, "Controlling Overestimation Bias with
        Truncated Mixture of Continuous Distributional Quantile Critics", section 4.
        """
        pooled = self.numbers.movedim(0, -2).flatten(-2)  # (B, …, E·N)
        kept = pooled.shape[-1] - drop * len(self.numbers)
        return type(self)(pooled.sort(dim=-1).values[None, ..., :kept], self.huber)

    def rows(self, which: slice) -> Self:
        return type(self)(self.numbers[:, which], self.huber, None if self.levels is None else self.levels[which])

    def loss(self, target: Self) -> torch.Tensor:
        """Summed over the own quantiles and averaged over the target's (equation 10), N × N' pairs."""
        levels = midpoints(self.numbers.shape[-1], self.numbers.device) if self.levels is None else self.levels  # (N,) or (B, N)
        error = target.numbers[..., None, :] - self.numbers[..., :, None]  # (E, B, N, N')
        size = error.abs()
        if self.huber:
            size = F.huber_loss(error, torch.zeros_like(error), reduction="none", delta=self.huber) / self.huber
        below = (error.detach() < 0).to(error.dtype)
        return ((levels[..., None] - below).abs() * size).mean(dim=-1).sum(dim=-1).sum(dim=0)

    @torch.no_grad()
    def td_error(self, target: Self) -> torch.Tensor:
        """Mean |difference| between the quantiles in rising order, averaged over the members: the 1-Wasserstein distance.

        It is |δ| where returns are certain, and 0 where prediction and target agree. The mean over all N × N' pairs is not: it is large for
        every row of random returns, however well predicted. Source: Dabney et al. 2018, equation 3, the distance that QR-DQN minimises.
        """
        own, wanted = self.numbers.sort(dim=-1).values, target.numbers.sort(dim=-1).values
        ours, theirs = own.shape[-1], wanted.shape[-1]
        if ours == theirs:
            return (own - wanted).abs().mean(dim=-1).mean(dim=0)
        # Both are steps: between two levels at which either of them rises, the difference is one number.
        levels = [torch.arange(1, each + 1, device=own.device) * other for each, other in ((ours, theirs), (theirs, ours))]
        upper = torch.cat(levels).sort().values  # in units of 1 / (N N')
        lower = upper.roll(1)
        lower[0] = 0
        here, there = ((lower // each).clamp_max(count - 1) for each, count in ((theirs, ours), (ours, theirs)))
        apart = (own.index_select(-1, here) - wanted.index_select(-1, there)).abs()
        return (apart * (upper - lower).to(own.dtype)).sum(dim=-1).mean(dim=0) / (ours * theirs)


def midpoints(count: int, device: torch.device) -> torch.Tensor:
    """The levels (2i + 1) / 2N ``(N,)``: the middles of N equal parts of [0, 1]."""
    return (torch.arange(count, device=device) + 0.5) / count


class GaussianValue(Represented):
    """A normal distribution of returns, compared by the cross-entropy of normals: log σ + ((μ' - μ)² + σ'²) / 2σ².

    Each row counts σ^2β times, without a gradient, so that rows with a great deviation still move the mean. Averages of several have the
    moments of their mixture. Source: Seitzer et al. 2022, "On the Pitfalls of Heteroscedastic Uncertainty Estimation with Probabilistic
    Neural Networks", equation 5 (β-NLL).

    Args:
        numbers: Mean and deviation ``(E, B, …, 2)``; the deviation of a target may be 0.
        beta: β within [0, 1]: 0 is the likelihood itself, 1 has the gradient of the squared error for the mean.
    """

    def __init__(self, numbers: torch.Tensor, beta: float = 0.5) -> None:
        super().__init__(numbers)
        self.beta = beta

    @property
    def mean(self) -> torch.Tensor:
        return self.numbers[..., 0]

    @property
    def std(self) -> torch.Tensor:
        """Deviation of the return, shaped like `mean`."""
        return self.numbers[..., 1]

    def _like(self, numbers: torch.Tensor) -> Self:
        return type(self)(numbers, self.beta)

    def _moved(self, mean: torch.Tensor, std: torch.Tensor) -> Self:
        return self._like(torch.stack([mean, std], dim=-1))

    def _blend(self, dim: int, weights: torch.Tensor | None = None) -> Self:
        def average(numbers: torch.Tensor) -> torch.Tensor:
            return numbers.mean(dim) if weights is None else (numbers * weights).sum(dim)

        mean, square = average(self.mean), average(self.mean.square() + self.std.square())
        return self._moved(mean, (square - mean.square()).clamp_min(1e-12).sqrt())

    def shift(self, delta: torch.Tensor) -> Self:
        return self._moved(self.mean + delta.view(1, -1, *[1] * (self.mean.dim() - 2)), self.std)

    def backup(self, reward: torch.Tensor, discount: torch.Tensor) -> Self:
        reward, discount = (each.view(1, -1, *[1] * (self.mean.dim() - 2)) for each in (reward, discount))
        return self._moved(reward + discount * self.mean, discount * self.std)

    def clamped(self, low: float, high: float) -> Self:
        """The mean within these bounds; the deviation as it is."""
        return self._moved(self.mean.clamp(low, high), self.std)

    def loss(self, target: Self) -> torch.Tensor:
        distance = (target.mean - self.mean).square() + target.std.square()
        entropy = self.std.log() + 0.5 * distance / self.std.square()
        return (self.std.detach().pow(2.0 * self.beta) * entropy).sum(dim=0)


class SeveralValues(Represented):
    """Several returns of one policy at once, compared by the mean of their squared errors.

    Args:
        numbers: ``(E, B, …, K)``.
    """

    def _blend(self, dim: int, weights: torch.Tensor | None = None) -> Self:
        return self._like(self.numbers.mean(dim) if weights is None else (self.numbers * weights[..., None]).sum(dim))

    def shift(self, delta: torch.Tensor) -> Self:
        return self._like(self.numbers + self._per_row(delta))

    def loss(self, target: Self) -> torch.Tensor:
        return (self.numbers - target.numbers).square().mean(dim=-1).sum(dim=0)


class DiscountedValues(SeveralValues):
    """Returns by several discounts γ_k, the last of which is acted by: y_k = r + γ_k Q_k(s', a').

    Rewards of several steps were added up by one discount, so that a return has one step before its bootstrap. Source: Fedus et al. 2019,
    "Hyperbolic Discounting and Learning over Multiple Horizons", section 5.

    Args:
        numbers: ``(E, B, …, K)``.
        discounts: γ_k ``(K,)``.
    """

    def __init__(self, numbers: torch.Tensor, discounts: torch.Tensor) -> None:
        super().__init__(numbers)
        self.discounts = discounts

    @property
    def mean(self) -> torch.Tensor:
        return self.numbers[..., -1]

    def _like(self, numbers: torch.Tensor) -> Self:
        return type(self)(numbers, self.discounts)

    def backup(self, reward: torch.Tensor, discount: torch.Tensor) -> Self:
        """Of the discount counts only where it is 0, at the end of an episode."""
        return self._like(self._per_row(reward) + self._per_row(discount.ne(0.0).to(reward.dtype)) * self.discounts * self.numbers)


class HorizonValues(SeveralValues):
    """Returns of the next 1, 2, …, H steps: y_h = r + γ Q_{h-1}(s', a'), Q_0 = 0. No number is bootstrapped from itself.

    It acts by the average of the last few. Source: De Asis et al. 2020, "Fixed-Horizon Temporal Difference Methods for Stable
    Reinforcement Learning", equation 6.

    Args:
        numbers: ``(E, B, …, H)``; of n-step returns in units of n steps.
        last: How many of the longest horizons are averaged to act.
    """

    def __init__(self, numbers: torch.Tensor, last: int = 5) -> None:
        super().__init__(numbers)
        self.last = last

    @property
    def mean(self) -> torch.Tensor:
        return self.numbers[..., -self.last :].mean(dim=-1)

    def _like(self, numbers: torch.Tensor) -> Self:
        return type(self)(numbers, self.last)

    def backup(self, reward: torch.Tensor, discount: torch.Tensor) -> Self:
        shorter = torch.cat([torch.zeros_like(self.numbers[..., :1]), self.numbers[..., :-1]], dim=-1)
        return self._like(self._per_row(reward) + self._per_row(discount) * shorter)
