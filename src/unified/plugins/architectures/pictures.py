"""What networks of pictures share: how bytes become numbers, in which layout, and convolutions with ReLU."""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from torch import nn

#: A convolution and what follows it in one call, as oneDNN has it. Private to torch: a later version may not have it.
_POINTWISE = getattr(torch.ops.mkldnn, "_convolution_pointwise", None)


def pixels(obs: torch.Tensor, network: nn.Module) -> torch.Tensor:
    """Pictures as the first layer takes them: bytes become numbers in [0, 1], what comes as numbers stays.

    Args:
        obs: ``(B, C, H, W)``, or anything else, whose layout stays.
        network: That takes them. The type of its parameters is what bytes become, or under autocast the type that it computes in.

    Returns:
        Pictures in `channels_last`, which convolutions are fast in.
    """
    if obs.dim() == 4:
        # Bytes are laid out first and cast second: a quarter of the memory moves.
        obs = obs.contiguous(memory_format=torch.channels_last)
    if obs.dtype != torch.uint8:
        return obs
    dtype = next(network.parameters()).dtype
    if not obs.is_meta and torch.is_autocast_enabled(obs.device.type):
        dtype = torch.get_autocast_dtype(obs.device.type)
    return obs.to(dtype).div_(255.0)


def layout_of(network: nn.Module) -> torch.memory_format:
    """The layout of the network's convolutions, in which they take pictures without laying them out anew."""
    kernels = [parameter for parameter in network.parameters() if parameter.dim() == 4 and not parameter.is_contiguous()]
    laid_out = bool(kernels) and all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)
    return torch.channels_last if laid_out else torch.contiguous_format


def flatten(features: torch.Tensor) -> torch.Tensor:
    """``(B, C, H, W)`` to ``(B, H * W * C)``, as `channels_last` features lie in memory: nothing is copied."""
    return features.permute(0, 2, 3, 1).flatten(1)


class Convolutions(nn.Sequential):
    """Layers one after the other. On a CPU, a convolution and the ReLU behind it are one pass over memory where oneDNN computes both.

    Bit for bit the same as an `nn.Sequential`: oneDNN applies the ReLU to sums that are rounded afterwards, and rounding keeps the sign.
    """

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)`` to ``(B, C', H', W')``."""
        layers = deque(self)
        while layers:
            layer = layers.popleft()
            arguments = _fused(layer, layers[0], inputs) if layers else None
            if arguments is None:
                inputs = layer(inputs)
            else:
                inputs = _ConvolutionReLU.apply(*arguments)
                layers.popleft()
        return inputs


def _fused(layer: nn.Module, following: nn.Module, inputs: torch.Tensor) -> tuple[Any, ...] | None:
    """Arguments of `_ConvolutionReLU`, where these two layers are a convolution that torch gives to oneDNN and a ReLU, without hooks."""
    if type(layer) is not nn.Conv2d or type(following) is not nn.ReLU or inputs.device.type != "cpu" or _POINTWISE is None:
        return None
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str) or layer._forward_hooks or following._forward_hooks:
        return None
    weight, bias = layer.weight, layer.bias
    if torch.is_autocast_enabled("cpu"):  # casts what a convolution gets, and does not know the fused one
        dtype = torch.get_autocast_dtype("cpu")
        inputs, weight, bias = inputs.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    settings = layer.stride, layer.padding, layer.dilation
    backend = torch._C._select_conv_backend(inputs, weight, bias, *settings, False, (0, 0), layer.groups, None)
    return (inputs, weight, bias, *settings, layer.groups) if backend == torch._C._ConvBackend.Mkldnn else None


class _ConvolutionReLU(torch.autograd.Function):
    """ReLU of a convolution; the backward pass is that of the two."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        dilation: tuple[int, ...],
        groups: int,
    ) -> torch.Tensor:
        assert _POINTWISE is not None
        outputs: torch.Tensor = _POINTWISE(inputs, weight, bias, padding, stride, dilation, groups, "relu", [], "")
        ctx.save_for_backward(inputs, weight, outputs)
        ctx.settings = None if bias is None else list(bias.shape), stride, padding, dilation, False, (0, 0), groups
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        inputs, weight, outputs = ctx.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradients[0], outputs, 0)
        needed = ctx.needs_input_grad[:3]
        return *torch.ops.aten.convolution_backward(gradient, inputs, weight, *ctx.settings, needed), None, None, None, None
