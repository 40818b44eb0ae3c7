"""Critics: dueling, noise in the weights, and heads in their places."""

from __future__ import annotations

import copy
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

SIZES = {"scalar": 1, "categorical": 51, "quantile": 51}


def critic(**changes: object) -> nn.Module:
    options = {"head": "scalar", "hidden_dim": 8, "depth": 1, "members": 2, "dueling": False, "noisy": False, "v_min": -1.0, "v_max": 1.0}
    places = {key: changes.pop(key) for key in ("actions", "choices", "trunk") if key in changes}
    build = Builder(torch.device("cpu"), "fp32", Streams(1), registry())
    return make_critic(build, SimpleNamespace(**{**options, **changes}), 6, **places)


@pytest.mark.parametrize("head", SIZES)
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
