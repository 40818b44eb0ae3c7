"""The generator and the discriminator of DCGAN."""

from __future__ import annotations

from unified.core.components.descriptors import ArchitectureComponent

components = (
    ArchitectureComponent(
        name="dcgan_generator",
        places=("generator",),
        target="unified.plugins.architectures.dcgan.network:DCGANGenerator",
        summary="head: noise to a picture, by transposed convolutions",
        example="--suite digits -o vae generator=dcgan_generator",
    ),
    ArchitectureComponent(
        name="dcgan_discriminator",
        places=("discriminator",),
        target="unified.plugins.architectures.dcgan.network:DCGANDiscriminator",
        summary="a picture to an answer, by convolutions",
        example="--suite digits -o adversarial discriminator=dcgan_discriminator",
    ),
)
