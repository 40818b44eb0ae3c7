from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

from unified_plugin_example.callback import Milestones
from unified_plugin_example.config import MilestonesOptions


def test_the_first_time_is_kept_after_a_resume(tmp_path: Path) -> None:
    run = SimpleNamespace(path=tmp_path)
    first = Milestones(MilestonesOptions(levels=(10.0, 20.0)))
    first.on_evaluation_end(run, None, {"frames": 100, "return": 12.0}, [], None)
    resumed = Milestones(MilestonesOptions(levels=(10.0, 20.0)))
    resumed.checkpoint_load(None, None, first.checkpoint_save(None, None))
    resumed.on_evaluation_end(run, None, {"frames": 200, "return": 25.0}, [], None)
    assert json.loads((tmp_path / "milestones.json").read_text()) == {"10": 100, "20": 200}
