"""The C++ compiler of this machine. Imports no torch."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path


def missing_compiler() -> str:
    """What is missing on this machine to compile updates, with the command that installs it; empty if nothing is."""
    if not sys.platform.startswith("linux"):
        return f"compiling is not supported on {sys.platform}"
    if not compiler_version():
        return f"there is no C++ compiler {_compiler()} (Debian, Ubuntu: sudo apt-get install g++)"
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        return "there is no Python.h for a C++ compiler (Debian, Ubuntu: sudo apt-get install python3-dev)"
    return ""


def compiler_version() -> str:
    """The compiler's output for ``--version``; empty if it does not run."""
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        return subprocess.run([_compiler(), "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    return ""


def _compiler() -> str:
    return os.environ.get("CXX") or "g++"
