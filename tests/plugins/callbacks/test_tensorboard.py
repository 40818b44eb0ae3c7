from __future__ import annotations

import builtins

import pytest
from watched import at, rows, speed, watched

from unified.core.base.errors import UsageError
from unified.plugins.callbacks.tensorboard.callback import TensorBoard


def test_every_number_is_written_with_its_frames(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run, trainer = watched(tmp_path)
    callback = TensorBoard(None)
    callback.setup(run=run, trainer=trainer)
    for row in rows():
        at(trainer, row)
        if row["kind"] == "train":
            callback.on_log(run=None, trainer=None, row=row, speed=speed(row["frames"]))
        else:
            callback.on_evaluation_end(run=None, trainer=None, episodes=None, result=None, row=row)
    callback.teardown(run=None, trainer=None, error=None)
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    assert {"train/return", "train/critic_loss", "speed/frames_per_s", "speed/share/env", "evaluate/return"} <= set(
        events.Tags()["scalars"]
    )
    evaluated = [(row["frames"], row["return"]) for row in rows() if row["kind"] == "evaluate"]
    written = events.Scalars("evaluate/return")
    assert [event.step for event in written] == [frames for frames, _ in evaluated]
    assert [event.value for event in written] == pytest.approx([ret for _, ret in evaluated], rel=1e-5)


def test_a_missing_package_is_named_with_what_to_type(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith(("torch.utils.tensorboard", "tensorboard")):
            raise ImportError("no tensorboard")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    run, trainer = watched(tmp_path)
    with pytest.raises(UsageError, match=r"pip install 'unified-ml\[tensorboard\]'"):
        TensorBoard(None).setup(run=run, trainer=trainer)
