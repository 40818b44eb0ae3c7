"""Critics: dueling, noise in the weights, and heads in their places."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.learn.builder import Builder
from unified.core.registry import registry
from unified.plugins.architectures.actors import make_actor
from unified.plugins.architectures.critics import make_critic
from unified.plugins.architectures.heads.modules import CategoricalHead, TruncatedNormalHead
from unified.plugins.architectures.noisy import Noise, NoisyEnsembleMLP

SIZES = {"scalar": 1, "categorical": 51, "quantile": 51, "two_hot": 51, "hl_gauss": 51}
HEADS = (*SIZES, "implicit_quantile")


def critic(**changes: object) -> nn.Module:
    options = {"head": "scalar", "hidden_dim": 8, "depth": 1, "members": 2, "dueling": False, "noisy": False, "v_min": -1.0, "v_max": 1.0}
    places = {key: changes.pop(key) for key in ("actions", "choices", "trunk") if key in changes}
    build = Builder(torch.device("cpu"), "fp32", Streams(1), registry())
    return make_critic(build, SimpleNamespace(**{**options, **changes}), 6, **places)


@pytest.mark.parametrize("head", HEADS)
def test_the_three_forms_have_their_shapes(head: str) -> None:
    features = torch.randn(5, 6)
    assert critic(head=head)(features).mean.shape == (2, 5)
    assert critic(head=head, actions=3, trunk=4)(features, torch.randn(5, 3)).mean.shape == (2, 5)
    for choices, action in (((4,), torch.zeros(5).long()), ((3, 4), torch.zeros(5, 3).long())):
        for dueling in (False, True):
            module = critic(head=head, choices=choices, dueling=dueling)
            assert module(features).mean.shape == (2, 5, *choices)
            assert module(features, action).mean.shape == (2, 5)


@pytest.mark.parametrize("head", SIZES)
def test_dueling_is_value_plus_centred_advantages(head: str) -> None:
    module, features = critic(head=head, choices=(4,), dueling=True), torch.randn(5, 6)
    state = module.state(features)  # (E, B, size)
    advantages = module.advantages(features).view(2, 5, 4, SIZES[head])
    expected = torch.stack([state + advantages[:, :, a] - sum(advantages[:, :, b] for b in range(4)) / 4 for a in range(4)], dim=2)
    found = module(features).numbers
    torch.testing.assert_close(found, expected.squeeze(-1) if head == "scalar" else expected)


def implicit(**changes: object) -> nn.Module:
    return critic(**{"head": "implicit_quantile", "choices": (4,), "members": 2, "depth": 2, **changes})


def slow_implicit(network: nn.Module, member: int, state: torch.Tensor, level: float) -> torch.Tensor:
    """f(ψ(s) ⊙ φ(τ)) of one row and one level, from equation 4 of Dabney et al. 2018, i = 1 … C as in Dopamine."""
    weight, bias = network.levels.weights[0][member], network.levels.biases[0][member, 0]
    cosines = torch.tensor([math.cos(math.pi * i * level) for i in range(1, 65)])
    hidden = state if network.state is None else (state @ network.state.weights[0][member] + network.state.biases[0][member, 0]).relu()
    hidden = hidden * (cosines @ weight + bias).relu()
    layers = list(zip(network.values.weights, network.values.biases, strict=True))
    for weights, biases in layers[:-1]:
        hidden = (hidden @ weights[member] + biases[member, 0]).relu()
    return hidden @ layers[-1][0][member] + layers[-1][1][member, 0]


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_levels_enter_before_the_last_hidden_layer(depth: int) -> None:
    module, features = implicit(depth=depth), torch.randn(3, 6)
    value = module(features)
    assert value.numbers.shape == (2, 3, 4, 64)
    for member, row, at in ((0, 0, 0), (1, 2, 63), (0, 1, 17)):
        expected = slow_implicit(module.advantages, member, features[row], value.levels[row, at].item())
        torch.testing.assert_close(value.numbers[member, row, :, at], expected, atol=1e-5, rtol=1e-4)


def test_levels_are_drawn_for_each_row_and_call_and_are_a_grid_in_evaluation() -> None:
    """IQN: the same level for all rows; evaluation that draws and cannot be repeated."""
    module, features = implicit(), torch.zeros(3, 6)
    first, second = module(features), module(features)
    assert len(first.levels.unique()) == 3 * 64
    assert not torch.equal(first.levels, second.levels)
    assert not first.levels.requires_grad
    assert 0.4 < first.levels.mean() < 0.6
    module.train(False)
    judged = module(features)
    assert torch.equal(judged.numbers, module(features).numbers)
    assert judged.numbers.shape == (2, 3, 4, 32)
    grid = [(2 * i + 1) / 64 for i in range(32)]
    expected = slow_implicit(module.advantages, 0, features[0], grid[5])
    torch.testing.assert_close(judged.numbers[0, 0, :, 5], expected, atol=1e-5, rtol=1e-4)
    assert torch.equal(judged.numbers[:, :1].expand(-1, 3, -1, -1), judged.numbers)  # equal rows have equal values


def test_a_target_draws_levels_of_its_own_from_the_same_stream() -> None:
    module, features = implicit(), torch.randn(3, 6)
    target = copy.deepcopy(module)
    assert target.head.noise is not None
    assert not torch.equal(module(features).levels, target(features).levels)
    assert target.head.noise.stream is module.head.noise.stream
    assert module.head.noise.stream.count == 2


@pytest.mark.parametrize(
    "changes", [{"dueling": True}, {"noisy": True}, {"network": "mlp"}, {"choices": (), "actions": 3, "trunk": 4}], ids=str
)
def test_levels_go_with_every_form_of_a_critic(changes: dict[str, object]) -> None:
    module, features = implicit(**changes), torch.randn(5, 6)
    action = torch.randn(5, 3) if "actions" in changes else torch.tensor([0, 1, 2, 3, 0])
    value = module(features, action)
    assert value.numbers.shape == (2, 5, 64)
    value.loss(value.min()).mean().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in module.parameters())


def test_dueling_wants_choices_and_heads_are_of_values() -> None:
    with pytest.raises(UsageError, match="needs choices"):
        critic(dueling=True, actions=2)
    with pytest.raises(UsageError, match="mlp is no head of values"):
        critic(head="mlp", choices=(2,))


def test_the_bounds_are_the_critics_unless_the_head_says_otherwise() -> None:
    assert critic(head="categorical", v_min=-3.0, v_max=5.0).head.atoms[[0, -1]].tolist() == [-3.0, 5.0]
    head = CategoricalHead(11, high=2.0)
    head.bound(-3.0, 5.0)
    assert head.atoms[[0, -1]].tolist() == [-3.0, 2.0]
    with pytest.raises(UsageError, match="cannot be told apart"):
        CategoricalHead(11, low=20.0).bound(0.0, 10.0)


def test_noise_is_factorised_and_off_in_evaluation() -> None:
    """Noisy nets: never switched off."""
    streams, inputs = Streams(1), torch.randn(5, 6)
    module = NoisyEnsembleMLP(6, 2, Noise(streams["noise"]), members=2, hidden_dim=8, depth=1)
    assert not torch.equal(module(inputs), module(inputs))
    assert streams["noise"].count == 2
    module.train(False)
    quiet = module(inputs)
    assert torch.equal(quiet, module(inputs))
    assert streams["noise"].count == 2
    hidden_dim = (inputs @ module.weights[0] + module.biases[0]).relu()
    torch.testing.assert_close(quiet, hidden_dim @ module.weights[1] + module.biases[1])


def test_noisy_weights_are_the_papers() -> None:
    streams, inputs = Streams(1), torch.randn(5, 6)
    module = NoisyEnsembleMLP(6, 2, Noise(streams["noise"]), members=1, depth=0)
    assert module.weight_stds[0].unique().tolist() == pytest.approx([0.5 / 6**0.5])
    found = module(inputs)[0]
    generator = Streams(1)["noise"].torch()
    before, after = (torch.randn(n, generator=generator) for n in (6, 2))
    expected = torch.zeros(5, 2)
    for q in range(2):
        noise = [a.sign() * a.abs().sqrt() * after[q].sign() * after[q].abs().sqrt() for a in before]
        for row in range(5):
            expected[row, q] = module.biases[0][0, 0, q] + module.bias_stds[0][0, 0, q] * after[q].sign() * after[q].abs().sqrt()
            for p in range(6):
                weight = module.weights[0][0, p, q] + module.weight_stds[0][0, p, q] * noise[p]
                expected[row, q] += inputs[row, p] * weight
    torch.testing.assert_close(found, expected)


def test_a_copy_draws_from_the_same_stream() -> None:
    streams = Streams(1)
    module = NoisyEnsembleMLP(6, 2, Noise(streams["noise"]))
    copy.deepcopy(module)(torch.randn(5, 6))
    assert streams["noise"].count == 1


def test_features_in_bfloat16_are_read_in_float32_with_a_bottleneck_and_without() -> None:
    features = torch.randn(5, 6).bfloat16()
    for places in ({"actions": 3}, {"choices": (4,)}, {"actions": 3, "trunk": 4}):
        module, action = critic(**places), torch.randn(5, 3) if "actions" in places else None
        mean = module(features, action).mean
        assert mean.dtype == torch.float32
        if "trunk" not in places:
            torch.testing.assert_close(mean, module(features.float(), action).mean)
    actor = make_actor(SimpleNamespace(hidden_dim=8, depth=1), TruncatedNormalHead(), 6, actions=2)
    assert torch.equal(actor(features).mode, actor(features.float()).mode)
