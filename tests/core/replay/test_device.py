"""Batches that are gathered on a device have the bytes of those gathered from the store. The device is the CPU here, by the same code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.replay import device as module
from unified.core.replay.buffer import Replay
from unified.core.replay.samplers import Uniform
from unified.core.replay.views import Rollout, Transitions, View
from unified.core.trainer.replay_device import choose_replay_device
from unified.plugins.agents.dqn.spr.agent import Annealed
from unified.plugins.samplers.hindsight.config import HindsightOptions
from unified.plugins.samplers.hindsight.sampler import Hindsight
from unified.plugins.samplers.prioritised.sampler import Prioritised

CPU = torch.device("cpu")
HINDSIGHT = Hindsight(HindsightOptions())
VIEWS = {
    "1-step": Transitions(batch_size=6),
    "one row": Transitions(batch_size=1),
    "n-step": Transitions(batch_size=6, n_step=3),
    "stacked": Transitions(batch_size=6, stack=3, n_step=2),
    "future": Transitions(batch_size=6, stack=2, future_steps=4),
}


def both(helpers: Any, view: View, spec: Any = None, slots: int = 26, **options: Any) -> tuple[Any, Any]:
    """A replay on a device, and one without, begun in two environments."""
    made = [helpers.Both(spec or helpers.FRAMES, view, slots, 2, device=device, **options) for device in (CPU, None)]
    for each in made:
        each.begin(0)
        each.begin(1)
    return made[0], made[1]


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from("----etf"), st.sampled_from("----etf")), max_size=45), vectors=st.booleans())
def test_batches_have_the_same_bytes(helpers: Any, view: View, steps: list[tuple[str, str]], vectors: bool) -> None:
    """Rings that wrap around, episodes of one step, and slots that are written again after an episode was discarded."""
    ours, theirs = both(helpers, view, helpers.VECTORS if vectors else None)
    for number, kinds in enumerate(steps):
        for each in (ours, theirs):
            each.step(kinds)
        if theirs.replay.ready and number % 3:
            count = number % 4  # several at once too
            for one, other in zip(ours.replay.samples(count), theirs.replay.samples(count), strict=True):
                assert helpers.equal(one, other)
    ours.compare()


def test_a_view_of_a_plugin(helpers: Any) -> None:
    ours, theirs = (
        helpers.play(each, "-----e--t---" * 4)
        for each in both(helpers, Annealed(batch_size=6, stack=2, n_step=3, future_steps=3, horizon=lambda: (2, 0.9)), slots=60)
    )
    for _ in range(5):
        assert helpers.equal(ours.replay.sample(), theirs.replay.sample())


def test_priorities_and_named_observations(helpers: Any) -> None:
    spec = Spec({"image": Space((1, 2, 2), "uint8", 0, 255), "vector": Space((3,), "float32")}, Space((2,), "float32", -1.0, 1.0))
    replays = [Replay(spec, Transitions(batch_size=5, stack=2), 20, 1, Streams(3), sampler=Prioritised(), device=d) for d in (CPU, None)]
    random = np.random.default_rng(0)
    rows = spec.zeros(40)
    rows["image"], rows["vector"] = random.integers(0, 255, (40, 1, 2, 2)), random.standard_normal((40, 3))
    for replay in replays:
        replay.begin(0, rows[0])
    for number in range(1, 40):
        batches = []
        for replay in replays:
            replay.add(0, np.ones(2, np.float32), float(number), False, number % 7 == 0, rows[number])
            if number % 7 == 0:
                replay.begin(0, rows[number])
            if number > 3:
                batches.append(replay.sample())
                replay.update_priorities(batches[-1].index, batches[-1].reward)
        assert not batches or helpers.equal(*batches)


def test_restored_and_loaded_rows_are_copied(helpers: Any, tmp_path: Any) -> None:
    view = VIEWS["stacked"]
    _, theirs = both(helpers, view)
    helpers.play(theirs, "----e--t" * 5)
    snapshot, state = theirs.replay.flush(tmp_path), theirs.replay.state_dict()
    ours, _ = both(helpers, view)
    ours.replay.sample() if ours.replay.ready else None
    ours.replay.restore(tmp_path, snapshot)
    ours.replay.load_state_dict(state)
    loaded = Replay(helpers.FRAMES, view, 100, 2, Streams(7), device=CPU), Replay(helpers.FRAMES, view, 100, 2, Streams(7))
    for replay in loaded:
        replay.load_saved(tmp_path)
    for one, other in ((ours.replay, theirs.replay), loaded):
        one.streams.load_state_dict(other.streams.state_dict())
        for _ in range(4):
            assert helpers.equal(one.sample(), other.sample())


def test_only_what_was_written_is_copied_and_in_pieces(helpers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE", 8)  # two slots of an observation
    ours, _ = both(helpers, VIEWS["1-step"])
    sent: list[int] = []
    send = module.DeviceGatherer._sent
    monkeypatch.setattr(
        module.DeviceGatherer, "_sent", lambda self, values: sent.append(values.dtype == np.uint8 and len(values)) or send(self, values)
    )
    for _ in range(4):
        ours.step("--")
    ours.replay.sample()
    assert [count for count in sent if count] == [2] * 5  # two first observations and eight more
    sent.clear()
    ours.replay.sample()
    assert not any(sent)
    ours.step("--")
    ours.compare(batches=1)
    assert [count for count in sent if count] == [2]


def test_observations_that_do_not_fit_are_refused(helpers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate …")

    monkeypatch.setattr(torch, "zeros", full)
    with pytest.raises(UsageError, match=r"replay.device=cpu: the observations need .*, which its memory does not have") as raised:
        both(helpers, VIEWS["1-step"])
    assert raised.value.problems[0].hint == "replay.device=cpu, or a smaller replay.capacity"


# The choice


SPEC = Spec(Space((3, 84, 84), "uint8", 0, 255), Space((2,), "float32", -1.0, 1.0))
GPU = torch.device("cuda")
BYTES = 3 * 84 * 84


def choose(name: str, device: torch.device = GPU, view: View = VIEWS["stacked"], sampler: Any = None, capacity: int = 1000) -> Any:
    return choose_replay_device(name, device, view, sampler or Uniform(), SPEC, capacity, 2)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """One GPU with 2,000 observations of free memory."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2000 * BYTES, 10**12))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_the_choice(gpu: None) -> None:
    assert choose("cpu") is None
    assert choose("auto", CPU) is None
    assert choose("auto") == choose("cuda") == choose("cuda:0") == GPU
    assert choose("auto", capacity=1001) is None  # the half and one more
    assert choose("cuda", capacity=1001) == GPU
    assert choose("auto", view=Rollout()) is None
    assert choose("auto", sampler=HINDSIGHT) is None
    assert choose("cuda", sampler=Prioritised()) == GPU


