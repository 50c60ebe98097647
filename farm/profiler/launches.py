"""What a log says: one row per launch, as an Arrow table.

Order: chips in the order of their first rows; on each chip, launches by their first clock.

==========================================  =====================================================
column                                      meaning
==========================================  =====================================================
chip                                        PCIe slot
run_host_id                                 id of the launch as logged (bits: `log_format`)
trace_id_counter                            replay of a metal trace; null outside of one
segment                                     0, 1, ...: launches with the same three, by time
status                                      `LaunchStatus`; 0 is complete
is_repaired                                 a clock was put right by 2^32 cycles
is_wrapped                                  the 44-bit clock of the chip wrapped in the launch
core_count                                  cores seen with a firmware zone
n_zones                                     zones seen with start and end, over all cores
riscs                                       bit i: some core has a zone of ``RISCS[i]``
chip_mhz                                    clock of the chip by the header, MHz
first_cycle                                 least clock of the launch, unwrapped, cycles
start_cycle, end_cycle                      first start and last end of firmware, cycles
kernel_start_cycle, kernel_end_cycle        first start and last end of kernels, cycles
firmware_cycles, kernel_cycles, ...         durations in cycles: firmware and kernels over all cores
                                            and RISCs, kernels of each RISC over all cores
firmware_ns, kernel_ns, ...                 the same in ns: cycles * 1000 / chip_mhz, not rounded
op_to_op_ns                                 firmware start - firmware end of the launch before
kernel_to_kernel_ns                         kernel start - kernel end of the launch before
==========================================  =====================================================

Clocks and durations are null unless the launch is complete, and null for zones that it has not.
The reference post-processing calls `op_to_op_ns` OP TO OP LATENCY until 2025-01-18, and
`kernel_to_kernel_ns` since.  Both are 0 for the first launch of a chip, as in the reference, and
null where the launch before is incomplete or has not been seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from farm.profiler.launch_cells import NEVER, LaunchLines
from farm.profiler.log_format import CLOCK_BITS, RISCS

RISC_COLUMNS = tuple(f"{risc.lower().replace('_', '')}_kernel" for risc in RISCS)
"""``brisc_kernel, ncrisc_kernel, trisc0_kernel, ...``: durations by RISC, without their unit."""
DURATIONS = ("firmware", "kernel", *RISC_COLUMNS)
CLOCKS = ("start_cycle", "end_cycle", "kernel_start_cycle", "kernel_end_cycle")

LAUNCH_SCHEMA = pa.schema(
    [
        pa.field("chip", pa.uint8(), nullable=False),
        pa.field("run_host_id", pa.uint32(), nullable=False),
        pa.field("trace_id_counter", pa.int32()),
        pa.field("segment", pa.int32(), nullable=False),
        pa.field("status", pa.uint8(), nullable=False),
        pa.field("is_repaired", pa.bool_(), nullable=False),
        pa.field("is_wrapped", pa.bool_(), nullable=False),
        pa.field("core_count", pa.int32(), nullable=False),
        pa.field("n_zones", pa.int32(), nullable=False),
        pa.field("riscs", pa.uint8(), nullable=False),
        pa.field("chip_mhz", pa.int32(), nullable=False),
        pa.field("first_cycle", pa.int64(), nullable=False),
        *(pa.field(name, pa.int64()) for name in CLOCKS),
        *(pa.field(f"{name}_cycles", pa.int64()) for name in DURATIONS),
        *(pa.field(f"{name}_ns", pa.float64()) for name in DURATIONS),
        pa.field("op_to_op_ns", pa.float64()),
        pa.field("kernel_to_kernel_ns", pa.float64()),
    ]
)

_REFERENCE_NAMES = {
    "firmware_ns": "DEVICE FW DURATION [ns]",
    "kernel_ns": "DEVICE KERNEL DURATION [ns]",
    "brisc_kernel_ns": "DEVICE BRISC KERNEL DURATION [ns]",
    "ncrisc_kernel_ns": "DEVICE NCRISC KERNEL DURATION [ns]",
    "trisc0_kernel_ns": "DEVICE TRISC0 KERNEL DURATION [ns]",
    "trisc1_kernel_ns": "DEVICE TRISC1 KERNEL DURATION [ns]",
    "trisc2_kernel_ns": "DEVICE TRISC2 KERNEL DURATION [ns]",
    "erisc_kernel_ns": "DEVICE ERISC KERNEL DURATION [ns]",
}


@dataclass(slots=True)
class LaunchBefore:
    """Ends of the latest launch of each chip that was handed out.

    Attributes
    ----------
    ends : dict
        Chip -> (firmware end, kernel end) in cycles, -1 where unknown.
    """

    ends: dict[int, tuple[int, int]] = field(default_factory=dict)


def launch_order(lines: LaunchLines, chips: list[int]) -> npt.NDArray[np.int64]:
    """Order of launches in a table: chips as in `chips`, then by first clock."""
    rank = np.zeros(256, np.int64)
    rank[chips] = np.arange(len(chips))
    chip_rank = rank[(lines.key >> np.uint64(56)).astype(np.int64)]
    return np.lexsort((lines.key, lines.first_cycle, chip_rank))


def launch_table(lines: LaunchLines, chip_mhz: int, before: LaunchBefore) -> pa.Table:
    """Make the table of launches.

    Parameters
    ----------
    lines : LaunchLines
        Launches in their order, see `launch_order`.
    chip_mhz : int
        Clock of the chips, MHz.
    before : LaunchBefore
        What was handed out before; brought up to date.

    Returns
    -------
    pyarrow.Table
        Columns of `LAUNCH_SCHEMA`.
    """
    n = len(lines)
    chip = (lines.key >> np.uint64(56)).astype(np.int64)
    counter = ((lines.key >> np.uint64(32)) & np.uint64(2**24 - 1)).astype(np.int64) - 1
    is_unknown = lines.status != 0
    ranges = {"firmware": lines.firmware, "kernel": lines.kernel}
    ranges |= {name: lines.risc_kernel[:, i] for i, name in enumerate(RISC_COLUMNS)}
    columns: dict[str, Any] = {
        "chip": chip,
        "run_host_id": lines.key & np.uint64(2**32 - 1),
        "trace_id_counter": pa.array(counter, mask=counter < 0),
        "segment": _segments(lines.key),
        "status": lines.status,
        "is_repaired": lines.is_repaired,
        "core_count": lines.core_count,
        "n_zones": lines.n_zones,
        "riscs": lines.riscs,
        "chip_mhz": np.full(n, chip_mhz),
        "first_cycle": lines.first_cycle,
    }
    is_known = {name: ~is_unknown & (span[:, 0] != NEVER) for name, span in ranges.items()}
    for name, prefix in (("firmware", ""), ("kernel", "kernel_")):
        for at, end in enumerate(("start", "end")):
            columns[f"{prefix}{end}_cycle"] = pa.array(ranges[name][:, at], mask=~is_known[name])
    epoch = lines.firmware >> CLOCK_BITS
    columns["is_wrapped"] = is_known["firmware"] & (epoch[:, 0] != epoch[:, 1])
    for name, span in ranges.items():
        # Where nothing is known the difference is meaningless, and masked.
        cycles = np.where(is_known[name], span[:, 1] - np.where(is_known[name], span[:, 0], 0), 0)
        columns[f"{name}_cycles"] = pa.array(cycles, mask=~is_known[name])
        columns[f"{name}_ns"] = pa.array(cycles * 1000 / chip_mhz, mask=~is_known[name])
    for at, (name, column) in enumerate(
        (("firmware", "op_to_op_ns"), ("kernel", "kernel_to_kernel_ns"))
    ):
        pause, is_measured = _pauses(ranges[name], is_known[name], chip, at, before)
        columns[column] = pa.array(pause * 1000 / chip_mhz, mask=~is_measured)
    for one in np.unique(chip):
        last = int(np.flatnonzero(chip == one)[-1])
        firmware, kernel = (
            int(ranges[name][last, 1]) if is_known[name][last] else -1
            for name in ("firmware", "kernel")
        )
        before.ends[int(one)] = (firmware, kernel)
    arrays = [_as_array(columns[one.name], one.type) for one in LAUNCH_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=LAUNCH_SCHEMA)


def _as_array(values: Any, to: pa.DataType) -> pa.Array:
    array = values if isinstance(values, pa.Array) else pa.array(values)
    return array.cast(to)


def _segments(key: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """How many launches of the same key came before, in the order given."""
    order = np.argsort(key, kind="stable")
    position = np.arange(len(key))
    is_new = np.ones(len(key), bool)
    is_new[1:] = key[order[1:]] != key[order[:-1]]
    begin = np.maximum.accumulate(np.where(is_new, position, 0))
    segment = np.empty(len(key), np.int64)
    segment[order] = position - begin
    return segment


def _pauses(
    span: npt.NDArray[np.int64],
    is_known: npt.NDArray[np.bool_],
    chip: npt.NDArray[np.int64],
    which: int,
    before: LaunchBefore,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Cycles from the end of the launch before to the start of each, and where that is known."""
    n = len(chip)
    end = np.where(is_known, span[:, 1], -1)
    end_before = np.full(n, -1)
    end_before[1:] = end[:-1]
    is_first = np.ones(n, bool)
    is_first[1:] = chip[1:] != chip[:-1]
    is_very_first = np.zeros(n, bool)
    for at in np.flatnonzero(is_first):
        known = before.ends.get(int(chip[at]))
        is_very_first[at] = known is None
        end_before[at] = -1 if known is None else known[which]
    # A launch that was open for long comes after later ones: then what was before it is unknown.
    start = np.where(is_known, span[:, 0], 0)
    is_measured = is_known & ((end_before >= 0) | is_very_first)
    is_measured &= ~is_first | is_very_first | (start >= end_before)
    pause = np.where(is_measured & ~is_very_first, start - end_before, 0)
    return pause, is_measured


