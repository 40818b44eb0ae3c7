"""Densities of goals, fitted to samples: kernels, the error of a predictor, and a normalising flow.

Goals are standardised by the mean and the deviation of the samples. Densities are in these coordinates, and in logarithms: far from all
samples the density itself is 0 in floating point, and goals there could not be ranked.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import nn

#: Added to the deviation of goals, so that a constant coordinate does not divide by 0.
LEAST_STD = 1e-4
#: Rows of goals that are compared with all samples at once.
CHUNK = 256
#: Updates and rows of each, when a network is fitted.
UPDATES, ROWS = 100, 256


class Density(ABC):
    """A density of goals ``(D,)``."""

    mean: np.ndarray
    std: np.ndarray
    fitted = False

    def fit(self, samples: np.ndarray, generator: torch.Generator) -> None:
        """Fit it to samples ``(N, D)``."""
        self.mean, self.std, self.fitted = samples.mean(axis=0), samples.std(axis=0) + LEAST_STD, True
        self.fit_standardised(self.standardised(samples), generator)

    def standardised(self, goals: np.ndarray) -> torch.Tensor:
        """Goals ``(K, D)`` in deviations of the samples, float64."""
        return torch.from_numpy((np.asarray(goals, np.float64) - self.mean) / self.std)

    @torch.no_grad()
    def log_density(self, goals: np.ndarray) -> np.ndarray:
        """Log-density ``(K,)`` of goals ``(K, D)``, or what ranks them as it would."""
        found: np.ndarray = self.log_standardised(self.standardised(goals)).numpy()
        return found

    @abstractmethod
    def fit_standardised(self, samples: torch.Tensor, generator: torch.Generator) -> None: ...

    @abstractmethod
    def log_standardised(self, goals: torch.Tensor) -> torch.Tensor: ...

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self.mean, "std": self.std, **self.parameters()} if self.fitted else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state:
            self.mean, self.std, self.fitted = np.array(state["mean"]), np.array(state["std"]), True
            self.load_parameters(state)

    @abstractmethod
    def parameters(self) -> dict[str, Any]: ...

    @abstractmethod
    def load_parameters(self, state: dict[str, Any]) -> None: ...


class Kernels(Density):
    """Gaussian kernels around the samples: log p(g) = log 1/N Σ N(g; g_i, h²).

    Args:
        bandwidth: h.
    """

    def __init__(self, bandwidth: float) -> None:
        self.bandwidth = bandwidth

    def fit_standardised(self, samples: torch.Tensor, generator: torch.Generator) -> None:
        self.samples = samples

    def log_standardised(self, goals: torch.Tensor) -> torch.Tensor:
        count, size = self.samples.shape
        norm = math.log(count) + size * math.log(self.bandwidth * math.sqrt(2 * math.pi))

        def logs(rows: torch.Tensor) -> torch.Tensor:
            distance = torch.cdist(rows, self.samples, compute_mode="donot_use_mm_for_euclid_dist")
            return (-0.5 * (distance / self.bandwidth).square()).logsumexp(dim=1) - norm

        return torch.cat([logs(goals[first : first + CHUNK]) for first in range(0, len(goals), CHUNK)])

    def parameters(self) -> dict[str, Any]:
        return {"samples": self.samples}

    def load_parameters(self, state: dict[str, Any]) -> None:
        self.samples = torch.as_tensor(state["samples"])


class Trained(Density):
    """A density by networks, which go on from where the fit before left them."""

    network: nn.Module | None = None

    @abstractmethod
    def make(self, size: int) -> nn.Module:
        """The networks of goals ``(size,)``."""

    @abstractmethod
    def loss(self, goals: torch.Tensor) -> torch.Tensor:
        """For each row ``(B,)``."""

    def fit_standardised(self, samples: torch.Tensor, generator: torch.Generator) -> None:
        if self.network is None:
            self.network = seeded(lambda: self.make(samples.shape[1]), generator)
        fit(self.network, lambda rows: self.loss(samples[rows].float()).mean(), len(samples), generator)

    def parameters(self) -> dict[str, Any]:
        assert self.network is not None
        return {"network": self.network.state_dict()}

    def load_parameters(self, state: dict[str, Any]) -> None:
        self.network = self.make(len(state["mean"]))
        self.network.load_state_dict(state["network"])


class Distilled(Trained):
    """The error of a network that learns the outputs of a random one: it is small where there are samples. Burda et al. 2018, RND.

    Ranks goals as a density would; the values mean nothing else.
    """

    def make(self, size: int) -> nn.Module:
        random, predictor = perceptron(size, 16), perceptron(size, 16)
        random.requires_grad_(False)
        return nn.ModuleDict({"random": random, "predictor": predictor})

    def loss(self, goals: torch.Tensor) -> torch.Tensor:
        networks: Any = self.network
        errors: torch.Tensor = (networks["predictor"](goals) - networks["random"](goals)).square().mean(dim=1)
        return errors

    def log_standardised(self, goals: torch.Tensor) -> torch.Tensor:
        return -self.loss(goals.float()).clamp_min(1e-30).log().double()


class Flow(Trained):
    """An autoregressive flow: the coordinates, one after the other, by mixtures of Gaussians that depend on those before.

    z_d = CDF(g_d | g_1 … g_{d-1}) is uniform, and log p(g) the sum of the logarithms of its derivatives. Huang et al. 2018, "Neural
    autoregressive flows", with mixtures as their monotonic networks.

    Args:
        components: Gaussians of a mixture.
    """

    def __init__(self, components: int = 8) -> None:
        self.components = components

    def make(self, size: int) -> nn.Module:
        return nn.ModuleList([perceptron(max(1, before), 3 * self.components) for before in range(size)])

    def loss(self, goals: torch.Tensor) -> torch.Tensor:
        networks: Any = self.network
        total = torch.zeros(len(goals))
        for place, network in enumerate(networks):
            before = goals[:, :place] if place else torch.ones(len(goals), 1)
            weight, mean, log_std = network(before).chunk(3, dim=1)
            log_std = log_std.clamp(-3.0, 3.0)
            log_kernel = -0.5 * ((goals[:, place, None] - mean) / log_std.exp()).square() - log_std - 0.5 * math.log(2 * math.pi)
            total = total - (weight.log_softmax(dim=1) + log_kernel).logsumexp(dim=1)
        return total

    def log_standardised(self, goals: torch.Tensor) -> torch.Tensor:
        return -self.loss(goals.float()).double()


class SuccessPredictor:
    """Probability that an episode from a place reaches a goal, learned from the outcomes of the last episodes."""

    def __init__(self, episodes: int = 1000) -> None:
        self.episodes = episodes
        self.inputs: list[np.ndarray] = []
        self.outcomes: list[float] = []
        self.network: nn.Module | None = None

    def add(self, place: np.ndarray, goal: np.ndarray, succeeded: bool) -> None:
        """The outcome of one episode."""
        self.inputs = [*self.inputs, np.concatenate([place.ravel(), goal.ravel()]).astype(np.float32)][-self.episodes :]
        self.outcomes = [*self.outcomes, float(succeeded)][-self.episodes :]

    def fit(self, generator: torch.Generator) -> None:
        """Learn from the outcomes so far; from none it learns nothing."""
        if not self.inputs:
            return
        inputs, outcomes = torch.from_numpy(np.stack(self.inputs)), torch.tensor(self.outcomes)
        if self.network is None:
            self.network = seeded(lambda: perceptron(inputs.shape[1], 1), generator)
        network = self.network
        entropy = nn.functional.binary_cross_entropy_with_logits
        fit(network, lambda rows: entropy(network(inputs[rows])[:, 0], outcomes[rows]), len(inputs), generator)

    @torch.no_grad()
    def __call__(self, place: np.ndarray, goals: np.ndarray) -> np.ndarray:
        """Probabilities ``(K,)`` for goals ``(K, D)`` from a place ``(D,)``; one half before the first fit."""
        if self.network is None:
            return np.full(len(goals), 0.5)
        rows = np.concatenate([np.tile(place.ravel(), (len(goals), 1)), goals.reshape(len(goals), -1)], axis=1)
        found: np.ndarray = self.network(torch.from_numpy(rows.astype(np.float32)))[:, 0].sigmoid().numpy()
        return found

    def state_dict(self) -> dict[str, Any]:
        if not self.inputs:
            return {}
        network = {} if self.network is None else {"network": self.network.state_dict()}
        return {"inputs": np.stack(self.inputs), "outcomes": np.array(self.outcomes), **network}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state:
            self.inputs, self.outcomes = list(np.array(state["inputs"])), np.array(state["outcomes"]).tolist()
        if "network" in state:
            self.network = perceptron(len(self.inputs[0]), 1)
            self.network.load_state_dict(state["network"])


def make_density(name: str, bandwidth: float) -> Density:
    """The density of this name: kde, rnd or flow."""
    return {"kde": lambda: Kernels(bandwidth), "rnd": Distilled, "flow": Flow}[name]()


def perceptron(inputs: int, outputs: int, hidden: int = 64) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def seeded(make: Any, generator: torch.Generator) -> nn.Module:
    """What `make` returns, with parameters that are a function of the generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        made: nn.Module = make()
    return made


def fit(network: nn.Module, loss: Any, count: int, generator: torch.Generator) -> None:
    """Some updates of a network on random rows among `count`."""
    optimizer = torch.optim.Adam([parameter for parameter in network.parameters() if parameter.requires_grad], lr=1e-3)
    with torch.enable_grad():
        for _ in range(UPDATES):
            optimizer.zero_grad()
            loss(torch.randint(count, (min(ROWS, count),), generator=generator)).backward()
            optimizer.step()
