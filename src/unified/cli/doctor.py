"""`unified doctor`: what this machine has, measured speeds, and commands that install what is missing."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from unified import units
from unified.core.base.cores import usable_cores
from unified.terminal import echo, screen

PACKAGES = (
    "unified-ml",
    "torch",
    "torchvision",
    "numpy",
    "gymnasium",
    "dm_control",
    "mujoco",
    "pluggy",
    "pydantic",
    "typer",
    "rich",
    "safetensors",
    "matplotlib",
    "imageio-ffmpeg",
)
EXTRAS = ("tensorboard",)
RENDER_STEPS = 100


@dataclass(frozen=True)
class Finding:
    """One line of the report. `ok` is false if training cannot run; `hint` is a command that fixes it."""

    section: str
    name: str
    value: str
    ok: bool = True
    hint: str = ""


def _versions() -> Iterator[Finding]:
    python_ok = sys.version_info >= (3, 11)
    yield Finding("versions", "python", platform.python_version(), python_ok, "" if python_ok else "Python 3.11 or newer is needed")
    for name in PACKAGES + EXTRAS:
        try:
            yield Finding("versions", name, metadata.version(name))
        except metadata.PackageNotFoundError:
            if name == "unified-ml":
                from unified.version import __version__

                yield Finding("versions", name, f"{__version__} (from source, not installed)", hint="pip install -e .")
            elif name in EXTRAS:
                yield Finding("versions", name, "not installed (optional)", hint=f"pip install 'unified-ml[{name}]'")
            else:
                yield Finding("versions", name, "missing", False, f"pip install {name}")


def _memory() -> tuple[int, int | None]:
    """Total and available bytes."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return total, int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return total, None


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _machine(root: Path) -> Iterator[Finding]:
    yield Finding("machine", "system", platform.platform(terse=True))
    yield Finding("machine", "processor", f"{_model()}, {usable_cores()} cores for this process")
    load, cores = os.getloadavg()[0], usable_cores()
    busy = "other processes are running: the speeds below are too low" if load > cores / 2 else ""
    yield Finding("machine", "load", f"{load:.1f} of {cores} cores busy in the last minute", hint=busy)
    total, available = _memory()
    yield Finding("machine", "memory", units.size(total) + (f", {units.size(available)} available" if available is not None else ""))
    place = root.resolve()
    while not place.exists():
        place = place.parent
    yield Finding("machine", "disk", f"{units.size(shutil.disk_usage(place).free)} free at {place}")
    try:
        with tempfile.TemporaryFile(dir=place):
            yield Finding("machine", "runs", f"{root} can be written")
    except OSError as error:
        yield Finding(
            "machine", "runs", f"{root} cannot be written: {error.strerror or error}", False, "choose another directory: root=DIRECTORY"
        )


def _compiler() -> Iterator[Finding]:
    from unified.core.base.toolchain import compiler_version, missing_compiler

    lack = missing_compiler()
    about = compiler_version().partition("\n")[0] if not lack else "updates are not compiled (compile=auto)"
    yield Finding("machine", "C++ compiler", about, hint=lack)


def _rates(*works: Callable[[], Any], seconds: float = 1.5) -> list[float]:
    """Calls per second of each function: the best of several interleaved rounds, which other load disturbs least."""
    best = [float("inf")] * len(works)
    for work in works:
        work()  # warm up
    start, rounds = time.perf_counter(), 0
    while time.perf_counter() - start < seconds or rounds < 3:
        for index, work in enumerate(works):
            begun = time.perf_counter()
            work()
            best[index] = min(best[index], time.perf_counter() - begun)
        rounds += 1
    return [1 / time_of for time_of in best]


def _precision() -> Iterator[Finding]:
    """Measure forward and backward of a small pixel encoder, and a matrix product, in fp32 and bf16."""
    try:
        import torch
        from torch import nn

        from unified.core.learn.device import resolve_device, resolve_precision
    except ImportError as error:
        yield Finding("compute", "torch", f"cannot be imported: {error}", False, "pip install torch torchvision")
        return
    device = resolve_device("auto")
    layers = [nn.Conv2d(9, 32, 3, stride=2), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU()]
    encoder = nn.Sequential(*layers).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    pixels = torch.randn(32, 9, 84, 84, device=device).to(memory_format=torch.channels_last)
    square = torch.randn(1024, 1024, device=device)

    def encode(dtype: torch.dtype) -> None:
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not torch.float32):
            features = encoder(pixels)
        features.float().square().mean().backward()
        _wait(torch, device)

    def multiply(dtype: torch.dtype) -> None:
        left = square.to(dtype)
        left @ left
        _wait(torch, device)

    waiting = "sleep" if os.environ.get("OMP_WAIT_POLICY", "").lower() == "passive" else "spin, which is slow beside other processes"
    yield Finding("compute", "threads=auto", f"{torch.get_num_threads()} for large updates, 1 for small ones; threads that wait {waiting}")
    yield Finding("compute", "instructions", torch.backends.cpu.get_cpu_capability())
    if device.type == "cuda":
        about = torch.cuda.get_device_properties(device)
        yield Finding("compute", "gpu", f"{about.name}, {units.size(about.total_memory)}; torch built for CUDA {torch.version.cuda}")
    else:
        yield Finding("compute", "gpu", "none found; training uses the CPU")
    for name, work in (("encoder update", encode), ("matrix product", multiply)):
        full, half = _rates(partial(work, torch.float32), partial(work, torch.bfloat16))
        yield Finding("compute", name, f"{units.value(full)} /s in fp32, {units.value(half)} /s in bf16: {half / full:.1f}×")
    yield Finding("compute", "precision=auto", f"{resolve_precision('auto', device)} (encoders only; everything else is fp32)")


