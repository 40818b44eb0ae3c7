"""Every built-in against its contract, at the strict level."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from unified.testing import conformance

sys.path.append(str(Path(__file__).parents[1] / "plugins" / "suites"))
from pictures import write_cifar10

# Minutes in all; `unified plugins check --strict` prints the same.
test_core = conformance("core", level="strict", marks={"*": pytest.mark.slow})


@pytest.fixture(scope="module", autouse=True)
def _small_pictures(tmp_path_factory: pytest.TempPathFactory) -> object:
    """The data set that is played is here, a few pictures of it: files in the true format."""
    root = tmp_path_factory.mktemp("data")
    write_cifar10(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNIFIED_DATA", str(root))
        yield
