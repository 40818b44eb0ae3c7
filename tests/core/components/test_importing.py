"""Objects by their texts: files, packages, modules, and objects of this process."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from unified.core.components import importing


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty directory; what is imported from it is forgotten afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def test_a_file_is_imported_once_and_two_of_one_name_do_not_meet(path: Path) -> None:
    for name in ("a", "b"):
        (path / name).mkdir()
        (path / name / "mine.py").write_text(f"class Thing: where = '{name}'\n")
    a, b = (importing.import_object(f"{path}/{name}/mine.py:Thing") for name in ("a", "b"))
    assert (a.where, b.where) == ("a", "b")
    assert importing.import_object(f"{path}/a/../a/mine.py:Thing") is a
    assert a.__module__ != b.__module__
    assert importing.import_object(f"{path}/a/mine.py:Thing.where") == "a"


def test_its_name_is_the_same_in_every_process(path: Path) -> None:
    (path / "mine.py").write_text("class Thing: pass\n")
    code = "from unified.core.components.importing import import_object\n"
    code += f"print(import_object({str(path / 'mine.py')!r} + ':Thing').__module__)"
    names = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert len(names) == 1
    assert names.pop().startswith("unified_file_mine_")


def test_a_file_sees_its_neighbours_but_they_hide_nothing(path: Path) -> None:
    (path / "mine.py").write_text("import neighbour, json\nvalue, dumps = neighbour.value, json.dumps\n")
    (path / "neighbour.py").write_text("value = 7\n")
    (path / "json.py").write_text("dumps = None\n")
    assert importing.import_object(f"{path}/mine.py:value") == 7
    assert importing.import_object(f"{path}/mine.py:dumps") is not None


def test_a_file_of_a_package_is_that_packages_module(path: Path) -> None:
    (path / "some_package").mkdir()
    (path / "some_package/__init__.py").write_text("")
    (path / "some_package/base.py").write_text("class Base: pass\n")
    (path / "some_package/mine.py").write_text("from .base import Base\nclass Thing(Base): pass\n")
    thing = importing.import_object(f"{path}/some_package/mine.py:Thing")
    assert thing.__module__ == "some_package.mine"
    assert importing.import_object("some_package.base:Base") is thing.__base__


def test_a_package_behind_another_of_its_name_is_told(path: Path) -> None:
    for place, value in (("first", 1), ("second", 2)):
        (path / place / "twice").mkdir(parents=True)
        (path / place / "twice/__init__.py").write_text("")
        (path / place / "twice/mine.py").write_text(f"value = {value}\n")
    assert importing.import_object(f"{path}/first/twice/mine.py:value") == 1
    with pytest.raises(ImportError, match=r"is .*first"):
        importing.import_object(f"{path}/second/twice/mine.py:value")


def test_a_module_that_was_imported_under_its_own_name_is_not_imported_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path / "own_name.py").write_text("class Thing: pass\n")
    monkeypatch.syspath_prepend(path)
    module = __import__("own_name")
    assert importing.import_object(f"{path}/own_name.py:Thing") is module.Thing


def test_a_failed_import_leaves_nothing_behind(path: Path) -> None:
    (path / "mine.py").write_text("value = 1\n1 / 0\n")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            importing.import_object(f"{path}/mine.py:value")
    with pytest.raises(ImportError, match="no file"):
        importing.import_object(f"{path}/nothing.py:value")


def test_the_digest_is_of_what_was_imported(path: Path) -> None:
    file = path / "mine.py"
    file.write_text("value = 1\n")
    importing.import_object(f"{file}:value")
    expected = hashlib.sha256(b"value = 1\n").hexdigest()
    file.write_text("value = 2\n")
    assert importing.digest(file) == expected


def test_only_what_lies_here_has_a_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path / "here").mkdir()
    (path / "here/mine.py").write_text("")
    assert importing.file_of_module("here.mine") is None
    monkeypatch.chdir(path)
    assert importing.file_of_module("here.mine") == path / "here/mine.py"
    assert importing.file_of_module("here.other") is None
    assert importing.file_of_module("json.decoder") is None
    assert "here" not in sys.modules


def test_objects_of_this_process() -> None:
    assert importing.register_object("something", [1], "a")
    assert importing.import_object("object:something") == [1]
    assert importing.import_object("object:something.append")
    assert not importing.register_object("something", [2], "b")
    assert importing.import_object("object:something") == [1]
    assert importing.register_object("something", [1, 1], "a")
    assert importing.import_object("object:something") == [1, 1]
    with pytest.raises(ImportError, match="another process"):
        importing.import_object("object:nothing")


@pytest.mark.parametrize("text", ["math", ":pi", "math:"])
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(ValueError, match="not of the form"):
        importing.import_object(text)
