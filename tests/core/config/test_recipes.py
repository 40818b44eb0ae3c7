"""Recipes are data, found by name or path."""

from __future__ import annotations

import os

import pytest

from unified.core.base.errors import UsageError
from unified.core.config.compose import compose


def refused(*recipes: str) -> str:
    with pytest.raises(UsageError) as error:
        compose([], list(recipes))
    return "\n".join(str(problem) for problem in error.value.problems)


def test_imports_come_first_and_are_relative_to_their_file(tmp_path, monkeypatch):
    below = tmp_path / "below"
    below.mkdir()
    (below / "base.yml").write_text("seed: 5\nexperiment: base\n")
    (below / "middle.yaml").write_text("imports: ./base.yml\nexperiment: middle\n")
    (tmp_path / "top.yaml").write_text("imports: [laptop, below/middle.yaml]\ntrain.frames: 1e4\n")
    monkeypatch.chdir(tmp_path)
    config = compose([], ["top.yaml"])
    assert (config.seed, config.experiment, config.train.frames, config.suite.task) == (5, "middle", 10_000, "cartpole_balance")
    assert config.sources["experiment"] == "recipe below/middle.yaml"
    assert "recipe laptop" in config.sources.values()


def test_later_recipes_win(tmp_path):
    for seed in (3, 4):
        (tmp_path / f"{seed}.yaml").write_text(f"seed: {seed}\n")
    assert compose([], [str(tmp_path / "3.yaml"), str(tmp_path / "4.yaml")]).seed == 4


def test_a_diamond_is_no_cycle(tmp_path):
    (tmp_path / "d.yaml").write_text("seed: 9\n")
    for name in "bc":
        (tmp_path / f"{name}.yaml").write_text("imports: [./d.yaml]\n")
    (tmp_path / "a.yaml").write_text("imports: [./b.yaml, ./c.yaml]\n")
    assert compose([], [str(tmp_path / "a.yaml")]).seed == 9


def test_a_cycle_is_named(tmp_path):
    (tmp_path / "a.yaml").write_text("imports: [./b.yaml]\n")
    (tmp_path / "b.yaml").write_text("imports: [./a.yaml]\n")
    assert "a.yaml -> b.yaml -> a.yaml" in refused(str(tmp_path / "a.yaml"))


def test_unknown_recipes(tmp_path, monkeypatch):
    assert "did you mean  laptop ?" in refused("lapto")
    (tmp_path / "mine.yaml").write_text("seed: 1\n")
    monkeypatch.chdir(tmp_path)
    assert "did you mean  ./mine.yaml ?" in refused("./mien.yaml")
    assert "did you mean the file  ./mine.yaml ?" in refused("mine")
    assert "does not exist" in refused("./lost/a.yaml")
    (tmp_path / "importer.yaml").write_text("imports: [./gone.yaml]\n")
    assert "recipe ./gone.yaml does not exist" in refused("./importer.yaml")
    assert "(from recipe ./importer.yaml, line 1)" in refused("./importer.yaml")
    assert "did you mean  laptop ?" in refused("laptop.yaml")
    assert "unified plugins list recipes" in refused("./gone.yaml")  # not importer.yaml: a suffix in common is no likeness


def test_a_directory_is_no_recipe_but_its_files_are_named(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.yaml").write_text("seed: 1\n")
    monkeypatch.chdir(tmp_path)
    assert "./mine/a.yaml" in refused("mine")
    assert "is a directory    a file of it:  ./mine/a.yaml" in refused("./mine")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed: [1\n", "line 1, column 7: expected ',' or ']', but got the end of the file"),
        ("seed: 1\n\tagent: x", "line 2, column 1: found character"),
        ("seed: 1\nagent: drqv2\nseed: 2\n", "sets seed twice, on lines 1 and 3"),
        ("agent: {lr: 1}\nagent.lr: 1\n", "sets agent.lr twice, on lines 1 and 2"),
        ("a: &x {b: *x}\n", "line 1: a.b contains itself"),
        (f"a: {'[' * 3000}", "nested more than 64 levels deep"),
        ("seed: 2026-99-99\n", "month must be"),
        ("- a\n- b\n", "not a tree"),
        ("just words", "not a tree"),
        ("imports: {a: 1}\n", "list of names"),
        ("!!python/object/apply:os.getcwd []\n", "cannot be read"),
        ("agnt.lr: 1\n", "did you mean  agent.lr ?"),
        ("seed: abc\n", "seed=abc: must be a whole number"),
    ],
)
def test_bad_files(tmp_path, text, says):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    problem = refused(str(path))
    assert says in problem
    assert "bad.yaml" in problem


def test_mistakes_within_are_found_again_by_their_lines(tmp_path):
    (tmp_path / "base.yaml").write_text("# base\nreplay: {capcity: 5}\n")
    (tmp_path / "top.yaml").write_text(
        "imports: [./base.yaml]\n\nagent:\n  name: drqv2\n  lrr: 1\nencoder: mlp\nencoder.depth: x\n"
        "suite: dmc:walker_wlak\ncallbacks: [konsole]\nobjective:\n  - tdd\n"
    )
    problems = refused(str(tmp_path / "top.yaml")).splitlines()
    expected = {"replay.capcity": 2, "agent.lrr": 5, "depth=x": 7, "walker_wlak": 8, "konsole": 9, "tdd": 10}
    assert len(problems) == len(expected)
    for said, line in expected.items():
        (problem,) = (problem for problem in problems if said in problem)
        assert problem.endswith(f".yaml, line {line})")


