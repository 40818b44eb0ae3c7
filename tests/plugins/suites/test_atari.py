"""Atari games: names, pictures, sticky actions, ends, and episodes that are functions of their seed and actions."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ale_py import ALEInterface, roms

from unified.core.base.errors import UsageError
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.plugins.suites.atari.config import AtariOptions
from unified.plugins.suites.atari.scores import SCORES, human_normalised
from unified.plugins.suites.atari.suite import Atari
from unified.plugins.suites.atari.tasks import FOR_TWO, TASKS, canonical
from unified.plugins.suites.pictures import resize

PLAIN = {"sticky": 0.0, "noops": 0}


def make(game: str = "pong", **options: Any) -> Any:
    return Atari(game, AtariOptions(**options)).environment()


def play(environment: Any, seed: int, steps: int, actions: int = 0) -> str:
    """A digest of all that is seen and earned in an episode of random actions."""
    generator, digest = np.random.default_rng(actions), hashlib.sha256(environment.reset(seed).tobytes())
    for _ in range(steps):
        step = environment.step(np.int64(generator.integers(environment.spec.action.n)))
        digest.update(step.observation.tobytes() + repr(step[1:]).encode())
        if step.terminated or step.truncated:
            break
    return digest.hexdigest()


# Names


def test_every_game_for_one_is_a_task() -> None:
    assert sorted([*TASKS, *FOR_TWO]) == sorted(roms.get_all_rom_ids())
    assert list(TASKS) == sorted(set(TASKS))


@pytest.mark.parametrize(
    ("written", "game"),
    [
        ("pong", "pong"),
        ("battlezone", "battle_zone"),
        ("battle_zone", "battle_zone"),
        ("BattleZone", "battle_zone"),
        ("Ms. Pac-Man", "ms_pacman"),
        ("MontezumaRevengeNoFrameskip-v4", "montezuma_revenge"),
        ("ALE/Q*bert-v5", "qbert"),
        ("tic-tac-toe 3d", "tic_tac_toe_3d"),
    ],
)
def test_names_as_people_write_them(written: str, game: str) -> None:
    assert Atari(written, AtariOptions()).task == canonical(written) == game


@pytest.mark.parametrize(("written", "says"), [("pongg", "did you mean  pong"), ("zzzz", "plugins show atari"), ("combat", "two-player")])
def test_an_unknown_game_is_a_usage_error(written: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Atari(written, AtariOptions())


def test_names_and_options_import_no_emulator() -> None:
    program = """
import sys
import unified.plugins.suites.atari.config, unified.plugins.suites.atari.scores, unified.plugins.suites.atari.suite
assert not {"ale_py", "gymnasium", "numpy", "torch"} & set(sys.modules), sys.modules
import unified.plugins.suites.atari.environment
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# What is seen


def by_hand(actions: list[int], grey: bool = True, skip: int = 4, waiting: int = 4) -> tuple[np.ndarray, float]:
    """The emulator alone: the brighter of the last two frames of the last action, and what was earned."""
    ale = ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(str(Path(roms.__file__).parent / "pong.bin"))
    earned, screens, joystick = 0.0, [], [action.value for action in ale.getMinimalActionSet()]
    for action in [0] * waiting + [joystick[action] for action in actions for _ in range(skip)]:
        earned += ale.act(action)
        screens = [*screens[-1:], ale.getScreenGrayscale() if grey else ale.getScreenRGB()]
    return resize(np.maximum(*screens), 84, 84), earned


@pytest.mark.parametrize("grey", [True, False])
def test_pictures_are_the_brighter_of_the_last_two_frames(grey: bool) -> None:
    environment = make(grey=grey, **PLAIN)
    actions = [0, 3, 3, 2, 5, 1] * 8
    environment.reset(0)
    rows = [environment.step(np.int64(action)) for action in actions]
    expected, earned = by_hand(actions, grey)
    seen = rows[-1].observation
    assert (seen.shape, seen.dtype, seen.flags.c_contiguous) == ((1 if grey else 3, 84, 84), np.uint8, True)
    np.testing.assert_array_equal(seen, expected[None] if grey else expected.transpose(2, 0, 1))
    assert sum(row.raw_reward for row in rows) == earned
    assert environment.render(210, 160).shape == (210, 160, 3)
    assert environment.spec.observation.shape == seen.shape


def test_a_single_frame_is_seen_as_it_is() -> None:
    environment = make(frame_skip=1, **PLAIN)
    environment.reset(0)
    seen = environment.step(np.int64(3)).observation
    np.testing.assert_array_equal(seen[0], resize(environment._ale.getScreenGrayscale(), 84, 84))
    assert environment.spec.action_repeat == 1


