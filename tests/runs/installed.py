"""Packages as pip leaves them, in a directory that is put on the path: metadata and modules."""

from __future__ import annotations

import shutil
from pathlib import Path


def install(site: Path, name: str, version: str, files: dict[str, str], *, distribution: str = "", target: str = "") -> Path:
    """Install the package ``unified-plugin-<name>``.

    Args:
        site: Where to; put it on PYTHONPATH.
        name: Of the entry point.
        version: Of the package; another one that is there is removed first.
        files: Name below the package -> text.
        distribution: As pip knows it, ``unified-plugin-<name>`` if not given.
        target: Of the entry point, the package itself if not given.
    """
    distribution = distribution or f"unified-plugin-{name}"
    package = target or f"unified_plugin_{name}".replace("-", "_")
    uninstall(site, distribution)
    (site / package).mkdir(parents=True)
    for file, text in files.items():
        (site / package / file).write_text(text)
    info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{package}/__init__.py,,\n")
    (info / "entry_points.txt").write_text(f"[unified]\n{name} = {package}\n")
    return site / package


def uninstall(site: Path, distribution: str) -> None:
    for info in site.glob(f"{distribution.replace('-', '_')}-*.dist-info"):
        package = (info / "RECORD").read_text().partition("/")[0]
        shutil.rmtree(site / package, ignore_errors=True)
        shutil.rmtree(info)
