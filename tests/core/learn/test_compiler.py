"""The cache of compiled graphs, and the process that fills it. What needs a C++ compiler is slow."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from unified.core.base.toolchain import missing_compiler
from unified.core.learn import compiler as module
from unified.core.learn.compiler import CODE, COMPLETE, LOG, CompilationFailed, Compiler, is_complete, prune, read, written

needs_compiler = pytest.mark.skipif(bool(missing_compiler()), reason=missing_compiler())


def graph() -> tuple[GraphModule, list[torch.Tensor]]:
    """A graph with a constant, an operation without inputs and an input that it writes, and examples of its inputs."""
    table = torch.arange(12.0).view(3, 4)

    def update(state: torch.Tensor, rows: torch.Tensor) -> list[torch.Tensor]:
        total = rows @ table + torch.ones(4)
        state.copy_(state * 0.5 + total.tanh().sum(0))
        return [total.mean(), rows.t().exp()]

    inputs = [torch.zeros(4), torch.rand(5, 3, generator=torch.Generator().manual_seed(1))]
    found = make_fx(update)(*inputs)
    found.graph.set_codegen(torch.fx.graph.CodeGen())
    found.recompile()
    return found, inputs


def traced() -> tuple[Any, list[torch.Tensor]]:
    """The graph as an update has it."""
    found, inputs = graph()
    return SimpleNamespace(graph=found), inputs


def outcome(run: object, inputs: Sequence[torch.Tensor], *more: torch.Tensor) -> list[torch.Tensor]:
    """The outputs, and the inputs as they are then."""
    copies = [each.clone() for each in inputs]
    return [*run(*copies, *more), *copies]  # type: ignore[operator]


def test_a_graph_is_the_same_after_it_was_written_and_read() -> None:
    original, inputs = graph()
    data, constants = written(original, inputs)
    again, examples = read(data)
    assert len(constants) == 1
    assert not [node for node in again.graph.nodes if node.op == "get_attr"]
    assert [each.shape for each in examples] == [each.shape for each in (*inputs, *constants)]
    pairs = zip(outcome(original, inputs), outcome(again, inputs, *constants), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    operations = [[str(node.target) for node in each.graph.nodes if node.op == "call_function"] for each in (original, again)]
    assert operations[0] == operations[1]


def test_the_key_depends_on_graph_threads_and_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler, threads = Compiler(tmp_path), torch.get_num_threads()
    keys = [compiler.key("graph"), compiler.key("graph"), compiler.key("another")]
    try:
        torch.set_num_threads(threads + 1)
        keys.append(compiler.key("graph"))
    finally:
        torch.set_num_threads(threads)
    monkeypatch.setattr(module, "compiler_version", lambda: "g++ 99")
    keys.append(compiler.key("graph"))
    assert keys[0] == keys[1]
    assert len({*keys}) == 4


def test_the_cache_is_where_the_user_has_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert module.cache_directory() == tmp_path / "unified" / "compiled"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert module.cache_directory() == Path.home() / ".cache" / "unified" / "compiled"


def test_without_a_home_directory_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError

    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(Path, "home", home)
    monkeypatch.setattr(module, "missing_compiler", lambda: "")
    assert "XDG_CACHE_HOME" in Compiler().missing()


def test_a_cache_that_cannot_be_made_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "unified").write_text("a file")
    with pytest.raises(CompilationFailed, match="FileExistsError"):
        Compiler(tmp_path / "unified" / "compiled").start("key", *traced(), urgent=True)


def start(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start to compile, without a process that does."""
    monkeypatch.setattr(module.Compilation, "_start", lambda self, urgent: None)
    Compiler(cache).start("key", *traced(), urgent=True)


LEVELS = ["unified", "unified/compiled", "unified/compiled/key"]