@pytest.mark.parametrize(
    ("name", "changes", "message", "hint"),
    [
        ("cuda:1", {}, "replay.device=cuda:1, and the agent is on device cuda", "device=cuda:1, or replay.device=cpu"),
        ("cuda:2", {}, "replay.device=cuda:2: 2 GPUs are usable here", "replay.device=auto or replay.device=cpu"),
        ("cuda", {"device": CPU}, "replay.device=cuda, and the agent is on device cpu", "device=cuda, or replay.device=cpu"),
        ("cuda", {"view": Rollout()}, "replay.device=cuda: a rollout is used once", "replay.device=cpu"),
        ("cuda", {"sampler": HINDSIGHT}, "replay.device=cuda: sampler Hindsight relabels rows", "replay.device=cpu"),
    ],
)
def test_what_is_refused(name: str, changes: dict[str, Any], message: str, hint: str, gpu: None) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        choose(name, **changes)
    assert raised.value.problems[0].hint == hint


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"replay\.device=cuda: 0 GPUs are usable here"):
        choose("cuda", CPU)


def test_a_run_on_a_device_has_the_bits_of_one_without(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from unified.core.trainer import build
    from unified.testing.rehearsal import tiny_run
    from unified.testing.workshop import differences

    groups = []
    for device in (CPU, None):
        monkeypatch.setattr(build, "choose_replay_device", lambda *_, device=device: device)
        checkpoint = tiny_run(tmp_path / str(device)).checkpoints.newest()
        assert checkpoint is not None
        groups.append({name: checkpoint.load(name) for name in ("parameters", "optimizer", "replay")})
    assert not differences(*groups)
