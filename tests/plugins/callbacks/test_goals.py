"""The callback goals: choosers, densities, cut-off, exploration at the goal, and the mistakes that others made.

Most of it happens on a line from 0 to 1, which a store of achieved goals covers unevenly.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.envs.step_batch import StepBatch
from unified.core.envs.suite import Environment, Suite
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Rollout, Transitions
from unified.plugins.callbacks.goals.callback import Finished, Goals
from unified.plugins.callbacks.goals.choosers import Candidates, Cutoff, diverse, in_costs, lowest_cutoff, mega, share_of_own
from unified.plugins.callbacks.goals.config import GoalsOptions
from unified.plugins.callbacks.goals.densities import Density, Flow, Kernels, SuccessPredictor, make_density

PLACE = Space((1,), "float32", -10, 10)
SPEC = Spec(
    {"achieved_goal": PLACE, "desired_goal": PLACE},
    Space((1,), "float32", -1, 1),
    reward_range=(-1, 0),
    episode_frames=50,
    columns={"actual_goal": PLACE},
)
GAMMA = 0.98


class Line(Suite):
    def __init__(self) -> None:
        super().__init__("", None)

    def environment(self) -> Environment:
        raise NotImplementedError

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return (np.abs(achieved - desired)[:, 0] <= 0.05).astype(np.float32) - 1


class Walker:
    """An agent whose value of a goal is minus its distance in steps of 0.1, known without learning."""

    view, spec, steps, training, streams = Transitions(discount=GAMMA), SPEC, 0, True, Streams(1)

    def train(self, mode: bool) -> None:
        self.training = mode

    def receive(self, batch: Batch) -> Batch:
        return batch

    def expected_return(self, batch: Batch) -> torch.Tensor:
        assert not self.training, "values are those of evaluation mode"
        return -10 * (batch.obs["desired_goal"] - batch.obs["achieved_goal"]).abs()[:, 0]


class World:
    """A trainer with a replay of episodes, as the callback sees it."""

    def __init__(self, callback: Goals, environments: int = 1, agent: Any = None) -> None:
        self.callback, self.shares, self.agent = callback, None, agent or Walker()
        self.replay = Replay(SPEC, Transitions(), 40_000, environments, Streams(1))
        suite = SimpleNamespace(suite=Line())
        self.source = SimpleNamespace(num_envs=environments, spec=SPEC, environments=suite, set_random_shares=self.note)
        self.streams, self.agent_name = Streams(5), "agent toy"
        self.run: Any = None
        callback.setup(self.run, self.me)

    @property
    def me(self) -> Any:
        return self

    def note(self, shares: np.ndarray) -> None:
        self.shares = shares.copy()

    def episode(self, achieved: list[float], desired: float, env_id: int = 0, ends: bool = True) -> None:
        self.replay.begin(env_id, seen(achieved[0], desired))
        for number, place in enumerate(achieved[1:], 2):
            over = ends and number == len(achieved)
            self.replay.add(env_id, np.zeros(1), -1.0, False, over, seen(place, desired), {"actual_goal": np.full(1, desired)})

    def visit(self, achieved: np.ndarray, desired: float = -5.0, length: int = 50) -> None:
        for episode in np.split(achieved, range(length, len(achieved), length)):
            self.episode(episode.tolist(), desired)

    def choose(self, env_ids: list[int] | None = None, own: float = -5.0, place: float = 0.0) -> np.ndarray:
        ids = np.array([0] if env_ids is None else env_ids)
        found = self.callback.choose_goals(self.run, self.me, ids, np.stack([seen(place, own)] * len(ids)))
        assert found is not None
        return found[:, 0]

    def step(self, achieved: list[float], desired: list[float], actual: list[float], over: list[bool]) -> None:
        n = len(achieved)
        zeros, no = np.zeros(n), np.zeros(n, bool)
        after = np.stack([seen(*each) for each in zip(achieved, desired, strict=True)])
        first = np.stack([seen(0.0, -5.0)] * n)
        steps = StepBatch(after, zeros, no, np.array(over), no, first, zeros, zeros, extra={"actual_goal": np.array(actual)[:, None]})
        self.callback.on_experience(self.run, self.me, steps)


def seen(achieved: float, desired: float) -> np.ndarray:
    record = SPEC.zeros(1)
    record["achieved_goal"], record["desired_goal"] = achieved, desired
    return record.reshape(())


def goals(**options: Any) -> Goals:
    return Goals(GoalsOptions(**{"fit_every": 1, **options}))


def mostly_at_zero(count: int = 2000, seed: int = 0) -> np.ndarray:
    """90% of the visits at 0, the others evenly up to 1."""
    draws = np.random.default_rng(seed)
    return np.where(draws.random(count) < 0.9, draws.normal(0, 0.01, count), draws.uniform(0, 1, count)).round(4)


# On a line ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("density", ["kde", "rnd", "flow"])
def test_on_a_line_the_least_dense_goal_is_far_from_where_nearly_all_visits_are(density: Any) -> None:
    world = World(goals(cutoff=None, density=density))
    world.visit(mostly_at_zero())
    assert all(world.choose()[0] > 0.04 for _ in range(10))


def test_on_a_line_with_a_few_far_visits_it_is_one_of_these() -> None:
    world = World(goals(cutoff=None, candidates=2000))
    world.visit(np.append(mostly_at_zero(), np.linspace(3, 5, 10)))
    assert all(world.choose()[0] >= 3.0 for _ in range(5))


def test_on_a_line_with_a_cutoff_it_is_the_farthest_goal_within_reach() -> None:
    """Visits get rarer with the distance; a goal at d costs 10 d steps, and 3 are allowed."""
    rare = np.repeat(np.linspace(0, 1, 21), np.arange(210, 0, -10))
    world = World(goals(cutoff=-3.0, candidates=2000, samples=2000))
    world.visit(np.random.default_rng(1).permutation(rare))
    assert world.choose()[0] == pytest.approx(0.3)


def test_where_nothing_is_within_reach_the_goal_of_greatest_value_is_pursued() -> None:
    world = World(goals(cutoff=-3.0, candidates=500))
    world.visit(np.linspace(0.5, 1, 500))
    assert world.choose()[0] == pytest.approx(0.5, abs=0.01)


def test_omega_keeps_the_goal_of_the_task_once_achieved_goals_cover_the_desired_ones() -> None:
    covered, apart = World(goals(chooser="omega", cutoff=None)), World(goals(chooser="omega", cutoff=None))
    draws = np.random.default_rng(1)
    for world, places in ((covered, (0, 1)), (apart, (4, 5))):
        for _ in range(60):
            world.episode(draws.uniform(0, 1, 20).tolist(), float(draws.uniform(*places)))
        world.choose()
    assert covered.callback.own_share == 1.0
    assert apart.callback.own_share < 0.05
    assert covered.choose(own=0.4)[0] == np.float32(0.4)
    assert apart.choose(own=4.4)[0] <= 1.0


def test_omega_replaces_a_goal_of_the_task_that_is_out_of_reach() -> None:
    world = World(goals(chooser="omega"))
    for _ in range(20):
        world.episode(np.linspace(0, 1, 20).tolist(), 0.9)
    world.choose()
    assert world.callback.own_share == 1.0
    assert world.choose(own=0.9)[0] != np.float32(0.9)
    assert world.choose(own=0.2)[0] == np.float32(0.2)


def test_diverse_is_even_over_places_and_achieved_follows_the_visits() -> None:
    visits = np.repeat([0.0, 1.0], [900, 100])
    shares = {}
    for chooser in ("diverse", "achieved"):
        world = World(goals(chooser=chooser, cutoff=None, fit_every=10**6))
        world.visit(np.random.default_rng(1).permutation(visits))
        shares[chooser] = np.mean([world.choose([0] * 20).mean() for _ in range(20)])
    assert shares["diverse"] == pytest.approx(0.5, abs=0.08)
    assert shares["achieved"] == pytest.approx(0.1, abs=0.05)


def test_minq_is_the_farthest_goal_within_reach_however_often_it_was_achieved() -> None:
    world = World(goals(chooser="minq", cutoff=-3.0, candidates=2000))
    world.visit(np.repeat(np.linspace(0, 1, 21), 100))
    assert world.choose()[0] == pytest.approx(0.3)


def test_goal_disc_pursues_goals_that_are_reached_half_of_the_time() -> None:
    """Goals up to 0.5 are reached, those beyond are not."""
    world = World(goals(chooser="goal_disc", candidates=500))
    world.visit(np.linspace(0, 1, 500))
    world.callback.first = np.zeros((1, 1), np.float32)
    for goal in np.random.default_rng(1).uniform(0, 1, 300):
        world.step([goal if goal < 0.5 else 9.0], [goal], [-5.0], [True])
    for _ in range(10):
        world.agent.steps += 1
        world.choose()
    assert world.choose()[0] == pytest.approx(0.5, abs=0.1)


def test_until_finished_episodes_hold_enough_candidates_goals_are_those_of_the_task() -> None:
    world = World(goals(candidates=10))
    assert world.callback.choose_goals(None, world.me, np.array([0]), np.stack([seen(0.0, 1.0)])) is None  # type: ignore[arg-type]
    world.episode([0.0] * 9, 1.0)
    assert world.callback.choose_goals(None, world.me, np.array([0]), np.stack([seen(0.0, 1.0)])) is None  # type: ignore[arg-type]
    world.episode([0.0, 0.1], 1.0)
    assert world.choose().shape == (1,)


# The mistakes of others, each with a variant that makes it ------------------------------------------------------------------------


class Exponentiated(Kernels):
    """Wrong: densities instead of their logarithms."""

    def log_standardised(self, goals: torch.Tensor) -> torch.Tensor:
        return super().log_standardised(goals).exp()


@pytest.mark.parametrize(("density", "right"), [(Kernels, True), (Exponentiated, False)])
def test_goals_where_the_density_underflows_are_still_ranked(density: type[Density], right: bool) -> None:
    """Goals: log densities exponentiated before they are compared."""
    made: Any = density(0.1)  # type: ignore[call-arg]
    made.fit(np.random.default_rng(0).normal(0, 1, (200, 1)), torch.Generator())
    far = np.array([[20.0], [30.0], [25.0]])
    candidates = Candidates(far, np.ones(3, bool), np.zeros(3), made.log_density, lambda rows: np.zeros(3))
    assert (mega(candidates, np.random.default_rng(0), None) == 1) == right


class OfDesired(Finished):
    """Wrong: samples of desired goals."""

    def draw(self, count: int, generator: np.random.Generator) -> np.ndarray:
        return self.store.data["obs.desired_goal"][self._slots(count, generator)]


@pytest.mark.parametrize(("finished", "right"), [(Finished, True), (OfDesired, False)])
def test_the_density_is_that_of_achieved_goals(finished: Any, right: bool) -> None:
    """Goals: density of desired goals. The task wants 1, which was hardly ever achieved."""
    callback = goals(cutoff=None, candidates=400)
    world = World(callback)
    world.visit(np.append(np.random.default_rng(1).uniform(-0.1, 0.1, 390), np.linspace(1, 1.2, 10)), desired=1.0)
    callback._fit(finished(callback.store))
    callback.options = callback.options.model_copy(update={"fit_every": 10**6})
    assert (world.choose()[0] >= 1.0) == right


class WithUnfinished(Finished):
    """Wrong: all slots."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self._count = store.head - store.tail
        self.count = int(self._count.sum())