@pytest.mark.parametrize("level", LEVELS)
def test_a_cache_that_others_could_write_becomes_private_and_empty(level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, other = tmp_path / "unified" / "compiled", tmp_path / "unified" / "others"
    fill(cache / "key")
    other.mkdir()
    for each in LEVELS:
        (tmp_path / each).chmod(0o775 if each == level else 0o700)
    start(cache, monkeypatch)
    assert [stat.S_IMODE((tmp_path / each).stat().st_mode) for each in LEVELS] == [0o700] * 3
    assert not list((cache / "key").iterdir())
    assert other.exists()


@pytest.mark.parametrize("level", LEVELS)
def test_a_cache_of_another_user_is_refused(level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / level).mkdir(parents=True)
    lstat = Path.lstat
    owner = {False: os.getuid(), True: os.getuid() + 1}
    monkeypatch.setattr(Path, "lstat", lambda self: SimpleNamespace(st_mode=lstat(self).st_mode, st_uid=owner[self == tmp_path / level]))
    with pytest.raises(CompilationFailed, match=f"{level}, which holds machine code, is a link or belongs to another user"):
        start(tmp_path / "unified" / "compiled", monkeypatch)


def test_a_cache_that_is_a_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "unified").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CompilationFailed, match="is a link"):
        start(tmp_path / "unified" / "compiled", monkeypatch)


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077], ids=oct)
def test_a_new_cache_is_private(umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(umask)
    try:
        for _ in range(2):
            start(tmp_path / "unified" / "compiled", monkeypatch)
    finally:
        os.umask(before)
    found = [tmp_path / "unified", *(tmp_path / "unified").rglob("*")]
    assert [stat.S_IMODE(path.stat().st_mode) for path in found] == [0o700] * 3


def fill(place: Path, age: float = 0.0) -> None:
    (place / CODE).mkdir(parents=True)
    (place / CODE / "kernel.so").write_bytes(b"code")
    (place / COMPLETE).write_text(json.dumps({"kernel.so": module._digest(place / CODE / "kernel.so")}))
    os.utime(place / COMPLETE, (time.time() - age, time.time() - age))


@pytest.mark.parametrize(
    ("name", "content"),
    [(f"{CODE}/kernel.so", b"c0de"), (f"{CODE}/kernel.so", None), (COMPLETE, b"[1"), (COMPLETE, b"[]"), (COMPLETE, None)],
)
def test_a_damaged_graph_is_not_complete(tmp_path: Path, name: str, content: bytes | None) -> None:
    fill(tmp_path)
    assert is_complete(tmp_path)
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_bytes(content)
    assert not is_complete(tmp_path)


def test_the_graphs_that_were_not_used_for_the_longest_time_are_removed(tmp_path: Path) -> None:
    for age, name in enumerate("abcd"):
        fill(tmp_path / name, age)
    (tmp_path / "begun").mkdir()
    (tmp_path / "abandoned").mkdir()
    os.utime(tmp_path / "abandoned", (0, 0))
    prune(tmp_path, kept=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "begun"]


def test_the_process_ends_with_the_one_that_asked() -> None:
    program = "from unified.core.learn import compiler; print('x', flush=True); compiler._end_with_parent()"
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.read(1) == b"x"
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(30) == -9
    process.stdout.close()


def compiled(directory: Path, meanwhile: Callable[[Path], object] = lambda place: None) -> list[torch.Tensor]:
    """What the compiled graph gives; between start and wait something else may happen to its directory."""
    compiler, (found, inputs) = Compiler(directory), traced()
    compilation = compiler.start(compiler.key("graph"), found, inputs, urgent=True)
    meanwhile(compilation.place)
    with torch.no_grad():
        return outcome(compilation.wait(lambda: None), inputs)


@needs_compiler
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_graph_is_compiled_once_and_anew_where_it_is_damaged(tmp_path: Path) -> None:
    cache = tmp_path / "unified" / "compiled"
    first = compiled(cache)
    (place,) = cache.iterdir()
    written_at = (place / COMPLETE).read_bytes(), max(path.stat().st_mtime for path in place.rglob("*.so"))
    original, inputs = graph()
    assert all(torch.allclose(one, other) for one, other in zip(first, outcome(original, inputs), strict=True))
    assert all(torch.equal(one, other) for one, other in zip(first, compiled(cache), strict=True))
    assert written_at == ((place / COMPLETE).read_bytes(), max(path.stat().st_mtime for path in place.rglob("*.so")))
    library = next(place.rglob("*.so"))
    library.unlink()  # this process runs the code of that file: cut in place, it would crash
    library.write_bytes(b"no code")
    assert all(torch.equal(one, other) for one, other in zip(first, compiled(cache), strict=True))
    assert all(torch.equal(one, other) for one, other in zip(first, compiled(cache, shutil.rmtree), strict=True))


@needs_compiler
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_compiler_that_fails_is_an_error_with_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/bin/false")
    with pytest.raises(CompilationFailed, match=f"{LOG}"):
        compiled(tmp_path / "unified" / "compiled")
