"""Where a run took place: processor, caches, versions, and the ceilings measured in the same run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from pathlib import Path

from pyconv.bench.records import Ceilings

_PACKAGES = ("numpy", "torch", "onnxruntime", "openvino", "ncnn", "jax", "scipy", "opencv-python-headless")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
DEFAULT_LAST_LEVEL = 32 << 20


def describe() -> dict[str, str]:
    return {
        "processor": _processor(),
        "cpus": str(usable_cpus()),
        "caches": ", ".join(f"{name} {size >> 10} KiB" for name, size in _cache_sizes().items()) or "unknown",
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    found = {"pyconv-kernels": _pyconv_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Onlookers:
    """How much of the CPUs others used since this was made: other processes, and other tenants (stolen time).

    Linux only; elsewhere `shares` is None. A second thread suffers from a neighbour long before the CPU
    time of this process shows it: an OpenMP barrier then waits for a whole time slice.
    """

    def __init__(self) -> None:
        self._start = _cpu_seconds()

    def shares(self) -> tuple[float, float] | None:
        """(other processes, stolen), each as a share of the time of all CPUs."""
        now = _cpu_seconds()
        if now is None or self._start is None:
            return None
        everybody, mine, stolen, wall = (b - a for a, b in zip(self._start, now, strict=True))
        total = max(wall * (os.cpu_count() or 1), 1e-9)
        return max(0.0, everybody - mine) / total, stolen / total


def _cpu_seconds() -> tuple[float, float, float, float] | None:
    """CPU seconds of everybody, of this process and its ended children, stolen; and the clock."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, irq, softirq, stolen = (
        int(field) / os.sysconf("SC_CLK_TCK") for field in fields
    )
    own = os.times()
    mine = own.user + own.system + own.children_user + own.children_system
    return user + nice + system + irq + softirq, mine, stolen, time.monotonic()


def last_level_bytes() -> int:
    return max(_cache_sizes().values(), default=DEFAULT_LAST_LEVEL)


def current_isa() -> str:
    """The instruction set that runs unless one is forced."""
    from pyconv import _core

    return str(_core.default_isa())


def measure_ceilings(isa: str, dtypes: list[str], seconds: float = 0.2) -> Ceilings:
    """FMA peak and read bandwidth of one thread."""
    from pyconv import _core

    peaks = {dtype: float(_core.fma_peak(isa, dtype, seconds)) for dtype in dtypes}
    return Ceilings(peaks, float(_core.read_bandwidth(seconds)), isa)


def best_of(first: Ceilings, second: Ceilings) -> Ceilings:
    """Ceilings are upper limits: of two readings the higher one counts."""
    peaks = {name: max(value, second.fma_gflops.get(name, 0.0)) for name, value in first.fma_gflops.items()}
    return Ceilings(peaks, max(first.bandwidth_gbs, second.bandwidth_gbs), first.isa)


def _pyconv_version() -> str:
    import pyconv

    return str(getattr(pyconv, "__version__", "unknown"))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _cache_sizes() -> dict[str, int]:
    sizes = {}
    for index in sorted(_CACHES.glob("index*")):
        level, kind = (index / "level").read_text().strip(), (index / "type").read_text().strip()
        if kind != "Instruction":
            sizes[f"L{level}"] = int((index / "size").read_text().strip().removesuffix("K")) << 10
    return sizes
