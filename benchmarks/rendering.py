"""Pictures per second, 84×84, one process: `suite.render=fast` beside `physics.render` as the reference calls it.

Each task in a process of its own that never loads torch, as environments have it. Both sides draw the same state; no physics is included.
"""

from __future__ import annotations

import json
import subprocess
import sys

from row import Row, alternate, ratio

TASKS = (("humanoid_run", 5.0), ("cartpole_swingup", 10.0))


def measure() -> list[Row]:
    rows = []
    for task, target in TASKS:
        done = subprocess.run([sys.executable, __file__, task], capture_output=True, text=True, check=True)
        rows.append(ratio(f"rendering {task}, 84×84, fast", *json.loads(done.stdout), "pictures/s", target))
    return rows


def rates(task: str) -> tuple[float, float]:
    """Ours and the reference's."""
    from types import SimpleNamespace

    import numpy as np

    from unified.plugins.suites.dmc.suite import DMC

    options = {"pixels": True, "size": 84, "action_repeat": 1, "gl": "auto", "camera": 0}
    ours, reference = (DMC(task, SimpleNamespace(**options, render=render)).environment() for render in ("fast", "exact"))
    for environment in (ours, reference):
        environment.reset(1)
        for _ in range(20):
            environment.step(np.full(environment.spec.action.shape, 0.5, np.float32))
    last = ours._env.task.get_observation(ours._env.physics)
    step, physics = SimpleNamespace(observation=last), reference._env.physics
    try:
        return alternate(lambda: ours._observe(step), lambda: physics.render(height=84, width=84, camera_id=0).transpose(2, 0, 1).copy())
    finally:
        ours.close()
        reference.close()


if __name__ == "__main__":
    print(json.dumps(rates(sys.argv[1])))
