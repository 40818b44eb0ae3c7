"""Networks of pictures and tokens: shapes, sizes by inference, gradients, precision, and lists."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.compose import compose
from unified.core.learn.builder import Builder
from unified.core.learn.networks import construct, is_head, output_shape
from unified.core.registry import registry
from unified.plugins.architectures.cnn.network import CNN, DrQV2CNN
from unified.plugins.architectures.dcgan.network import DCGANDiscriminator, DCGANGenerator
from unified.plugins.architectures.pictures import Convolutions, flatten, pixels
from unified.plugins.architectures.resnet.network import resnet18
from unified.plugins.architectures.transformer.network import Block, Transformer
from unified.plugins.architectures.unet.network import UNet
from unified.plugins.architectures.vit.network import ViT

NAMES = [each.name for each in registry().all("architectures") if not each.summary.startswith(("value head", "policy head"))]
BODIES = ["drqv2_cnn", "cnn", "nature_cnn", "resnet18", "resnet50", "vit", "transformer", "unet", "dcgan_discriminator"]
SHAPE = dict.fromkeys(BODIES, (3, 12, 12)) | {"nature_cnn": (3, 36, 36), "drqv2_cnn": (3, 20, 20)}
SMALL = {
    "resnet18": {"depth": 1},
    "resnet50": {"depth": 1},
    "cnn": {"channels": 4},
    "vit": {"width": 16, "depth": 1},
    "transformer": {"width": 16, "depth": 1},
    "unet": {"channels": 4},
}


def make(name: str, in_shape: tuple[int, ...], out_shape: tuple[int, ...] | None = None, **options: object) -> nn.Module:
    component = registry().get("architectures", name)
    chosen = component.options_model()(**{**SMALL.get(name, {}), **options})
    torch.manual_seed(0)
    return construct(component.load(), in_shape, out_shape, dict(chosen))


def build(*observation: int) -> Builder:
    spec = Spec(Space(observation, "uint8", 0, 255), Space((2,), "float32", -1.0, 1.0))
    return Builder(torch.device("cpu"), "fp32", Streams(0), registry(), (), spec)


def some_bytes(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


# Shapes -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "in_shape", "wanted"),
    [
        ("cnn", {"channels": 32}, (1, 8, 8), (128,)),
        ("cnn", {"channels": 32}, (3, 32, 32), (4 * 4 * 128,)),
        ("cnn", {"depth": 6}, (1, 8, 8), (16,)),  # 8, 4, 2, 1, 1, 1, 1; channels grow only while a picture is left
        ("cnn", {"depth": 6}, (2, 1, 9), (32,)),
        ("cnn", {"depth": 2, "flat": False}, (3, 7, 7), (8, 2, 2)),
        ("cnn", {"depth": 2, "flat": False, "pool": "max"}, (3, 7, 7), (8, 2, 2)),
        ("cnn", {"depth": 5, "flat": False, "pool": "mean", "stride": 3}, (3, 7, 2), (8, 1, 1)),
        ("cnn", {"depth": 3, "flat": False, "kernel": 5, "growth": 1, "stride": 1}, (3, 7, 7), (4, 7, 7)),
        ("nature_cnn", {}, (4, 84, 84), (512,)),
        ("cnn1d", {}, (800,), (13 * 128,)),  # 800, 200, 50, 13
        ("cnn1d", {"channels": 4, "signals": 2}, (64,), (16,)),  # 32, 8, 2, 1
        ("cnn1d", {"channels": 4, "depth": 5}, (3, 7), (16,)),  # 7, 2, 1, 1, 1, 1; channels only grow while places are left
        ("cnn1d", {"channels": 4, "kernel": 3, "depth": 2}, (1,), (4,)),
        ("resnet18", {"depth": 4}, (1, 8, 8), (512,)),
        ("resnet18", {"depth": 4, "flat": False}, (3, 32, 32), (512, 4, 4)),
        ("resnet18", {"depth": 3, "flat": False}, (9, 84, 84), (256, 6, 6)),
        ("resnet18", {"depth": 2}, (3, 32, 32), (128,)),
        ("resnet50", {"depth": 4}, (3, 32, 32), (2048,)),
        ("vit", {}, (1, 8, 8), (16,)),
        ("vit", {}, (9, 84, 60), (16,)),
        ("transformer", {}, (7,), (16,)),
        ("transformer", {}, (5, 7), (16,)),
        ("transformer", {}, (3, 4, 5), (16,)),
        ("transformer", {"flat": False}, (3, 4, 5), (20, 16)),
        ("unet", {}, (1, 8, 8), (1, 8, 8)),
        ("unet", {"depth": 9}, (3, 7, 5), (3, 7, 5)),
        ("dcgan_discriminator", {"channels": 8}, (3, 32, 32), (4 * 4 * 32,)),
    ],
)
def test_shapes(name: str, options: dict[str, object], in_shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    module = make(name, in_shape, **options)
    assert output_shape(module, in_shape) == wanted
    assert module(torch.rand(2, *in_shape)).shape == (2, *wanted)


def test_a_vector_of_several_signals_is_convolved_as_these() -> None:
    rows = torch.rand(5, 3, 40, generator=torch.Generator().manual_seed(1))
    joined, apart = make("cnn1d", (120,), signals=3), make("cnn1d", (3, 40))
    assert torch.equal(joined(rows.flatten(1)), apart(rows))


@pytest.mark.parametrize(("shape", "signals"), [((3, 8, 8), 1), ((7,), 2), ((3,), 4)])
def test_what_is_no_signal_is_refused(shape: tuple[int, ...], signals: int) -> None:
    with pytest.raises(UsageError, match="signals of equal length"):
        make("cnn1d", shape, signals=signals)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (3, 84, 60), (3, 5, 4)])
def test_generator_makes_pictures_of_any_size(shape: tuple[int, ...]) -> None:
    pictures = make("dcgan_generator", (10,), shape, channels=4)(torch.randn(3, 10))
    assert pictures.shape == (3, *shape)
    assert pictures.abs().max() <= 1
    assert make("dcgan_discriminator", shape, (1,), channels=4)(pictures).shape == (3, 1)


def test_generator_of_the_paper() -> None:
    generator = DCGANGenerator(100, (3, 64, 64), channels=128)
    sizes = [tuple(layer.weight.shape[:2]) for layer in generator.layers if isinstance(layer, nn.ConvTranspose2d)]
    assert sizes == [(100, 1024), (1024, 512), (512, 256), (256, 128), (128, 3)]
    biased = [layer.bias is not None for layer in generator.layers if isinstance(layer, nn.ConvTranspose2d)]
    assert biased == [False] * 4 + [True]
    weights = torch.cat([layer.weight.flatten() for layer in generator.layers if isinstance(layer, nn.ConvTranspose2d)])
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)


def test_heads_and_bodies() -> None:
    loaded = {name: registry().get("architectures", name).load() for name in [*BODIES, "dcgan_generator"]}
    assert {name for name, target in loaded.items() if is_head(target)} == {"dcgan_generator", "dcgan_discriminator"}


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 36×36, and these are 8×8"):
        make("nature_cnn", (1, 8, 8))
    with pytest.raises(UsageError, match="3 heads do not divide a width of 16"):
        make("transformer", (7,), heads=3)
    with pytest.raises(UsageError, match="3 heads do not divide"):
        make("vit", (1, 8, 8), heads=3)
    with pytest.raises(UsageError, match="patches of 3 do not divide a picture of 8×8"):
        make("vit", (1, 8, 8), patch=3)
    with pytest.raises(UsageError, match=r"makes pictures \(C, H, W\), and \(5,\) is wanted"):
        make("dcgan_generator", (7,), (5,))


# What each is -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "patch"), [(8, 1), (28, 4), (32, 4), (64, 8), (84, 12), (224, 28)])
def test_patches_are_chosen_by_the_picture(side: int, patch: int) -> None:
    assert ViT((3, side, side), width=8, depth=1).conv_proj.kernel_size == (patch, patch)


def test_vit_is_torchvisions() -> None:
    from torchvision.models import VisionTransformer

    ours = ViT((3, 16, 16), patch=4, width=16, depth=2).eval()
    theirs = VisionTransformer(16, 4, 2, 4, 16, 64).eval()
    theirs.heads = nn.Identity()
    theirs.load_state_dict(ours.state_dict())
    inputs = torch.rand(3, 3, 16, 16)
    torch.testing.assert_close(ours(inputs), theirs(inputs))


def test_resnet_of_large_pictures_is_torchvisions() -> None:
    import torchvision

    ours, theirs = resnet18((3, 64, 64)).eval(), torchvision.models.resnet18().eval()
    theirs.fc = nn.Identity()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    inputs = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(ours(inputs), theirs(inputs), atol=1e-4, rtol=1e-4)


def test_small_pictures_keep_their_size_in_the_stem_of_a_resnet() -> None:
    assert output_shape(resnet18((1, 8, 8)).stem, (1, 8, 8)) == (64, 8, 8)
    assert output_shape(resnet18((4, 84, 84)).stem, (4, 84, 84)) == (64, 21, 21)


def test_attention_is_torchs() -> None:
    block = Block(12, heads=3)
    theirs = nn.MultiheadAttention(12, 3, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": block.queries_keys_values.weight,
            "in_proj_bias": block.queries_keys_values.bias,
            "out_proj.weight": block.project.weight,
            "out_proj.bias": block.project.bias,
        }
    )
    tokens = torch.randn(2, 5, 12)
    torch.testing.assert_close(block._attend(tokens), theirs(tokens, tokens, tokens, need_weights=False)[0])


def test_places_of_a_map_are_tokens() -> None:
    transformer = Transformer((3, 2, 4), width=8, heads=2, flat=False)
    inputs = torch.rand(2, 3, 2, 4)
    sequence = copy.deepcopy(transformer)
    sequence.is_map = False
    torch.testing.assert_close(transformer(inputs), sequence(inputs.permute(0, 2, 3, 1).reshape(2, 8, 3)))


def test_unet_sees_time_and_condition() -> None:
    unet = UNet((1, 8, 8), channels=4, condition_dim=3)
    inputs, time = torch.randn(2, 1, 8, 8), torch.tensor([0.2, 0.2])
    out = unet(inputs, time)
    assert not torch.allclose(out, unet(inputs, time + 0.1))
    assert torch.equal(unet(inputs), unet(inputs, torch.zeros(2)))
    conditioned = unet(inputs, time, torch.ones(2, 3))
    assert not torch.allclose(out, conditioned)
    (conditioned * torch.randn_like(conditioned)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in unet.parameters())


def test_discriminator_mixes_rows_only_by_batch_normalisation() -> None:
    pictures = torch.rand(4, 1, 16, 16)
    for norm, mixes in (("batch", True), ("spectral", False), ("none", False)):
        discriminator = DCGANDiscriminator((1, 16, 16), 1, channels=4, norm=norm)
        alone = discriminator(pictures[:2])
        together = discriminator(pictures)[:2]
        assert torch.allclose(alone, together, atol=1e-4) is not mixes


# Bytes, precision, gradients ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BODIES)
def test_bytes_are_numbers_between_0_and_1(name: str) -> None:
    shape = SHAPE[name]
    module = make(name, shape).eval()
    obs = some_bytes(2, *shape)
    numbers = obs.float() / 255
    before = numbers.clone()
    torch.testing.assert_close(module(obs), module(numbers))
    assert torch.equal(numbers, before)  # what comes in is not written over
    assert type(build(*shape).part(module, shape)) is type(module)  # it takes bytes itself


@pytest.mark.parametrize("name", BODIES)
def test_gradients_reach_every_parameter_and_in_bf16_too(name: str) -> None:
    shape = SHAPE[name]
    module = make(name, shape).train()
    obs = some_bytes(8, *shape)
    with torch.autocast("cpu", torch.bfloat16):
        out = module(obs)
    assert out.shape == module(obs).shape
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(0))
    (out.float() * weights).sum().backward()
    without = [key for key, value in module.named_parameters() if value.grad is None or not value.grad.any()]
    assert not without
    assert all(value.grad.isfinite().all() for value in module.parameters())


@pytest.mark.parametrize("name", BODIES)
def test_parameters_are_a_function_of_the_seed(name: str) -> None:
    shape = SHAPE[name]
    one, other = make(name, shape).state_dict(), make(name, shape).state_dict()
    assert list(one) == list(other)
    assert all(torch.equal(value, other[key]) for key, value in one.items())


def test_no_bias_stands_before_a_normalisation() -> None:
    for norm in ("batch", "group", "layer"):
        assert all(layer.bias is None for layer in CNN((3, 8, 8), norm=norm).modules() if isinstance(layer, nn.Conv2d))
    assert all(layer.bias is not None for layer in CNN((3, 8, 8)).modules() if isinstance(layer, nn.Conv2d))


def test_drqv2_cnn_of_bytes_is_as_it_was() -> None:
    network, obs = DrQV2CNN((9, 20, 20)), some_bytes(2, 9, 20, 20)
    expected = network.convolutions(obs.float() / 255 - 0.5).permute(0, 2, 3, 1).flatten(1)
    assert torch.equal(network(obs), expected)


def test_pixels_take_the_precision_of_autocast() -> None:
    layer, obs = nn.Conv2d(3, 4, 3), some_bytes(2, 3, 8, 8)
    assert pixels(obs, layer).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert pixels(obs, layer).dtype == torch.bfloat16
        assert pixels(obs.float(), layer).dtype == torch.float32
    assert pixels(obs, layer).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(flatten(obs), obs.permute(0, 2, 3, 1).reshape(2, -1))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("rows", [1, 5, 16, 33])  # torch computes few rows in float32 without oneDNN
@pytest.mark.parametrize("settings", [{}, {"stride": 2}, {"padding": 1, "bias": False}, {"padding": "same"}], ids=str)
def test_a_convolution_and_its_relu_in_one_pass_are_the_two_bit_for_bit(settings: dict[str, object], rows: int, precision: str) -> None:
    torch.manual_seed(1)
    layers = [nn.Conv2d(9, 8, 3, **settings), nn.ReLU(inplace=True), nn.Conv2d(8, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.Tanh()]
    fused = Convolutions(*layers).to(memory_format=torch.channels_last)
    obs = torch.rand(rows, 9, 13, 11).contiguous(memory_format=torch.channels_last).requires_grad_()
    found = []
    for network in (fused, nn.Sequential(*layers)):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            output = network(obs)
        gradients = torch.autograd.grad(output.float().sin().sum(), [obs, *fused.parameters()], create_graph=True)
        second = torch.autograd.grad(gradients[0].square().sum(), [fused[0].weight])
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            found.append([output, network(obs), *gradients, *second])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    assert all(one.stride() == other.stride() for one, other in zip(*found, strict=True))


def test_a_hook_on_a_convolution_sees_its_output() -> None:
    network, seen = DrQV2CNN((3, 20, 20)), []
    network.convolutions[2].register_forward_hook(lambda module, arguments, output: seen.append(output.min().item()))
    network(some_bytes(16, 3, 20, 20))
    assert [value < 0 for value in seen] == [True]  # before its ReLU


# Options and lists --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_options_are_arguments_with_their_defaults(name: str) -> None:
    import inspect

    component = registry().get("architectures", name)
    arguments = inspect.signature(component.load()).parameters
    for key, field in component.options_model().model_fields.items():
        assert key in arguments
        default = arguments[key].default
        if default is not inspect.Parameter.empty:
            assert default == field.default or list(default) == list(field.default)


def test_a_transformer_after_a_cnn() -> None:
    config = compose(["agent=drqv2", "encoder=[cnn,transformer]", "encoder.0.depth=2", "encoder.1.depth=5"])
    body = build(3, 24, 24).part(config.agent.options.encoder, (9, 24, 24))
    convolutions, transformer = body
    assert len(transformer.blocks) == 5
    assert transformer.places.shape == (1, 6 * 6, 128)
    assert not convolutions.flat
    assert body(some_bytes(2, 9, 24, 24)).shape == (2, 128)


def test_a_list_composes_as_it_is_typed() -> None:
    config = compose(["agent=drqv2", "encoder=[cnn,transformer]", "encoder.1.depth=5"])
    body = build(3, 24, 24).part(config.agent.options.encoder, (9, 24, 24))
    assert len(body[1].blocks) == 5
    assert output_shape(body, (9, 24, 24)) == (128,)


def test_tokens_go_from_one_transformer_to_the_next() -> None:
    body = build(3, 8, 8).part(["cnn", "transformer"], (3, 8, 8))
    assert body(some_bytes(2, 3, 8, 8)).shape == (2, 128)
    several = nn.Sequential(Transformer((3, 4, 4), width=8, heads=2, flat=False), Transformer((16, 8), width=8, heads=2))
    assert several(torch.rand(2, 3, 4, 4)).shape == (2, 8)
