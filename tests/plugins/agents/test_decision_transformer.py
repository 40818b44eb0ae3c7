"""Decision Transformer: windows by loops over episodes, acting as it learned, and what its relatives got wrong."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.schema import Selection
from unified.core.learn.memory import first_batch, state_columns
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.trainer.build import make_agent as built
from unified.plugins.agents.decision_transformer.windows import ReturnWindows, returns_to_go
from unified.testing.settings import configure
from unified.testing.workshop import default_options

NUMBERS, CHOICES = Space((2,), "float32", -1.0, 1.0), Space((), "int64", 0, 2, 3)
#: Rewards of each episode; the last one goes on.
EPISODES = [[1.0, -2.0, 0.5], [4.0], [0.0, 0.0, 1.0, 1.0, 1.0], [7.0, 7.0]]


def make_agent(*words: str, action: Space = NUMBERS) -> Any:
    small = ["batch_size=8", "hidden_dim=16", "depth=2", "heads=2", "context=4", "learning_starts=0", *words]
    (component,) = configure([registry().get("agents", "decision_transformer")], small)
    selection = Selection("agents", component.name, None, component, default_options(component))
    config: Any = SimpleNamespace(
        **{"device": "cpu", "precision": "fp32", "objectives": (), "seed": 3, "agent": selection, "registry": registry()}
    )
    return built(config, Spec(Space((3,), "float32"), action), Streams(3))


def make_replay(view: ReturnWindows, action: Space = NUMBERS, capacity: int = 40) -> Replay:
    replay = Replay(Spec(Space((3,), "float32"), action), view, capacity, 1, Streams(2), action=action)
    generator = np.random.default_rng(0)
    for number, rewards in enumerate(EPISODES):
        replay.begin(0, generator.normal(size=3).astype(np.float32))
        for step, reward in enumerate(rewards):
            over = step == len(rewards) - 1 and number < len(EPISODES) - 1
            chosen = np.int64(step % 3) if action.discrete else generator.uniform(-1, 1, 2).astype(np.float32)
            replay.add(0, chosen, reward, over, False, generator.normal(size=3).astype(np.float32))
    return replay


def test_windows_are_those_of_a_loop() -> None:
    view = ReturnWindows(batch_size=200, context=4)
    replay = make_replay(view)
    store, batch = replay.store, replay.sample()
    starts = set()
    for row in range(batch.size):
        slot, index = 0, int(batch.index[row])
        episode = next(number for number, rewards in enumerate(EPISODES) if index < sum(len(r) + 1 for r in EPISODES[: number + 1]))
        first = sum(len(rewards) + 1 for rewards in EPISODES[:episode])
        rewards = EPISODES[episode]
        assert episode < 3, "of an episode that goes on nobody knows the return"
        starts.add(index)
        for slot in range(4):
            step = index - first + slot
            assert bool(batch.mask[row, slot]) == (step < len(rewards))
            if step < len(rewards):
                assert batch.return_to_go[row, slot].item() == pytest.approx(sum(rewards[step:]), abs=1e-5)
                assert batch.step[row, slot] == step
                np.testing.assert_array_equal(batch.obs[row, slot].numpy(), store.data["obs"][index + slot])
                np.testing.assert_array_equal(batch.action[row, slot].numpy(), store.data["action"][index + slot])
    assert len(starts) == sum(map(len, EPISODES[:3])) == view.count(store)


def test_returns_do_not_run_into_the_next_episode() -> None:
    """Decision Transformer: sums of rewards across the end of an episode."""
    store = make_replay(ReturnWindows()).store
    found = returns_to_go(store)[: store.head[0]].tolist()
    expected = [[-0.5, -1.5, 0.5, 0.0], [4.0, 0.0], [3.0, 3.0, 3.0, 2.0, 1.0, 0.0], [14.0, 7.0, 0.0]]
    assert found == pytest.approx([value for episode in expected for value in episode])
    wrong = np.cumsum(store.data["reward"][: store.head[0]][::-1])[::-1]
    assert not np.allclose(wrong[:4], found[:4])


def test_returns_are_computed_again_when_rows_were_added() -> None:
    replay = make_replay(ReturnWindows())
    before = replay.store.derived("returns_to_go", returns_to_go)
    assert replay.store.derived("returns_to_go", returns_to_go) is before
    replay.add(0, np.zeros(2, np.float32), 1.0, True, False, np.zeros(3, np.float32))
    assert replay.store.derived("returns_to_go", returns_to_go)[12] == 15.0


def test_a_feature_has_seen_the_past_its_return_and_itself_alone() -> None:
    """Decision Transformer: the action that is to be predicted among what it is predicted from."""
    agent = make_agent()
    generator = torch.Generator().manual_seed(0)
    inputs = [
        torch.randn(1, 4, generator=generator),
        torch.randn(1, 4, 3, generator=generator),
        torch.randn(1, 4, 2, generator=generator),
        torch.arange(4)[None],
    ]
    before = agent.transformer(*inputs)
    for column, seen_from in ((0, 2), (1, 2), (2, 3)):
        changed = [each.clone() for each in inputs]
        changed[column][:, 2] += 1.0
        moved = (agent.transformer(*changed) - before).abs().amax(dim=-1)[0] > 1e-6
        assert moved.tolist() == [step >= seen_from for step in range(4)], ("returns", "observations", "actions")[column]


@pytest.mark.parametrize("action", [NUMBERS, CHOICES], ids=["numbers", "choices"])
@pytest.mark.parametrize("steps", [3, 4, 7])
def test_it_acts_on_the_window_that_it_would_learn_from(action: Space, steps: int) -> None:
    """The wanted return falls by each reward, and the oldest step leaves once there are more than K."""
    agent = make_agent("target_return=10.0", action=action)
    agent.train(False)
    generator = torch.Generator().manual_seed(1)
    obs, rewards = torch.randn(steps, 3, generator=generator), torch.rand(steps, generator=generator)
    batch, acted = first_batch(agent, obs[:1]), []
    for step in range(steps):
        answer = agent.act(batch, explore=False)
        acted.append(answer.action[0])
        first = torch.zeros(1, dtype=torch.bool)
        following = obs[step + 1 : step + 2] if step + 1 < steps else obs[:1]
        batch = Batch({"obs": following, "is_first": first, "reward": rewards[step : step + 1], **state_columns(answer.state)})
    wanted = 10.0 - torch.cat([torch.zeros(1), rewards[:-1]]).cumsum(0)
    low = max(0, steps - 4)
    taken = torch.stack(acted)
    taken[-1] = 0  # what it is to choose
    window = slice(low, steps)
    features = agent.window_features(wanted[None, window], obs[None, window], taken[None, window], torch.arange(low, steps)[None])
    torch.testing.assert_close(acted[-1], agent.policy(features[:, -1]).mode[0])


def test_rows_of_other_environments_do_not_matter() -> None:
    agent = make_agent()
    generator = torch.Generator().manual_seed(1)
    obs = torch.randn(2, 3, generator=generator)
    together = agent.act(first_batch(agent, obs), explore=False).action
    for row in range(2):
        torch.testing.assert_close(agent.act(first_batch(agent, obs[row : row + 1]), explore=False).action[0], together[row])


def test_padding_teaches_nothing() -> None:
    agent, view = make_agent(), ReturnWindows(batch_size=32, context=4)
    batch = make_replay(view).sample()
    spoilt = Batch({name: column.clone() for name, column in batch.items()})
    for name in ("obs", "action", "return_to_go"):
        spoilt[name][~batch.mask] = 9.0
    losses = [agent.phase_list[0].objectives[0](agent, agent.encode_batch(each)).value for each in (batch, spoilt)]
    torch.testing.assert_close(*losses)
    assert agent.encode_batch(batch).features.shape == (int(batch.mask.sum()), 16)


def test_the_loss_is_the_squared_error_of_every_step() -> None:
    agent = make_agent()
    batch = make_replay(ReturnWindows(batch_size=8, context=4)).sample()
    features = agent.window_features(batch.return_to_go, batch.obs, batch.action, batch.step)
    errors = [
        0.5 * ((agent.policy(features[row, step][None]).mode[0] - batch.action[row, step]) ** 2).sum().item() + np.log(2 * np.pi)
        for row in range(8)
        for step in range(4)
        if batch.mask[row, step]
    ]
    loss = agent.phase_list[0].objectives[0](agent, agent.encode_batch(batch)).value
    assert loss.item() == pytest.approx(float(np.mean(errors)), rel=1e-5)


def test_without_a_target_the_best_return_of_the_data_is_wanted() -> None:
    agent = make_agent("target_return=null")
    agent.observe_data([], np.array([-5.0, 3.0]))
    answer = agent.act(first_batch(agent, torch.zeros(1, 3)), explore=False)
    assert answer.state["wanted"][0, 0] == 3.0
    assert agent.training_state()["parameters"]["best_return"] == 3.0


def test_it_learns_which_return_an_action_leads_to() -> None:
    """One step, action ±0.8, reward 1 or -1: told what is wanted, it does what led there, and does not average."""
    agent = make_agent("lr=3e-3", "optimizer.schedule=null", "return_scale=1.0", "target_return=1.0")
    view = ReturnWindows(batch_size=32, context=4)
    replay = Replay(Spec(Space((3,), "float32"), NUMBERS), view, 200, 1, Streams(2))
    for number in range(60):
        good = number % 2 == 0
        replay.begin(0, np.zeros(3, np.float32))
        replay.add(0, np.full(2, 0.8 if good else -0.8, np.float32), 1.0 if good else -1.0, True, False, np.zeros(3, np.float32))
    for _ in range(120):
        agent.learn(replay.sample())
    agent.train(False)
    found = agent.act(first_batch(agent, torch.zeros(1, 3)), explore=False).action[0]
    assert (found > 0.5).all(), found
