from __future__ import annotations

from types import SimpleNamespace

import imageio_ffmpeg
import numpy as np
import pytest
from watched import rows, watched

from unified.core.base.errors import UnifiedError
from unified.plugins.callbacks.video.callback import Video
from unified.video import write_mp4


def frames(count: int = 45, height: int = 240, width: int = 320) -> list[np.ndarray]:
    """A white square that moves to the right."""
    found = []
    for index in range(count):
        frame = np.full((height, width, 3), 40, np.uint8)
        left = index * (width - 32) // max(1, count - 1)
        frame[height // 2 : height // 2 + 32, left : left + 32] = 255
        found.append(frame)
    return found


def probe(path) -> tuple[dict, list[np.ndarray]]:
    reader = imageio_ffmpeg.read_frames(str(path))
    about = next(reader)
    width, height = about["size"]
    return about, [np.frombuffer(data, np.uint8).reshape(height, width, 3) for data in reader]


def test_a_video_has_the_frames_the_size_and_the_duration(tmp_path):
    about, seen = probe(write_mp4(tmp_path / "videos" / "eval.mp4", frames(45), fps=30))
    assert about["size"] == (320, 240)
    assert about["fps"] == 30
    assert about["duration"] == pytest.approx(1.5, abs=0.05)
    assert about["codec"] == "h264"
    assert "yuv420p" in about["pix_fmt"]
    assert len(seen) == 45
    assert seen[0][130, 10].mean() > 200 > 90 > seen[0][130, 300].mean()  # the square begins at the left
    assert seen[-1][130, 305].mean() > 200 > 90 > seen[-1][130, 10].mean()  # and ends at the right
    assert [path.name for path in (tmp_path / "videos").iterdir()] == ["eval.mp4"]  # no temporary file is left


def test_odd_sizes_are_padded_not_rescaled(tmp_path):
    about, seen = probe(write_mp4(tmp_path / "a.mp4", frames(3, 84, 84)))
    assert about["size"] == (96, 96)
    assert seen[0][84 // 2 + 16, 16].mean() > 200  # where it was


def test_nothing_to_write_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(UnifiedError, match="no frames"):
        write_mp4(tmp_path / "a.mp4", [])
    assert list(tmp_path.iterdir()) == []


def test_a_failing_source_of_frames_leaves_no_file(tmp_path):
    def broken():
        yield from frames(2)
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError, match="lost"):
        write_mp4(tmp_path / "a.mp4", broken())
    assert list(tmp_path.iterdir()) == []


def evaluations(run, trainer, video: Video, count: int, pictures: bool = True) -> list[str]:
    """Evaluate `count` times, the last one at the end of the budget; the names of the videos there are then."""
    evaluated = [row for row in rows() if row["kind"] == "evaluate"][:count]
    for row in evaluated:
        trainer.clock.done = row is evaluated[-1]
        trainer.evaluator.record = None
        video.before_evaluation(run=None, trainer=trainer)
        recorded = trainer.evaluator.record
        trainer.evaluator.record = None  # as the trainer does
        episode = SimpleNamespace(return_=row["return"], length=3, pictures=frames(3, *recorded) if recorded and pictures else None)
        video.on_evaluation_end(trainer=None, result=None, run=run, row=row, episodes=[episode])
    return sorted(path.name for path in (run.path / "videos").glob("*"))


@pytest.mark.parametrize(
    ("every", "expected"),
    [(0, [9000]), (1, [0, 3000, 6000, 9000]), (3, [6000, 9000])],
)
def test_every_says_which_evaluations_are_recorded(tmp_path, every, expected):
    run, trainer = watched(tmp_path)
    video = Video(SimpleNamespace(every=every, height=48, width=64, fps=30.0))
    assert evaluations(run, trainer, video, 4) == [f"eval-{frames:09d}.mp4" for frames in expected]


def test_a_video_that_cannot_be_written_does_not_end_the_run(tmp_path):
    run, trainer = watched(tmp_path)
    (run.path / "videos").write_text("in the way")
    with pytest.raises(RuntimeError, match="could not be written") as failure:
        evaluations(run, trainer, Video(SimpleNamespace(every=1, height=48, width=64, fps=30.0)), 1)
    assert not isinstance(failure.value, UnifiedError)


def test_a_task_without_a_picture_has_no_video(tmp_path):
    run, trainer = watched(tmp_path)
    assert evaluations(run, trainer, Video(SimpleNamespace(every=1, height=48, width=64, fps=30.0)), 2, pictures=False) == []


def test_the_count_of_evaluations_is_resumed(tmp_path):
    video = Video(SimpleNamespace(every=3, height=48, width=64, fps=30.0))
    run, trainer = watched(tmp_path)
    video.before_evaluation(run=None, trainer=trainer)
    video.on_evaluation_end(trainer=None, result=None, run=run, row=rows()[0], episodes=[])
    other = Video(video.options)
    other.checkpoint_load(run=None, trainer=None, state=video.checkpoint_save(run=None, trainer=None))
    assert other.evaluations == 1
