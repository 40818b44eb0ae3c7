"""Parts of other runs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from unified.core.base import files
from unified.core.base.errors import FilesMissing, Problem, StorageError, UsageError
from unified.core.learn.networks import trial

if TYPE_CHECKING:
    from unified.core.runs.run import Run

#: The runs that are being loaded, outermost first: the encoder of a run may itself be a part of another run.
_loading: ContextVar[tuple[Path, ...]] = ContextVar("_loading", default=())


def load(
    in_shape: tuple[int, ...], run: str = "", part: str = "encoder", checkpoint: str = "best", root: str = "runs", frozen: bool = False
) -> nn.Module:
    """A part of a trained agent with its parameters, which continue to learn unless they are frozen.

    The run that is made keeps a copy of the trained policy, in its directory ``loaded``: it resumes and acts without the other run.

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
    from unified.core.runs.run import LOADED, Run
    from unified.core.trainer.build import OWNER, load_agent, pick_checkpoint

    owner, key = OWNER.get(), hashlib.sha256("\0".join((root, run, checkpoint)).encode("utf-8", "replace")).hexdigest()[:16]
    copy = None if owner is None else owner.path / LOADED / key
    copied = copy is not None and copy.exists()
    found = Run(copy) if copy is not None and copied else Run.find(run, root)
    which = int(checkpoint) if checkpoint.isdigit() else checkpoint
    source = pick_checkpoint(found, which)
    if copied and found.tree != source.manifest.get("config"):
        hint = "put the file back, or remove its folder if the other run still exists"
        raise StorageError(Problem(f"{found.config_path} was changed: it is not that of checkpoint {source.path}", hint))
    if found.path.resolve() in _loading.get():
        names = " -> ".join(str(path) for path in (*_loading.get(), found.path))
        raise UsageError(
            Problem(f"runs load parts of each other in a circle: {names}", "encoder= an architecture: unified plugins list architectures")
        )
    outer = _loading.set((*_loading.get(), found.path.resolve()))
    try:
        agent = load_agent(found, which).agent
    finally:
        _loading.reset(outer)
    if copy is not None and not copied and owner is not None and owner.owned:
        _copy(found, source.path, source.manifest.get("config", found.tree), copy)
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


def _copy(run: Run, checkpoint: Path, config: dict[str, object], place: Path) -> None:
    """Copy what acting needs of a run: its configuration and the parameters of a checkpoint, complete or not at all."""
    from unified.core.components import trust
    from unified.core.runs.checkpoint import MANIFEST
    from unified.core.runs.lookup import CONFIG
    from unified.core.runs.run import LOADED

    new = place.with_name(f".{place.name}.{os.getpid()}")
    with files.storage_errors(f"the run needs a copy of {checkpoint}, the part that it loads"):
        target = new / "checkpoints" / checkpoint.name
        files.make_directory(target)
        for name in (MANIFEST, *(path.name for path in checkpoint.glob("parameters.*"))):
            files.write_bytes(target / name, files.read_file(checkpoint / name, limit=sys.maxsize))
        if (run.path / trust.RECORD).exists():
            files.write_bytes(new / trust.RECORD, files.read_file(run.path / trust.RECORD))
        if (run.path / LOADED).is_dir():
            shutil.copytree(run.path / LOADED, new / LOADED)
        files.write_bytes(new / CONFIG, json.dumps(config, indent=2).encode())
        files.rename(new, place)
