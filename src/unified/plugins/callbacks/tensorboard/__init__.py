"""Descriptor of the callback tensorboard."""

from __future__ import annotations

from unified.core.components.descriptors import CallbackComponent

component = CallbackComponent(
    name="tensorboard",
    target="unified.plugins.callbacks.tensorboard.callback:TensorBoard",
    summary="metrics as TensorBoard events (needs the extra tensorboard)",
)
