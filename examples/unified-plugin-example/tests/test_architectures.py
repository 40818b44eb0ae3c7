from __future__ import annotations

import math

import torch

from unified_plugin_example.architectures import Fourier, norm_mlp


def test_features_of_a_known_direction() -> None:
    fourier = Fourier(in_features=2, waves=1)
    with torch.no_grad():
        fourier.project.weight.copy_(torch.tensor([[1.0, 2.0]]))
        fourier.project.bias.zero_()
    features = fourier(torch.tensor([[0.1, 0.2]]))
    torch.testing.assert_close(features, torch.tensor([[math.sin(0.5), math.cos(0.5)]]))


def test_a_body_and_a_head() -> None:
    rows = torch.randn(3, 4)
    assert norm_mlp(4, width=8, depth=2)(rows).shape == (3, 8)
    assert norm_mlp(4, 5, width=8)(rows).shape == (3, 5)
