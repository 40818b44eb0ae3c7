"""Augmentations of pictures, and normalisation."""

from __future__ import annotations

from unified.core.components.descriptors import ArchitectureComponent

components = (
    ArchitectureComponent(
        name="random_shift",
        places=("aug",),
        target="unified.plugins.architectures.augment.shift:RandomShift",
        summary="augmentation: moved by up to 4 pixels, the border repeated",
        example="--suite digits aug=random_shift",
    ),
    ArchitectureComponent(
        name="random_crop",
        places=("aug",),
        target="unified.plugins.architectures.augment.augment:RandomCrop",
        summary="augmentation: padded, and cropped at a random place",
        example="--suite digits aug=random_crop",
    ),
    ArchitectureComponent(
        name="random_horizontal_flip",
        places=("aug",),
        target="unified.plugins.architectures.augment.augment:RandomHorizontalFlip",
        summary="augmentation: mirrored, left to right, with a probability",
        example="--suite digits aug=random_horizontal_flip",
    ),
    ArchitectureComponent(
        name="random_erasing",
        places=("aug",),
        target="unified.plugins.architectures.augment.augment:RandomErasing",
        summary="augmentation: a random rectangle is filled",
        example="--suite digits aug=random_erasing",
    ),
    ArchitectureComponent(
        name="cutout",
        places=("aug",),
        target="unified.plugins.architectures.augment.augment:Cutout",
        summary="augmentation: a square at a random place is filled",
        example="--suite digits aug=cutout",
    ),
    ArchitectureComponent(
        name="color_jitter",
        places=("aug",),
        target="unified.plugins.architectures.augment.colour:ColorJitter",
        summary="augmentation: brightness, contrast and saturation",
        example="--suite digits aug=color_jitter",
    ),
    ArchitectureComponent(
        name="intensity",
        places=("aug",),
        target="unified.plugins.architectures.augment.colour:Intensity",
        summary="augmentation: multiplied by a random factor near 1, as in SPR",
        example="--suite digits aug=intensity",
    ),
    ArchitectureComponent(
        name="v2",
        places=("aug",),
        target="unified.plugins.architectures.augment.transforms:V2",
        summary="augmentation: any transform of torchvision v2 by name, for each picture apart",
        example="--suite digits aug=v2",
    ),
    ArchitectureComponent(
        name="normalize",
        target="unified.plugins.architectures.augment.colour:Normalize",
        summary="pictures less a mean, over a standard deviation",
        example="encoder=[normalize,cnn]",
    ),
)
