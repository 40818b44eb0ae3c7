"""DrQ-v2 as its reference implementation does it: fp32, NCHW, `grid_sample`, one optimiser per part, `.item()` on every loss.

Written for measuring against, in the reference's style; the hyper-parameters are the published ones.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional as F


class GridSampleShift(nn.Module):
    def __init__(self, pad: int = 4) -> None:
        super().__init__()
        self.pad = pad

    def forward(self, x: torch.Tensor, shift: torch.Tensor | None = None) -> torch.Tensor:
        n, _, h, _ = x.shape
        x = F.pad(x, [self.pad] * 4, "replicate")
        eps = 1.0 / (h + 2 * self.pad)
        line = torch.linspace(-1.0 + eps, 1.0 - eps, h + 2 * self.pad, device=x.device, dtype=x.dtype)[:h]
        line = line.unsqueeze(0).repeat(h, 1).unsqueeze(2)
        base = torch.cat([line, line.transpose(1, 0)], dim=2).unsqueeze(0).repeat(n, 1, 1, 1)
        if shift is None:
            shift = torch.randint(0, 2 * self.pad + 1, size=(n, 1, 1, 2), device=x.device)
        grid = base + shift.to(x.dtype) * (2.0 / (h + 2 * self.pad))
        return F.grid_sample(x, grid, padding_mode="zeros", align_corners=False)


class Encoder(nn.Module):
    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.convnet = nn.Sequential(
            nn.Conv2d(channels, 32, 3, stride=2), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(),
            nn.Conv2d(32, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(),
        )  # fmt: skip
        with torch.no_grad():
            self.features = self.convnet(torch.zeros(1, channels, size, size)).numel()

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return self.convnet(obs / 255.0 - 0.5).view(len(obs), -1)


def _trunk(features: int, dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, dim), nn.LayerNorm(dim), nn.Tanh())


def _mlp(inputs: int, hidden_dim: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden_dim),
        nn.ReLU(inplace=True),
        nn.Linear(hidden_dim, hidden_dim),
        nn.ReLU(inplace=True),
        nn.Linear(hidden_dim, outputs),
    )


class Critic(nn.Module):
    def __init__(self, features: int, actions: int, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.trunk = _trunk(features, dim)
        self.Q1, self.Q2 = _mlp(dim + actions, hidden_dim, 1), _mlp(dim + actions, hidden_dim, 1)

    def forward(self, features: torch.Tensor, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.cat([self.trunk(features), action], dim=-1)
        return self.Q1(x), self.Q2(x)


class Actor(nn.Module):
    def __init__(self, features: int, actions: int, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.trunk, self.policy = _trunk(features, dim), _mlp(dim, hidden_dim, actions)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.policy(self.trunk(features)))


def _noisy(mu: torch.Tensor, noise: torch.Tensor, std: float, clip: float) -> torch.Tensor:
    x = mu + torch.clamp(noise * std, -clip, clip)
    return x - x.detach() + x.clamp(-1 + 1e-6, 1 - 1e-6).detach()


class ReferenceDrQV2:
    """One `update` on a batch of float32 observations. Random draws may be given, for a comparison of numbers."""

    def __init__(self, shape: tuple[int, int, int], actions: int, dim: int = 50, hidden_dim: int = 1024, lr: float = 1e-4) -> None:
        self.aug = GridSampleShift()
        self.encoder = Encoder(shape[0], shape[1])
        self.actor = Actor(self.encoder.features, actions, dim, hidden_dim)
        self.critic = Critic(self.encoder.features, actions, dim, hidden_dim)
        self.critic_target = copy.deepcopy(self.critic)
        self.optimizers = [torch.optim.Adam(part.parameters(), lr=lr) for part in (self.encoder, self.critic, self.actor)]

    def update(
        self, obs: torch.Tensor, action: torch.Tensor, reward: torch.Tensor, discount: torch.Tensor, next_obs: torch.Tensor,
        std: float, clip: float = 0.3, tau: float = 0.01, draws: tuple[torch.Tensor, ...] | None = None,
    ) -> dict[str, float]:  # fmt: skip
        shift, next_shift, target_noise, policy_noise = draws or (None, None, torch.randn_like(action), torch.randn_like(action))
        encoder_opt, critic_opt, actor_opt = self.optimizers
        features = self.encoder(self.aug(obs.float(), shift))
        with torch.no_grad():
            next_features = self.encoder(self.aug(next_obs.float(), next_shift))
            next_action = _noisy(self.actor(next_features), target_noise, std, clip)
            q1, q2 = self.critic_target(next_features, next_action)
            target = reward + discount * torch.min(q1, q2)
        q1, q2 = self.critic(features, action)
        critic_loss = F.mse_loss(q1, target) + F.mse_loss(q2, target)
        metrics = {"target": target.mean().item(), "q1": q1.mean().item(), "q2": q2.mean().item(), "critic_loss": critic_loss.item()}
        encoder_opt.zero_grad(set_to_none=True)
        critic_opt.zero_grad(set_to_none=True)
        critic_loss.backward()
        critic_opt.step()
        encoder_opt.step()
        features = features.detach()
        act = _noisy(self.actor(features), policy_noise, std, clip)
        actor_loss = -torch.min(*self.critic(features, act)).mean()
        actor_opt.zero_grad(set_to_none=True)
        actor_loss.backward()
        actor_opt.step()
        metrics["actor_loss"] = actor_loss.item()
        with torch.no_grad():
            for ours, theirs in zip(self.critic.parameters(), self.critic_target.parameters(), strict=True):
                theirs.data.copy_(tau * ours.data + (1 - tau) * theirs.data)
        return metrics
