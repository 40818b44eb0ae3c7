"""Architectures, and the inference of their shapes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reference.drqv2 import GridSampleShift
from unified.core.base.errors import UsageError
from unified.core.learn.networks import construct, is_head, output_shape
from unified.plugins.architectures.augment.shift import RandomShift
from unified.plugins.architectures.cnn.network import DrQV2CNN, ImpalaCNN, NatureCNN, Residual
from unified.plugins.architectures.heads import ScalarValue, TruncatedNormal
from unified.plugins.architectures.mlp.network import MLP, Bottleneck, EnsembleMLP


@pytest.mark.parametrize("size", [12, 84])
def test_shift_is_the_references_interpolation(size: int) -> None:
    obs = torch.randint(0, 256, (5, 9, size, size), dtype=torch.uint8)
    shift = torch.randint(-4, 5, (2, 5, 1), generator=torch.Generator().manual_seed(1))
    expected = GridSampleShift(4)(obs.float(), torch.stack([shift[1], shift[0]], -1).view(5, 1, 1, 2) + 4)
    ours = RandomShift(4)(obs, torch.Generator().manual_seed(1))
    assert ours.dtype == torch.uint8
    torch.testing.assert_close(ours.float(), expected, atol=0.1, rtol=0)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32], ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_shift_crops_each_padded_picture_and_keeps_its_layout(layout: torch.memory_format, dtype: torch.dtype) -> None:
    obs = torch.randint(0, 256, (6, 3, 8, 10)).to(dtype).contiguous(memory_format=layout)
    shifted = RandomShift(4)(obs, torch.Generator().manual_seed(1))
    down, right = torch.randint(-4, 5, (2, 6), generator=torch.Generator().manual_seed(1)) + 4
    padded = nn.functional.pad(obs.float(), (4, 4, 4, 4), mode="replicate").to(dtype)
    assert all(torch.equal(shifted[i], padded[i, :, down[i] : down[i] + 8, right[i] : right[i] + 10]) for i in range(6))
    assert shifted.is_contiguous(memory_format=layout)


def test_shift_is_one_place_for_a_stack_and_uniform() -> None:
    obs = torch.arange(12.0).expand(4000, 2, 12, 12)
    shifted = RandomShift(2)(obs, torch.Generator().manual_seed(0))
    assert torch.equal(shifted[:, 0], shifted[:, 1])
    moved = shifted[:, 0, 6, 6] - 6
    assert sorted(moved.unique().tolist()) == [-2, -1, 0, 1, 2]
    assert (torch.bincount((moved + 2).long()) > 700).all()


def test_cnn_has_the_references_features() -> None:
    assert output_shape(DrQV2CNN((9, 84, 84)), (9, 84, 84)) == (39200,)


def test_shapes_are_inferred_from_argument_names() -> None:
    def head(in_channels: int, out_features: int, depth: int = 1) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * 4, out_features))

    assert is_head(head)
    assert not is_head(DrQV2CNN)
    assert output_shape(construct(head, (3, 2, 2), (2, 5)), (3, 2, 2)) == (10,)
    assert output_shape(construct(MLP, (7,), (2,), {"hidden_dim": 5}), (7,)) == (2,)
    with pytest.raises(UsageError, match="no output argument"):
        construct(DrQV2CNN, (3, 84, 84), (2,))
    with pytest.raises(UsageError, match="no argument 'widht'"):
        construct(MLP, (7,), (2,), {"widht": 5})


def test_inference_computes_nothing_and_leaves_the_module_alone() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert output_shape(module, (4,)) == (3,)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert next(module.parameters()).device.type == "cpu"
    assert module.training


def test_ensemble_is_its_members_one_by_one() -> None:
    ensemble, inputs = EnsembleMLP(5, 2, members=3, hidden_dim=7), torch.randn(11, 5)
    outputs = ensemble(inputs)
    assert outputs.shape == (3, 11, 2)
    for member in range(3):
        hidden_dim = inputs
        for index, (weight, bias) in enumerate(zip(ensemble.weights, ensemble.biases, strict=True)):
            hidden_dim = hidden_dim @ weight[member] + bias[member]
            hidden_dim = hidden_dim.relu() if index < 2 else hidden_dim
        torch.testing.assert_close(outputs[member], hidden_dim)
    assert not torch.allclose(outputs[0], outputs[1])


def test_bottleneck_takes_low_precision_and_gives_full() -> None:
    bottleneck = Bottleneck(40, 6)
    features = torch.randn(3, 40)
    low = bottleneck(features.bfloat16())
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, bottleneck(features), atol=0.05, rtol=0)


def test_truncated_normal_stays_inside_and_gradients_pass_the_bound() -> None:
    mean = torch.tensor([[0.99, -0.99, 0.0]], requires_grad=True)
    draws = TruncatedNormal(mean.expand(500, 3), 0.5, clip=0.3).rsample(torch.Generator().manual_seed(0))
    assert draws.abs().max() < 1
    assert (draws[:, 2].abs() <= 0.3 + 1e-6).all()
    assert (draws[:, 2].abs() > 0.29).any()
    draws.sum().backward()
    assert torch.equal(mean.grad, torch.full((1, 3), 500.0))


def test_log_prob_is_the_normals() -> None:
    mean, action = torch.randn(4, 2), torch.randn(4, 2)
    expected = torch.distributions.Normal(mean, 0.3).log_prob(action).sum(-1)
    torch.testing.assert_close(TruncatedNormal(mean, 0.3).log_prob(action), expected)


def test_least_is_a_whole_member_and_loss_has_one_number_per_row() -> None:
    value = ScalarValue(torch.tensor([[1.0, 5.0], [2.0, 3.0]]))
    assert value.min().mean.tolist() == [[1.0, 3.0]]
    target = ScalarValue(torch.tensor([[0.0, 1.0]]))
    assert value.loss(target).tolist() == [1 + 4, 16 + 4]
    assert value.min().backup(torch.tensor([1.0, 1.0]), torch.tensor([0.5, 0.0])).mean.tolist() == [[1.5, 1.0]]


def test_layers_of_an_ensemble_are_normalised_as_by_torch() -> None:
    """Each member by itself: linear, layer normalisation with a scale and a shift of its own, ReLU."""
    torch.manual_seed(1)
    ensemble, inputs = EnsembleMLP(5, 2, members=3, hidden_dim=7, norm="layer"), torch.randn(11, 5)
    with torch.no_grad():
        for parameter in (*ensemble.scales, *ensemble.shifts):
            parameter.add_(torch.randn_like(parameter))
    outputs = ensemble(inputs)
    for member in range(3):
        hidden = inputs
        for layer in range(2):
            hidden = hidden @ ensemble.weights[layer][member] + ensemble.biases[layer][member]
            scale, shift = ensemble.scales[layer][member, 0], ensemble.shifts[layer][member, 0]
            hidden = torch.nn.functional.layer_norm(hidden, (7,), scale, shift).relu()
        torch.testing.assert_close(outputs[member], hidden @ ensemble.weights[2][member] + ensemble.biases[2][member])


@pytest.mark.parametrize(("side", "width", "features"), [(84, 1, 32 * 11 * 11), (21, 2, 64 * 3 * 3)])
def test_the_encoder_of_impala_halves_pictures_three_times(side: int, width: int, features: int) -> None:
    network = ImpalaCNN((4, side, side), width)
    assert network(torch.zeros(2, 4, side, side, dtype=torch.uint8)).shape == (2, features)
    assert ImpalaCNN((4, side, side), width, flat=False)(torch.rand(2, 4, side, side)).shape == (2, 32 * width, *[-(-side // 8)] * 2)


def test_a_residual_block_adds_to_what_comes_in() -> None:
    block, features = Residual(3), torch.randn(2, 3, 5, 5)
    before = features.clone()
    first, second = block[1], block[3]
    wanted = before + second(first(before.relu()).relu())
    torch.testing.assert_close(block(features), wanted)
    assert torch.equal(features, before)


def test_nature_cnn_normalises_all_channels_and_places() -> None:
    """Pictures that differ by a factor give nearly the same features, which they do not without."""
    obs = torch.rand(2, 4, 40, 40)
    for norm, same in (("layer", True), ("none", False)):
        torch.manual_seed(1)
        network = NatureCNN((4, 40, 40), 16, norm)
        assert torch.allclose(network(obs), network(4 * obs), rtol=0.05, atol=0.05) == same