def test_lines_are_for_errors_alone(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("\nagent: {lr: 0.5}\nagent.pad: 3\n")  # one slot, said in two places
    config = compose([], [str(path)])
    assert config.sources["agent.lr"] == config.sources["agent.pad"] == f"recipe {path}"
    assert (config.agent.options.lr, config.agent.options.pad) == (0.5, 3)


def test_bad_json_and_bad_bytes(tmp_path):
    (tmp_path / "a.json").write_text('{\n"seed": 1,\n}')
    assert "line 3, column 1" in refused(str(tmp_path / "a.json"))
    (tmp_path / "a.json").write_text('{"seed": 1, "seed": 2}')
    assert "sets seed twice" in refused(str(tmp_path / "a.json"))
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    assert "not text in UTF-8" in refused(str(tmp_path / "b.yaml"))


def test_an_empty_recipe_says_nothing(tmp_path):
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert compose([], [str(tmp_path / "empty.yaml")]).changed() == compose([]).changed()


def test_problems_of_all_recipes_and_words_together(tmp_path):
    with pytest.raises(UsageError) as error:
        compose(["seed=x"], ["nope", "lapto"])
    assert len(error.value.problems) == 3


# Limits -------------------------------------------------------------------------------------------------------------------------


def nested(levels: int, item: str, around: str) -> str:
    """Aliases, each of which repeats the one above nine times."""
    lines = [f"a0: &a0 {item}"]
    lines += [f"a{level}: &a{level} {around.format(*[f'*a{level - 1}'] * 9)}" for level in range(1, levels)]
    return "\n".join(lines)


MAPPING = "{{" + ", ".join(f"k{number}: {{}}" for number in range(9)) + "}}"
#: Recipes that would cost minutes or gigabytes, or that no file name can hold.
BOMBS = {
    "aliases of lists.yaml": (nested(10, "[x]", "[{}, {}, {}, {}, {}, {}, {}, {}, {}]"), "more than 20,000 values"),
    "aliases of mappings.yaml": (nested(10, "{x: 1}", MAPPING), "more than 20,000 values"),
    "merges.yaml": (nested(10, "{x: 1}", "{{<<: [{}, {}, {}, {}, {}, {}, {}, {}, {}]}}"), "more than 20,000 values"),
    "keys.yaml": (f"? [{'[' * 9}{nested(1, '[]', '')}", "cannot be read"),
    "a chain.yaml": ("a0: &a0 []\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 100)), "nested more than 64 levels deep"),
    "deep.yaml": ("a: " + "[" * 1000, "nested more than 64 levels deep"),
    "deep mappings.yaml": ("a: " + "{b: " * 70 + "1" + "}" * 70, "nested more than 64 levels deep"),
    "dots.yaml": ("a" + ".b" * 400 + ": 1", "nested more than 64 levels deep"),
    "deep.json": ("[" * 500_000, "nested more than 64 levels deep"),
    "large.yaml": ("# x\n" * 10_000, "more than 32,768"),
    "large.json": (" " * (1 << 20) + "{}", "more than 1,048,576"),
    "wide.json": (f"[{','.join(['1'] * 30_000)}]", "more than 20,000 values"),
    "twice.json": ("{" + ",".join(f'"k{number}": 1' for number in range(19_000)) + ',"k7": 2}', "it sets k7 twice"),
    "a NUL in a value.yaml": ('root: "a\\0b"', "has the character NUL"),
    "a NUL in a key.json": ('{"a\\u0000": 1}', "has the character NUL"),
    "a NUL in a reference.json": ('{"agent": "./a\\u0000.py:A"}', "has the character NUL"),
    "a NUL in an import.json": ('{"imports": ["./a\\u0000.yaml"]}', "has the character NUL"),
    "a NUL.yaml": ("a: \0", "special characters are not allowed"),
    "digits.json": (f'{{"seed": {"9" * 10_000}}}', "cannot be read"),
    "latin.yaml": (b"experiment: \xe4", "it is not text in UTF-8"),
    "utf-16.json": ("{}".encode("utf-16"), "it is not text in UTF-8"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_in_one_line(tmp_path, name):
    text, says = BOMBS[name]
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    problem = refused(str(tmp_path / name))
    assert says in problem
    assert len(problem.splitlines()) == 1


def test_imports_that_multiply_are_refused(tmp_path):
    for level in range(10):
        (tmp_path / f"{level}.yaml").write_text(f"imports: [{', '.join([f'./{level + 1}.yaml'] * 9)}]\n")
    (tmp_path / "10.yaml").write_text("seed: 1\n")
    assert "imports more than 100 recipes" in refused(str(tmp_path / "0.yaml"))


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    for name in ("pipe.yaml", "zero.yaml"):
        assert "is a pipe or a device" in refused(str(tmp_path / name))
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    assert "does not exist" in refused(str(tmp_path / "loop.yaml"))
    assert "cannot be read: File name too long" in refused(f"./{'x' * 5000}.yaml")


def test_a_key_of_many_levels_is_refused_on_the_command_line_too():
    with pytest.raises(UsageError, match="the key of 501 levels does not exist"):
        compose([f"a{'.b' * 500}=1"])
