"""Make optimisers from options, and step them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.base.suggest import did_you_mean
from unified.core.components.import_paths import load, parse, shown
from unified.core.learn.options import SPECIAL, PartOptimizerOptions, optimizer_options
from unified.core.learn.rmsprop import RMSPropTF

_CLASSES: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "radam": torch.optim.RAdam,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "rmsprop_tf": RMSPropTF,
    "adagrad": torch.optim.Adagrad,
}

#: The fused kernels; they are private to torch, and a later version may rename them.
_KERNELS: dict[type[torch.optim.Optimizer], Any] = {
    optimizer: getattr(torch, name)
    for optimizer, name in ((torch.optim.Adam, "_fused_adam_"), (torch.optim.AdamW, "_fused_adamw_"))
    if hasattr(torch, name)
}
#: Whether weight decay is decoupled from the gradient.
_DECOUPLED = {torch.optim.Adam: False, torch.optim.AdamW: True}
#: Options that exclude a fused step: torch refuses most, and dampening treats the first step, where momentum begins, as a special one.
_WITHOUT_FUSED = frozenset({"foreach", "capturable", "differentiable", "dampening"})


class CombinedOptimizer(torch.optim.Optimizer):
    """Optimisers of disjoint parameters as one, with one state: `Muon` for the matrices of a part and `AdamW` for the rest.

    Args:
        members: Optimisers without a common parameter. They share parameter groups and state with this one from now on.
    """

    def __init__(self, members: Sequence[torch.optim.Optimizer]) -> None:
        self.members = list(members)
        states = [member.state for member in members]
        super().__init__([group for member in members for group in member.param_groups], {})
        for state in states:
            self.state.update(state)
        self._share()

    def _share(self) -> None:
        groups = iter(self.param_groups)
        for member in self.members:
            member.param_groups = [next(groups) for _ in member.param_groups]
            member.state = self.state

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "members": self.members}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Called by `load_state_dict` and by copies: the members get the new groups and the new state."""
        super().__setstate__(state)
        self._share()

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step of each member.

        Args:
            closure: Must be ``None``: there is one gradient for all members.
        """
        assert closure is None
        for member in self.members:
            member.step()


def make_optimizer(options: Any, part: str, parameters: list[nn.Parameter], **usual: Any) -> torch.optim.Optimizer:
    """The optimiser of one part of an agent; a `CombinedOptimizer` if ``optimizer.vectors`` names another one for what is no matrix.

    Args:
        options: Options of the agent: `lr`, and `optimizer` if they are `LearningOptions`; otherwise the optimiser is Adam.
        part: Name of the part.
        parameters: Parameters of the part.
        usual: Defaults of the agent for options that are not set, for optimisers that take them: ``betas=(0.5, 0.999)``.

    Raises:
        UsageError: If the import path leads to no optimiser, or the optimiser does not take an option or a parameter.
    """
    matrices = optimizer_options(options).of(part)
    vectors = matrices.for_vectors()
    if vectors is None:
        return _made(matrices, options.lr, parameters, usual)
    split = [
        (matrices, [parameter for parameter in parameters if parameter.dim() == 2]),
        (vectors, [parameter for parameter in parameters if parameter.dim() != 2]),
    ]
    made = [_made(chosen, options.lr, members, usual) for chosen, members in split if members]
    return made[0] if len(made) == 1 else CombinedOptimizer(made)


def _made(chosen: PartOptimizerOptions, lr: float, parameters: list[nn.Parameter], usual: dict[str, Any]) -> torch.optim.Optimizer:
    """The optimiser that complete options describe, for these parameters."""
    assert chosen.name is not None
    optimizer = _CLASSES.get(chosen.name) or _referred(chosen.name)
    taken = {name: each for name, each in inspect.signature(optimizer).parameters.items() if name != "self"}
    given = {option: getattr(chosen, option) for option in SPECIAL if getattr(chosen, option) is not None} | chosen.options
    if chosen.weight_decay:
        given["weight_decay"] = chosen.weight_decay
    if wrong := [option for option in given if option not in taken]:
        settable = [name for name in taken if name not in ("params", "fused")]
        hint = "   ".join(filter(None, [did_you_mean(wrong[0], settable), f"it takes {', '.join(settable)}"]))
        raise UsageError(Problem(f"agent.optimizer={shown(chosen.name)} takes no {', '.join(wrong)}", hint))
    settings = {"lr": lr if chosen.lr is None else chosen.lr, "weight_decay": 0.0, **usual, **given}
    settings = {option: value for option, value in settings.items() if option in taken}
    if _is_fused(optimizer, parameters) and _WITHOUT_FUSED.isdisjoint(chosen.options):
        settings["fused"] = True
    groups: list[Any] = list(parameters)
    if chosen.no_decay and "weight_decay" in taken:
        decayed, spared = ([each for each in parameters if (each.dim() > 1) == several] for several in (True, False))
        groups = [group for group in ({"params": decayed}, {"params": spared, "weight_decay": 0.0}) if group["params"]]
    try:
        made = optimizer(groups, **settings)
    except (TypeError, ValueError, RuntimeError) as error:
        others = any(parameter.dim() != 2 for parameter in parameters)
        hint = "agent.optimizer.vectors=adamw: another optimiser for parameters that are no matrices" if others else ""
        raise UsageError(Problem(f"agent.optimizer={shown(chosen.name)}: {error}", hint)) from error
    return made


def make_moments(optimizer: torch.optim.Optimizer) -> None:
    """Make the state that torch makes in the first fused step, so that all steps are the same operations.

    If the first step of a momentum is skipped, torch leaves the buffer it has just allocated uninitialised, and continues from it.
    """
    if isinstance(optimizer, CombinedOptimizer):
        for member in optimizer.members:
            make_moments(member)
    elif optimizer.defaults.get("fused") and type(optimizer) in (torch.optim.SGD, *_KERNELS):
        for group in optimizer.param_groups:
            adam = type(optimizer) in _KERNELS
            momentum = ["momentum_buffer"] if group.get("momentum") else []
            names = ["exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else [])] if adam else momentum
            for parameter in group["params"] if names else ():
                steps = {"step": torch.zeros((), device=parameter.device)} if adam else {}
                optimizer.state[parameter] = steps | {name: torch.zeros_like(parameter) for name in names}


def step(optimizer: torch.optim.Optimizer, broken: torch.Tensor) -> None:
    """One step along the gradients, and none if `broken` is 1: fused optimisers read it on the device, others wait for its value.

    Adam calls its fused kernel directly. The code of `torch.optim` around it takes longer than the kernel itself for small networks, and
    the result is the same.

    Args:
        optimizer: Made by `make_optimizer`.
        broken: 0 or 1, a scalar on the device.
    """
    if isinstance(optimizer, CombinedOptimizer):
        for member in optimizer.members:
            step(member, broken)
    elif not optimizer.defaults.get("fused"):
        if not broken:
            optimizer.step()
    elif _is_plain(optimizer):
        for group in optimizer.param_groups:
            _adam(optimizer, group, broken)
    else:
        optimizer.found_inf = broken  # type: ignore[attr-defined]
        optimizer.step()
        del optimizer.found_inf  # type: ignore[attr-defined]


def plain_step(optimizer: torch.optim.Optimizer, broken: torch.Tensor) -> None:
    """The step of Adam or AdamW in plain operations, which a compiler fuses with what precedes and follows it.

    The order of operations is that of the fused kernel, which computes what depends on the step alone in float64.

    Raises:
        NotImplementedError: For other optimisers.
    """
    if isinstance(optimizer, CombinedOptimizer):
        for member in optimizer.members:
            plain_step(member, broken)
        return
    if not (optimizer.defaults.get("fused") and _is_plain(optimizer)):
        raise NotImplementedError(f"the optimiser {type(optimizer).__name__} has no form in plain operations")
    for group in optimizer.param_groups:
        _plain_adam(optimizer, group, broken)


@torch.no_grad()
def _plain_adam(optimizer: torch.optim.Optimizer, group: dict[str, Any], broken: torch.Tensor) -> None:
    parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
    if not parameters:
        return
    (beta1, beta2), decay = group["betas"], group["weight_decay"]
    states = [optimizer.state[parameter] for parameter in parameters]
    steps = torch.stack([state["step"] for state in states]) + (1.0 - broken)
    lr = torch.as_tensor(group["lr"], dtype=torch.float64, device=steps.device)
    sizes = (lr / (1.0 - beta1 ** steps.double())).float()
    roots = (1.0 - beta2 ** steps.double()).sqrt().float()
    skipped = broken.bool()
    for number, (parameter, state) in enumerate(zip(parameters, states, strict=True)):
        gradient, old = parameter.grad, parameter
        assert gradient is not None
        if decay and _DECOUPLED[type(optimizer)]:
            old = parameter * (1.0 - lr * decay).to(parameter.dtype)
        elif decay:
            gradient = gradient + parameter * decay
        first = state["exp_avg"] * beta1 + gradient * (1.0 - beta1)
        second = state["exp_avg_sq"] * beta2 + gradient * gradient * (1.0 - beta2)
        new = old - sizes[number] * first / (second.sqrt() / roots[number] + group["eps"])
        state["step"].copy_(steps[number])
        for tensor, value in ((state["exp_avg"], first), (state["exp_avg_sq"], second), (parameter, new)):
            tensor.copy_(torch.where(skipped, tensor, value))


def _is_plain(optimizer: torch.optim.Optimizer) -> bool:
    """Whether it is a plain Adam or AdamW without hooks, so that one call of its kernel takes all parameters."""
    if type(optimizer) not in _KERNELS or optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
        return False
    groups = optimizer.param_groups
    if any(group["amsgrad"] or group["maximize"] or group["decoupled_weight_decay"] != _DECOUPLED[type(optimizer)] for group in groups):
        return False
    return len({parameter.dtype for group in groups for parameter in group["params"] if parameter.grad is not None}) == 1


@torch.no_grad()
def _adam(optimizer: torch.optim.Optimizer, group: dict[str, Any], broken: torch.Tensor) -> None:
    parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
    if not parameters:
        return
    states = [optimizer.state[parameter] for parameter in parameters]
    steps = [state["step"] for state in states]
    torch._foreach_add_(steps, [1.0 - broken] * len(steps))  # a skipped step does not count
    _KERNELS[type(optimizer)](
        parameters,
        [parameter.grad for parameter in parameters],
        [state["exp_avg"] for state in states],
        [state["exp_avg_sq"] for state in states],
        [],
        steps,
        amsgrad=False,
        lr=_rate(group["lr"], broken.device),
        beta1=group["betas"][0],
        beta2=group["betas"][1],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        maximize=False,
        found_inf=broken,
    )


def _rate(rate: float | torch.Tensor, device: torch.device) -> float | torch.Tensor:
    """A learning rate as the kernel takes it; on a GPU as a tensor of float32, as a graph takes it, so that bits are equal."""
    if device.type == "cpu":
        return rate
    return rate.float() if isinstance(rate, torch.Tensor) else torch.full((), rate, device=device)


def _is_fused(optimizer: type[torch.optim.Optimizer], parameters: list[nn.Parameter]) -> bool:
    if optimizer is torch.optim.Adagrad:
        return all(parameter.device.type == "cpu" for parameter in parameters)
    return optimizer in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)


def _referred(name: str) -> type[torch.optim.Optimizer]:
    """The class at an import path."""
    reference = parse(name)
    assert reference is not None, "options accept names and import paths only"
    found = load(reference, "optimizers")
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        raise UsageError(Problem(f"{shown(name)} is no torch.optim.Optimizer", "a class like torch.optim:NAdam is"))
    closure = inspect.signature(found.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise UsageError(
            Problem(f"{shown(name)} needs a closure that computes the loss again, and an update computes it once", "choose another")
        )
    return found


def laid_out_like(tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The same values in the memory format of `other`: fused optimisers assume equal layouts of parameters, gradients and state."""
    return tensor if tensor.stride() == other.stride() else torch.empty_like(other, dtype=tensor.dtype).copy_(tensor)
