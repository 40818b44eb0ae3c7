"""Data sets in their true formats, written here: read into a replay, refused with one line, and exported and read again."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unified as library
from runs.commands import unified
from unified import logged
from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Transitions
from unified.logged.episodes import LoggedData

SPEC = Spec(Space((3,), "float32"), Space((1,), "float32", -1.0, 1.0))
#: Steps of each episode, and whether it terminated; the others were cut off.
EPISODES = [(3, True), (1, False), (4, False), (1, True), (2, True)]
SHORT = {"callbacks": [], "evaluate.every": 0, "evaluate.episodes": 1, "checkpoint.every": 0, "train.updates": 3}
SMALL = {"agent.batch_size": 8, "agent.actor.hidden_dim": 8}


def step(number: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Observation, action in the units of Pendulum, and reward of a step by its number."""
    return np.array([number, number + 0.25, -number], np.float32), np.array([np.sin(number) * 2], np.float32), -0.5 * number


def true_transitions(next_known: bool) -> list[tuple[float, ...]]:
    """Observation, action within [-1, 1], reward, discount, next observation; the number of an observation is its first element."""
    found, number = [], 0
    for length, terminated in EPISODES:
        for index in range(length):
            over = index == length - 1
            if not over or next_known or terminated:
                discount = 0.0 if over and terminated else 0.99
                following = number + 1.0 if not over or next_known else float(number)
                found.append((float(number), float(np.sin(number)), -0.5 * number, discount, following))
            number += 1
        number += 1  # the last observation has a number of its own
    return found


def read(data: LoggedData, scale: float = 2.0) -> list[tuple[float, ...]]:
    """All transitions of a replay that the data was loaded into, in order."""
    replay = Replay(SPEC, Transitions(batch_size=1), data.slots, 1, Streams(1))
    replay.load_episodes(
        {
            **{"obs": piece.observation, "action": piece.action / scale, "reward": piece.reward, "terminated": piece.terminated},
            **{"last": piece.last, "step": piece.step},
        }
        for piece in data.pieces()
    )
    slots = np.arange(data.slots)
    index = replay.store.index(0, slots)[replay.view.eligible(replay.store, np.zeros(len(slots), np.int64), slots)]
    batch = replay.view.gather(replay.store, index, replay.gatherer)
    columns = (batch.obs[:, 0], batch.action[:, 0], batch.reward, batch.discount, batch.next_obs[:, 0])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def assert_same(found: list[tuple[float, ...]], expected: list[tuple[float, ...]]) -> None:
    np.testing.assert_allclose(np.array(found), np.array(expected), rtol=1e-6, atol=1e-6)


# D4RL ---------------------------------------------------------------------------------------------------------------------------


def write_d4rl(path: Path, leave_out: tuple[str, ...] = (), **changes: Any) -> Path:
    h5py = pytest.importorskip("h5py")
    rows, number = [], 0
    for length, terminated in EPISODES:
        for index in range(length):
            obs, action, reward = step(number)
            over = index == length - 1
            rows.append((obs, action, reward, over and terminated, over and not terminated, step(number + 1)[0]))
            number += 1
        number += 1
    names = ("observations", "actions", "rewards", "terminals", "timeouts", "next_observations")
    with h5py.File(path, "w") as file:
        for name, column in zip(names, zip(*rows, strict=True), strict=True):
            if name not in leave_out:
                file[name] = changes.get(name, np.array(column))
        file["metadata/algorithm"] = "hand"
    return path


def test_a_file_of_d4rl_with_next_observations(tmp_path: Path) -> None:
    data = logged.open_data(f"d4rl:{write_d4rl(tmp_path / 'a.hdf5')}")
    assert data.slots == sum(length + 1 for length, _ in EPISODES)
    assert_same(read(data), true_transitions(next_known=True))


def test_without_next_observations_the_last_step_before_a_time_limit_is_lost(tmp_path: Path) -> None:
    """D4RL: next observations taken from the next row, across the end of an episode."""
    data = logged.open_data(str(write_d4rl(tmp_path / "a.hdf5", leave_out=("next_observations",))))  # by its suffix
    assert_same(read(data), true_transitions(next_known=False))


def test_without_timeouts_the_next_observation_tells_where_an_episode_ended(tmp_path: Path) -> None:
    """D4RL: terminals without timeouts."""
    data = logged.open_data(f"d4rl:{write_d4rl(tmp_path / 'a.hdf5', leave_out=('timeouts',))}")
    assert_same(read(data), true_transitions(next_known=True))


