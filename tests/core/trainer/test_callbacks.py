"""The hooks of a run: who is called, in which order, and what happens to one that fails."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from unified.core.base.errors import PluginFailed, UnifiedError, UsageError, plugin_errors
from unified.core.components.hookspecs import LIFECYCLE, Callback, hookimpl
from unified.core.trainer.callbacks import CallbackList, Participant


class Recorder:
    """Notes who was called."""

    def __init__(self, name: str, calls: list[str], raises: Exception | None = None) -> None:
        self.name, self.calls, self.raises = name, calls, raises

    @hookimpl
    def on_log(self, row):
        self.calls.append(f"{self.name} {row}")
        if self.raises:
            raise self.raises

    @hookimpl
    def teardown(self, error):
        self.calls.append(f"{self.name} ends")
        if self.raises:
            raise self.raises

    @hookimpl
    def checkpoint_save(self):
        return None if self.raises else {"of": self.name}


def hooks(*participants: Participant, reports: list[tuple[str, str]] | None = None) -> CallbackList:
    return CallbackList(participants, lambda name, text: (reports if reports is not None else []).append((name, text)))


def log(hooks: CallbackList, row: Any = 1) -> dict[str, Any]:
    return hooks.call("on_log", run=None, trainer=None, row=row, speed=None)


def test_calls_come_in_the_order_of_the_list_and_the_end_in_the_reverse():
    calls: list[str] = []
    made = hooks(*(Participant(name, Recorder(name, calls)) for name in ("agent x", "suite y", "callback z")))
    log(made)
    made.call("teardown", run=None, trainer=None, error=None)
    assert calls == ["agent x 1", "suite y 1", "callback z 1", "callback z ends", "suite y ends", "agent x ends"]
    assert list(made.call("checkpoint_save", run=None, trainer=None)) == ["agent x", "suite y", "callback z"]


def test_an_observer_that_fails_three_times_is_left_out_and_named():
    calls: list[str] = []
    reports: list[tuple[str, str]] = []
    bad, good = Recorder("bad", calls, ValueError("no\nmore")), Recorder("good", calls)
    made = hooks(Participant("callback bad", bad), Participant("callback good", good), reports=reports)
    for row in range(5):
        log(made, row)
    assert [call for call in calls if call.startswith("bad")] == ["bad 0", "bad 1", "bad 2"]
    assert [call for call in calls if call.startswith("good")] == [f"good {row}" for row in range(5)]
    assert [name for name, _ in reports] == ["callback bad"] * 3
    assert reports[0][1].startswith("callback bad failed in on_log: ValueError: no more (")
    assert "test_callbacks.py" in reports[0][1]
    assert "left out" in reports[2][1]
    assert "left out" not in reports[1][1]


def test_callbacks_without_a_hook_are_not_visited():
    class Idle(Callback):
        visits = 0

        def __getattribute__(self, name):
            type(self).visits += 1
            return super().__getattribute__(name)

    made = hooks(*(Participant("callback idle", Idle()) for _ in range(100)))
    Idle.visits = 0
    for hook in ("before_update", "after_update"):
        assert made.call(hook, run=None, trainer=None, batch=None, metrics=None) == {}
    assert Idle.visits == 0


def test_only_failures_in_a_row_count():
    """A logger that loses its connection now and then stays for the whole run."""

    class Sometimes:
        @hookimpl
        def on_log(self, row):
            if row % 5 in (0, 1):
                raise OSError("no route")

    reports: list[tuple[str, str]] = []
    made = hooks(Participant("callback web", Sometimes()), reports=reports)
    for row in range(25):
        log(made, row)
    assert len(reports) == 10
    assert not [text for _, text in reports if "left out" in text]


def test_success_in_another_hook_does_not_excuse_a_failing_one():
    class Half(Callback):
        def on_log(self, run, trainer, row, speed):
            raise ValueError("no")

        def before_update(self, run, trainer, batch):
            pass

    reports: list[tuple[str, str]] = []
    made = hooks(Participant("callback half", Half()), reports=reports)
    for row in range(5):
        log(made, row)
        made.call("before_update", run=None, trainer=None, batch=None)
    assert len(reports) == 3


def test_a_callback_overrides_the_hooks_that_it_needs():
    seen: list[Any] = []

    class Mine(Callback):
        def on_log(self, run, trainer, row, speed):
            seen.append(row)

        def helper(self):
            raise AssertionError

    class Below(Mine):
        def checkpoint_save(self, **arguments):
            return arguments

    made = hooks(Participant("callback a", Mine()), Participant("callback b", Below()))
    log(made, 7)
    assert seen == [7, 7]
    assert made.call("checkpoint_save", run=1, trainer=2) == {"callback b": {"run": 1, "trainer": 2}}
    assert made.call("setup", run=None, trainer=None) == {}


def test_arguments_and_methods_that_no_hook_has_are_refused():
    class Wrong:
        @hookimpl
        def on_log(self, row, metrics):
            pass

    class Near(Callback):
        def on_log(self, run, trainer, rows, speed):
            pass

    class Mistyped(Callback):
        def on_evaluation_ends(self, run, trainer, row, episodes, result):
            pass

    with pytest.raises(UsageError, match=r"callback w: on_log has no argument 'metrics'\s+its arguments are run, trainer, row, speed"):
        hooks(Participant("callback w", Wrong()))
    with pytest.raises(UsageError, match=r"callback n: on_log has no argument 'rows'\s+did you mean  row \?"):
        hooks(Participant("callback n", Near()))
    with pytest.raises(UsageError, match=r"there is no hook 'on_evaluation_ends'\s+did you mean  on_evaluation_end \?"):
        hooks(Participant("callback m", Mistyped()))


def test_every_hook_documents_its_arguments_and_their_types():
    for hook in LIFECYCLE:
        function = getattr(Callback, hook)
        assert function.__doc__.count(">>>") == 1
        arguments = [each for each in inspect.signature(function).parameters.values() if each.name != "self"]
        assert [each.name for each in arguments[:2]] == ["run", "trainer"]
        assert all(each.annotation is not each.empty for each in arguments)


def test_what_controls_the_run_ends_it_with_its_name():
    calls: list[str] = []
    made = hooks(
        Participant("agent bad", Recorder("bad", calls, ValueError("oh")), critical=True), Participant("callback c", Recorder("c", calls))
    )
    with pytest.raises(PluginFailed, match=r"agent bad failed in on_log: ValueError: oh") as raised:
        log(made)
    assert isinstance(raised.value.__cause__, ValueError)
    assert calls == ["bad 1"]


def test_the_end_is_called_on_all_whatever_others_raise():
    calls: list[str] = []
    made = hooks(
        Participant("callback first", Recorder("first", calls)),
        Participant("agent bad", Recorder("bad", calls, ValueError("oh")), critical=True),
        Participant("callback worse", Recorder("worse", calls, UnifiedError("full disk"))),
    )
    with pytest.raises(UnifiedError, match="full disk"):
        made.call("teardown", run=None, trainer=None, error=None)
    assert calls == ["worse ends", "bad ends", "first ends"]


def test_a_mistyped_hook_and_a_wrapper_are_refused():
    class Mistyped:
        @hookimpl
        def on_logg(self, row):
            pass

    class Wrapper:
        @hookimpl(wrapper=True)
        def on_log(self, row):
            return (yield)

    with pytest.raises(UsageError, match=r"callback m: there is no hook 'on_logg'\s+did you mean  on_log \?"):
        hooks(Participant("callback m", Mistyped()))
    with pytest.raises(UsageError, match="on_log is marked as a wrapper"):
        hooks(Participant("callback w", Wrapper()))


def test_an_agent_has_hooks_like_anybody_and_its_properties_are_left_alone():
    from torch import nn

    class Agent(nn.Module):
        heard: Any = None

        @property
        def base_view(self) -> Any:
            raise RuntimeError("not ready yet")

        @hookimpl
        def on_log(self, row):
            self.heard = row

    agent = Agent()
    log(hooks(Participant("agent x", agent, critical=True)), 7)
    assert agent.heard == 7


def test_one_can_be_asked_alone():
    calls: list[str] = []
    made = hooks(*(Participant(name, Recorder(name, calls)) for name in ("a", "b")))
    made.call("on_log", only="b", run=None, trainer=None, row=1, speed=None)
    assert calls == ["b 1"]


def test_calls_can_be_traced(monkeypatch, capsys):
    monkeypatch.setenv("UNIFIED_TRACE_HOOKS", "1")
    log(hooks(Participant("callback a", Recorder("a", []))))
    assert capsys.readouterr().err.split()[:4] == ["hook", "on_log", "callback", "a"]


def test_blame_leaves_what_a_person_can_mend():
    with pytest.raises(UsageError, match="known"), plugin_errors("agent x", "to be made"):
        raise UsageError("known")
    with (
        pytest.raises(PluginFailed, match=r"agent x failed to be made: KeyError: 'a' \(.*test_callbacks"),
        plugin_errors("agent x", "to be made"),
    ):
        raise KeyError("a")


def test_two_of_one_name_are_both_called():
    calls: list[str] = []
    made = hooks(*(Participant("objective TD", Recorder(name, calls), critical=True) for name in ("first", "second")))
    log(made)
    assert calls == ["first 1", "second 1"]
    assert list(made.call("checkpoint_save", run=None, trainer=None)) == ["objective TD", "objective TD #2"]
