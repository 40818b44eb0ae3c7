"""Optimisers, made as options say."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.components.import_paths import load, parse, shown
from unified.core.learn.options import SPECIAL, optimizer_options

_CLASSES: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}

#: What those that are one kernel for all parameters call; it is private to torch, and may be called otherwise one day.
_KERNELS: dict[type[torch.optim.Optimizer], Any] = {
    optimizer: getattr(torch, name)
    for optimizer, name in ((torch.optim.Adam, "_fused_adam_"), (torch.optim.AdamW, "_fused_adamw_"))
    if hasattr(torch, name)
}
#: Whether weights decay by themselves, and not by way of the gradient.
_DECOUPLED = {torch.optim.Adam: False, torch.optim.AdamW: True}


def make_optimizer(options: Any, part: str, parameters: list[nn.Parameter], **usual: Any) -> torch.optim.Optimizer:
    """The optimiser of one part of an agent.

    Args:
        options: Of the agent: `lr`, and `optimizer` where it has these options (`LearningOptions`); else it is Adam.
        part: Its name.
        parameters: Of the part.
        usual: What the agent has where the options say nothing, for optimisers that take it: ``betas=(0.5, 0.999)``.

    Raises:
        UsageError: If what is referred to is no optimiser, or does not take an option.
    """
    said = optimizer_options(options).of(part)
    assert said.name is not None
    optimizer = _CLASSES.get(said.name) or _referred(said.name)
    taken = inspect.signature(optimizer).parameters
    given = {option: getattr(said, option) for option in SPECIAL if getattr(said, option) is not None}
    if said.weight_decay:
        given["weight_decay"] = said.weight_decay
    if wrong := [option for option in given if option not in taken]:
        raise UsageError(Problem(f"agent.optimizer={shown(said.name)} takes no {', '.join(wrong)}", f"it takes {', '.join(taken)}"))
    settings = {"lr": options.lr if said.lr is None else said.lr, "weight_decay": 0.0, **usual, **given}
    fused: dict[str, Any] = {"fused": True} if _is_fused(optimizer, parameters) else {}
    made = optimizer(parameters, **{option: value for option, value in settings.items() if option in taken}, **fused)
    if fused and settings.get("momentum"):
        # torch leaves what it makes at a first step that is skipped as the memory was, and goes on from that.
        for parameter in parameters:
            made.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return made


def step(optimizer: torch.optim.Optimizer, broken: torch.Tensor) -> None:
    """One step along the gradients, and none where `broken` is 1: fused optimisers see to that on the device, the others wait for it.

    For Adam it is the fused kernel alone. What `torch.optim` does around it takes longer than the kernel itself where networks are small,
    and changes nothing.

    Args:
        optimizer: Of `make_optimizer`.
        broken: 0 or 1, a scalar on the device.
    """
    if not optimizer.defaults.get("fused"):
        if not broken:
            optimizer.step()
    elif _is_plain(optimizer):
        for group in optimizer.param_groups:
            _adam(optimizer, group, broken)
    else:
        optimizer.found_inf = broken  # type: ignore[attr-defined]
        optimizer.step()


def _is_plain(optimizer: torch.optim.Optimizer) -> bool:
    """Whether it is an Adam as its paper has it that nobody watches, stepped before, and one call of its kernel takes all parameters."""
    if type(optimizer) not in _KERNELS or optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
        return False
    groups = optimizer.param_groups
    if any(group["amsgrad"] or group["maximize"] or group["decoupled_weight_decay"] != _DECOUPLED[type(optimizer)] for group in groups):
        return False
    due = [parameter for group in groups for parameter in group["params"] if parameter.grad is not None]
    return all(parameter in optimizer.state for parameter in due) and len({parameter.dtype for parameter in due}) == 1


@torch.no_grad()
def _adam(optimizer: torch.optim.Optimizer, group: dict[str, Any], broken: torch.Tensor) -> None:
    parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
    if not parameters:
        return
    states = [optimizer.state[parameter] for parameter in parameters]
    steps = [state["step"] for state in states]
    torch._foreach_add_(steps, [1.0 - broken] * len(steps))  # a step that is none does not count
    _KERNELS[type(optimizer)](
        parameters,
        [parameter.grad for parameter in parameters],
        [state["exp_avg"] for state in states],
        [state["exp_avg_sq"] for state in states],
        [],
        steps,
        amsgrad=False,
        lr=group["lr"],
        beta1=group["betas"][0],
        beta2=group["betas"][1],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        maximize=False,
        found_inf=broken,
    )


def _is_fused(optimizer: type[torch.optim.Optimizer], parameters: list[nn.Parameter]) -> bool:
    if optimizer is torch.optim.Adagrad:
        return all(parameter.device.type == "cpu" for parameter in parameters)
    return optimizer in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)


def _referred(name: str) -> type[torch.optim.Optimizer]:
    """The class that a reference refers to."""
    reference = parse(name)
    assert reference is not None, "the options refuse what is neither a name nor a reference"
    found = load(reference, "optimizers")
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        raise UsageError(Problem(f"{shown(name)} is no torch.optim.Optimizer", "a class like torch.optim:NAdam is"))
    closure = inspect.signature(found.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise UsageError(Problem(f"{shown(name)} asks for the loss again (a closure), and an update has it once", "choose another"))
    return found


def laid_out_like(tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The same numbers in the memory format of `other`: fused optimisers walk through memory and take equal layouts for granted."""
    return tensor if tensor.stride() == other.stride() else torch.empty_like(other, dtype=tensor.dtype).copy_(tensor)
