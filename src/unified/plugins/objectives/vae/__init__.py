"""The variational autoencoder."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent, Preset
from unified.plugins.objectives import DATA_SETS

component = ObjectiveComponent(
    name="vae",
    target="unified.plugins.objectives.vae.objective:VAE",
    presets="unified.plugins.objectives.vae:PRESETS",
    example="--suite digits -o vae",
    summary="a variational autoencoder: the actor decodes what a posterior encodes",
)

PRESETS = (Preset("generate", DATA_SETS, {"suite.task_type": "generate"}, "the actor generates rows of the data set"),)
