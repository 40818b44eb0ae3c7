"""Checks of architectures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

import torch
from torch import nn

from unified.core.base.errors import FilesMissing
from unified.core.components.descriptors import ArchitectureComponent
from unified.core.learn.networks import Shape, construct, is_head, output_shape
from unified.testing.check import Check, Failed, Skipped
from unified.testing.workshop import some, tiny_options

#: Inputs: float vectors, and images as bytes or floats.
INPUTS: tuple[tuple[Shape, torch.dtype], ...] = (
    ((7,), torch.float32),
    ((3, 24, 24), torch.uint8),
    ((3, 24, 24), torch.float32),
    ((9, 84, 84), torch.uint8),
    ((9, 84, 84), torch.float32),
    ((5, 7), torch.float32),
)
#: Outputs of heads: a vector, or an image for heads that output only images.
OUTPUTS: tuple[Shape, ...] = ((5,), (3, 24, 24))


@dataclass(frozen=True)
class Use:
    """A use of an architecture: input and output shapes."""

    in_shape: Shape
    dtype: torch.dtype
    out_shape: Shape | None

    def __str__(self) -> str:
        kind = str(self.dtype).removeprefix("torch.")
        return f"{kind} {self.in_shape}" + (f" to {self.out_shape}" if self.out_shape else "")

    def rows(self, count: int, seed: int = 0) -> torch.Tensor:
        """``(count, *in_shape)``."""
        generator = torch.Generator().manual_seed(seed)
        if self.dtype == torch.uint8:
            return torch.randint(0, 256, (count, *self.in_shape), dtype=torch.uint8, generator=generator)
        return torch.randn((count, *self.in_shape), generator=generator)


@cache
def uses(component: ArchitectureComponent) -> tuple[Use, ...]:
    """The uses of an architecture: with a vector or an image, as a head (with an output argument) or a body.

    Raises:
        Failed: If there is none.
    """
    found: list[Use] = []
    tried: list[str] = []
    outputs = OUTPUTS if is_head(component.load()) else (None,)
    for (in_shape, dtype), out_shape in product(INPUTS, outputs):
        if any(len(use.in_shape) == len(in_shape) for use in found):
            continue
        use = Use(in_shape, dtype, out_shape)
        try:
            module = build(component, use)
            with torch.no_grad():
                module.train(False)(use.rows(2))
        except Skipped:
            raise
        except FilesMissing as missing:  # a missing file or run
            raise Skipped(missing.problems[0].message) from missing
        except Exception as error:
            tried.append(f"{use}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            continue
        found.append(use)
    if not found:
        contract = (
            "An architecture takes a vector or an image; its sizes are filled in by the names of its arguments (in_shape, in_features, …)."
        )
        raise Failed(contract, "\n".join(tried), "see the arguments that it is given, and the defaults of its options")
    return tuple(found)


def build(component: ArchitectureComponent, use: Use, seed: int = 1) -> nn.Module:
    """A new module whose parameters depend on `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return construct(component.load(), use.in_shape, use.out_shape, dict(tiny_options(component)))


def gives_the_shape_it_says(component: ArchitectureComponent) -> str:
    """The output has the requested shape and the shape inferred on the meta device."""
    for use in uses(component):
        module = build(component, use).train(False)
        with torch.no_grad():
            rows = module(use.rows(2))
        if not isinstance(rows, torch.Tensor) or len(rows) != 2:
            raise Failed(
                "An architecture maps a batch to a tensor with the same number of rows.",
                f"{use}: {_shown(rows)} for 2 rows",
                "keep the first dimension",
            )
        real, inferred = tuple(rows.shape[1:]), output_shape(module, use.in_shape)
        if inferred != real:
            contract = "The next part is sized from a pass on the meta device, which must give the shape of a real pass."
            raise Failed(
                contract, f"{use}: {inferred} on the meta device, {real} in a real pass", "make shapes independent of values and devices"
            )
        if use.out_shape is not None and real != use.out_shape:
            contract = "The output of a head has the shape of out_shape, out_features, out_channels or out_dim."
            raise Failed(contract, f"{use}: {real}", "size the last layer by that argument")
    return "; ".join(map(str, uses(component)))


def trains_every_parameter(component: ArchitectureComponent) -> None:
    """Gradients reach every parameter."""
    for use in uses(component):
        module = build(component, use).train()
        wanted = {name: value for name, value in module.named_parameters() if value.requires_grad}
        if not wanted:
            continue
        reached: set[str] = set()
        for seed in range(3):  # a unit may be inactive for some rows
            rows = module(use.rows(16, seed))
            weights = torch.randn(rows.shape, generator=torch.Generator().manual_seed(seed))
            gradients = torch.autograd.grad((rows * weights).sum(), list(wanted.values()), allow_unused=True)
            reached |= {name for name, gradient in zip(wanted, gradients, strict=True) if gradient is not None and gradient.any()}
        if dead := sorted(set(wanted) - reached):
            contract = "Gradients reach every parameter; another one would never be trained."
            raise Failed(contract, f"{use}: none for {some(dead)}", "use it in `forward`, or remove it")
    if not any(True for use in uses(component) for _ in build(component, use).parameters()):
        raise Skipped("it has no parameters")


def keeps_its_state(component: ArchitectureComponent) -> None:
    """Loading its state into another instance makes both equal."""
    for use in uses(component):
        one, other = build(component, use, 1).train(), build(component, use, 2)
        one(use.rows(4))  # counters and running statistics
        other.load_state_dict(one.state_dict())
        one, other = one.train(False), other.train(False)
        with torch.no_grad():
            same = torch.equal(one(use.rows(3)), other(use.rows(3)))
        if not same:
            contract = "The state_dict holds the whole state of a network: parameters and buffers."
            raise Failed(
                contract, f"{use}: the loaded network has another output", "register_buffer for tensors, nn.ModuleList for lists of layers"
            )


def treats_rows_apart(component: ArchitectureComponent) -> None:
    """In evaluation mode, the output of a row does not depend on other rows or on chance."""
    for use in uses(component):
        module, rows = build(component, use).train(False), use.rows(4)
        with torch.no_grad():
            together = module(rows)
            again = module(rows)
            alone = torch.cat([module(rows[index : index + 1]) for index in range(len(rows))])
        contract = "In evaluation mode, the output of a row is a function of this row alone."
        if not torch.equal(together, again):
            raise Failed(contract, f"{use}: the same rows give different outputs", "draw no random numbers if `self.training` is false")
        if not torch.allclose(together, alone, rtol=1e-3, atol=1e-4):
            worst = float((together - alone).abs().max())
            raise Failed(
                contract,
                f"{use}: the output of a row alone and in a batch differs by up to {worst:.2g}",
                "do not use statistics over the batch",
            )


def _shown(value: object) -> str:
    return f"a tensor {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__


CHECKS = tuple(
    Check.of("architectures", function)
    for function in (gives_the_shape_it_says, trains_every_parameter, keeps_its_state, treats_rows_apart)
)
