"""References: what is one, what it means, and what is said where it means nothing."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import partial
from importlib import metadata
from pathlib import Path

import pytest

from core.unpackaged import write
from unified.core.base.errors import UsageError
from unified.core.components import import_paths
from unified.core.components.descriptors import Component
from unified.core.components.user_code import adopt
from unified.core.envs.suite import Environment
from unified.core.learn.objective import make_objective
from unified.core.registry import registry


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(write(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def get(kind: str, text: str) -> Component:
    return registry().get(kind, text)


def refused(kind: str, text: str) -> str:
    with pytest.raises(UsageError) as error:
        get(kind, text)
    assert error.value.exit_code == 2
    (problem,) = error.value.problems
    return str(problem)


# What is one --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "attribute", "task"),
    [
        ("./mine.py:MyAgent", "./mine.py", "MyAgent", ""),
        ("mine.py:MyAgent", "mine.py", "MyAgent", ""),
        ("../a/mine.py:Outer.Inner", "../a/mine.py", "Outer.Inner", ""),
        ("/a b/mine.py:X", "/a b/mine.py", "X", ""),
        ("~/mine.py:X", "~/mine.py", "X", ""),
        ("dir/mine.py:X:a/b:c", "dir/mine.py", "X", "a/b:c"),
        ("./mine.py", "./mine.py", "", ""),
        ("./mine:X", "./mine", "X", ""),
        ("pkg.mod:X", "pkg.mod", "X", ""),
        ("pkg.mod:X:task", "pkg.mod", "X", "task"),
        ("object:Net-1a2b3c4d", "object", "Net-1a2b3c4d", ""),
    ],
)
def test_references(text: str, place: str, attribute: str, task: str) -> None:
    assert import_paths.parse(text) == import_paths.Reference(place, attribute, task)
    assert import_paths.is_reference(text)
    whole = import_paths.split_task(text)
    assert whole == (text.removesuffix(f":{task}") if task else text, task)


@pytest.mark.parametrize(
    "text",
    ["drqv2", "core/drqv2", "dmc:humanoid_run", "core/dmc:humanoid_run", "gym:ALE/Pong-v5", "gym:a.b:Id-v0", "my.suite", "[a,b]", ""],
)
def test_names(text: str) -> None:
    assert import_paths.parse(text) is None
    assert import_paths.canonical(text) == import_paths.label(text) == import_paths.shown(text) == text


def test_a_text_longer_than_a_path_is_no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part of a path costs a call of the system when it is resolved."""
    monkeypatch.setattr(Path, "resolve", lambda path, strict=False: pytest.fail("resolved"))
    for text in ("/a" * 50_000, "./" * 50_000 + "mine.py:Mine"):
        assert not import_paths.is_reference(text)
        assert import_paths.canonical(text) == text


def test_a_name_and_its_task_are_split_at_the_first_colon() -> None:
    assert import_paths.split_task("gym:package:Id-v0") == ("gym", "package:Id-v0")


# What is kept and what is shown -------------------------------------------------------------------------------------------------


def test_what_is_kept_is_found_from_anywhere(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert import_paths.canonical("./mine.py:Mine") == import_paths.canonical("mine.py:Mine") == f"{here}/mine.py:Mine"
    assert import_paths.canonical("./envs.py:Lines:easy") == f"{here}/envs.py:Lines:easy"
    assert import_paths.canonical("torch.nn:Flatten") == "torch.nn:Flatten"
    (here / "folder").mkdir()
    (here / "folder/inside.py").write_text("")
    assert import_paths.canonical("folder.inside:X") == f"{here}/folder/inside.py:X"
    assert import_paths.shown(f"{here}/mine.py:Mine") == "./mine.py:Mine"
    monkeypatch.chdir("/")
    assert import_paths.canonical(f"{here}/mine.py:Mine") == f"{here}/mine.py:Mine"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("./a/mine.py:MyAgent", "MyAgent"),
        ("pkg.mod:Outer.Inner", "Inner"),
        ("./mine.py", "mine"),
        ("object:Net-1a2b3c4d", "Net"),
        ("object:Net-1a2b3c4d-2", "Net-2"),
        ("object:Pendulum-v1-1a2b3c4d", "Pendulum-v1"),
    ],
)
def test_labels(name: str, label: str) -> None:
    assert import_paths.label(name) == label


