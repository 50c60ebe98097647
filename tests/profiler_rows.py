"""Small device-profiler logs for tests, and a reader of them that goes row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from farm.profiler.log_format import COLUMNS, RISCS, Generation
from farm.profiler.log_writer import ZoneTimes, dump_text, header_text

DURATIONS = (
    "firmware",
    "kernel",
    *(f"{risc.lower().replace('_', '')}_kernel" for risc in RISCS),
)
_KERNELS = {
    (risc, f"{risc.partition('_')[0]}-KERNEL"): f"{risc.lower().replace('_', '')}_kernel"
    for risc in RISCS
}


def random_times(
    n_launches: int, seed: int, n_cores: int = 3, first_cycle: int = 10**9
) -> ZoneTimes:
    """Launches one after the other, each on random cores with random RISCs; BRISC always."""
    random = np.random.default_rng(seed)
    entries = []
    for launch in range(n_launches):
        for core in sorted(random.choice(9, random.integers(1, n_cores + 1), replace=False)):
            begin = first_cycle + launch * 20_000 + int(random.integers(0, 300))
            riscs = {0, *random.choice(5, random.integers(1, 4), replace=False).tolist()}
            for risc in sorted(riscs):
                start = begin + 20 * risc  # the master wakes the others
                cycles = start + np.cumsum([0, *random.integers(400, 5000, 3)])
                entries.append((launch, core // 3 + 1, core % 3 + 1, risc, cycles))
    columns = list(zip(*entries, strict=True))
    launch, x, y, risc = (np.array(column) for column in columns[:4])
    return ZoneTimes(launch, x, y, risc, np.stack(columns[4])).core_by_core()


def host_ids(n_launches: int, generation: Generation, first: int = 1) -> np.ndarray:
    """Ids of launches as they are logged, for device 3 where it is logged."""
    ids = np.arange(first, first + n_launches)
    return ids % 2**16 if generation.has_short_ids else (ids % 2**21) << 10 | 3


def log_text(
    n_launches: int,
    seed: int,
    generation: Generation = Generation.V5,
    chip: int = 0,
    chip_mhz: int = 1000,
    first_cycle: int = 10**9,
) -> tuple[bytes, list[bytes]]:
    """A header, and the lines of one dump."""
    times = random_times(n_launches, seed, first_cycle=first_cycle)
    text = dump_text(times, host_ids(n_launches, generation), generation, chip)
    return header_text(generation, "wormhole_b0", chip_mhz), text.splitlines(keepends=True)


@dataclass
class _Launch:
    clocks: dict[tuple[str, str, str], dict[int, int]]  # core, RISC, zone -> phase -> clock


def read_row_by_row(text: bytes) -> dict[tuple[int, int], dict[str, Any]]:
    """(chip, run host id) -> status, core_count, durations in cycles; ids must not come again."""
    lines = text.decode().split("\n")
    mhz = int(lines[0].split("CHIP_FREQ[MHz]: ")[1].split(",")[0])
    names = [name.strip() for name in lines[1].split(",")]
    assert tuple(names) in COLUMNS.values()
    launches: dict[tuple[int, int], _Launch] = {}
    for line in lines[2:-1]:  # what is behind the last line end is no line
        row = dict(zip(names, line.split(","), strict=True))
        zone = row["zone name"]
        if not zone.endswith(("-FW", "-KERNEL")):
            continue
        phase = row.get("zone phase") or row["type"]
        key = (int(row["PCIe slot"]), int(row["run host ID"]))
        place = (f"{row['core_x']},{row['core_y']}", row["RISC processor type"], zone)
        clocks = launches.setdefault(key, _Launch({})).clocks.setdefault(place, {})
        clocks[int(phase in {"end", "ZONE_END"})] = int(row["time[cycles since reset]"])
    return {key: _facts(launch, mhz) for key, launch in launches.items()}


def _facts(launch: _Launch, mhz: int) -> dict[str, Any]:
    places = launch.clocks
    cores = {core for core, _, _ in places}
    status = 0
    status |= 1 * any(set(found) == {0} for found in places.values())
    status |= 2 * any(set(found) == {1} for found in places.values())
    for core in cores:
        has_master = any((core, r, f"{r}-FW") in places for r in ("BRISC", "ERISC"))
        status |= 4 * (not has_master)
    for core, risc, zone in places:
        if zone.endswith("KERNEL"):
            status |= 4 * ((core, risc, zone.replace("KERNEL", "FW")) not in places)
    spans: dict[str, list[int]] = {}
    for (_, risc, zone), found in places.items():
        both = ["firmware"] if zone.endswith("-FW") else ["kernel", _KERNELS[risc, zone]]
        for name in both:
            spans.setdefault(name, []).extend(found.values())
    facts: dict[str, Any] = {
        "status": status,
        "core_count": len({core for core, _, zone in places if zone.endswith("-FW")}),
    }
    for name in DURATIONS:
        span = spans.get(name) if status == 0 else None
        facts[f"{name}_cycles"] = max(span) - min(span) if span else None
        facts[f"{name}_ns"] = (max(span) - min(span)) * 1000 / mhz if span else None
    return facts
