"""Options of the architectures: their arguments beside the shapes, which are inferred. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from unified.core.errors import Problem
from unified.core.options import Options


class DrQV2CNNOptions(Options):
    """Of `DrQV2CNN`."""

    channels: int = Field(32, ge=1)
    """Of each convolution."""


class CNNOptions(Options):
    """Of `CNN`."""

    channels: int = Field(32, ge=1)
    """Of the first convolution."""
    depth: int = Field(3, ge=1)
    """Convolutions."""
    kernel: int = Field(3, ge=1)
    """Height and width of each."""
    stride: int = Field(2, ge=1)
    """By how much each shrinks the picture, never below 1×1."""
    growth: int = Field(2, ge=1)
    """By how much the channels grow where the picture shrinks."""
    norm: Literal["none", "batch", "group", "layer"] = "none"
    """What stands between a convolution and its ReLU."""
    pool: Literal["none", "max", "mean"] = "none"
    """What shrinks the picture: the convolution itself, or the greatest or mean value of each patch after it."""
    flat: bool | None = None
    """One vector comes out, or the feature map (false); null: a vector, unless what follows in a list takes a map."""


class NatureCNNOptions(Options):
    """Of `NatureCNN`."""

    features: int = Field(512, ge=1)
    """Numbers that come out."""


class ResNetOptions(Options):
    """Of `ResNet`."""

    depth: int = Field(4, ge=1, le=4)
    """Stages of residual blocks; each after the first halves the picture."""
    flat: bool | None = None
    """One vector comes out, the mean over all places, or the feature map (false); null: a vector, unless what follows takes a map."""


class ViTOptions(Options):
    """Of `ViT`."""

    patch: int | None = Field(None, ge=1)
    """Height and width of a patch; null: what gives about 8 along a side."""
    width: int = Field(128, ge=1)
    """Of a token."""
    depth: int = Field(4, ge=1)
    """Blocks of attention and MLP."""
    heads: int = Field(4, ge=1)
    """Of each attention; they divide the width."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of what is left out in training."""


class TransformerOptions(Options):
    """Of `Transformer`."""

    width: int = Field(128, ge=1)
    """Of a token."""
    depth: int = Field(2, ge=1)
    """Blocks of attention and MLP."""
    heads: int = Field(4, ge=1)
    """Of each attention; they divide the width."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of what is left out in training."""
    flat: bool | None = None
    """One vector comes out, the mean of the tokens, or the tokens (false); null: a vector, unless what follows takes tokens."""


class UNetOptions(Options):
    """Of `UNet`."""

    channels: int = Field(32, ge=2)
    """At full size; they double where the picture is halved."""
    depth: int = Field(2, ge=0)
    """How often the picture is halved, never below 1×1."""
    blocks: int = Field(1, ge=1)
    """Residual blocks at each size, on the way down and on the way up."""
    heads: int = Field(4, ge=0)
    """Of the attention at the smallest size; 0: none."""


class GeneratorOptions(Options):
    """Of `DCGANGenerator`."""

    channels: int = Field(64, ge=1)
    """Before the last convolution; each one before it has twice as many."""


class DiscriminatorOptions(Options):
    """Of `DCGANDiscriminator`."""

    channels: int = Field(64, ge=1)
    """Of the first convolution; each one after it has twice as many."""
    norm: Literal["batch", "spectral", "none"] = "batch"
    """Normalisation; with R1 or R2 one that mixes no rows: spectral or none."""


class MLPOptions(Options):
    """Of `MLP`."""

    hidden: int = Field(256, ge=1)
    """Units of each hidden layer."""
    depth: int = Field(2, ge=0)
    """Hidden layers."""


class RandomShiftOptions(Options):
    """Of `RandomShift`."""

    pad: int = Field(4, ge=0)
    """Greatest shift in pixels."""


class RandomCropOptions(Options):
    """Of `RandomCrop`."""

    padding: int = Field(4, ge=0)
    """Pixels on each side, and the greatest shift."""
    fill: float = Field(0.0, ge=0, le=255)
    """Value of the padding: up to 255 for bytes."""


class RandomHorizontalFlipOptions(Options):
    """Of `RandomHorizontalFlip`."""

    p: float = Field(0.5, ge=0, le=1)
    """Probability."""


class RandomErasingOptions(Options):
    """Of `RandomErasing`."""

    p: float = Field(0.5, ge=0, le=1)
    """Probability."""
    scale: tuple[float, float] = (0.02, 0.33)
    """Least and greatest share of the picture's area."""
    ratio: tuple[float, float] = (0.3, 3.3)
    """Least and greatest height over width."""
    fill: float = Field(0.0, ge=0, le=255)
    """Value of the rectangle: up to 255 for bytes."""


class CutoutOptions(Options):
    """Of `Cutout`."""

    size: int = Field(8, ge=1)
    """Height and width of the square."""
    fill: float = Field(0.0, ge=0, le=255)
    """Value of the square: up to 255 for bytes."""


class ColorJitterOptions(Options):
    """Of `ColorJitter`."""

    brightness: float = Field(0.4, ge=0)
    """Factors lie within 1 ± this; 0: none."""
    contrast: float = Field(0.4, ge=0)
    """Likewise."""
    saturation: float = Field(0.4, ge=0)
    """Likewise; only pictures of three channels have one."""


class IntensityOptions(Options):
    """Of `Intensity`."""

    scale: float = Field(0.05, ge=0)
    """Deviation of the factor that pictures are multiplied by."""


class NormalizeOptions(Options):
    """Of `Normalize`."""

    mean: list[float] = [0.5]
    """What is subtracted from numbers in [0, 1]: one for all channels, or one for each."""
    std: list[float] = [0.5]
    """What they are divided by after that."""


class V2Options(Options):
    """Of `V2`."""

    transform: str = "random_rotation"
    """Name of a transform in torchvision.transforms.v2: RandomPerspective, or random_perspective."""
    arguments: dict[str, Any] | None = None
    """Its arguments: {degrees: 15}."""
    share: int = Field(1, ge=1)
    """Pictures of a batch that share their draws: more is faster, and less various."""


class LoadOptions(Options):
    """Of `load`."""

    run: str = ""
    """Name of the run, or enough of it; it has to be given."""
    part: str = "encoder"
    """Of its agent."""
    checkpoint: str = "best"
    """best, newest, or a number of frames."""
    root: str = "runs"
    """Where runs are kept."""
    frozen: bool = False
    """Whether it stays as it is."""

    def lacking(self, run: Path) -> list[Problem]:
        from unified.core.run.lacking import missing_run

        if not self.run:
            return [Problem("load needs the name of a run", "encoder=load:RUN#encoder")]
        return missing_run(self.run, Path(self.root), run, self.checkpoint)
