"""The plugin guide to the letter: every command is typed, every output is looked for, every piece of code is where it is said to be."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runs.beside import EXAMPLE, REPOSITORY, Beside

GUIDE = REPOSITORY / "docs" / "plugins.md"

#: What needs a network. Nothing else is left out.
NOT_TYPED = {"pip install hatchling twine", "twine upload dist/*"}

ELLIPSIS = re.compile(r"^ *# …$", re.M)


@dataclass(frozen=True)
class Block:
    """A fenced block of the guide.

    Args:
        section: The heading of the second level that it stands under.
        line: Of the guide, for who has to mend it.
        language: After the fence.
        text: Between the fences.
    """

    section: str
    line: int
    language: str
    text: str

    @property
    def file(self) -> tuple[str, str]:
        """The path that its first line says, and the rest; no path if it says none."""
        first, _, rest = self.text.partition("\n")
        named = re.fullmatch(r"# ([\w./-]+\.\w+)", first)
        return (named[1], rest) if named else ("", self.text)


def blocks() -> Iterator[Block]:
    section, language, start = "", None, 0
    collected: list[str] = []
    for number, line in enumerate(GUIDE.read_text().splitlines(), 1):
        if line.startswith("```"):
            if language is None:
                language, start, collected = line[3:], number, []
            else:
                yield Block(section, start, language, "".join(f"{text}\n" for text in collected))
                language = None
        elif language is not None:
            collected.append(line)
        elif line.startswith("## "):
            section = line[3:]


BLOCKS = list(blocks())


def there(block: Block) -> Path | None:
    """The file of the example, or of unified itself, that a block shows pieces of."""
    name, _ = block.file
    return next((root / name for root in (EXAMPLE, REPOSITORY) if name and (root / name).is_file()), None)


PIECES = [block for block in BLOCKS if there(block)]


@pytest.mark.parametrize("block", PIECES, ids=lambda block: f"{block.line}-{block.file[0]}")
def test_pieces_of_files_are_what_they_are_there(block: Block) -> None:
    name, shown = block.file
    path = there(block)
    assert path is not None
    text, at = path.read_text(), 0
    for piece in ELLIPSIS.split(shown):
        piece = piece.strip("\n")
        found = text.find(piece, at)
        assert found >= 0, f"{GUIDE.name}:{block.line} shows what is not (any more, or not in this order) in {name}:\n{piece}"
        at = found + len(piece)


def test_every_kind_is_shown_with_code_and_a_command() -> None:
    assert {block.language for block in BLOCKS} == {"console", "python", "diff", "toml", "yaml"}
    shown = {block.file[0].rpartition("/")[2] for block in PIECES}
    files = {path.name for path in (EXAMPLE / "src").rglob("*") if path.suffix in (".py", ".yaml")}
    assert files <= shown
    typed = [command for block in BLOCKS for command, _ in commands(block)]
    assert set(typed) >= NOT_TYPED


def test_links_lead_somewhere() -> None:
    text = GUIDE.read_text()
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines() if line.startswith("#")}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        else:
            assert (GUIDE.parent / target.partition("#")[0]).exists(), target


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """What is typed in a console, and what is shown below it."""
    if block.language == "console":
        for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
            typed, _, shown = part.partition("\n")
            yield typed, shown


class Reader:
    """Somebody who does what the guide says, in a shell that stays open.

    Args:
        beside: Where it is done.
        home: An empty folder.
    """

    def __init__(self, beside: Beside, home: Path) -> None:
        self.beside, self.home, self.cwd, self.section = beside, home, home, ""

    def follow(self, block: Block) -> None:
        if block.section != self.section:
            self.section, self.cwd = block.section, self.home
        name, text = block.file
        if block in PIECES:
            return
        if block.language == "console":
            for typed, shown in commands(block):
                self.type(typed, shown, f"{GUIDE.name}:{block.line}")
        elif block.language == "diff":
            self.change(text)
        elif block.language == "python" and name:
            (self.cwd / name).write_text(text)
        elif block.language == "python":
            self.beside.run("python", "-c", text, cwd=self.cwd)
        else:
            raise AssertionError(f"{GUIDE.name}:{block.line}: who shall do what with {block.language}?")

    def type(self, typed: str, shown: str, where: str) -> None:
        if typed in NOT_TYPED:
            return
        if typed.startswith("cd "):
            self.cwd = self.cwd / typed[3:]
            return
        code = re.search(r"# exit code (\d+)$", typed)
        done = subprocess.run(
            ["/bin/sh", "-c", typed],
            cwd=self.cwd,
            env=self.beside.variables({"COLUMNS": "160", "PYTEST_ADDOPTS": "-k 'not conformance or imports'"}),  # the kit is asked before
            capture_output=True,
            text=True,
            timeout=900,
        )
        said = done.stdout + done.stderr
        assert done.returncode == (int(code[1]) if code else 0), f"{where}: $ {typed}\n{said}"
        assert "Traceback" not in said, f"{where}: $ {typed}\n{said}"
        assert re.search(pattern(shown), said, re.S), f"{where}: $ {typed}\nsays\n{said}\nand the guide shows\n{shown}"

    def change(self, text: str) -> None:
        """Apply a diff without line numbers: what it removes and keeps has to be there once."""
        first, _, hunk = text.partition("\n")
        path = self.cwd / first.removeprefix("--- ")
        lines = hunk.splitlines()
        old = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
        new = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
        source = path.read_text()
        assert source.count(old) == 1, f"{path} has not\n{old}"
        path.write_text(source.replace(old, new))


def pattern(shown: str) -> str:
    """Of an output in which ``…`` stands for anything; columns may be wider or narrower."""
    pieces = [re.escape(" ".join(piece.split(" "))) for piece in re.split(r"\s*…\s*", shown.strip())]
    return r".*?".join(re.sub(r"(\\ )+", r" +", piece) for piece in pieces)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_who_follows_the_guide_arrives(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    reader = Reader(Beside(tmp_path / "environment"), home)
    for block in BLOCKS:
        if "examples/unified-plugin-example" in block.text:  # "in a clone"
            ignored = shutil.ignore_patterns("__pycache__", "dist", ".*_cache", "runs")
            shutil.copytree(EXAMPLE, home / "examples" / "unified-plugin-example", ignore=ignored, dirs_exist_ok=True)
        reader.follow(block)
    assert (home / "unified-plugin-xyz" / "dist" / "unified_plugin_xyz-0.1.0-py3-none-any.whl").exists()
