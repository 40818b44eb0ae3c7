"""Convolutional encoders."""

from __future__ import annotations

from unified.core.components.descriptors import ArchitectureComponent

components = (
    ArchitectureComponent(
        name="drqv2_cnn",
        target="unified.plugins.architectures.cnn.network:DrQV2CNN",
        summary="four 3×3 convolutions, the encoder of DrQ-v2",
    ),
    ArchitectureComponent(
        name="cnn",
        target="unified.plugins.architectures.cnn.network:CNN",
        summary="convolutions for pictures of any size",
    ),
    ArchitectureComponent(
        name="cnn1d",
        target="unified.plugins.architectures.cnn.network:CNN1d",
        summary="convolutions along signals, for vectors and several signals of one length",
    ),
    ArchitectureComponent(
        name="nature_cnn",
        target="unified.plugins.architectures.cnn.network:NatureCNN",
        summary="three convolutions and a linear layer, the encoder of DQN",
    ),
    ArchitectureComponent(
        name="impala_cnn",
        target="unified.plugins.architectures.cnn.network:ImpalaCNN",
        summary="residual convolutions in three stages, the encoder of IMPALA and of BBF",
    ),
)
