"""Augmentations of batches, each picture against a slow reference of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms.v2 import functional as V

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.schema import Selection
from unified.core.learn.builder import Builder
from unified.core.learn.networks import PixelsToFloat
from unified.core.registry import registry
from unified.plugins.architectures.augment.augment import (
    Apart,
    Augmentations,
    Cutout,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    make_augmentations,
    where,
)
from unified.plugins.architectures.augment.colour import ColorJitter, Intensity, Normalize, jitter
from unified.plugins.architectures.augment.shift import RandomShift
from unified.plugins.architectures.augment.transforms import V2

ALL = [RandomShift(), RandomCrop(2), RandomHorizontalFlip(), RandomErasing(), Cutout(4), ColorJitter(), Intensity()]
TYPES = [torch.uint8, torch.float32, torch.bfloat16]


def named(module: nn.Module) -> str:
    return type(module).__name__


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_pictures(rows: int = 6, shape: tuple[int, ...] = (3, 12, 10), dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    pictures = torch.randint(1, 256, (rows, *shape), dtype=torch.uint8, generator=generator(5))
    return pictures if dtype == torch.uint8 else (pictures.float() / 255).to(dtype)


def build(*observation: int) -> Builder:
    spec = Spec(Space(observation, "uint8", 0, 255), Space((2,), "float32", -1.0, 1.0))
    return Builder(torch.device("cpu"), "fp32", Streams(0), registry(), (), spec)


# Contract -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("augmentation", ALL, ids=named)
def test_draws_come_from_the_generator_alone(augmentation: nn.Module) -> None:
    obs = some_pictures(16)
    before, state = obs.clone(), torch.get_rng_state()
    one, same, other = augmentation(obs, generator(1)), augmentation(obs, generator(1)), augmentation(obs, generator(2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(obs, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert augmentation(obs) is obs


@pytest.mark.parametrize("augmentation", ALL, ids=named)
def test_each_picture_gets_draws_of_its_own(augmentation: nn.Module) -> None:
    obs = some_pictures(1).expand(64, -1, -1, -1)
    made = augmentation(obs, generator())
    assert len({bytes(picture.numpy()) for picture in made}) > (1 if isinstance(augmentation, RandomHorizontalFlip) else 10)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("augmentation", ALL, ids=named)
def test_shape_and_type_stay(augmentation: nn.Module, dtype: torch.dtype) -> None:
    for shape in ((1, 12, 10), (3, 12, 10), (9, 12, 12)):
        made = augmentation(some_pictures(4, shape, dtype), generator())
        assert made.shape == (4, *shape)
        expected = torch.float32 if isinstance(augmentation, Intensity) else dtype
        assert made.dtype == expected


def test_no_rows_stay_no_rows() -> None:
    for augmentation in ALL:
        assert augmentation(some_pictures(0), generator()).shape == (0, 3, 12, 10)


# Geometry -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", [3, 15])
@pytest.mark.parametrize("fill", [0, 7])
@pytest.mark.parametrize("dtype", [*TYPES, torch.int64], ids=str)
def test_crop_is_a_crop_of_each_padded_picture(dtype: torch.dtype, fill: int, padding: int) -> None:
    obs = some_pictures(20, dtype=dtype)
    made = RandomCrop(padding, fill=fill)(obs, generator(1))
    assert made.dtype == dtype
    y, x = torch.randint(2 * padding + 1, (2, 20), generator=generator(1))
    for row in range(20):
        padded = torch.full((3, 12 + 2 * padding, 10 + 2 * padding), fill, dtype=dtype)
        padded[:, padding : padding + 12, padding : padding + 10] = obs[row]
        assert torch.equal(made[row], padded[:, y[row] : y[row] + 12, x[row] : x[row] + 10])
    assert y.unique().numel() > 1
    assert x.unique().numel() > 1


def test_crop_of_what_has_a_gradient_has_one() -> None:
    obs = some_pictures(dtype=torch.float32).requires_grad_()
    made = RandomCrop(0)(obs, generator())
    made.sum().backward()
    assert torch.equal(obs.grad, torch.ones_like(obs))


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_flip_mirrors_as_many_as_it_says(dtype: torch.dtype) -> None:
    obs = some_pictures(400, (2, 3, 5), dtype)
    made = RandomHorizontalFlip(0.25)(obs, generator(1))
    mirrored = [row for row in range(400) if torch.equal(made[row], obs[row].flip(-1))]
    kept = [row for row in range(400) if torch.equal(made[row], obs[row])]
    assert sorted(mirrored + kept) == list(range(400))
    assert 70 < len(mirrored) < 130


def test_erasing_is_the_papers_rectangle() -> None:
    obs = some_pictures(500, (1, 20, 16))
    made = RandomErasing(0.5, scale=(0.1, 0.2), ratio=(0.5, 2.0))(obs, generator(1))
    shares = []
    for picture, before in zip(made[:, 0].numpy(), obs[:, 0].numpy(), strict=True):
        rows, columns = np.nonzero(picture == 0)
        if not len(rows):
            assert (picture == before).all()
            continue
        top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        expected = before.copy()
        expected[top:bottom, left:right] = 0
        assert (picture == expected).all()
        shares.append((bottom - top) * (right - left) / 320)
        assert 0.4 <= (bottom - top) / (right - left) <= 2.5
    assert 200 < len(shares) < 300
    assert 0.08 < min(shares) < 0.12
    assert 0.18 < max(shares) < 0.22


def test_erasing_never_leaves_the_picture() -> None:
    made = RandomErasing(1.0, scale=(0.9, 1.0), ratio=(0.1, 10.0), fill=3)(some_pictures(200, (1, 9, 4)), generator())
    assert all((picture == 3).any() for picture in made)


def test_cutout_is_a_square_cut_at_the_border() -> None:
    obs = some_pictures(100, (2, 9, 7))
    made = Cutout(4)(obs, generator(1))
    draws = generator(1)
    y, x = torch.randint(9, (100,), generator=draws), torch.randint(7, (100,), generator=draws)
    for row in range(100):
        expected = obs[row].clone()
        expected[:, max(0, y[row] - 2) : max(0, y[row] + 2), max(0, x[row] - 2) : max(0, x[row] + 2)] = 0
        assert torch.equal(made[row], expected)


def test_where_of_bytes_is_torchs() -> None:
    mask, one, other = torch.rand(5, 1, 4) < 0.5, some_pictures(5, (3, 4)), some_pictures(5, (3, 4)).flip(0)
    assert torch.equal(where(mask, one, other), torch.where(mask, one, other))


# Colour -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32], ids=str)
def test_jitter_is_torchvisions_picture_by_picture(dtype: torch.dtype, channels: int) -> None:
    obs = some_pictures(30, (channels, 8, 9), dtype)
    brightness, contrast, saturation = torch.rand(3, 30, 1, 1, 1, generator=generator()) * 2
    made = jitter(obs, brightness, contrast, saturation)
    for row in range(30):
        expected = V.adjust_brightness(obs[row], brightness[row].item())
        expected = V.adjust_contrast(expected, contrast[row].item())
        expected = V.adjust_saturation(expected, saturation[row].item()) if channels == 3 else expected
        if dtype == torch.uint8:  # a sum in another order may round to the other side of a whole number
            assert (made[row].int() - expected.int()).abs().max() <= 1
            assert (made[row] == expected).float().mean() > 0.98
        else:
            torch.testing.assert_close(made[row], expected, atol=1e-5, rtol=1e-5)


def test_jitter_draws_within_its_strengths() -> None:
    white = torch.full((500, 1, 2, 2), 0.5)
    made = ColorJitter(0.3, 0.0, 0.0)(white, generator())[:, 0, 0, 0] / 0.5
    assert 0.7 <= made.min() < 0.72
    assert 1.28 < made.max() <= 1.3
    assert torch.equal(ColorJitter(0.0, 0.0, 0.0)(some_pictures(), generator()), some_pictures())


def test_intensity_is_one_factor_for_each_picture() -> None:
    obs = some_pictures(2000, (2, 2, 2))
    made = Intensity(0.05)(obs, generator(3))
    factors = 1 + 0.05 * torch.randn(2000, 1, 1, 1, generator=generator(3)).clamp(-2, 2)
    torch.testing.assert_close(made, obs / 255 * factors)
    torch.testing.assert_close(Intensity(0.05)(obs / 255, generator(3)), made)
    assert factors.min().item() == pytest.approx(0.9)


def test_normalize_is_torchvisions_and_needs_no_generator() -> None:
    obs, mean, std = some_pictures(), [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]
    expected = V.normalize(obs / 255, mean, std)
    torch.testing.assert_close(Normalize(3, mean, std)(obs), expected)
    torch.testing.assert_close(Normalize(3, mean, std)(obs / 255), expected)
    torch.testing.assert_close(Normalize(3)(obs), obs / 127.5 - 1)
    torch.testing.assert_close(Normalize(4)(torch.rand(2, 4)).shape, (2, 4))
    with pytest.raises(UsageError, match="2 numbers in mean, for 3 channels"):
        Normalize(3, [0.1, 0.2])
    with pytest.raises(UsageError, match="one of them is 0"):
        Normalize(3, std=[0.0])
    encoder = build(3, 12, 12).part(["normalize", "cnn"], (3, 12, 12))
    assert encoder(some_pictures(2, (3, 12, 12))).dim() == 2
    assert not any(key.endswith(("mean", "std")) for key in encoder.state_dict())


# torchvision's ------------------------------------------------------------------------------------------------------------------


def test_v2_draws_for_each_picture_from_the_generator() -> None:
    obs = some_pictures(1, (3, 12, 12)).expand(12, -1, -1, -1)
    state = torch.get_rng_state()
    rotation = V2((3, 12, 12), "random_rotation", {"degrees": 90})
    made = rotation(obs, generator(1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(made, rotation(obs, generator(1)))
    assert len({bytes(picture.numpy()) for picture in made}) > 8
    shared = V2((3, 12, 12), "RandomRotation", {"degrees": 90}, share=4)(obs, generator(1))
    assert len({bytes(picture.numpy()) for picture in shared}) == 3
    assert rotation(obs) is obs


def test_v2_is_the_transform_with_the_same_draws() -> None:
    from torchvision.transforms import v2

    obs = some_pictures(5, (3, 12, 12))
    made = V2((3, 12, 12), "random_perspective", {"p": 1.0})(obs, generator(1))
    seed = int(torch.randint(2**62, (), generator=generator(1)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        expected = torch.stack([v2.RandomPerspective(p=1.0)(picture) for picture in obs])
    assert torch.equal(made, expected)


def test_v2_says_what_is_wrong() -> None:
    with pytest.raises(UsageError, match="no transform 'random_rotaton'") as error:
        V2((3, 12, 12), "random_rotaton")
    assert "RandomRotation" in str(error.value)
    with pytest.raises(UsageError, match=r"RandomRotation cannot be made with .*angle"):
        V2((3, 12, 12), "random_rotation", {"angle": 3})
    with pytest.raises(UsageError, match=r"RandomCrop turns \(3, 12, 12\) into \(3, 8, 8\)"):
        V2((3, 12, 12), "random_crop", {"size": 8})
    with pytest.raises(UsageError, match=r"cannot take \(9, 12, 12\)"):
        V2((9, 12, 12), "random_grayscale", {"p": 1.0})


# Lists --------------------------------------------------------------------------------------------------------------------------


def selected(name: str, **options: object) -> Selection:
    component = registry().get("architectures", name)
    return Selection("architectures", name, None, component, component.options_model()(**options))


def test_a_list_of_augmentations_is_one_after_the_other() -> None:
    shape = (3, 12, 12)
    chosen = [selected("random_crop", padding=2), selected("random_horizontal_flip"), selected("cutout", size=3)]
    augmentations = make_augmentations(build(*shape), chosen, shape)
    obs, draws = some_pictures(8, shape), generator(4)
    expected = obs
    for step in (RandomCrop(2), RandomHorizontalFlip(), Cutout(3)):
        expected = step(expected, draws)
    assert torch.equal(augmentations(obs, generator(4)), expected)
    assert augmentations(obs) is obs
    alone = make_augmentations(build(*shape), "random_shift", shape)
    assert torch.equal(alone(obs, generator(4)), RandomShift()(obs, generator(4)))


def test_what_takes_no_generator_is_drawn_for_each_picture_apart() -> None:
    shape = (3, 12, 12)
    state = torch.get_rng_state()
    augmentations = make_augmentations(build(*shape), ["random_crop", "torchvision.transforms.v2:RandomHorizontalFlip"], shape)
    assert torch.equal(torch.get_rng_state(), state)
    assert isinstance(augmentations[1], Apart)
    obs = some_pictures(1, shape).expand(40, -1, -1, -1)
    made = Augmentations(augmentations[1].module)(obs, generator())
    mirrored = sum(torch.equal(picture, obs[0].flip(-1)) for picture in made)
    assert 8 < mirrored < 32
    assert isinstance(Augmentations(PixelsToFloat(nn.Identity()))[0], Apart)


def test_what_changes_the_shape_is_refused() -> None:
    with pytest.raises(UsageError, match=r"turns \(3, 12, 12\) into \(3, 6, 6\), and agents act on \(3, 12, 12\)"):
        make_augmentations(build(3, 12, 12), ["random_crop", nn.AvgPool2d(2)], (3, 12, 12))


def test_shares_of_a_rectangle_are_of_the_area() -> None:
    made = RandomErasing(1.0, scale=(0.25, 0.25), ratio=(1.0, 1.0))(some_pictures(50, (1, 20, 20)), generator())
    assert ((made == 0).sum((1, 2, 3)) == math.prod((10, 10))).all()
