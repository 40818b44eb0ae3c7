"""The cart pole without velocities beside Gymnasium's own."""

from __future__ import annotations

import gymnasium
import numpy as np

from unified.testing import CartPoleWithoutVelocities


def test_it_shows_positions_as_fractions_of_their_limits_and_nothing_else() -> None:
    ours, theirs = CartPoleWithoutVelocities("", None).environment(), gymnasium.make("CartPole-v1")
    shown, full = ours.reset(3), theirs.reset(seed=3)[0]
    ended = False
    while not ended:
        np.testing.assert_allclose(shown, [full[0] / 2.4, full[2] / np.deg2rad(12)], rtol=1e-6)
        assert np.abs(shown).max() <= 1
        step = ours.step(np.int64(1))
        full, reward, ended, truncated, _ = theirs.step(1)
        assert (step.reward, step.terminated, step.truncated) == (reward, ended, truncated)
        shown = step.observation
    assert np.abs(shown).max() > 1  # the end is where a limit is passed