# What is done


class Recorder:
    """Stands before an emulator and writes down what it is told."""

    def __init__(self, ale: Any) -> None:
        self._ale = ale
        self.told: list[int] = []

    def act(self, action: int) -> float:
        self.told.append(action)
        return float(self._ale.act(action))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ale, name)


def test_sticky_actions_hold_what_was_done_in_the_frame_before() -> None:
    environment = make(sticky=0.6, noops=5)
    environment._ale = recorder = Recorder(environment._ale)
    environment.reset(7)
    waiting = len(recorder.told)
    joystick = [action.value for action in environment._ale.getMinimalActionSet()]
    chosen = [2, 3, 0, 4, 1, 5, 2, 3]
    for action in chosen:
        environment.step(np.int64(action))
    coins = np.random.default_rng(7)
    assert waiting == 1 + 1 + coins.integers(5)
    held, expected = 0, []
    for action in chosen:
        for coin in coins.random(4):
            held = held if coin < 0.6 else joystick[action]
            expected.append(held)
    assert recorder.told[waiting:] == expected
    assert expected != [joystick[action] for action in chosen for _ in range(4)]


def test_noops_are_drawn_from_the_seed_between_one_and_their_number() -> None:
    environment = make(noops=3)
    environment._ale = recorder = Recorder(environment._ale)
    counts = []
    for seed in range(40):
        recorder.told.clear()
        environment.reset(seed)
        assert set(recorder.told) == {0}
        counts.append(len(recorder.told) - 1)
    assert set(counts) == {1, 2, 3}


def test_all_actions_of_the_joystick() -> None:
    assert make(full_actions=True).spec.action.n == 18
    assert make().spec.action.n == 6


# Ends


def test_a_time_limit_truncates() -> None:
    environment = make(episode_frames=40)
    environment.reset(0)
    rows = [environment.step(np.int64(0)) for _ in range(10)]
    assert [row.truncated for row in rows] == [False] * 9 + [True]
    assert not any(row.terminated for row in rows)
    assert environment.spec.episode_frames == 40


def test_a_lost_game_terminates() -> None:
    environment = make("freeway", frame_skip=60, noops=0, sticky=0.0)  # two minutes and sixteen seconds, whoever plays
    environment.reset(0)
    rows = [environment.step(np.int64(0))]
    while not (rows[-1].terminated or rows[-1].truncated):
        rows.append(environment.step(np.int64(0)))
    assert rows[-1].terminated
    assert not rows[-1].truncated
    assert 100 < len(rows) < 200


# What is learned from, and what people read


def scored(**options: Any) -> tuple[list[Any], WorkerVectorEnv]:
    """A game of space invaders, played by chance, and the vector it was played in."""
    module = "unified.plugins.suites.atari"
    vector = WorkerVectorEnv(SuiteReference(f"{module}.suite:Atari", "space_invaders", options, f"{module}.config:AtariOptions"), 1, seed=3)
    vector.reset()
    generator, rows = np.random.default_rng(2), []
    while not rows or not rows[-1].ended[0]:
        vector.step_async(generator.integers(6, size=1))
        rows.append(vector.step_wait())
    return rows, vector


def test_rewards_are_clipped_for_learning_and_returns_are_the_score() -> None:
    environment = make("qbert", sticky=0.0)
    environment.reset(1)
    generator = np.random.default_rng(0)
    steps = [environment.step(np.int64(generator.integers(6))) for _ in range(150)]
    assert {step.reward for step in steps} == {0.0, 1.0}
    assert {step.raw_reward for step in steps} >= {0.0, 25.0}
    assert environment.spec.reward_range == (-1.0, 1.0)
    whole = make("qbert", sticky=0.0, clip_rewards=False)
    whole.reset(1)
    generator = np.random.default_rng(0)
    for step in steps:
        other = whole.step(np.int64(generator.integers(6)))
        assert (other.reward, other.raw_reward) == (step.raw_reward, step.raw_reward)


def test_a_lost_life_ends_nothing_but_what_is_learned_from_it() -> None:
    rows, vector = scored(life_loss=True)
    lost = [int(row.life_lost[0]) for row in rows]
    assert sum(lost) == 3
    assert [bool(row.ended[0]) for row in rows] == [False] * (len(rows) - 1) + [True]
    assert rows[-1].returns[0] >= 5 * sum(row.reward[0] for row in rows) > 0  # the least that an invader is worth
    plain, other = scored()
    assert not any(row.life_lost[0] for row in plain)
    np.testing.assert_array_equal(plain[-1].observation, rows[-1].observation)
    vector.close(), other.close()


