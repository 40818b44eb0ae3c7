"""A lost life: what follows counts for nothing, and the episode goes on."""

from __future__ import annotations

import numpy as np

from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.envs.step_batch import StepBatch
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Transitions

SPEC = Spec(Space((1,), "float32"), Space((), "int64", 0, 1, 2))


def test_sums_end_at_a_lost_life_and_stacks_do_not() -> None:
    view = Transitions(n_step=3, discount=0.5, stack=2, batch_size=64)
    replay = Replay(SPEC, view, 100, 1, Streams(0))
    replay.begin(0, np.zeros(1, np.float32))
    no = np.zeros(1, bool)
    for number in range(8):
        observation = np.full((1, 1), number + 1, np.float32)
        lost, over = np.array([number == 3]), np.array([number == 7])
        replay.extend(
            np.zeros(1, np.int64),
            StepBatch(
                observation, np.full(1, 10.0**number, np.float32), over, no, no, observation * 0, np.zeros(1), np.zeros(1, np.int64), lost
            ),
        )
    batch = replay.sample()
    expected = {}
    for start in range(8):
        taken = [number for number in range(start, min(start + 3, 8)) if not (start <= 3 < number)]
        end = taken[-1] + 1
        reward = sum(0.5**k * 10.0**number for k, number in enumerate(taken))
        expected[start] = (reward, 0.0 if end in (4, 8) else 0.5 ** len(taken), [max(end - 1, 0), end])
    seen = set()
    for row in range(64):
        start = int(batch.obs[row, -1])
        reward, discount, following = expected[start]
        assert float(batch.reward[row]) == np.float32(reward)
        assert float(batch.discount[row]) == discount
        assert batch.next_obs[row].tolist() == following
        seen.add(start)
    assert seen == set(range(8))
