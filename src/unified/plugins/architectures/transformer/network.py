"""Transformers: of tokens, and of the patches of a picture."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch import nn
from torch.nn import functional as F

from unified.core.base.errors import Problem, UsageError
from unified.core.learn.networks import Shape
from unified.plugins.architectures.pictures import pixels


class Block(nn.Module):
    """Attention and an MLP, each behind a layer normalisation and beside a shortcut. Source: Vaswani et al. 2017; Xiong et al. 2020.

    Args:
        width: Of a token.
        heads: Of the attention; they divide the width.
        dropout: Share of what is left out in training.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise UsageError(Problem(f"{heads} heads do not divide a width of {width}", f"heads={math.gcd(width, heads)}"))
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """``(B, T, width)`` to the same."""
        tokens = tokens + self.dropout(self._attend(self.norm_attention(tokens)))
        tokens = tokens + self.dropout(self.mlp(self.norm_mlp(tokens)))
        return tokens

    def _attend(self, tokens: torch.Tensor) -> torch.Tensor:
        rows, count, width = tokens.shape
        split = self.queries_keys_values(tokens).view(rows, count, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # (B, heads, T, width / heads) each
        seen = F.scaled_dot_product_attention(query, key, value)
        attended: torch.Tensor = self.project(seen.transpose(1, 2).reshape(rows, count, width))
        return attended


class Transformer(nn.Module):
    """Blocks of attention over tokens whose places are learned.

    Args:
        in_shape: ``(C, H, W)``, a feature map of H * W tokens; ``(T, D)``, a sequence; or ``(D,)``, a single token.
        width: Size of a token.
        depth: Number of blocks of attention and MLP.
        heads: Heads of each attention; they divide the width.
        dropout: Dropout probability.
        flat: Return one vector, the mean of the tokens (true), or the tokens (false); null: a vector, unless the next part takes tokens.
    """

    def __init__(
        self,
        in_shape: Shape,
        width: Annotated[int, Ge(1)] = 128,
        depth: Annotated[int, Ge(1)] = 2,
        heads: Annotated[int, Ge(1)] = 4,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
        flat: bool | None = None,
    ) -> None:
        super().__init__()
        self.is_map, self.flat = len(in_shape) == 3, flat is None or flat
        size = in_shape[0] if self.is_map else in_shape[-1]
        self.embed = nn.Linear(size, width)
        self.places = nn.Parameter(torch.empty(1, math.prod(in_shape) // size, width).normal_(std=0.02))
        self.blocks = nn.Sequential(*[Block(width, heads, dropout) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(B, *in_shape)`` to ``(B, width)``, or to ``(B, T, width)`` where it is not flat."""
        inputs = pixels(inputs, self.embed)
        if self.is_map:
            inputs = inputs.flatten(2).transpose(1, 2)
        elif inputs.dim() == 2:
            inputs = inputs[:, None]
        tokens: torch.Tensor = self.norm(self.blocks(self.embed(inputs) + self.places))
        return tokens.mean(1) if self.flat else tokens
