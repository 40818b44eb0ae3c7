"""The commands of docs/learning-from-logged-data.md, typed as they stand but for short budgets."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from runs.commands import command
from unified.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "learning-from-logged-data.md"
COMMANDS = re.findall(r"^\$ unified (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
QUIET = ["callbacks=[]", "evaluate.every=0", "evaluate.episodes=1", "checkpoint.every=0"]


def shortened(words: list[str]) -> list[str]:
    if words[0] != "train":
        return words
    offline = "offline=true" in words
    budget = ["train.updates=2", "agent.batch_size=8"] if offline else ["train.frames=450", "train.log_every=200"]
    if not offline and "sac" in words:
        budget.append("agent.learning_starts=440")
    *_, shorter = [command(*words, *QUIET, *budget)]
    return shorter[shorter.index("train") :]


@pytest.mark.slow
def test_every_command_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("h5py")
    pytest.importorskip("minari")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    (tmp_path / "minari").mkdir()
    assert len(COMMANDS) == 10
    for line in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main(shortened(shlex.split(line)))
        assert ended.value.code == 0, line
    agents = {path.parts[-5] for path in (tmp_path / "runs").glob("*/*/gym/*/seed-1/config.json")}
    assert agents == {"sac", "random", "td3_bc", "bc", "iql", "cql", "decision_transformer"}
