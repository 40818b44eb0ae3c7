"""How a policy is represented: choices, squashed or truncated normals, or a number without any doubt."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch.nn import functional as F

from unified.core.learn.distributions import Policy, Value

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
#: Logit of a choice that is not valid: its probability is exactly 0, and 0 times its logarithm is 0 and not NaN.
NEVER = -1e8


class Categorical(Policy):
    """One of A choices, or D of them that are independent of each other.

    Args:
        logits: ``(B, A)``, or ``(B, D, A)``.
    """

    def __init__(self, logits: torch.Tensor) -> None:
        self.log_probabilities = logits.log_softmax(dim=-1)

    @property
    def probabilities(self) -> torch.Tensor:
        """``(B, A)`` or ``(B, D, A)``."""
        return self.log_probabilities.exp()

    def masked(self, valid: torch.Tensor) -> Categorical:
        """The same policy among the valid choices, bool as `probabilities`: others have probability 0. Source: Huang & Ontañón 2022."""
        return Categorical(self.log_probabilities.masked_fill(~valid, NEVER))

    @property
    def mode(self) -> torch.Tensor:
        return self.log_probabilities.argmax(dim=-1)

    def sample(self, generator: torch.Generator) -> torch.Tensor:
        # The greatest of log p - log E, E exponential, is a draw (Gumbel 1954); it copes with numbers that are none, and nothing waits.
        logs = self.log_probabilities.detach()
        return (logs - torch.empty_like(logs).exponential_(generator=generator).log()).argmax(dim=-1)

    def rsample(self, generator: torch.Generator) -> torch.Tensor:
        raise TypeError("no gradient flows through a choice: use Policy.expectation, which is exact for choices")

    def log_prob(self, action: torch.Tensor) -> torch.Tensor:
        return self.log_probabilities.gather(-1, action[..., None]).flatten(1).sum(dim=-1)

    def misfit(self, action: torch.Tensor, log_prob: torch.Tensor) -> torch.Tensor:
        """-log π(a|s): a probability is at most 1, so this is 0 for certainty in the right choice and positive otherwise."""
        return -log_prob

    def uniform_log_prob(self) -> torch.Tensor:
        return self.log_probabilities.mean(dim=-1, keepdim=True).flatten(1).sum(dim=-1)

    def entropy(self) -> torch.Tensor:
        return -(self.probabilities * self.log_probabilities).flatten(1).sum(dim=-1)

    def kl(self, other: Categorical) -> torch.Tensor:
        return (self.probabilities * (self.log_probabilities - other.log_probabilities)).flatten(1).sum(dim=-1)

    def sample_and_log_prob(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        action = self.sample(generator)
        return action, self.log_prob(action)

    def expectation(
        self,
        value: Callable[[torch.Tensor | None], Value],
        generator: torch.Generator,
    ) -> tuple[Value, torch.Tensor]:
        return value(None).expectation(self.probabilities), -self.entropy()


class Gaussian(Policy):
    """A normal distribution, without bounds.

    Args:
        mean: ``(B, D)``.
        log_std: ``(B, D)``, or ``(D,)`` for a deviation that is the same everywhere.
    """

    def __init__(self, mean: torch.Tensor, log_std: torch.Tensor) -> None:
        self.mean, self.log_std = mean, log_std.expand_as(mean)

    @property
    def mode(self) -> torch.Tensor:
        return self.mean

    def rsample(self, generator: torch.Generator) -> torch.Tensor:
        return self._moved(self._noise(generator))

    def sample_and_log_prob(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        noise = self._noise(generator)
        return self._moved(noise), self._log_prob(noise)

    def log_prob(self, action: torch.Tensor) -> torch.Tensor:
        return self._log_prob((action - self.mean) * (-self.log_std).exp())

    def _noise(self, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(self.mean.shape, generator=generator, device=self.mean.device)

    def _moved(self, noise: torch.Tensor) -> torch.Tensor:
        return torch.addcmul(self.mean, self.log_std.exp(), noise)

    def _log_prob(self, noise: torch.Tensor) -> torch.Tensor:
        """Of what is so many deviations from the mean, ``(B, D)``."""
        return (-0.5 * noise.square() - self.log_std - _HALF_LOG_2PI).sum(dim=-1)

    def entropy(self) -> torch.Tensor:
        return (self.log_std + 0.5 + _HALF_LOG_2PI).sum(dim=-1)

    def kl(self, other: Gaussian) -> torch.Tensor:
        log_ratio = self.log_std - other.log_std
        distance = (self.mean - other.mean) * (-other.log_std).exp()
        return (0.5 * ((2.0 * log_ratio).exp() + distance.square() - 1.0) - log_ratio).sum(dim=-1)


class ClippedGaussian(Gaussian):
    """A normal distribution whose draws are clipped to [-1, 1]; densities are those of the normal, without the mass at the bounds.

    Unlike a squashed one it has a finite density at actions of a data set that lie at the bounds. Source: Kostrikov et al. 2021 (IQL), its
    code.

    Args:
        mean: ``(B, D)`` within [-1, 1].
        log_std: ``(B, D)``, or ``(D,)`` for a deviation that is the same everywhere.
    """

    def rsample(self, generator: torch.Generator) -> torch.Tensor:
        return super().rsample(generator).clamp(-1.0, 1.0)

    def sample_and_log_prob(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        action = self.rsample(generator)
        return action, self.log_prob(action)


class StateDependentGaussian(Gaussian):
    """A normal distribution with noise z(s)ᵀ θ, θ ~ N(0, σ²): the same function of the state until θ is drawn anew.

    Actions of one θ are correlated in time, so that exploration is smooth; each has the probability of its state, whose deviation is
    √(Σ z² σ² + 10⁻⁶). Source: Raffin, Kober & Stulp 2021, "Smooth exploration for robotic reinforcement learning", equation 5.

    Args:
        mean: ``(B, D)``.
        latent: z, ``(B, H)``; without a graph, the deviation trains σ and not the features.
        matrix: log σ, ``(H, D)``.
    """

    def __init__(self, mean: torch.Tensor, latent: torch.Tensor, matrix: torch.Tensor) -> None:
        super().__init__(mean, 0.5 * (latent.square() @ (2.0 * matrix).exp() + 1e-6).log())
        self.latent, self.matrix = latent, matrix

    def explored(self, noise: torch.Tensor) -> torch.Tensor:
        """The actions of standard normal matrices ``(B, H, D)``, which θ is σ times."""
        return self.mean + torch.einsum("bh,bhd->bd", self.latent, noise * self.matrix.exp())


class TanhGaussian(Policy):
    """The tanh of a normal distribution, with a deviation for each row. Source: Haarnoja et al. 2018, appendix C.

    Args:
        mean: ``(B, D)`` before the tanh, float32.
        log_std: ``(B, D)``.
    """

    #: Greatest size of an action whose log-density can be told: in float32 the next number is 1.
    _EDGE = 1.0 - 6e-8

    def __init__(self, mean: torch.Tensor, log_std: torch.Tensor) -> None:
        self.normal = Gaussian(mean, log_std)

    @property
    def mode(self) -> torch.Tensor:
        return self.normal.mean.tanh()

    def rsample(self, generator: torch.Generator) -> torch.Tensor:
        return self.normal.rsample(generator).tanh()

    def sample_and_log_prob(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        before, log_prob = self.normal.sample_and_log_prob(generator)
        return before.tanh(), log_prob - _log_slope(before).sum(dim=-1)

    def log_prob(self, action: torch.Tensor) -> torch.Tensor:
        before = action.clamp(-self._EDGE, self._EDGE).atanh()
        return self.normal.log_prob(before) - _log_slope(before).sum(dim=-1)

    def misfit(self, action: torch.Tensor, log_prob: torch.Tensor) -> torch.Tensor:
        """That of the normal before the tanh, ½ Σ ((u - μ) / σ)²: the slope of the tanh depends on the action and not on the policy."""
        before = action.clamp(-self._EDGE, self._EDGE).atanh()
        return self.normal.misfit(before, self.normal.log_prob(before))

    def kl(self, other: TanhGaussian) -> torch.Tensor:
        """That of the normals before the tanh, which is the same for both."""
        return self.normal.kl(other.normal)

    def entropy(self) -> torch.Tensor:
        """h(u) + E[log(1 - tanh²u)], the expectation by Gauss-Hermite quadrature: numbers of an action are independent."""
        mean, std = self.normal.mean, self.normal.log_std.exp()
        nodes, weights = (torch.as_tensor(each, dtype=mean.dtype, device=mean.device) for each in _hermite())
        return self.normal.entropy() + (_log_slope(mean[..., None] + std[..., None] * nodes) @ weights).sum(dim=-1)


class TanhStateDependentGaussian(TanhGaussian):
    """The tanh of a normal distribution whose noise is a function of the state (`StateDependentGaussian`, with its arguments)."""

    normal: StateDependentGaussian

    def __init__(self, mean: torch.Tensor, latent: torch.Tensor, matrix: torch.Tensor) -> None:
        self.normal = StateDependentGaussian(mean, latent, matrix)

    @property
    def matrix(self) -> torch.Tensor:
        """log σ, ``(H, D)``."""
        return self.normal.matrix

    def explored(self, noise: torch.Tensor) -> torch.Tensor:
        """The actions of standard normal matrices ``(B, H, D)``, which θ is σ times."""
        return self.normal.explored(noise).tanh()


def _log_slope(before: torch.Tensor) -> torch.Tensor:
    """log(1 - tanh²u) = 2 (log 2 - u - softplus(-2u)), which does not round to log 0 where tanh rounds to 1."""
    return 2.0 * (math.log(2.0) - before - F.softplus(-2.0 * before))


@cache
def _hermite(count: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the expectation of a function of a standard normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return nodes, weights / weights.sum()


class TruncatedNormal(Policy):
    """A normal distribution of fixed deviation whose draws stay within [-1, 1].

    The noise is clipped, and so is the action, with a gradient as if it were not (straight-through), so that an action at the bound
    still learns. Source: Yarats et al. 2021, "Mastering Visual Continuous Control", section 3.1.

    Args:
        mean: ``(B, A)`` within [-1, 1], float32: in bfloat16 a tanh is exactly ±1 beyond 3.5 and its gradient exactly 0.
        std: Deviation: a number, or a scalar tensor.
        clip: Greatest noise in a draw; ``None`` for no limit.
    """

    _EDGE = 1.0 - 1e-6

    def __init__(self, mean: torch.Tensor, std: float | torch.Tensor, clip: float | None = None) -> None:
        self.mean, self.std, self.clip = mean, std, clip

    @property
    def log_std(self) -> float | torch.Tensor:
        """log σ."""
        return self.std.log() if isinstance(self.std, torch.Tensor) else math.log(self.std)

    @property
    def mode(self) -> torch.Tensor:
        return self.mean

    def rsample(self, generator: torch.Generator) -> torch.Tensor:
        noise = torch.randn(self.mean.shape, generator=generator, device=self.mean.device) * self.std
        if self.clip is not None:
            noise = noise.clamp(-self.clip, self.clip)
        action = self.mean + noise
        return action + (action.clamp(-self._EDGE, self._EDGE) - action).detach()

    def log_prob(self, action: torch.Tensor) -> torch.Tensor:
        scaled = (action - self.mean) / self.std
        return (-0.5 * scaled.square() - self.log_std - _HALF_LOG_2PI).sum(dim=-1)

    def entropy(self) -> torch.Tensor:
        """Of the normal distribution, as `log_prob` is: a constant."""
        return (torch.zeros_like(self.mean) + (self.log_std + 0.5 + _HALF_LOG_2PI)).sum(dim=-1)


class Deterministic(Policy):
    """One action and no other.

    Its log-density is told as that of a normal of deviation 1 around it: to make an action likelier is then to come nearer in squares.

    Args:
        action: ``(B, D)``.
    """

    def __init__(self, action: torch.Tensor) -> None:
        self.action = action

    @property
    def mode(self) -> torch.Tensor:
        return self.action

    def rsample(self, generator: torch.Generator) -> torch.Tensor:
        return self.action

    def log_prob(self, action: torch.Tensor) -> torch.Tensor:
        return (-0.5 * (action - self.action).square() - _HALF_LOG_2PI).sum(dim=-1)

    def entropy(self) -> torch.Tensor:
        """0: nothing is left to chance."""
        return torch.zeros_like(self.action).sum(dim=-1)