def _wait(torch: Any, device: Any) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _render(task: str) -> Iterator[Finding]:
    """Step and render a task in a worker process, as a run does."""
    hint = "sudo apt-get install -y libosmesa6   (with an NVIDIA GPU: its driver's EGL)"
    try:
        import numpy as np

        from unified.core.envs.suite_ref import SuiteReference
        from unified.core.envs.vector_env import WorkerVectorEnv
        from unified.core.registry import registry

        component = registry().get("suites", "dmc")
        suite = SuiteReference(component.target, task, {}, component.config)
        vector = WorkerVectorEnv(suite, 1, 1, "doctor", "process", 60.0)
    except Exception as error:  # any error of the worker is the finding
        yield Finding("rendering", f"dmc:{task}", f"failed: {type(error).__name__}: {error}", False, hint)
        return
    try:
        vector.reset()
        action = vector.spec.action
        low, high = action.bounds()
        draws = np.random.default_rng(1).uniform(low, high, (RENDER_STEPS, 1, *low.shape)).astype(np.float32)
        start = time.perf_counter()
        for actions in draws:
            vector.step_async(actions)
            vector.step_wait()
        spent = time.perf_counter() - start
        for note in suite.build().notes():
            yield Finding("rendering", "back-end", note)
        shape = "×".join(str(side) for side in vector.spec.observation.shape[1:])
        yield Finding(
            "rendering", f"dmc:{task}", f"{units.value(RENDER_STEPS / spent)} pictures/s at {shape}, physics included, one process"
        )
    except Exception as error:
        yield Finding("rendering", f"dmc:{task}", f"failed: {type(error).__name__}: {error}", False, hint)
    finally:
        vector.close()


def _plugins() -> Iterator[Finding]:
    from unified.core.registry import registry

    for record in registry().plugins:
        about = f"{record.distribution or record.provider} {record.version or ''}".strip()
        if record.state == "active":
            yield Finding("plugins", record.provider, f"active, {about}")
        else:
            hint = f"unified plugins show {record.provider}"
            yield Finding("plugins", record.provider, f"{record.state}, {about}: {record.error}", hint=hint)


def examine(root: Path, *, quick: bool = False, task: str = "cartpole_balance") -> Iterator[Finding]:
    """All findings; the measured ones come last."""
    yield from _versions()
    yield from _machine(root)
    yield from _compiler()
    yield from _plugins()
    if not quick:
        yield from _precision()
        yield from _render(task)


def doctor(
    root: Annotated[Path, typer.Option(help="Directory of all runs.")] = Path("runs"),
    quick: Annotated[bool, typer.Option("--quick", help="Skip measurements (no torch, no rendering).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this machine, measure bf16 and rendering, and list what is missing.

    The exit code is 1 if training cannot run.
    """
    if as_json:
        findings = list(examine(root, quick=quick))
        echo(json.dumps({"ok": all(f.ok for f in findings), "findings": [asdict(f) for f in findings]}, indent=2))
    else:
        findings = _show(examine(root, quick=quick))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _show(report: Iterator[Finding]) -> list[Finding]:
    """Print each finding at once, since measurements take a few seconds."""
    from rich.text import Text

    printed, findings, section = screen(), [], ""
    for finding in report:
        if finding.section != section:
            section = finding.section
            printed.print(Text(section, "bold"))
        mark = ("  ✗ ", "bold red") if not finding.ok else ("  ! ", "yellow") if finding.hint else ("  ✓ ", "green")
        line = Text.assemble(mark, (f"{finding.name:<22} ", "dim"), finding.value)
        if finding.hint:
            line.append(f"    {finding.hint}", "yellow")
        printed.print(line, soft_wrap=True)
        findings.append(finding)
    return findings
