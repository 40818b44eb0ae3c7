"""Runs that nobody disturbs, made once and compared with by many."""

from __future__ import annotations

from pathlib import Path

import pytest

from runs.commands import PIXELS, STATE, run_directory, unified


@pytest.fixture(scope="session")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From the state."""
    root = tmp_path_factory.mktemp("straight")
    unified(*STATE, cwd=root)
    return run_directory(root)


@pytest.fixture(scope="session")
def straight_pixels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From pictures."""
    root = tmp_path_factory.mktemp("pixels")
    unified(*PIXELS, cwd=root)
    return run_directory(root)
