"""What this host's processor is: model, clock, caches, cores, BLAS."""

from __future__ import annotations

import os
import platform
import re
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from farm.errors import CardError, UsageError

_CPUINFO = Path("/proc/cpuinfo")
_CPU = Path("/sys/devices/system/cpu/cpu0")
FALLBACK_CACHE_BYTES = 64 << 20
"""Taken as the size of the last-level cache where the host does not tell."""

_UNIT_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _cpuinfo(field: str) -> str:
    found = re.search(rf"^{field}\s*:\s*(.+)$", _read(_CPUINFO), re.MULTILINE)
    return found[1].strip() if found else ""


def model_name() -> str:
    """Model name of the processor, or at least its architecture."""
    return _cpuinfo("model name") or platform.machine()


def clocks_hz() -> dict[str, float]:
    """Clocks in Hz as far as the host tells: ``current``, and ``max`` where it can change."""
    clocks = {}
    if current_mhz := _cpuinfo("cpu MHz"):
        clocks["current"] = float(current_mhz) * 1e6
    if max_khz := _read(_CPU / "cpufreq" / "cpuinfo_max_freq"):
        clocks["max"] = float(max_khz) * 1e3
    return clocks


def governor() -> str:
    """Name the frequency governor, or ``unknown``."""
    return _read(_CPU / "cpufreq" / "scaling_governor") or "unknown"


def last_level_cache_bytes() -> int:
    """Size of the largest cache of core 0 in bytes."""
    sizes = [FALLBACK_CACHE_BYTES]
    found = [re.fullmatch(r"(\d+)([KMG]?)", _read(path)) for path in _CPU.glob("cache/index*/size")]
    if any(found):
        sizes = [int(size[1]) * _UNIT_BYTES[size[2]] for size in found if size]
    return max(sizes)


def blas() -> str:
    """Name and version of the BLAS libraries in this process."""
    libraries = {
        f"{library['internal_api']} {library['version']}"
        for library in threadpool_info()
        if library["user_api"] == "blas"
    }
    return ", ".join(sorted(libraries)) or "unknown"


def software() -> dict[str, str]:
    """Versions of what a measurement depends on."""
    return {"python": platform.python_version(), "numpy": np.__version__, "blas": blas()}


def usable_cores() -> list[int]:
    """Cores of this process, without the first where there is another: the host works there."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[1:] if len(cores) > 1 else cores


def parse_cores(text: str) -> list[int]:
    """Read core numbers separated by commas.

    Raises
    ------
    UsageError
        If the text is malformed or names a core that this process may not use.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"device option cores={text!r}: give core numbers, for example 2,3")
    cores = list(dict.fromkeys(int(part) for part in parts))
    allowed = os.sched_getaffinity(0)
    if not allowed.issuperset(cores):
        raise UsageError(f"device option cores={text!r}: this process may use {sorted(allowed)}")
    return cores


def cores_per_card(amount: int, threads: int, named: str | None = None) -> list[list[int]]:
    """Give each card cores of its own.

    Parameters
    ----------
    amount, threads : int
        Cards, and cores of each.
    named : str, optional
        Cores to take, separated by commas; by default all but the first.

    Returns
    -------
    list of list of int
        Core numbers of each card.

    Raises
    ------
    UsageError
        If there are not enough.
    """
    cores = usable_cores() if named is None else parse_cores(named)
    needed = amount * threads
    if amount < 1 or needed > len(cores):
        hint = "name others with cores=" if named is None else "name more of them"
        raise UsageError(
            f"{amount} cpu card(s) of {threads} thread(s) need {needed} core(s); "
            f"{len(cores)} can be used: {', '.join(map(str, cores))} ({hint})"
        )
    return [cores[i * threads : (i + 1) * threads] for i in range(amount)]


def pin(cores: Iterable[int]) -> None:
    """Keep the calling thread, and the threads of libraries in this process, on `cores`.

    Other Python threads stay where they are: they would disturb the measurement.

    Raises
    ------
    CardError
        If this process may not use them.
    """
    wanted = set(cores)
    me = threading.get_native_id()
    others = {thread.native_id for thread in threading.enumerate()} - {me}
    for thread in _threads():
        if thread not in others:
            try:
                os.sched_setaffinity(thread, wanted)
            except ProcessLookupError:
                continue  # it ended meanwhile
            except OSError as error:
                raise CardError(f"cannot run on the cores {sorted(wanted)}: {error}") from error


def _threads() -> Sequence[int]:
    return [int(entry) for entry in os.listdir("/proc/self/task")]
