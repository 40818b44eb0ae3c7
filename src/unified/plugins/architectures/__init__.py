"""Architectures: one file for each family."""

from __future__ import annotations

from dataclasses import replace

from unified.core.components import ArchitectureComponent

_HERE = "unified.plugins.architectures"


def _component(name: str, target: str, options: str, summary: str, example: str = "") -> ArchitectureComponent:
    return ArchitectureComponent(name, f"{_HERE}.{target}", f"{_HERE}.config:{options}", summary, example=example)


_VECTORS = "--suite gym:Pendulum-v1"

_NETWORKS = (
    _component("drqv2_cnn", "cnn:DrQV2CNN", "DrQV2CNNOptions", "four 3×3 convolutions, the encoder of DrQ-v2"),
    _component("cnn", "cnn:CNN", "CNNOptions", "convolutions for pictures of any size"),
    _component("nature_cnn", "cnn:NatureCNN", "NatureCNNOptions", "three convolutions and a linear layer, the encoder of DQN"),
    _component("resnet18", "resnet:resnet18", "ResNetOptions", "residual network of 18 layers, small pictures included"),
    _component("resnet50", "resnet:resnet50", "ResNetOptions", "residual network of 50 layers, small pictures included"),
    _component("vit", "vit:ViT", "ViTOptions", "vision transformer, small pictures included"),
    _component(
        "transformer",
        "transformer:Transformer",
        "TransformerOptions",
        "attention over the places of a feature map, or over a sequence",
        "encoder=[cnn,transformer]",
    ),
    _component(
        "unet", "unet:UNet", "UNetOptions", "pictures to pictures at a time, for flow matching", "--suite digits -o flow generator=unet"
    ),
    _component(
        "dcgan_generator",
        "dcgan:DCGANGenerator",
        "GeneratorOptions",
        "head: noise to a picture, by transposed convolutions",
        "--suite digits -o vae generator=dcgan_generator",
    ),
    _component(
        "dcgan_discriminator",
        "dcgan:DCGANDiscriminator",
        "DiscriminatorOptions",
        "a picture to an answer, by convolutions",
        "--suite digits -o adversarial discriminator=dcgan_discriminator",
    ),
    _component(
        "load", "load:load", "LoadOptions", "a part of another run's agent: encoder=load:RUN#encoder", "encoder=load encoder.run=RUN"
    ),
    _component("mlp", "mlp:MLP", "MLPOptions", "linear layers with ReLU between them", f"encoder=mlp {_VECTORS}"),
    ArchitectureComponent(
        name="identity", target="torch.nn:Identity", summary="what comes in goes out", example=f"encoder=identity {_VECTORS}"
    ),
)

_AUGMENTATIONS = (
    _component("random_shift", "shift:RandomShift", "RandomShiftOptions", "augmentation: moved by up to 4 pixels, the border repeated"),
    _component("random_crop", "augment:RandomCrop", "RandomCropOptions", "augmentation: padded, and cropped at a random place"),
    _component(
        "random_horizontal_flip",
        "augment:RandomHorizontalFlip",
        "RandomHorizontalFlipOptions",
        "augmentation: mirrored, left to right, with a probability",
    ),
    _component("random_erasing", "augment:RandomErasing", "RandomErasingOptions", "augmentation: a random rectangle is filled"),
    _component("cutout", "augment:Cutout", "CutoutOptions", "augmentation: a square at a random place is filled"),
    _component("color_jitter", "colour:ColorJitter", "ColorJitterOptions", "augmentation: brightness, contrast and saturation"),
    _component("intensity", "colour:Intensity", "IntensityOptions", "augmentation: multiplied by a random factor near 1, as in SPR"),
    _component("v2", "transforms:V2", "V2Options", "augmentation: any transform of torchvision v2 by name, for each picture apart"),
)

_NORMALIZE = _component(
    "normalize", "colour:Normalize", "NormalizeOptions", "pictures less a mean, over a deviation", "encoder=[normalize,cnn]"
)

components = (*_NETWORKS, _NORMALIZE, *(replace(each, example=f"--suite digits aug={each.name}") for each in _AUGMENTATIONS))
