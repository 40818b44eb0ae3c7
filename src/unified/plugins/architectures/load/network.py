"""Parts of other runs."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path

from torch import nn

from unified.core.base.errors import FilesMissing, Problem, UsageError
from unified.core.learn.networks import trial

#: The runs that are being loaded, outermost first: the encoder of a run may itself be a part of another run.
_loading: ContextVar[tuple[Path, ...]] = ContextVar("_loading", default=())


def load(
    in_shape: tuple[int, ...], run: str = "", part: str = "encoder", checkpoint: str = "best", root: str = "runs", frozen: bool = False
) -> nn.Module:
    """A part of a trained agent with its parameters, which continue to learn unless they are frozen.

    Args:
        in_shape: Shape of one input row, without the batch.
        run: Name of the run; an unambiguous part of the name is enough.
        part: Name of the part of its agent.
        checkpoint: ``best``, ``newest``, or a number of frames.
        root: Directory of the runs.
        frozen: Whether the parameters stay as they are.

    Raises:
        UsageError: If there is no such run, checkpoint or part, if the part does not take `in_shape`, or if runs load parts of each other.
    """
    if not run:
        raise FilesMissing(Problem("load needs the name of a run", "encoder=load:RUN#encoder"))
    from unified.core.runs.run import Run
    from unified.core.trainer.build import load_agent

    found = Run.find(run, root)
    if found.path.resolve() in _loading.get():
        names = " -> ".join(str(path) for path in (*_loading.get(), found.path))
        raise UsageError(
            Problem(f"runs load parts of each other in a circle: {names}", "encoder= an architecture: unified plugins list architectures")
        )
    outer = _loading.set((*_loading.get(), found.path.resolve()))
    try:
        agent = load_agent(found, int(checkpoint) if checkpoint.isdigit() else checkpoint).agent
    finally:
        _loading.reset(outer)
    # The averaged part where the agent has one (ema); target networks are left out.
    parts: dict[str, nn.Module] = {name: agent.acting(name) for name, _ in agent.named_children() if name not in agent.target_parts}
    if part not in parts:
        raise UsageError(Problem(f"the agent of run {run} has no part {part!r}", f"its parts: {', '.join(parts)}"))
    try:
        trial(parts[part], in_shape)
    except UsageError as error:
        hint = f"a part that takes it: {', '.join(parts)}"
        raise UsageError(Problem(f"part {part!r} of run {run} takes another shape than {in_shape}", hint)) from error
    return parts[part].train().requires_grad_(not frozen)
