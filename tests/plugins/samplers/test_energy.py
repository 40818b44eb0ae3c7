"""Episodes in proportion to their energy, against a loop over steps; hindsight on their rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, Suite
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Transitions
from unified.plugins.samplers.energy.config import EnergyOptions
from unified.plugins.samplers.energy.sampler import ByEnergy, Energy

GOAL = Space((3,), "float32")
SPEC = Spec({"achieved_goal": GOAL, "desired_goal": GOAL}, Space((1,), "float32", -1, 1))


class Places(Suite):
    def __init__(self) -> None:
        super().__init__("", None)

    def environment(self) -> Environment:
        raise NotImplementedError

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return (achieved == desired).all(axis=-1).astype(np.float32) - 1


def replay(num_envs: int = 1, capacity: int = 400, rows: int = 4000, **options: Any) -> Replay:
    sampler = Energy(EnergyOptions(**{"k": 0.0, **options}))
    return Replay(SPEC, Transitions(batch_size=rows), capacity, num_envs, Streams(1), sampler=sampler, suite=Places())


def seen(place: np.ndarray) -> np.ndarray:
    record = SPEC.zeros(1)
    record["achieved_goal"] = place
    return record.reshape(())


def play(to: Replay, places: np.ndarray, env_id: int = 0, ends: bool = True) -> None:
    to.begin(env_id, seen(places[0]))
    for number, place in enumerate(places[1:], 2):
        to.add(env_id, np.zeros(1), -1.0, False, ends and number == len(places), seen(place))


def walk(length: int, speed: float, seed: int = 0) -> np.ndarray:
    """Places of an episode of so many steps; the first number is its seed, so that rows can be told apart."""
    places = np.cumsum(np.random.default_rng(seed).normal(0, speed, (length + 1, 3)), axis=0).astype(np.float32)
    places[:, 0] = seed
    return places


def energy_by_hand(places: np.ndarray, options: EnergyOptions) -> float:
    total, before, speed = 0.0, options.gravity * float(places[0, 2]), np.zeros(3)
    for step in range(1, len(places)):
        speed = (places[step].astype(np.float64) - places[step - 1]) / options.dt
        now = options.gravity * float(places[step, 2]) + 0.5 * float(speed @ speed)
        total, before = total + min(max(now - before, 0.0), options.max_energy), now
    return total


@pytest.mark.parametrize("options", [{}, {"gravity": 0.0, "dt": 1.0}, {"max_energy": 100.0}])
def test_the_energy_of_an_episode_is_what_its_steps_add_to_it(options: dict[str, Any]) -> None:
    chosen = EnergyOptions(**options)
    for seed, length in enumerate((1, 2, 9)):
        places = walk(length, 0.02, seed)
        assert ByEnergy(chosen).energy(places) == pytest.approx(energy_by_hand(places, chosen))
    assert ByEnergy(chosen).energy(np.ones((5, 2))) == 0.0  # two numbers have no height


def test_episodes_are_drawn_by_their_energy_and_their_steps_evenly() -> None:
    to, options = replay(), EnergyOptions()
    episodes = {seed: walk(length, speed, seed) for seed, (length, speed) in enumerate([(10, 0.002), (3, 0.03), (20, 0.01), (1, 0.05)])}
    for places in episodes.values():
        play(to, places)
    play(to, walk(15, 1.0, 9), ends=False)  # its energy is not known yet
    batch = to.sample()
    assert (batch["weight"] == 1).all()
    drawn = batch["obs.achieved_goal"][:, 0].numpy()
    energies = {seed: energy_by_hand(places, options) for seed, places in episodes.items()}
    for seed, energy in energies.items():
        share = energy / sum(energies.values())
        assert abs((drawn == seed).mean() - share) <= 4 * np.sqrt(share * (1 - share) / 4000)
    steps = np.unique(batch["index"].numpy()[drawn == 2], return_counts=True)[1]
    assert len(steps) == 20
    assert steps.std() < 4 * np.sqrt(steps.mean())


def test_before_an_episode_with_energy_has_ended_rows_are_drawn_uniformly() -> None:
    to = replay()
    play(to, np.zeros((6, 3)))
    play(to, walk(5, 0.1, 1), ends=False)
    assert np.unique(to.sample()["index"]).size == 10


@pytest.mark.parametrize("capacity", [40, 43])
def test_a_ring_that_is_written_over_draws_what_it_still_holds(capacity: int) -> None:
    to, draws = replay(2, capacity, rows=300), np.random.default_rng(0)
    for episode in range(30):
        play(to, walk(int(draws.integers(1, 12)), 0.02, episode), episode % 2)
        batch = to.sample()
        assert (batch["obs.achieved_goal"][:, 0] == batch["next_obs.achieved_goal"][:, 0]).all()
        store = to.store
        for env_id in range(2):
            slots = np.arange(store.tail[env_id], store.head[env_id])
            index = store.index(env_id, slots)
            mass = to.sampler.rows.mass(index)  # type: ignore[attr-defined]
            assert (mass[store.data["last"][index]] == 0).all()
    restored = replay(2, capacity, rows=300)
    restored.store.data.update(to.store.data)
    for name in ("head", "tail", "start", "open", "held"):
        setattr(restored.store, name, getattr(to.store, name))
    restored.store.recount()
    restored._tell_sampler()
    restored.sampler.load_state_dict(to.sampler.state_dict(), restored.store)
    restored.streams.load_state_dict(to.streams.state_dict())
    np.testing.assert_array_equal(to.sample()["index"], restored.sample()["index"])


def test_rows_are_relabelled_as_by_hindsight() -> None:
    to = replay(strategy="final", k=10**9)
    places = walk(8, 0.02, 1)
    play(to, places)
    batch = to.sample()
    np.testing.assert_array_equal(batch["obs.desired_goal"], np.tile(places[-1], (4000, 1)))
    np.testing.assert_array_equal(batch["reward"], (batch["next_obs.achieved_goal"] == batch["obs.desired_goal"]).all(dim=1).float() - 1)


def test_it_has_one_priority() -> None:
    with pytest.raises(ValueError, match="energy is the priority"):
        EnergyOptions(prioritised=0.6)