def with_reference_names(launches: pa.Table, is_kernel_to_kernel: bool = False) -> pa.Table:
    """Rename and round as the post-processing of tt-metal does, for who has scripts for it.

    Parameters
    ----------
    launches : pyarrow.Table
        Columns of `LAUNCH_SCHEMA`.
    is_kernel_to_kernel : bool
        Which pause is OP TO OP LATENCY: between kernels, as in builds since 2025-01-19, or between
        firmware.

    Returns
    -------
    pyarrow.Table
        ``DEVICE ID``, ``GLOBAL CALL COUNT``, ``DEVICE FW DURATION [ns]``, ...: whole ns, rounded
        half to even; zones that no launch has are left out.
    """
    named: dict[str, Any] = {
        "DEVICE ID": launches["chip"],
        "GLOBAL CALL COUNT": launches["run_host_id"],
        "CORE COUNT": launches["core_count"],
        "DEVICE FW START CYCLE": launches["start_cycle"],
        "DEVICE FW END CYCLE": launches["end_cycle"],
    }
    pause = "kernel_to_kernel_ns" if is_kernel_to_kernel else "op_to_op_ns"
    for name, reference in {pause: "OP TO OP LATENCY [ns]", **_REFERENCE_NAMES}.items():
        if launches[name].null_count < len(launches):
            rounded = pc.round(launches[name], round_mode="half_to_even")
            named[reference] = rounded.cast(pa.int64())
    return pa.table(named)
