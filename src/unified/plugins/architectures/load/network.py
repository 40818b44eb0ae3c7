"""Parts of other runs."""

from __future__ import annotations

from torch import nn

from unified.core.base.errors import FilesMissing, Problem, UsageError
from unified.core.learn.networks import trial


def load(
    in_shape: tuple[int, ...], run: str = "", part: str = "encoder", checkpoint: str = "best", root: str = "runs", frozen: bool = False
) -> nn.Module:
    """A part of a trained agent, with what it has learned; it goes on learning unless it is frozen.

    Args:
        in_shape: Of what comes in; the part has to take it.
        run: Name of the run, or enough of it.
        part: Of its agent.
        checkpoint: ``best``, ``newest``, or a number of frames.
        root: Where runs are kept.
        frozen: Whether it stays as it is.

    Raises:
        UsageError: If there is no such run, checkpoint or part.
    """
    if not run:
        raise FilesMissing(Problem("load needs the name of a run", "encoder=load:RUN#encoder"))
    from unified.core.runs.run import Run
    from unified.core.trainer.build import load_agent

    agent = load_agent(Run.find(run, root), int(checkpoint) if checkpoint.isdigit() else checkpoint).agent
    # As it answers: the average of a part, where one is kept; and no copy that only follows.
    parts: dict[str, nn.Module] = {name: agent.acting(name) for name, _ in agent.named_children() if name not in agent.target_parts}
    if part not in parts:
        raise UsageError(Problem(f"the agent of run {run} has no part {part!r}", f"its parts: {', '.join(parts)}"))
    try:
        trial(parts[part], in_shape)
    except UsageError as error:
        hint = f"a part that takes it: {', '.join(parts)}"
        raise UsageError(Problem(f"part {part!r} of run {run} takes another shape than {in_shape}", hint)) from error
    return parts[part].train().requires_grad_(not frozen)
