from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from unified import Environment, Suite, UsageError
from unified.replay import Batch, Rollout, Transitions

from unified_plugin_example.sampler import Her


class Numbers(Suite):
    """The reward tells both goals; a goal that is reached ends the episode."""

    def environment(self) -> Environment:
        raise NotImplementedError

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return (achieved - 10 * desired)[:, 0]

    def compute_terminated(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return (achieved == desired)[:, 0]


def relabelled(k: float, terminated: bool = False) -> Batch:
    """Five hundred times the three steps of one episode, which achieves 0, 1, 2, 3 and wants 9."""
    index = np.tile([0, 1, 2], 500)
    achieved = np.arange(4, dtype=np.float32)[:, None]
    store = SimpleNamespace(data={"obs.achieved_goal": achieved, "terminated": np.array([False, False, terminated, False])}, length=10)
    store.columns, store.slot, store.index = {"obs.achieved_goal": None}, lambda index: index, lambda env_id, slot: slot
    store.episodes = lambda index: (np.zeros_like(index), np.full_like(index, 3))
    goals = {f"{name}.desired_goal": torch.full((1500, 1), 9.0) for name in ("obs", "next_obs")}
    batch = Batch(goals, index=torch.from_numpy(index), reward=torch.full((1500,), -1.0), discount=torch.full((1500,), 0.5))
    batch["next_obs.achieved_goal"] = torch.from_numpy(achieved[index + 1])
    if terminated:
        batch["discount"][batch.index == 2] = 0.0
    her, view = Her(k), Transitions(batch_size=1500, discount=0.5)
    her.setup(store, view, suite=Numbers("", None))
    return her.relabel(batch, store, view, np.random.default_rng(0))


def test_goals_are_those_that_later_steps_achieved_with_their_rewards() -> None:
    batch = relabelled(k=1e12)
    goal, achieved = batch["obs.desired_goal"][:, 0], batch["next_obs.achieved_goal"][:, 0]
    for slot in range(3):
        assert set(goal[batch.index == slot].tolist()) == set(range(slot + 1, 4))
    torch.testing.assert_close(batch.reward, achieved - 10 * goal)
    torch.testing.assert_close(batch["next_obs.desired_goal"][:, 0], goal)
    torch.testing.assert_close(batch.discount, 0.5 * (achieved != goal).float())


def test_an_episode_that_ended_for_another_reason_ends_for_every_goal() -> None:
    batch = relabelled(k=1e12, terminated=True)
    assert not batch.discount[batch.index == 2].any()


@pytest.mark.parametrize("k", [0.0, 1.0])
def test_k_of_k_plus_one_rows_are_relabelled(k: float) -> None:
    share = (relabelled(k)["obs.desired_goal"] != 9).float().mean().item()
    assert abs(share - k / (k + 1)) < 0.06


@pytest.mark.parametrize("view", [Transitions(n_step=3), Rollout()])
def test_it_refuses_other_views(view: Transitions | Rollout) -> None:
    with pytest.raises(UsageError, match="single steps"):
        Her().setup(SimpleNamespace(columns={"obs.achieved_goal": None}), view)