def test_a_path_in_a_recipe_is_relative_to_the_recipe(here: Path) -> None:
    elsewhere = Path("/nowhere")
    assert import_paths.beside("./nets.py:Tiny", elsewhere) == "/nowhere/nets.py:Tiny"
    assert import_paths.beside("../nets.py", elsewhere) == "/nets.py"
    assert import_paths.beside("/a/nets.py:Tiny", elsewhere) == "/a/nets.py:Tiny"
    assert import_paths.beside("./nets.py:Tiny", here) == f"{here}/nets.py:Tiny"
    assert import_paths.beside(["mlp", "+./nets.py:Tiny", {"name": "nets.py:Tiny"}], here) == [
        "mlp",
        f"+{here}/nets.py:Tiny",
        {"name": f"{here}/nets.py:Tiny"},
    ]
    for same in ("./runs", "drqv2", "dmc:walker_walk", "torch.nn:Flatten", 3, None):
        assert import_paths.beside(same, elsewhere) == same


# Components ---------------------------------------------------------------------------------------------------------------------


def test_every_kind(here: Path) -> None:
    found = {
        "agents": "./mine.py:Mine",
        "architectures": "./nets.py:Tiny",
        "suites": "./envs.py:Lines",
        "objectives": "./mine.py:Small",
        "callbacks": "./mine.py:Watch",
        "launchers": "./mine.py:Here",
    }
    everything = [component for kind in found for component in registry().all(kind)]
    for kind, text in found.items():
        component = get(kind, text)
        assert (component.kind, component.name) == (kind, f"{here}{text[1:]}")
        assert component.origin.provider == ""
        assert component.load() is not None
        assert import_paths.guess(text, everything).kind == kind
        assert registry().name_of(component) == component.name
    assert get("agents", "./mine.py:Mine").summary == "DrQ-v2, but mine."


def test_options_are_the_classs_own_else_those_of_what_it_inherits_from(here: Path) -> None:
    assert "batch_size" in get("agents", "./mine.py:Mine").options_model().model_fields
    assert list(get("agents", "./mine.py:Own").options_model().model_fields) == ["gain"]
    assert get("agents", "./mine.py:Mine").parts == ("encoder", "critic")
    assert list(get("architectures", "./nets.py:Tiny").options_model().model_fields) == ["width"]
    assert list(get("architectures", "./nets.py:conv").options_model().model_fields) == ["channels", "flat"]
    assert not get("architectures", "./nets.py:ready").options_model().model_fields
    assert list(get("suites", "./envs.py:Lines").options_model().model_fields) == ["slope"]
    assert "action_repeat" in get("suites", "./envs.py:Bell").options_model().model_fields
    assert not get("callbacks", "./mine.py:Bare").options_model().model_fields


def test_objectives_say_what_they_need_and_train(here: Path) -> None:
    objective = get("objectives", "./mine.py:Small")
    assert (objective.needs, objective.trains) == (("obs",), ("encoder",))
    assert type(make_objective(objective, objective.options_model()())).__name__ == "Small"
    function = get("objectives", "./mine.py:small")
    assert type(make_objective(function, function.options_model()())).__name__ == "FunctionObjective"


def test_callbacks_take_options_or_nothing(here: Path) -> None:
    watch = get("callbacks", "./mine.py:Watch")
    assert watch.load()(watch.options_model()(every=5)).every == 5
    assert get("callbacks", "./mine.py:Bare").load()(None) is not None


def test_suites_of_every_make(here: Path) -> None:
    lines = get("suites", "./envs.py:Lines")
    assert lines.load_tasks() == ("easy", "hard")
    for text in ("./envs.py:Line", "./envs.py:Bell", "./envs.py:annotated"):
        suite = get("suites", text)
        assert suite.load_tasks() is None
        environment = suite.load()("", suite.options_model()()).environment()
        assert environment.reset(1).shape == environment.spec.observation.shape
    assert get("suites", "./envs.py:says_what").adapter  # and was not called
    loud = get("suites", "./envs.py:Bell:3")
    environment = loud.load()("3", loud.options_model()()).environment()
    environment.reset(1)
    assert environment.step(1).reward == 3.0


def test_a_module_that_is_installed(here: Path) -> None:
    flatten = get("architectures", "torch.nn:Flatten")
    assert (flatten.name, flatten.options_model()().start_dim) == ("torch.nn:Flatten", 1)
    assert get("suites", "unified.testing.probes:Probes:both").target == "unified.testing.probes:Probes"


def test_identity(here: Path) -> None:
    told = import_paths.identity(get("agents", "./mine.py:Mine"))
    assert told == {
        "provider": "",
        "target": f"{here}/mine.py:Mine",
        "file": f"{here}/mine.py",
        "sha256": hashlib.sha256((here / "mine.py").read_bytes()).hexdigest(),
    }
    torch = {"provider": "", "target": "torch.nn:Flatten", "distribution": "torch", "version": metadata.version("torch")}
    assert import_paths.identity(get("architectures", "torch.nn:Flatten")) == torch
    assert import_paths.identity(get("architectures", "urllib.parse:quote")).keys() == {"provider", "target"}
    assert import_paths.identity(registry().get("agents", "drqv2")) == {}


