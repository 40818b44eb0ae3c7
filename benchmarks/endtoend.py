"""The main job end to end, humanoid_run with the published settings: frames per second after the seed phase.

The reference is a loop in the style of the published code: `physics.render` in the training process, episodes saved as .npz and read
back by a DataLoader, the update of `reference/drqv2.py`. Each runs in a process of its own, one after the other.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from row import Row, ratio

SEED_STEPS, STEPS = 600, 160


def ours() -> float:
    """Frames per second of `unified.train`, from the run's own events."""
    import unified

    with tempfile.TemporaryDirectory() as root:
        run = unified.train(
            agent="drqv2",
            suite="dmc:humanoid_run",
            root=root,
            config={
                "agent.learning_starts": SEED_STEPS,
                "train.frames": 2 * (SEED_STEPS + STEPS),
                "train.log_every": 40,
                "evaluate.every": 0,
                "evaluate.episodes": 1,
                "callbacks": [],
            },
        )
        speeds = [event["frames_per_s"] for event in run.events() if event["event"] == "speed" and event["updates_per_s"] > 0]
    speeds = sorted(speeds[1:])  # the first interval holds the end of the seed phase
    return speeds[len(speeds) // 2]


def reference() -> float:
    """Frames per second of the reference's loop; its seed phase is filled without rendering, for it is not measured."""
    import torch
    import torchvision  # noqa: F401  (and with it triton: before GL, or the process crashes)

    from reference.drqv2 import ReferenceDrQV2
    from reference.loop import ReferenceEnvironment
    from reference.replay_loader import make_loader, save_episode

    with tempfile.TemporaryDirectory() as directory:
        environment = ReferenceEnvironment("humanoid", "run")
        agent = ReferenceDrQV2((9, 84, 84), environment.actions, dim=100, lr=8e-5)
        for number in range(4):
            save_episode(Path(directory), environment.noise_episode(500, number), number)
        batches = iter(make_loader(Path(directory), batch_size=256, workers=4))
        stacked, start, steps = environment.reset(), 0.0, 0
        for step in range(-8, 40):
            if step == 0:
                start = time.perf_counter()
            with torch.no_grad():
                features = agent.encoder(torch.from_numpy(stacked[None]).float())
                action = torch.tanh(agent.actor(features) + torch.randn(1, environment.actions) * 0.5)
            stacked = environment.step(action[0].numpy())
            if step % 2 == 0:
                obs, act, reward, discount, next_obs = next(batches)
                agent.update(obs, act, reward, discount, next_obs, std=0.5)
            steps += step >= 0
        return 2 * steps / (time.perf_counter() - start)


def measure() -> list[Row]:
    figures = []
    for side in ("ours", "reference"):
        command = [sys.executable, __file__, side]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        figures.append(float(output.strip().splitlines()[-1]))
    return [ratio("humanoid_run end to end, published settings, after the seed phase", *figures, "frames/s", 5)]


if __name__ == "__main__":
    print(ours() if sys.argv[1:] == ["ours"] else reference())
