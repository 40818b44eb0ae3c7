"""How much of the main job's wall time a checkpoint costs, at the defaults: one for every 10,000 frames, 5,000 new rows of 84×84 frames."""

from __future__ import annotations

import tempfile

from row import Row, rate
from update import make_agent, make_batch

FRAMES = 10_000


def measure() -> list[Row]:
    import unified

    agent, batch = make_agent("bf16"), make_batch()
    seconds_between = FRAMES / (4 * rate(lambda: agent.learn(batch)))  # one update for every 4 frames, and nothing else
    with tempfile.TemporaryDirectory() as root:
        config = {"agent.learning_starts": FRAMES, "train.frames": FRAMES, "evaluate.every": 0, "evaluate.episodes": 1, "callbacks": []}
        run = unified.train(agent="drqv2", suite="dmc:humanoid_run", root=root, config=config)
        (seconds, *_) = (event["seconds"] for event in run.events() if event["event"] == "checkpoint")
    share = seconds / (seconds + seconds_between)
    return [
        Row("checkpoint stall at the defaults", f"{seconds:.2f} s", f"{seconds_between:.0f} s of updates", f"{100 * share:.2f}%", "≤ 1%")
    ]