def test_imports_stay_light(here: Path) -> None:
    code = (
        "import sys; from unified.core.registry import registry;"
        "registry().get('suites', './envs.py:Lines'); registry().get('callbacks', './light.py:Watch');"
        "assert 'torch' not in sys.modules, 'torch'"
    )
    (here / "light.py").write_text("from unified import hookimpl\nclass Watch:\n    @hookimpl\n    def teardown(self): pass\n")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=here)


# What is said -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("agents", "./mien.py:Mine", "there is no file ./mien.py    did you mean  mine.py ?"),
        ("agents", "./mine:Mine", "did you mean  "),
        ("agents", "./qqqq.py:Mine", "the working directory is"),
        ("agents", "/nowhere/qqqq.py:Mine", "there is no file /nowhere/qqqq.py"),
        ("agents", "./mine.py:Mien", "./mine.py has no Mien    did you mean  Mine ?"),
        ("agents", "./mine.py:Mine.Nope", "./mine.py has no Mine.Nope"),
        ("agents", "./mine.py", "name the agent    it has ./mine.py:Half, ./mine.py:Mine, ./mine.py:Own"),
        ("suites", "./envs.py", "./envs.py:Bell, ./envs.py:Line, ./envs.py:Lines"),
        ("agents", "./mine.py:Small", "is no agent but a class, an objective    wanted: a subclass of unified.Agent"),
        ("agents", "./mine.py:small", "is no agent but a function"),
        ("agents", "./mine.py:seen", "is no agent but an object of type list"),
        ("agents", "./mine.py:Half", "does not define act, action_space, base_view"),
        ("architectures", "./mine.py:Mine", "is no architecture but a class, an agent"),
        ("architectures", "./mine.py:seen", "wanted: a class or function that returns an nn.Module"),
        ("suites", "./mine.py:Watch", "is no suite but a class, a callback"),
        ("suites", "./envs.py:makes_nothing", "returns int, which is neither an environment nor a data set"),
        (
            "suites",
            "./envs.py:says_nothing",
            "has no return annotation, so the class that it returns is unknown    annotate it: def says_nothing",
        ),
        ("suites", "./envs.py:takes_something", "def takes_something(loudness) -> gymnasium.Env"),
        ("objectives", "./nets.py:Tiny", "is no objective but a class, an architecture"),
        ("callbacks", "./mine.py:Small", "is no callback but a class, an objective"),
        ("callbacks", "./mine.py:Unmarked", "put @unified.hookimpl above on_log"),
        ("launchers", "./mine.py:Watch", "wanted: a class with a method launch"),
        ("commands", "./mine.py:Watch", "unified plugins new"),
        ("agents", "nowhere.at_all:X", "there is no module nowhere    a file needs a path"),
        ("agents", "unified.core.nothing:X", "there is no module unified.core.nothing"),
        ("agents", "unified.core.learn.agent:Agnet", "did you mean  Agent ?"),
        (
            "agents",
            "object:Gone-1a2b3c4d",
            "agent Gone was a Python object of the script that started the run    run the same script again",
        ),
    ],
)
def test_what_is_wrong(here: Path, kind: str, text: str, says: str) -> None:
    assert says in refused(kind, text)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "import json\n\nimport qwertyuiop\n",
            "ModuleNotFoundError: No module named 'qwertyuiop' (bad.py, line 3)    it imports 'qwertyuiop', which is not installed",
        ),
        ("x = 1\ny = x +\n", "SyntaxError: invalid syntax (bad.py, line 2)"),
        ("def f():\n    raise ValueError('no')\nf()\n", "bad.py cannot be imported: ValueError: no (bad.py, line 2)"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3 (bad.py, line 2)"),
        ("import helper\n", "RuntimeError: helped (bad.py, line 1)"),
    ],
)
def test_a_file_that_cannot_be_imported_is_told_with_its_line(here: Path, source: str, says: str) -> None:
    (here / "bad.py").write_text(source)
    (here / "helper.py").write_text("raise RuntimeError('helped')\n")
    for _ in range(2):
        assert says in refused("agents", "./bad.py:X")


def test_a_function_is_not_called_to_know_what_it_returns() -> None:
    made = []

    def simulator() -> Environment:
        made.append("a window")
        raise NotImplementedError

    assert adopt("suites", simulator, "object:simulator-1", "simulator", []).adapter
    assert adopt("suites", partial(simulator), "object:partial-1", "partial", []).adapter
    for unknown in (lambda: simulator(), partial(lambda length: simulator(), 3)):
        with pytest.raises(UsageError, match=r"no return annotation.*pass the environment itself, or a function: def make\("):
            adopt("suites", unknown, "object:lambda-1", "lambda", [])
    assert not made
