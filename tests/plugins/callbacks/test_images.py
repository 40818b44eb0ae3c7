from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from watched import rows, watched

from unified.core.trainer.eval_result import EvalResult
from unified.grid import GAP, STRIP, enlarged, figure, grid
from unified.plugins.callbacks.images import component
from unified.plugins.callbacks.images.callback import Images


def numbered(count: int, channels: int = 1, height: int = 2, width: int = 3) -> np.ndarray:
    """Pictures of one grey each: 0, 10, 20, …"""
    return np.broadcast_to(np.arange(0, 10 * count, 10, np.uint8)[:, None, None, None], (count, channels, height, width)).copy()


def picture(path) -> np.ndarray:
    from matplotlib.image import imread

    return (imread(path)[..., :3] * 255).round().astype(np.uint8)


@pytest.mark.parametrize(("count", "columns", "shape"), [(5, 3, (2, 3)), (6, 3, (2, 3)), (2, 8, (1, 2)), (1, 1, (1, 1))])
@pytest.mark.parametrize("strip", [0, 5])
def test_each_picture_is_in_its_place_and_the_rest_is_white(count: int, columns: int, shape: tuple[int, int], strip: int) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (count, 3, 4, 6), np.uint8)
    sheet = grid(pictures, columns, gap=2, strip=strip)
    expected = np.full((shape[0] * (6 + strip) + 2, shape[1] * 8 + 2, 3), 255, np.uint8)
    for index, each in enumerate(pictures):
        top, left = 2 + (index // columns) * (6 + strip), 2 + (index % columns) * 8
        expected[top : top + 4, left : left + 6] = each.transpose(1, 2, 0)
    np.testing.assert_array_equal(sheet, expected)
    assert sheet.dtype == np.uint8


@pytest.mark.parametrize("channels", [1, 2, 9])
def test_other_channels_are_grey(channels: int) -> None:
    pictures = np.zeros((1, channels, 2, 2), np.uint8)
    pictures[0, 0] = 90
    assert (grid(pictures, 1, gap=0) == round(90 / channels)).all()


def test_nothing_to_show_is_an_error() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        grid(np.zeros((0, 1, 2, 2), np.uint8), 3)


@pytest.mark.parametrize(("size", "factor"), [(1, 1), (8, 1), (9, 2), (16, 2), (96, 12)])
def test_small_pictures_are_enlarged_by_a_whole_factor(size: int, factor: int) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (2, 3, 5, 8), np.uint8)
    found = enlarged(pictures, size)
    assert found.shape == (2, 3, 5 * factor, 8 * factor)
    np.testing.assert_array_equal(found[:, :, ::factor, ::factor], pictures)
    np.testing.assert_array_equal(found[:, :, factor - 1 :: factor, factor - 1 :: factor], pictures)


def evaluated(run, trainer, images: Images, count: int, pictures: np.ndarray | None, captions: list[str] | None = None) -> list[str]:
    """Evaluate `count` times, the last one at the end of the budget; the names of the files there are then."""
    found = [row for row in rows() if row["kind"] == "evaluate"][:count]
    for row in found:
        trainer.clock.done = row is found[-1]
        images.on_evaluation_end(
            episodes=None, run=run, trainer=trainer, row=row, result=EvalResult(row, pictures=pictures, captions=captions)
        )
    return sorted(path.name for path in (run.path / "images").glob("*"))


def options(**changed: int) -> SimpleNamespace:
    return SimpleNamespace(**({"every": 1, "count": 64, "columns": 8, "size": 1} | changed))


@pytest.mark.parametrize(("every", "expected"), [(0, [9000]), (1, [0, 3000, 6000, 9000]), (3, [6000, 9000])])
def test_every_says_which_evaluations_are_written(tmp_path, every: int, expected: list[int]) -> None:
    run, trainer = watched(tmp_path)
    found = evaluated(run, trainer, Images(options(every=every)), 4, numbered(3))
    assert found == [f"eval-{frames:09d}.png" for frames in expected]


def test_the_file_is_the_grid_pixel_for_pixel(tmp_path) -> None:
    run, trainer = watched(tmp_path)
    pictures = np.random.default_rng(0).integers(0, 255, (7, 3, 5, 8), np.uint8)
    (name,) = evaluated(run, trainer, Images(options(every=0, count=5, columns=3, size=16)), 1, pictures)
    np.testing.assert_array_equal(picture(run.path / "images" / name), grid(enlarged(pictures[:5], 16), 3))


def test_captions_stand_under_their_pictures_and_change_none(tmp_path) -> None:
    run, trainer = watched(tmp_path)
    pictures, captions = numbered(3, height=30, width=40), ["7", "$a_b$ taken for something else", ""]
    (name,) = evaluated(run, trainer, Images(options(every=0, columns=2)), 1, pictures, captions)
    seen, plain = picture(run.path / "images" / name), grid(pictures, 2, strip=STRIP)
    assert seen.shape == plain.shape
    ink = (seen != plain).any(axis=2)
    for index, caption in enumerate(captions):
        top, left = (index // 2) * (30 + STRIP + GAP), (index % 2) * (40 + GAP)
        assert not ink[top : top + GAP + 30, left : left + GAP + 40].any()
        assert ink[top + GAP + 30 : top + GAP + 30 + STRIP, left : left + GAP + 40].any() == bool(caption)
    texts = [text.get_text() for text in figure(pictures, captions, 2).axes[0].texts]
    assert texts == ["7", "$a_b$ …", ""]


def test_pictures_of_classes_have_a_row_for_each(tmp_path) -> None:
    run, trainer = watched(tmp_path)
    row = {"frames": 7, "updates": 0}
    result = EvalResult(row, pictures=numbered(6), columns=2)
    trainer.clock.done = True
    Images(options(columns=5)).on_evaluation_end(episodes=None, run=run, trainer=trainer, row=row, result=result)
    np.testing.assert_array_equal(picture(run.path / "images" / "eval-000000007.png"), grid(numbered(6), 2))


def test_an_evaluation_without_pictures_writes_nothing(tmp_path) -> None:
    run, trainer = watched(tmp_path)
    assert evaluated(run, trainer, Images(options()), 2, None) == []
    assert evaluated(run, trainer, Images(options()), 2, numbered(0)) == []


def test_a_run_that_plays_nothing_counts_its_updates(tmp_path) -> None:
    run, trainer = watched(tmp_path)
    for updates in (0, 500):
        row = {"kind": "evaluate", "frames": 0, "updates": updates}
        Images(options()).on_evaluation_end(episodes=None, run=run, trainer=trainer, row=row, result=EvalResult(row, pictures=numbered(1)))
    assert sorted(path.name for path in (run.path / "images").iterdir()) == ["eval-000000000.png", "eval-000000500.png"]


def test_the_count_of_evaluations_is_resumed(tmp_path) -> None:
    run, trainer = watched(tmp_path)
    images = Images(options(every=3))
    evaluated(run, trainer, images, 2, None)
    other = Images(images.options)
    other.checkpoint_load(run=None, trainer=None, state=images.checkpoint_save(run=None, trainer=None))
    assert other.evaluations == 2


def test_the_descriptor_names_what_there_is() -> None:
    assert component.load() is Images
    assert component.options_model()().model_dump() == {"every": 1, "count": 64, "columns": 8, "size": 96}
