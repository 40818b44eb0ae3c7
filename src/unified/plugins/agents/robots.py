"""Settings of off-policy agents on robots with goals, which all of them learn by hindsight. Torch-free."""

from __future__ import annotations

from typing import Any

from unified import Preset

#: Hindsight with four goals achieved later for each own one, on normalised observations.
HINDSIGHT: dict[str, Any] = {"replay.sampler": "hindsight", "agent.normalize_observations": True, "agent.lr": 1e-3}
ZOO = "Raffin et al., the tuned settings of the RL Baselines3 Zoo"

#: One task that takes minutes.
REACH = Preset(
    "fetch_reach",
    "robotics:FetchReach*",
    {
        **{**HINDSIGHT, "train.frames": 20_000, "evaluate.every": 2_000, "agent.discount": 0.95},
        **{"agent.actor.hidden_dim": 64, "agent.critic.hidden_dim": 64},
    },
    ZOO,
)
#: Tasks with an object that has to be found first: they take a night on one machine.
OBJECTS = "robotics:FetchPush* robotics:FetchSlide* robotics:FetchPickAndPlace*"
WIDE = {
    **{"agent.actor.hidden_dim": 512, "agent.actor.depth": 3, "agent.critic.hidden_dim": 512, "agent.critic.depth": 3},
    **{"train.frames": 1_000_000, "agent.batch_size": 2_000, "replay.capacity": 1_000_000},
}
SLIDE = Preset("fetch_slide", "robotics:FetchSlide*", {"train.frames": 3_000_000}, ZOO)

MAZE = Preset(
    "point_maze",
    "robotics:PointMaze_*",
    {**HINDSIGHT, "train.frames": 50_000, "evaluate.every": 5_000},
    "as for robots that reach",
)
