"""The causal transformer of the Decision Transformer."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class CausalLayer(nn.Module):
    """A layer of GPT-2: attention to what came before, then two linear layers, both normalised first and added.

    Args:
        hidden_dim: Width, H.
        heads: Attention heads.
    """

    def __init__(self, hidden_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.norm = nn.LayerNorm(hidden_dim), nn.LayerNorm(hidden_dim)
        self.read, self.write = nn.Linear(hidden_dim, 3 * hidden_dim), nn.Linear(hidden_dim, hidden_dim)
        self.layers = nn.Sequential(nn.Linear(hidden_dim, 4 * hidden_dim), nn.GELU(), nn.Linear(4 * hidden_dim, hidden_dim))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens ``(B, T, H)`` to ``(B, T, H)``."""
        rows, length, width = tokens.shape
        parts = self.read(self.attention_norm(tokens)).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (B, heads, T, H / heads)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        tokens = tokens + self.write(seen.transpose(1, 2).reshape(rows, length, width))
        return tokens + self.layers(self.norm(tokens))


class ReturnTransformer(nn.Module):
    """Windows of returns, observations and actions to a feature for each step: three tokens a step, R̂ₜ, sₜ, aₜ, as Chen et al. 2021.

    The feature of a step is the output at its observation, which has seen all steps before it, its return and itself, and not its action.

    Args:
        features: Numbers of an encoded observation, F.
        actions: Numbers of an action, D.
        hidden_dim: Width, H.
        depth: Layers.
        heads: Attention heads.
        longest: Steps that have an embedding of their own.
    """

    def __init__(self, features: int, actions: int, hidden_dim: int, depth: int, heads: int, longest: int) -> None:
        super().__init__()
        self.returns, self.states, self.actions = (nn.Linear(size, hidden_dim) for size in (1, features, actions))
        self.steps, self.norm = nn.Embedding(longest, hidden_dim), nn.LayerNorm(hidden_dim)
        self.layers = nn.Sequential(*(CausalLayer(hidden_dim, heads) for _ in range(depth)))
        self.last_norm = nn.LayerNorm(hidden_dim)
        nn.init.normal_(self.steps.weight, std=0.02)

    def forward(self, returns: torch.Tensor, features: torch.Tensor, action: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Features of steps ``(B, K, H)``.

        Args:
            returns: ``(B, K)``, scaled.
            features: ``(B, K, F)``.
            action: ``(B, K, D)``.
            step: ``(B, K)``, number within the episode.
        """
        time = self.steps(step.clamp(max=self.steps.num_embeddings - 1))
        tokens = torch.stack([self.returns(returns[..., None]), self.states(features), self.actions(action)], dim=2) + time[:, :, None]
        output: torch.Tensor = self.last_norm(self.layers(self.norm(tokens.flatten(1, 2))))
        return output[:, 1::3]
