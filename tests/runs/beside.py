"""An environment beside the running one: everything that is installed here, and packages of its own, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "examples" / "unified-plugin-example"

#: Commands that the running environment has as modules, to be run by the interpreter of the new one.
COMMANDS = ("unified", "pip", "pytest", "hatchling")


class Beside:
    """A virtual environment that sees the packages of the running one. What is installed into it, nobody else sees.

    Args:
        path: Where it is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        venv.create(path, symlinks=True)
        places = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
        # Added as a site, not as a path: that is how the .pth files of editable installations there are read.
        lines = [f"import site; site.addsitedir({place!r})" for place in places]
        (self.packages / "beside.pth").write_text("\n".join(lines) + "\n")
        for name in COMMANDS:
            script = path / "bin" / name
            script.write_text(f'#!/bin/sh\nexec "{path}/bin/python" -m {name} "$@"\n')
            script.chmod(0o755)
        (path / "bin" / "ruff").symlink_to(Path(sysconfig.get_path("scripts")) / "ruff")

    @property
    def packages(self) -> Path:
        """Where its own packages lie."""
        return self.path / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"

    def variables(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a shell has in which it is activated."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("UNIFIED_", "PYTEST_"))}
        return {
            **inherited,
            "PATH": f"{self.path / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
            "VIRTUAL_ENV": str(self.path),
            "OMP_NUM_THREADS": "1",
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as the value of "build isolation": off
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **(more or {}),
        }

    def run(
        self, *words: str, cwd: Path, expect: int | None = 0, more: Mapping[str, str] | None = None, timeout: float = 900.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it, to its end."""
        done = subprocess.run(
            [str(self.path / "bin" / words[0]), *words[1:]],
            cwd=cwd,
            env=self.variables(more),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if expect is not None:
            assert done.returncode == expect, f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def unified(self, *words: str, cwd: Path, expect: int | None = 0, more: Mapping[str, str] | None = None) -> str:
        """Run `unified`; returns everything that it said, which is never a traceback."""
        done = self.run("unified", *words, cwd=cwd, expect=expect, more=more)
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    def install(self, *what: str | Path) -> None:
        """Install wheels or folders, without what they depend on."""
        self.run("pip", "install", "--quiet", "--no-deps", *map(str, what), cwd=self.path)


def build_wheel(folder: Path, into: Path) -> Path:
    """The wheel of a package, built with the running environment's hatchling."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = into.glob("*.whl")
    return wheel
