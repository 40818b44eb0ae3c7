"""The variational autoencoder."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent, Preset

component = ObjectiveComponent(
    name="vae",
    target="unified.plugins.objectives.vae.objective:VAE",
    presets="unified.plugins.objectives.vae:PRESETS",
    example="--suite digits -o vae",
    summary="a variational autoencoder: the actor decodes what a posterior encodes",
)

PRESETS = (Preset("generate", "data", {"suite.task_type": "generate"}, "the actor generates rows of the data set"),)
