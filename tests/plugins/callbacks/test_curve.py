from __future__ import annotations

import subprocess
import sys

import pytest
import scipy.stats
from watched import rows, watched

from unified import plotting
from unified.plugins.callbacks.curve.callback import Curve

np = pytest.importorskip("numpy")


def picture(path):
    from matplotlib.image import imread

    return imread(path)


def test_a_curve_is_a_real_picture(tmp_path):
    run, trainer = watched(tmp_path)
    Curve(None).on_evaluation_end(row=None, episodes=None, result=None, run=run, trainer=trainer)
    pixels = picture(run.path / "curve.png")
    height, width = pixels.shape[:2]
    assert height > 500
    assert width > 900
    blue = (pixels[..., 2] > 0.6) & (pixels[..., 0] < 0.2)  # the line of the evaluations
    columns = blue.any(axis=0).nonzero()[0]
    assert columns.max() - columns.min() > width / 2
    start, end = (blue[:, column].nonzero()[0].mean() for column in (columns[5], columns[-60]))
    assert end < start - height / 4  # it rises
    assert sorted(path.name for path in run.path.iterdir()) == ["curve.png", "metrics.jsonl"]


@pytest.mark.parametrize("metrics", [[], rows()[:1], rows()[:2], [{"kind": "evaluate", "frames": 0, "return": float("nan")}]])
def test_little_or_nothing_measured_still_draws(tmp_path, metrics):
    run, trainer = watched(tmp_path, metrics, budget=None)
    Curve(None).draw(run, trainer)
    assert (run.path / "curve.png").stat().st_size > 1000


def test_teardown_draws_only_what_there_is(tmp_path):
    run, trainer = watched(tmp_path, [])
    Curve(None).teardown(error=None, run=run, trainer=trainer)
    assert not (run.path / "curve.png").exists()


def test_of_two_rows_at_the_same_frames_the_later_one_counts():
    first, second = ({"kind": "evaluate", "frames": 10, "return": ret} for ret in (1.0, 2.0))
    assert plotting.rows_of([second, {"kind": "train", "frames": 10, "return": 5.0}, first], "evaluate") == [first]


def test_seeds_are_compared_only_where_all_of_them_have_been():
    curve = plotting.aggregate("x", [([0, 10, 20], [0.0, 10.0, 20.0]), ([0, 20, 40], [0.0, 40.0, 80.0])], "range")
    assert curve.x.tolist() == [0, 10, 20]
    assert curve.mean.tolist() == [0, 15, 30]
    assert (curve.low.tolist(), curve.high.tolist()) == ([0, 10, 20], [0, 20, 40])
    assert (curve.seeds, curve.final, curve.best) == (2, (20.0, 80.0), (20.0, 80.0))


def test_bands_are_what_their_names_say():
    values = np.array([[1.0], [2.0], [6.0]])
    assert [float(edge[0]) for edge in plotting.band(values, "range")] == [1, 6]
    sd = np.std([1, 2, 6], ddof=1)
    assert [float(edge[0]) for edge in plotting.band(values, "sd")] == pytest.approx([3 - sd, 3 + sd])
    half = scipy.stats.t.ppf(0.975, 2) * sd / np.sqrt(3)  # Student's t with two degrees of freedom
    assert [float(edge[0]) for edge in plotting.band(values, "ci")] == pytest.approx([3 - half, 3 + half])
    assert [float(edge[0]) for edge in plotting.band(values[:1], "ci")] == [1, 1]


def test_pyplot_is_never_imported(tmp_path):
    code = (
        "import sys; from unified import plotting; assert 'numpy' not in sys.modules and 'matplotlib' not in sys.modules;"
        f"plotting.save(plotting.run_figure([], 'x'), r'{tmp_path / 'a.png'}'); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
