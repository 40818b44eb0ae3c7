"""Descriptor of the callback tensorboard."""

from __future__ import annotations

from unified.core.components.descriptors import CallbackComponent

component = CallbackComponent(
    name="tensorboard",
    target="unified.plugins.callbacks.tensorboard.callback:TensorBoard",
    answers=dict.fromkeys(("wandb", "mlflow", "tb"), "callbacks=[+tensorboard]   or a tracker of your own: callbacks=[+./mine.py:Tracker]"),
    summary="metrics as TensorBoard events (needs the extra tensorboard)",
)
