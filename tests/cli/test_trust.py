"""Code that runs and recipes of other people name: nothing of it is executed, until the user trusts it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import unified
from runs.commands import run_directory
from runs.commands import unified as in_a_process
from unified.cli import main as command
from unified.core.base.errors import NotTrusted, UsageError
from unified.core.components import trust
from unified.core.components.filters import take_switches
from unified.core.config.compose import compose
from unified.core.registry import registry
from unified.core.runs import provenance
from unified.core.runs.run import Run

CODE = '''
from pathlib import Path

with open(Path(__file__).with_name("executed"), "a") as file:
    file.write("imported")

import numpy as np
import torch
from torch import nn
from unified import Callback, Environment, Launcher, Space, Spec, Step
from unified.plugins.agents.dqn.agent import DQN
from unified.replay import Uniform


class Mine(DQN):
    """DQN."""


class World(Environment):
    def __init__(self):
        self.spec = Spec(Space((4,), "float32"), Space((), "int64", 0, 1), episode_frames=10)
    def reset(self, seed):
        self.n = 0
        return np.zeros(4, np.float32)
    def step(self, action):
        self.n += 1
        return Step(np.full(4, self.n / 10, np.float32), 1.0, False, self.n >= 10)


class Net(nn.Module):
    def __init__(self, in_features, width=4):
        super().__init__()
        self.layer = nn.Linear(in_features, width)
    def forward(self, rows):
        return self.layer(rows)


class Even(Uniform):
    """Evenly."""


class Watch(Callback):
    """Looks on."""


class Here(Launcher):
    """In this process."""


class Slow(torch.optim.SGD):
    """SGD."""


def small(agent, batch):
    return 1e-3 * batch.features.square().mean()
'''

#: A place of a configuration that names code of each kind, and the value there.
PLACES: dict[str, tuple[tuple[str, ...], Any]] = {
    "agent": (("agent", "name"), "{}:Mine"),
    "suite": (("suite", "name"), "{}:World"),
    "architecture": (("agent", "encoder", "name"), "{}:Net"),
    "architectures": (("agent", "encoder", "name"), ["mlp", "{}:Net"]),
    "objective": (("objective",), ["+{}:small"]),
    "sampler": (("replay", "sampler", "name"), "{}:Even"),
    "callback": (("callbacks",), ["{}:Watch"]),
    "launcher": (("launcher", "name"), "{}:Here"),
    "optimizer": (("agent", "optimizer", "name"), "{}:Slow"),
    "optimizer of vectors": (("agent", "optimizer", "vectors", "name"), "{}:Slow"),
    "optimizer of a part": (("agent", "optimizer", "parts"), {"critic": {"name": "{}:Slow"}}),
    "module": (("agent", "encoder", "name"), "os.path:os.system"),
    "module of a task": (("suite", "task"), "strange_module:Id-v0"),
    "module of a task without an id": (("suite", "task"), "strange_module:"),
    "module of a strange name": (("suite", "task"), "strange-module:Id-v0"),
    "module in another alphabet": (("suite", "task"), "étrange_module:Id-v0"),
    "module of the name object": (("suite", "task"), "object:Id-v0"),
    "module after two colons": (("suite", "task"), "strange:module:Id-v0"),
    "data set": (("suite",), "dataset:{}:World"),
    "data set of a module": (("suite",), {"name": "dataset", "task": "os.path:os.system"}),
}
SMALL = {
    "agent": "dqn",
    "suite": "gym:CartPole-v1",
    **{"agent.batch_size": 8, "agent.learning_starts": 10, "agent.critic.hidden_dim": 8, "encoder": "mlp", "encoder.hidden_dim": 8},
    **{"train.frames": 30, "train.log_every": 10, "evaluate.every": 0, "evaluate.episodes": 1, "checkpoint.every": 20},
    **{"callbacks": [], "replay.capacity": 100, "device": "cpu"},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without code of its own."""
    return unified.train(config=SMALL, root=str(tmp_path_factory.mktemp("trained") / "runs")).path