# Seeds


def test_an_episode_is_a_function_of_its_seed_and_actions() -> None:
    environment = make()
    first = play(environment, 3, 60)
    assert play(environment, 4, 60) != first
    assert play(environment, 3, 60) == first
    assert play(make(), 3, 60) == first
    program = (
        "from unified.plugins.suites.atari.suite import Atari; from unified.plugins.suites.atari.config import AtariOptions\n"
        "import sys; sys.path.insert(0, sys.argv[1]); from test_atari import play\n"
        "print(play(Atari('pong', AtariOptions()).environment(), 3, 60))"
    )
    fresh = subprocess.run([sys.executable, "-c", program, str(Path(__file__).parent)], capture_output=True, text=True, check=True)
    assert fresh.stdout.strip() == first


@pytest.mark.parametrize("game", ["amidar", "qbert", "tetris"])
def test_nothing_of_another_episode_is_left(game: str) -> None:
    """Amidar draws its first frame over what was there; the other two go on in another way from a state that was kept too early."""
    environment = make(game, **PLAIN)
    first = play(environment, 0, 30)
    play(environment, 0, 77, actions=1)
    assert play(environment, 0, 30) == first


def test_an_unfinished_episode_is_rebuilt() -> None:
    environment = make("breakout")
    actions = np.random.default_rng(0).integers(environment.spec.action.n, size=50)
    environment.reset(5)
    rows = [environment.step(action) for action in actions]
    after = environment.step(np.int64(1))
    environment.reset(6)
    np.testing.assert_array_equal(environment.fast_forward(5, actions), rows[-1].observation)
    again = environment.step(np.int64(1))
    np.testing.assert_array_equal(again.observation, after.observation)
    assert again[1:] == after[1:]
    np.testing.assert_array_equal(environment.fast_forward(5, actions[:0]), environment.reset(5))


@pytest.mark.parametrize("game", ["breakout", "amidar", "tetris"])
def test_an_unfinished_episode_goes_on_from_its_state(game: str) -> None:
    one, other = make(game), make(game)
    actions = np.random.default_rng(0).integers(one.spec.action.n, size=80)
    one.reset(5)
    for action in actions[:40]:
        newest = one.step(action).observation
    state = {name: array.copy() for name, array in one.state_dict().items()}
    other.reset(6)
    other.step(actions[0])
    np.testing.assert_array_equal(other.load_state_dict(state), newest)
    for action in actions[40:]:
        here, there = one.step(action), other.step(action)
        np.testing.assert_array_equal(here.observation, there.observation)
        assert here[1:] == there[1:]
    again = other.state_dict()
    for name, array in one.state_dict().items():
        np.testing.assert_array_equal(array, again[name])


def test_a_process_and_this_one_give_the_same_bits() -> None:
    module = "unified.plugins.suites.atari"
    reference = SuiteReference(f"{module}.suite:Atari", "Breakout", {}, f"{module}.config:AtariOptions")
    rows = []
    for place in ("inline", "process"):
        with WorkerVectorEnv(reference, 2, seed=1, placement=place) as vector:
            rows.append([vector.reset().copy()])
            for _ in range(20):
                vector.step_async(np.ones(2, np.int64))
                rows[-1].append(vector.step_wait().observation)
            saved = vector.state_dict()
            vector.load_state_dict(saved)
            assert vector.exact
    np.testing.assert_array_equal(rows[0], rows[1])


@pytest.mark.slow
@pytest.mark.parametrize("game", TASKS)
def test_every_game_is_exact(game: str) -> None:
    environment = make(game)
    first = play(environment, 1, 30)
    play(environment, 2, 100, actions=1)
    assert play(environment, 1, 30) == first
    assert play(make(game), 1, 30) == first


# Scores


def test_scores_on_a_person_s_scale() -> None:
    assert len(SCORES) == 57
    assert set(SCORES) <= set(TASKS)
    assert human_normalised("Pong", -20.7) == 0
    assert human_normalised("battlezone", 37187.5) == 1
    assert human_normalised("breakout", 401.2) == pytest.approx((401.2 - 1.7) / 28.8)
    with pytest.raises(UsageError, match="no published human score"):
        human_normalised("tetris", 1.0)


def test_a_judgement_says_the_score_on_a_person_s_scale_where_there_is_one() -> None:
    assert Atari("breakout", AtariOptions()).extra_metrics({"return": 401.2}) == {"human_normalised": pytest.approx((401.2 - 1.7) / 28.8)}
    assert Atari("tetris", AtariOptions()).extra_metrics({"return": 401.2}) == {}