@pytest.mark.parametrize(("finished", "right"), [(Finished, True), (WithUnfinished, False)])
def test_candidates_come_from_finished_episodes(finished: Any, right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goals: candidates from the unfinished episode."""
    monkeypatch.setattr("unified.plugins.callbacks.goals.callback.Finished", finished)
    world = World(goals(cutoff=None, candidates=200), environments=2)
    world.visit(np.linspace(0, 1, 200))
    world.episode(np.linspace(7, 99, 50).tolist(), -5.0, env_id=1, ends=False)
    world.replay.begin(0, seen(8.0, 0.0))
    assert (world.choose()[0] <= 1.0) == right


@pytest.mark.parametrize("capacity", [30, 31, 64])
def test_candidates_of_a_ring_that_was_written_over_are_what_it_still_holds(capacity: int) -> None:
    replay = Replay(SPEC, Transitions(), capacity, 2, Streams(1))
    draws = np.random.default_rng(0)
    for episode in range(60):
        lane = episode % 2
        replay.begin(lane, seen(100 * episode, 0.0))
        for step in range(int(draws.integers(1, 9))):
            ends = episode % 5 != 0
            replay.add(
                lane, np.zeros(1), -1.0, False, ends and step == 8, seen(100 * episode + step + 1, 0.0), {"actual_goal": np.zeros(1)}
            )
        finished = Finished(replay.store)
        if not finished.count:
            continue
        found = {float(place) for place in finished.draw(2000, draws)[:, 0]}
        held = set()
        for env_id in range(2):
            stop = replay.store.start[env_id] if replay.store.open[env_id] else replay.store.head[env_id]
            slots = np.arange(replay.store.tail[env_id], stop)
            held |= {float(place) for place in replay.store.data["obs.achieved_goal"][replay.store.index(env_id, slots), 0]}
        assert found == held


class Mixed(Goals):
    """Wrong: one window of successes for all environments."""

    def setup(self, run: Any, trainer: Any) -> None:
        super().setup(run, trainer)
        self.cutoffs = [self.cutoffs[0]] * len(self.cutoffs)


@pytest.mark.parametrize(("callback", "right"), [(Goals, True), (Mixed, False)])
def test_each_environment_has_its_own_successes_and_cutoff(callback: type[Goals], right: bool) -> None:
    """Goals: statistics mixed over environments. One environment always succeeds, the other never does."""
    world = World(callback(GoalsOptions(candidates=50, explore=0.0)), environments=2)
    for env_id in range(2):
        world.episode(np.linspace(0, 1, 60).tolist(), -5.0, env_id)
    world.choose([0, 1])
    for _ in range(60):
        world.step([0.5, 0.0], [0.5, 0.5], [-5.0, -5.0], [True, True])
        world.choose([0, 1])
    values = [cutoff.value for cutoff in world.callback.cutoffs]
    assert (values[0] < -3.0 and values[1] == -3.0) == right


def test_success_of_episodes_with_the_tasks_own_goal_does_not_move_the_cutoff() -> None:
    world = World(goals(candidates=10))
    world.episode(np.linspace(0, 1, 20).tolist(), -5.0)
    world.choose()
    for _ in range(10):
        world.step([0.5], [0.5], [0.5], [True])
    assert not world.callback.cutoffs[0].successes
    world.step([0.5], [0.5], [-5.0], [False])
    world.step([0.9], [0.5], [-5.0], [True])  # it was at the goal before
    assert list(world.callback.cutoffs[0].successes) == [1.0]


class OwnCoordinates(Goals):
    """Wrong: the density of desired goals in coordinates of its own."""

    def _fit(self, finished: Finished) -> None:
        super()._fit(finished)
        own = finished.draw_of_steps(1000, np.random.default_rng(1), "actual_goal").astype(np.float64)
        kernels = Kernels(self.options.bandwidth)
        kernels.fit(own, torch.Generator())
        self.own_share = share_of_own(kernels.log_density(own), self.density.log_density(own), self.options.beta)


@pytest.mark.parametrize(("callback", "right"), [(Goals, True), (OwnCoordinates, False)])
def test_omega_compares_both_densities_in_the_same_coordinates(callback: type[Goals], right: bool) -> None:
    """Goals: each density standardised by itself. Desired goals on a thousandth of the line that achieved goals cover: their true KL is
    ln 1000 in the limit of small kernels, at most ln 10 for kernels of a tenth of the deviation."""
    world = World(callback(GoalsOptions(chooser="omega", cutoff=None, beta=0.0)))
    draws = np.random.default_rng(1)
    for _ in range(40):
        world.episode(draws.uniform(0, 1, 25).tolist(), 0.5 + float(draws.uniform(0, 1e-3)))
    world.choose()
    divergence = 1 / world.callback.own_share
    kernel = 0.1 * np.sqrt(1 / 12)  # within ±h√(2π)/2 the density of desired goals is 1 / (h√(2π)); that of achieved ones is 1
    assert (divergence == pytest.approx(-math.log(kernel * math.sqrt(2 * math.pi)), abs=0.2)) == right


# Cut-off, exploration --------------------------------------------------------------------------------------------------------------


def test_the_cutoff_follows_ten_successes() -> None:
    cutoff, values = Cutoff(-3.0, -20.0), np.array([-9.0, -1.0])

    def play(successes: int) -> float:
        cutoff.successes.extend([1.0] * successes + [0.0] * (10 - successes))
        return cutoff.adapt(values)

    assert [play(count) for count in (7, 6, 10, 5, 3, 0, 0)] == [-4.0, -4.0, -5.0, -5.0, -4.0, -3.0, -3.0]
    assert [play(10) for _ in range(8)] == [-4.0, -5.0, -6.0, -7.0, -8.0, -9.0, -9.0, -9.0]  # not below the least value
    cutoff.successes.extend([1.0] * 9)
    assert cutoff.adapt(np.array([-99.0])) == -9.0  # nine are too few
    assert Cutoff(-30.0, -20.0).value == -20.0


def test_values_are_compared_in_costs_of_one_per_step() -> None:
    """A goal d steps away, whose reward goes on once it is reached: worth γᵈ / (1 - γ) in rewards of 0 and 1."""
    distance = np.arange(6)
    costs = -(1 - GAMMA**distance) / (1 - GAMMA)
    np.testing.assert_allclose(in_costs(GAMMA**distance / (1 - GAMMA), (0, 1), GAMMA), costs)
    np.testing.assert_allclose(in_costs(costs, (-1, 0), GAMMA), costs)
    np.testing.assert_allclose(in_costs(costs, (-math.inf, 0), GAMMA), costs)
    assert lowest_cutoff(0.98, 50) == pytest.approx(-sum(0.98**step for step in range(40)))
    assert lowest_cutoff(0.98, math.inf) == pytest.approx(-50)


def test_each_step_at_the_goal_adds_random_actions_until_the_episode_ends() -> None:
    world = World(goals(candidates=5, explore=0.4), environments=2)
    world.episode([0.0] * 10, -5.0)
    world.choose([0, 1])
    shares = []
    for achieved, over in ((0.0, False), (0.5, False), (0.5, False), (0.9, False), (0.5, False), (0.5, True), (0.0, False)):
        world.step([achieved, 0.0], [0.5, 0.5], [-5.0, -5.0], [over, False])
        assert world.shares is not None
        shares.append(world.shares.tolist())
    assert shares == [pytest.approx([share, 0.0]) for share in (0.0, 0.4, 0.8, 0.8, 1.0, 0.0, 0.0)]


# Densities -----------------------------------------------------------------------------------------------------------------------


def test_kernels_are_a_sum_over_all_samples() -> None:
    draws = np.random.default_rng(0)
    samples, places = draws.normal(3, [1, 4], (50, 2)), draws.normal(3, 3, (600, 2))
    kernels = Kernels(0.3)
    kernels.fit(samples, torch.Generator())
    std = samples.std(axis=0) + 1e-4
    for place, found in zip(places, kernels.log_density(places), strict=True):
        terms = [np.exp(-0.5 * (((place - sample) / std / 0.3) ** 2).sum()) / (2 * np.pi * 0.3**2) for sample in samples]
        if sum(terms) > 0:
            assert found == pytest.approx(np.log(np.mean(terms)))


def test_a_coordinate_that_never_changes_leaves_the_others_their_rank() -> None:
    samples = np.stack([np.random.default_rng(0).normal(size=300), np.full(300, 7.0)], axis=1)
    kernels = Kernels(0.1)
    kernels.fit(samples, torch.Generator())
    near, far = kernels.log_density(np.array([[0.0, 7.0], [3.0, 7.0]]))
    assert near > far


@pytest.mark.parametrize("size", [1, 2])
def test_a_flow_is_a_density(size: int) -> None:
    """It integrates to 1, also where it is not fitted well."""
    flow = Flow()
    flow.fit(np.random.default_rng(0).normal(size=(500, size)) * 2 + 1, torch.Generator().manual_seed(1))
    axis = np.linspace(-12, 12, 401)
    grid = np.stack(np.meshgrid(*[axis] * size), axis=-1).reshape(-1, size)
    log_density = flow.log_standardised(torch.from_numpy(grid))
    assert float(log_density.detach().exp().sum()) * (axis[1] - axis[0]) ** size == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ["kde", "rnd", "flow"])
@pytest.mark.parametrize("size", [1, 3])
def test_a_density_is_restored_and_goes_on_the_same(name: str, size: int) -> None:
    samples = np.random.default_rng(0).normal(size=(300, size))
    one, other = make_density(name, 0.1), make_density(name, 0.1)
    other.load_state_dict(one.state_dict())  # nothing was fitted yet
    one.fit(samples, torch.Generator().manual_seed(3))
    other.load_state_dict(one.state_dict())
    np.testing.assert_array_equal(one.log_density(samples), other.log_density(samples))
    for density in (one, other):
        density.fit(samples + 1, torch.Generator().manual_seed(4))
    np.testing.assert_array_equal(one.log_density(samples), other.log_density(samples))


def test_fitting_touches_no_global_generator() -> None:
    before = torch.get_rng_state()
    make_density("flow", 0.1).fit(np.zeros((10, 2)), torch.Generator().manual_seed(1))
    assert torch.equal(before, torch.get_rng_state())


def test_a_success_predictor_forgets_old_outcomes_and_is_restored() -> None:
    predictor, place = SuccessPredictor(episodes=40), np.zeros(1)
    predictor.fit(torch.Generator())  # from nothing
    assert predictor(place, np.zeros((3, 1))).tolist() == [0.5] * 3
    for number in range(80):
        predictor.add(place, np.array([number % 2]), number % 2 == (number < 40))
    for _ in range(10):
        predictor.fit(torch.Generator().manual_seed(1))
    low, high = predictor(place, np.array([[0.0], [1.0]]))
    assert low > 0.8 > 0.2 > high  # as the last 40 say: 0 is reached, 1 is not
    other = SuccessPredictor(episodes=40)
    other.load_state_dict(predictor.state_dict())
    assert other(place, np.array([[0.0], [1.0]])).tolist() == [low, high]


def test_a_draw_by_density_does_not_overflow() -> None:
    far = np.array([-2000.0, -1000.0, 0.0])
    candidates = Candidates(np.zeros((3, 1)), np.array([True, True, False]), far, lambda rows: far, lambda rows: far)
    assert {diverse(candidates, np.random.default_rng(seed), SimpleNamespace(alpha=-1.0)) for seed in range(5)} == {0}


# Refusals ------------------------------------------------------------------------------------------------------------------------


def test_an_agent_without_a_replay_of_transitions_is_refused() -> None:
    with pytest.raises(UsageError, match="learns from transitions of a replay, and agent toy does not"):
        World(goals(), agent=SimpleNamespace(view=Rollout(), spec=SPEC))


def test_omega_needs_a_density() -> None:
    with pytest.raises(ValueError, match="density=kde or flow"):
        GoalsOptions(chooser="omega", density="rnd")