@pytest.fixture
def bring(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes a run that came from another user, with code beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNIFIED_TRUST", raising=False)
    (tmp_path / "strange.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("strange_module", "strange-module", "étrange_module", "strange:module", "object"):
        (tmp_path / f"{name}.py").write_text(CODE)

    def make(*kinds: str) -> Path:
        run = tmp_path / "runs/default/dqn/gym/CartPole-v1/seed-1"
        shutil.copytree(trained, run)
        tree = json.loads((run / "config.json").read_text()) | {"root": "runs"}
        for kind in kinds:
            path, value = PLACES[kind]
            place = tree
            for key in path[:-1]:
                place[key] = place[key] if isinstance(place.get(key), dict) else {}
                place = place[key]
            if path == ("suite", "name"):
                place.clear()
            place[path[-1]] = json.loads(json.dumps(value).replace("{}", f"{tmp_path}/strange.py"))
        (run / "config.json").write_text(json.dumps(tree))
        return run

    return make


def typed(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        command.main(words)
    output = capfd.readouterr()
    return int(ended.value.code or 0), output.out + output.err


def executed() -> bool:
    return Path("executed").exists()


#: Commands that need the code of a run.
NEEDING = [
    ("resume", "cartpole"),
    ("evaluate", "cartpole", "-n", "1"),
    ("play", "cartpole"),
    ("train", "-r", "runs/default/dqn/gym/CartPole-v1/seed-1"),
    ("train", "-r", "runs/default/dqn/gym/CartPole-v1/seed-1/config.json", "--dry-run"),
    ("train", "-r", "recipe.yaml"),
    ("train", "-r", "recipe.yaml", "--dry-run"),
]
#: Commands that show what is recorded.
SHOWING = [
    ("runs", "list"),
    ("runs", "show", "cartpole"),
    ("runs", "show", "cartpole", "--json"),
    ("plot", "cartpole"),
]


@pytest.mark.parametrize("kind", PLACES)
def test_no_kind_of_component_is_imported_from_a_run_of_another_user(bring: Callable[..., Path], kind: str) -> None:
    with pytest.raises(NotTrusted, match="is code that you did not name yourself") as error:
        Run(bring(kind)).config  # noqa: B018
    assert not executed()
    (problem,) = error.value.problems
    assert "--trust" in problem.hint
    assert ("sha256" in problem.message) == ("module" not in kind)


@pytest.mark.parametrize("words", NEEDING, ids=" ".join)
def test_every_command_refuses_it_in_one_line_for_each_file(
    bring: Callable[..., Path], words: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    bring("agent", "architecture")
    Path("recipe.yaml").write_text("imports: [./more.yaml]\nseed: 2\n")
    Path("more.yaml").write_text("agent: ./strange.py:Mine\nsuite: gym:CartPole-v1\nencoder: ./strange.py:Net\n")
    code, output = typed(capfd, *words)
    assert (code, executed()) == (2, False), output
    lines = [line for line in output.splitlines() if line.startswith("error: ")]
    assert [line.split()[1] for line in lines] == ["./strange.py:Mine", "./strange.py:Net"]
    assert all("sha256" in line and "--trust" in line for line in lines)


@pytest.mark.parametrize("words", SHOWING, ids=" ".join)
def test_lists_show_what_is_recorded(bring: Callable[..., Path], words: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    bring("agent", "callback")
    code, output = typed(capfd, *words)
    assert (code, executed()) == (0, False), output
    assert "strange.py:Watch" in output or words[:2] != ("runs", "show")


def test_python_refuses_it_too(bring: Callable[..., Path]) -> None:
    run = bring("agent")
    for act in (lambda: unified.load(run), lambda: unified.train(recipes=str(run)), lambda: compose([], [str(run)])):
        with pytest.raises(NotTrusted):
            act()
    assert not executed()


def test_a_part_of_another_run_is_not_loaded_with_its_code(bring: Callable[..., Path]) -> None:
    bring("agent")
    values = {key: value for key, value in SMALL.items() if not key.startswith("encoder")}
    with pytest.raises(NotTrusted):
        unified.train(config={**values, "experiment": "second", "encoder": "load:default/dqn/gym#encoder"})
    assert not executed()


def test_trust_is_given_once(bring: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    run = bring("suite", "callback", "launcher")
    with pytest.raises(NotTrusted):
        unified.load(run)
    assert unified.load(run, trust=True)
    assert unified.load(run)
    assert executed()
    with pytest.raises(NotTrusted):
        Run(run).config  # noqa: B018  # the callback and the launcher were not needed
    with trust.granted():
        assert Run(run).config
    assert Run(run).config.code == tuple(f"{Path.cwd()}/strange.py:{name}" for name in ("Here", "Watch", "World"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(run / "another user"))
    with pytest.raises(NotTrusted):
        Run(run).config  # noqa: B018
    with trust.granted():
        assert Run(run).config
    assert Run(run).config
    monkeypatch.undo()
    assert Run(run).config  # the first user is still known


def test_ones_own_run_needs_no_flag_and_may_be_edited(bring: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    bring()
    run = Run.create_or_open(compose(["callbacks=[./strange.py:Watch]", "experiment=own"], values=SMALL))
    Path("strange.py").write_text(f"{CODE}\n# edited\n")
    path = run.path.absolute()
    monkeypatch.chdir("/")
    assert Run(path).config.callbacks[0].label == "Watch"
    assert compose([], [str(path)]).callbacks[0].label == "Watch"


def test_a_signature_is_of_one_reference_and_one_user(bring: Callable[..., Path]) -> None:
    run = bring("callback")
    trust.sign(run, [f"{Path.cwd()}/other.py:Watch"])
    own = json.loads((run / trust.RECORD).read_text())
    forged = {f"{Path.cwd()}/strange.py:Watch": [*own.popitem()[1], "", "00"], "x": 3}
    for record in (json.dumps(forged), json.dumps([forged]), "{", "[" * 100_000, ""):
        (run / trust.RECORD).write_text(record)
        with pytest.raises(NotTrusted):
            Run(run).config  # noqa: B018
    assert not executed()


def test_a_recipe_cannot_borrow_the_signatures_of_a_run_that_it_imports(bring: Callable[..., Path]) -> None:
    bring()
    run = Run.create_or_open(compose(["callbacks=[./strange.py:Watch]", "experiment=own"], values=SMALL))
    Path("recipe.yaml").write_text(f"imports: [{run.path.absolute()}]\n")
    with pytest.raises(NotTrusted):
        compose([], ["recipe.yaml"])
    assert compose([], [str(run.path)])


@pytest.mark.parametrize("name", ["strange.py:Mine", "{}/strange.py:Mine", "strange.of:Mine", "os.path:join", "object:Mine-1"])
def test_code_is_no_recipe(bring: Callable[..., Path], name: str) -> None:
    """Recipes are looked up before there is a gate."""
    bring()
    Path("strange").mkdir()
    Path("strange/of.py").write_text("open('executed', 'w').close()")
    Path("recipe.yaml").write_text(f"imports: ['{name.format(Path.cwd())}']\n")
    for recipe in ("recipe.yaml", name.format(Path.cwd())):
        with pytest.raises(UsageError):
            compose([], [recipe])
    assert not executed()


def test_a_record_of_components_imports_nothing(bring: Callable[..., Path]) -> None:
    """The events of a run, and the manifest of a checkpoint, name components too."""
    run = bring()
    entry = {"kind": "agents", "provider": str(Path.cwd()), "name": "strange.py:Mine", "target": "", "distribution": "x", "version": "1"}
    device = {**entry, "sha256": "0", "file": "/dev/zero"}
    (run / "events.jsonl").write_text(json.dumps({"event": "components", "components": [entry, device]}) + "\n")
    with suppress(UsageError):
        Run(run).config  # noqa: B018
    assert provenance.changed([entry, device], registry()) == []
    assert provenance.missing([entry], registry())
    assert not executed()


def test_naming_it_on_the_command_line_is_enough(bring: Callable[..., Path]) -> None:
    bring()
    Path("recipe.yaml").write_text("callbacks: [./strange.py:Watch]\n")
    assert compose(["callbacks=[+./strange.py:Watch]"], ["recipe.yaml"], SMALL).callbacks[0].label == "Watch"
    with pytest.raises(NotTrusted):
        compose(["callbacks=[+console]"], ["recipe.yaml"], {**SMALL, "callbacks": ["+curve"]})


def test_the_dry_run_of_own_code_says_what_to_type_and_it_works(bring: Callable[..., Path], capfd: pytest.CaptureFixture[str]) -> None:
    bring()
    code, text = typed(capfd, "train", "-a", "random", "-s", "digits", "callbacks=[./strange.py:Watch]", "--dry-run")
    assert code == 0
    Path("dry.yaml").write_text(text)
    first, _, _ = text.partition("\n")
    assert first == "# This recipe names code. To train from it:  unified train -r FILE --trust"
    command = first.partition("unified ")[2].replace("FILE", "dry.yaml").split()
    code, text = typed(capfd, *[word for word in command if word != "--trust"], "--dry-run")
    assert code == 2
    assert "add  --trust" in text
    assert typed(capfd, *command, "--dry-run")[0] == 0
    assert "names code" not in typed(capfd, "train", "-a", "random", "-s", "digits", "--dry-run")[1]


@pytest.mark.parametrize(
    ("suite", "trusted"),
    [
        *((f"unified.testing:{name}", True) for name in ("CartPoleWithoutVelocities", "Mixed")),
        *((name, False) for name in ("unified.testing:conformance", "unified.testing.probes:Probes", "subprocess:run", "gymnasium:make")),
    ],
)
def test_the_tasks_of_the_package_need_no_trust_and_other_installed_modules_do(
    suite: str, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UNIFIED_TRUST", raising=False)
    found = trust.references({"suite": {"name": suite}})
    assert bool(found) != trusted
    for reference in found:
        with pytest.raises(NotTrusted, match="code that you did not name yourself"):
            trust.Gate().admit(reference)


@pytest.mark.parametrize("name", ["torch.nn:Flatten", "torch.optim:NAdam"])
def test_classes_of_torch_are_no_strangers(bring: Callable[..., Path], name: str) -> None:
    bring()
    key = "agent.optimizer" if "optim" in name else "encoder"
    Path("recipe.json").write_text(json.dumps({**SMALL, "encoder.hidden_dim": {}, key: name}))
    assert compose([], ["recipe.json"]).code == ()


@pytest.mark.parametrize("name", ["torch.nn:Module.apply", "torch.hub:load", "torch.nn:functional", "torch.nn.utils:parametrize"])
def test_other_code_of_torch_is(bring: Callable[..., Path], name: str) -> None:
    bring()
    Path("recipe.json").write_text(json.dumps({**SMALL, "encoder.hidden_dim": {}, "encoder": name}))
    with pytest.raises(NotTrusted):
        compose([], ["recipe.json"])


def test_without_a_place_for_the_key_the_reason_is_printed(bring: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    bring()
    Path("file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(Path("file").absolute()))
    run = Run.create_or_open(compose(["callbacks=[./strange.py:Watch]", "experiment=own"], values=SMALL))
    with pytest.raises(NotTrusted, match="the key cannot be stored in"):
        Run(run.path).config  # noqa: B018
    with trust.granted():
        assert Run(run.path).config


def test_a_key_that_others_can_read_is_not_used(bring: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    trust.sign(tmp_path, ["a.b:C"])
    assert trust.signed(tmp_path) == {"a.b:C"}
    key = tmp_path / "home/unified/key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    assert not trust.signed(tmp_path)


OWN = [
    *("train", "--agent", "./strange.py:Mine", "--suite", "./strange.py:World", "-o", "+./strange.py:small", "-l", "./strange.py:Here"),
    *("encoder=[mlp,./strange.py:Net]", "callbacks=[./strange.py:Watch]", "replay.sampler=./strange.py:Even"),
    *("agent.optimizer=./strange.py:Slow", "agent.batch_size=8", "agent.learning_starts=10", "train.frames=30", "device=cpu"),
    *("train.log_every=10", "evaluate.every=0", "evaluate.episodes=1", "checkpoint.every=20", "train.env_backend=process"),
]


@pytest.mark.slow
def test_code_of_all_kinds_from_the_first_command_to_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One's own run needs no flag in any command, nor in the processes that it starts; that of another user needs it once."""
    (tmp_path / "strange.py").write_text(CODE)
    in_a_process(*OWN, cwd=tmp_path)
    evaluate, dry = ("evaluate", "World", "-n", "1"), ("train", "-r", str(run_directory(tmp_path)), "--dry-run")
    in_a_process(*evaluate, cwd=tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another user"))
    (tmp_path / "executed").unlink()
    for words in (evaluate, dry):
        said = in_a_process(*words, cwd=tmp_path, expect=2)
        # Evaluation needs no callbacks, launcher, sampler and optimiser.
        assert said.count("is code that you did not name yourself (sha256") == (4 if words[0] == "evaluate" else 8)
    assert not (tmp_path / "executed").exists()
    in_a_process("resume", "World", "--trust", cwd=tmp_path)
    assert (tmp_path / "executed").exists()
    in_a_process(*evaluate, cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("words", [*NEEDING[:5], *SHOWING], ids=" ".join)
@pytest.mark.parametrize("kind", PLACES)
def test_every_kind_by_every_command(
    bring: Callable[..., Path], kind: str, words: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    bring(kind)
    code, output = typed(capfd, *words)
    left_out = words[0] in ("evaluate", "play") and kind.split()[0] in ("callback", "launcher", "sampler", "optimizer")
    assert (code, executed()) == (0 if words in SHOWING or left_out else 2, False), output


def test_the_switch_may_stand_anywhere() -> None:
    environment: dict[str, str] = {}
    assert take_switches(["resume", "--trust", "cartpole"], environment) == (["resume", "cartpole"], [])
    assert environment == {"UNIFIED_TRUST": "1"}


def test_a_relative_home_holds_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place would be the working directory, which other people may have filled."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "here")
    monkeypatch.setenv("XDG_CONFIG_HOME", "there")
    trust.sign(tmp_path, ["a.b:C"])
    assert not trust.signed(tmp_path)
    assert not list(tmp_path.iterdir())