def test_a_file_that_is_read_in_pieces_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_d4rl(tmp_path / "a.hdf5")
    whole = read(logged.open_data(str(path)))
    monkeypatch.setattr("unified.logged.d4rl.ROWS", 2)
    data = logged.open_data(str(path))
    assert len(list(data.pieces())) > 2
    assert read(data) == whole


@pytest.mark.parametrize(
    ("leave_out", "changes", "says"),
    [
        (("timeouts", "next_observations"), {}, "neither timeouts nor next_observations"),
        (("rewards",), {}, "has no rewards; it has"),
        ((), {"rewards": np.zeros(3)}, "columns of different lengths"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, leave_out: tuple[str, ...], changes: dict[str, Any], says: str) -> None:
    path = write_d4rl(tmp_path / "a.hdf5", leave_out, **changes)
    with pytest.raises(UsageError, match=says):
        logged.check(f"d4rl:{path}")


def test_a_wrong_file_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    (tmp_path / "text.hdf5").write_text("no")
    for name, says in (("text.hdf5", "is no HDF5 file, or damaged"), ("nothing.hdf5", "there is no file"), ("", "names no data")):
        with pytest.raises(UsageError, match=says):
            logged.check(f"d4rl:{tmp_path / name if name else ''}")


def test_memory_is_little_more_than_the_data(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    rows, width = 300_000, 60
    with h5py.File(tmp_path / "large.hdf5", "w") as file:
        file["observations"] = np.zeros((rows, width), np.float32)
        file["actions"] = np.zeros((rows, 6), np.float32)
        file["rewards"], file["terminals"] = np.zeros(rows, np.float32), np.zeros(rows, bool)
        file["timeouts"] = np.arange(rows) % 1000 == 999
    spec = Spec(Space((width,), "float32"), Space((6,), "float32", -1.0, 1.0))
    logged.check(str(tmp_path / "large.hdf5"))  # modules that are imported are no data
    tracemalloc.start()
    data = logged.open_data(str(tmp_path / "large.hdf5"))
    replay = Replay(spec, Transitions(), data.slots, 1, Streams(1))
    replay.load_episodes(
        {"obs": p.observation, "action": p.action, "reward": p.reward, "terminated": p.terminated, "last": p.last, "step": p.step}
        for p in data.pieces()
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    held = replay.store.slots * replay.store.slot_bytes
    assert replay.steps == rows - rows // 1000
    assert peak <= 1.2 * held, f"{peak / held:.2f} of what is held"


# LeRobot ------------------------------------------------------------------------------------------------------------------------


def write_lerobot(path: Path, files: int = 2, features: tuple[str, ...] = ("next.reward", "next.done", "next.success")) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows, number = [], 0
    for episode, (length, terminated) in enumerate(EPISODES):
        for index in range(length):
            obs, action, reward = step(number)
            over = index == length - 1
            rows.append((obs[:2].tolist(), obs[2:].tolist(), action.tolist(), index, episode, reward, over, over and terminated))
            number += 1
        number += 1
    own = {"next.reward": 5, "next.done": 6, "next.success": 7}
    half = sum(length for length, _ in EPISODES[:3]) if files == 2 else len(rows)
    for file, part in enumerate((rows[:half], rows[half:])[:files]):
        columns = [list(column) for column in zip(*part, strict=True)]
        table = {
            "observation.state": pyarrow.array(columns[0], pyarrow.list_(pyarrow.float32())),
            "observation.environment_state": pyarrow.array(columns[1], pyarrow.list_(pyarrow.float32(), 1)),
            "action": pyarrow.array(columns[2], pyarrow.list_(pyarrow.float32(), 1)),
            "frame_index": columns[3],
            "episode_index": columns[4],
            **{name: columns[own[name]] for name in features},
        }
        target = path / "data" / "chunk-000" / f"file-{file:03d}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pyarrow.table(table), target, row_group_size=2)
    kinds = {"observation.state": "float32", "observation.environment_state": "float32", "action": "float32", "frame_index": "int64"}
    described = {name: {"dtype": kind, "shape": [1]} for name, kind in kinds.items()}
    described["observation.image"] = {"dtype": "video", "shape": [3, 96, 96]}
    described |= {name: {"dtype": "bool", "shape": [1]} for name in features}
    (path / "meta").mkdir(parents=True, exist_ok=True)
    (path / "meta" / "info.json").write_text(json.dumps({"codebase_version": "v3.0", "fps": 10, "features": described}))
    return path


@pytest.mark.parametrize("files", [1, 2])
def test_a_directory_of_lerobot(tmp_path: Path, files: int) -> None:
    data = logged.open_data(f"lerobot:{write_lerobot(tmp_path / 'arm', files)}")
    assert_same(read(data), true_transitions(next_known=False))


def test_without_rewards_and_ends_it_can_be_imitated(tmp_path: Path) -> None:
    data = logged.open_data(f"lerobot:{write_lerobot(tmp_path / 'arm', features=())}")
    found = read(data)
    assert [row[2] for row in found] == [0.0] * len(found)
    assert [row[3] for row in found] == pytest.approx([0.99] * len(found))
    assert len(found) == sum(length - 1 for length, _ in EPISODES)  # where the last action led is not known


def test_no_directory_of_lerobot_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(UsageError, match=r"there is no .*info.json"):
        logged.check(f"lerobot:{tmp_path}")
    path = write_lerobot(tmp_path / "arm")
    for file in (path / "data").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(UsageError, match="no parquet file"):
        logged.check(f"lerobot:{path}")
    (path / "meta" / "info.json").write_text('{"features": {"observation.image": {"dtype": "video"}}}')
    with pytest.raises(UsageError, match=r"has no action and no observation.state in numbers; it has observation.image"):
        logged.check(f"lerobot:{path}")


# Minari -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def minari(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    (tmp_path / "minari").mkdir()
    pytest.importorskip("h5py")
    return pytest.importorskip("minari")


def write_minari(minari: Any, name: str = "mine/pendulum-v0") -> str:
    from gymnasium import spaces
    from minari.data_collector import EpisodeBuffer

    buffers, number = [], 0
    for length, terminated in EPISODES:
        steps = [step(number + index) for index in range(length + 1)]
        number += length + 1
        ends = np.arange(length) == length - 1
        buffers.append(
            EpisodeBuffer(
                observations=np.array([obs for obs, _, _ in steps]),
                actions=np.array([action for _, action, _ in steps[:-1]]),
                rewards=np.array([reward for _, _, reward in steps[:-1]]),
                terminations=ends & terminated,
                truncations=ends & (not terminated),
                infos={},
            )
        )
    box, torque = spaces.Box(-100.0, 100.0, (3,), np.float32), spaces.Box(-2.0, 2.0, (1,), np.float32)
    texts = dict.fromkeys(("algorithm_name", "author", "author_email", "code_permalink", "description"), "-")
    minari.create_dataset_from_buffers(name, buffers, observation_space=box, action_space=torque, **texts)
    return name


def test_a_data_set_of_minari(minari: Any) -> None:
    data = logged.open_data(f"minari:{write_minari(minari)}")
    assert data.slots == sum(length + 1 for length, _ in EPISODES)
    assert_same(read(data), true_transitions(next_known=True))


def test_a_data_set_that_is_not_here_is_not_downloaded(minari: Any) -> None:
    write_minari(minari)
    with pytest.raises(UsageError) as refused:
        logged.check("minari:mine/pendulum-v1")
    (problem,) = refused.value.problems
    assert problem.message.startswith("replay.load=minari:mine/pendulum-v1: there is no such data set in ")
    assert problem.hint == "did you mean  mine/pendulum-v0 ?"
    with pytest.raises(UsageError) as refused:
        logged.check("minari:D4RL/door/human-v2")
    assert refused.value.problems[0].hint.startswith("minari download D4RL/door/human-v2")


def transitions_of(run: library.Run) -> np.ndarray:
    """Observation, action, reward, discount and next observation of every row in the replay of a run, in order."""
    from unified.core.replay.saved_index import read_index, spec_and_rows

    index = read_index(Path(run.path) / "replay")
    spec, rows = spec_and_rows(index, "")
    replay = Replay(spec, Transitions(batch_size=1), rows, 1, Streams(1))
    replay.load_saved(Path(run.path) / "replay")
    slots = np.arange(replay.store.head[0])
    index = replay.store.index(0, slots)[replay.view.eligible(replay.store, np.zeros(len(slots), np.int64), slots)]
    batch = replay.view.gather(replay.store, index, replay.gatherer)
    columns = (
        batch.obs,
        batch.action[:, None] if batch.action.dim() == 1 else batch.action,
        batch.reward[:, None],
        batch.discount[:, None],
    )
    return np.concatenate([column.numpy() for column in (*columns, batch.next_obs)], axis=1)


@pytest.mark.parametrize(("agent", "suite"), [("random", "gym:Pendulum-v1"), ("dqn", "gym:CartPole-v1")])
def test_exported_and_loaded_it_is_the_same_replay(minari: Any, tmp_path: Path, agent: str, suite: str) -> None:
    root = tmp_path / "runs"
    short = {**SHORT, "root": str(root), "train.updates": None}
    made = library.train(agent=agent, suite=suite, config={**short, "train.frames": 450, "train.learn": False, "experiment": "made"})
    said = unified("export", f"made/{agent}/{suite.replace(':', '/')}/seed-1", "--to", "minari:mine/again-v0", cwd=tmp_path)
    assert "mine/again-v0" in said
    assert "450 steps" in said
    dataset = minari.load_dataset("mine/again-v0")
    assert dataset.total_steps == 450
    assert dataset.env_spec.id == suite.partition(":")[2]
    learner = "dqn" if agent == "dqn" else "sac"
    again = library.train(
        agent=learner,
        suite=suite,
        config={**SHORT, "root": str(root), "experiment": "again", "offline": True, "replay.load": "minari:mine/again-v0"},
    )
    np.testing.assert_allclose(transitions_of(again), transitions_of(made), rtol=1e-6, atol=1e-6)


def test_what_cannot_be_exported_is_one_line(minari: Any, tmp_path: Path) -> None:
    root = {"root": str(tmp_path / "runs")}
    library.train(
        agent="dqn",
        suite="gym:Pendulum-v1",
        config={**SHORT, **root, "train.updates": None, "train.frames": 30, "train.learn": False, "experiment": "bins"},
    )
    name = "bins/dqn/gym/Pendulum-v1/seed-1"
    for words, says in (
        ((name, "--to", "minari"), "its agent chose between a few numbers"),
        ((name, "--to", "minari:two words"), "--to minari:two-words-v0"),
        ((name, "--to", "onyx"), "there is no form 'onyx'"),
        (("nobody", "--to", "minari"), "nobody: there is no such replay"),
    ):
        said = unified("export", *words, cwd=tmp_path, expect=2)
        assert says in said
        assert len(said.strip().splitlines()) == 1
        assert "Traceback" not in said


# What is missing ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("minari:x-v0", "minari", "minari"), ("a.h5", "h5py", "d4rl"), ("lerobot:x", "pyarrow", "lerobot")]
)
def test_a_missing_library_is_one_line_with_its_extra(name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logged, "find_spec", lambda wanted: None if wanted == module else object())
    with pytest.raises(UsageError) as refused:
        logged.check(name)
    (problem,) = refused.value.problems
    assert f"needs {module}" in problem.message
    assert problem.hint == f"pip install 'unified-ml[{extra}]'"


def test_it_is_answered_before_torch_is_imported(tmp_path: Path) -> None:
    import subprocess
    import sys

    words = ["train", "-a", "bc", "-s", "gym:Pendulum-v1", "offline=true"]
    for load in ("nobody", "d4rl:nothing.hdf5", "minari:nothing-v0", "lerobot:nothing"):
        program = f"""
import sys
from unified.cli.main import main
sys.argv = ["unified", *{words!r}, "replay.load={load}"]
try:
    main()
except SystemExit as exit:
    assert exit.code == 2, exit.code
assert "torch" not in sys.modules
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"replay.load={load}" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert not (tmp_path / "runs").exists()


def test_a_run_learns_from_a_file(tmp_path: Path) -> None:
    path = write_d4rl(tmp_path / "a.hdf5")
    values = {**SHORT, **SMALL, "root": str(tmp_path / "runs"), "offline": True, "replay.load": f"d4rl:{path}"}
    run = library.train(agent="bc", suite="gym:Pendulum-v1", config=values)
    assert run.metrics()[-1]["updates"] == 3
    held = transitions_of(run)
    assert held[:, 3].tolist() == pytest.approx([row[1] for row in true_transitions(True)], abs=1e-6), "torques of ±2 become ±1"
    with pytest.raises(
        UsageError, match=r"replay.load=d4rl:.*: the data is of another task: actions are numbers there and Discrete\(2\) here"
    ):
        library.train(agent="bc", suite="gym:CartPole-v1", config={**values, "experiment": "other"})
