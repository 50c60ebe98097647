"""Faults around any device: `FaultyDevice` and `FaultyControl` wrap the parts of a device kind.

Made for simulated cards, but whoever writes a device may test it so: merge `FAULT_OPTION_HELP` into
the kind's ``option_help``, read the options with `Faults.parse`, and return wrapped objects where
it gives any.  What the faults are is told in `farm.devices.sim_faults`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from farm.devices.device import (
    CardControl,
    CardSlot,
    Device,
    DeviceInfo,
    Process,
    ResetLevel,
)
from farm.devices.sim_acts import act, break_reset
from farm.devices.sim_chaos import Chaos, ChaosPlan
from farm.devices.sim_faults import (
    AFTER_LAUNCH,
    AT_OPEN,
    AT_READ,
    AT_RESET,
    HANGS,
    IN_RECORDS,
    Fault,
    FaultKind,
    FaultPlan,
)
from farm.devices.sim_memory import FaultMemory
from farm.devices.sim_records import altered
from farm.devices.sim_throttle import Throttle
from farm.errors import CardError, OpFailedError, UsageError
from sweeps.vector import Vector

FAULT_OPTION_HELP: Mapping[str, str] = {
    "faults": (
        "KIND:WHERE or KIND:FIRST..LAST, then @SECONDS, *TIMES and /SLOT where needed, separated "
        f"by commas; KIND is one of {', '.join(FaultKind)}; WHERE is a position in the sweep, or "
        "the slot for kinds that end in -open or -reset (default none)"
    ),
    "fault_dir": "directory that remembers faults across processes (default none)",
    "chaos": (
        "SEED, SEED:RATE or SEED:RATE:KIND+KIND: random faults, the same for the same seed; needs "
        "fault_dir (default none)"
    ),
    "throttle": (
        "FIRST..LAST@FACTOR or FIRST..LAST@FACTOR/SLOT: durations grow up to FACTOR times over "
        "these positions in the sweep (default none)"
    ),
    "dead_cards": "slots that cannot be opened, such as 2 or 1,2 (default none)",
    "stuck": "slots that need a reset after a hang; needs fault_dir (default none)",
    "wedge": "slots that need a cold reset after a hang; needs fault_dir (default none)",
}
"""Device options that `Faults.parse` reads."""

_HEALED_BY = {
    ResetLevel.WARM: ("stuck", "hole"),
    ResetLevel.COLD: ("stuck", "hole", "wedged"),
}


def slots_of(options: Mapping[str, str], name: str) -> frozenset[int]:
    """Read slot numbers from a device option.

    Raises
    ------
    UsageError
        If it is malformed.
    """
    parts = [part.strip() for part in options.get(name, "").split(",") if part.strip()]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(
            f"device option {name}={options[name]!r}: give slot numbers, for example 1,2"
        )
    return frozenset(int(part) for part in parts)


@dataclass(frozen=True, slots=True)
class Faults:
    """Everything that the cards of a run are told to do wrong.

    Attributes
    ----------
    plans : tuple of FaultPlan or ChaosPlan
        What is asked for faults, in this order.
    memory : FaultMemory or None
        What cards remember across processes.
    throttle : Throttle or None
        How durations grow.
    dead, stuck, wedge : frozenset of int
        Slots that cannot be opened; that need a reset, or a cold one, after a hang.
    """

    plans: tuple[FaultPlan | ChaosPlan, ...]
    memory: FaultMemory | None
    throttle: Throttle | None
    dead: frozenset[int]
    stuck: frozenset[int]
    wedge: frozenset[int]

    @staticmethod
    def parse(options: Mapping[str, str]) -> Faults | None:
        """Read device options; None if they ask for no fault.

        Raises
        ------
        UsageError
            If one is malformed, or needs ``fault_dir`` and there is none.
        """
        memory = FaultMemory(Path(options["fault_dir"])) if options.get("fault_dir") else None
        dead, stuck, wedge = (slots_of(options, name) for name in ("dead_cards", "stuck", "wedge"))
        written = FaultPlan.parse(options.get("faults", ""), memory)
        plans: tuple[FaultPlan | ChaosPlan, ...] = (written,) if written.faults else ()
        for name in ("stuck", "wedge", "chaos"):
            if options.get(name) and memory is None:
                raise UsageError(f"device option {name} needs fault_dir, where the state is kept")
        if options.get("chaos") and memory is not None:
            plans += (ChaosPlan(Chaos.parse(options["chaos"]), memory),)
        throttle = Throttle.parse(options.get("throttle", ""))
        if not (plans or throttle or dead or stuck or wedge):
            return None
        return Faults(plans, memory, throttle, dead, stuck, wedge)

    def due(self, index: int, slot: int) -> Fault | None:
        """Return the fault that fires now for a vector on a card, and count it."""
        found = (plan.due(index, slot) for plan in self.plans)
        return next((fault for fault in found if fault is not None), None)

    def due_on_card(self, kinds: Collection[FaultKind], slot: int) -> Fault | None:
        """Return the fault among `kinds` that fires now for a card, and count it."""
        found = (plan.due_on_card(kinds, slot) for plan in self.plans)
        return next((fault for fault in found if fault is not None), None)

    def enter(self, state: str, slot: int) -> None:
        """Have a card remember a state until a reset ends it."""
        if self.memory is not None:
            self.memory.enter(f"{state}-{slot}")

    def is_in(self, state: str, slot: int) -> bool:
        """Whether a card is in a state."""
        return self.memory is not None and self.memory.is_in(f"{state}-{slot}")

    def heal(self, level: ResetLevel, slot: int) -> None:
        """End the states of a card that a reset ends."""
        if self.memory is not None:
            for state in _HEALED_BY[level]:
                self.memory.leave(f"{state}-{slot}")


class FaultyDevice:
    """A device with faults.

    Parameters
    ----------
    device : Device
        Does the work.
    slot : CardSlot
        Where the card is.
    faults : Faults
        What goes wrong.
    """

    def __init__(self, device: Device, slot: CardSlot, faults: Faults) -> None:
        self._device, self._slot, self._faults = device, slot, faults
        self._is_hole = False
        self._before: pa.Table | None = None
        self._forget_batch()

    def _forget_batch(self) -> None:
        self._tags: list[int] = []
        self._indexes: list[int] = []
        self._records: dict[int, FaultKind] = {}
        self._at_read: list[Fault] = []

    @property
    def info(self) -> DeviceInfo:
        """What the card is; its details say whether it throttles."""
        info, throttle = self._device.info, self._faults.throttle
        if throttle is None:
            return info
        return replace(info, details={**info.details, "throttle": str(throttle)})

    def open(self) -> None:
        """Open the card.

        Raises
        ------
        CardError
            If the card is told to be dead or not to open.
        """
        slot = self._slot.index
        if slot in self._faults.dead:
            raise CardError(f"{self._slot.card} does not answer (it is one of dead_cards)")
        fault = self._faults.due_on_card(AT_OPEN, slot)
        if fault is not None:
            act(fault, slot, self._faults.memory)
        self._is_hole = self._faults.is_in("hole", slot)
        self._device.open()

    def execute(self, vector: Vector, repeats: int, tag: int) -> None:
        """Run a vector `repeats` times, with what is to go wrong.

        Raises
        ------
        OpError
            If the card cannot run this vector, or is told to fail.
        CardError
            If the card is told that it is at fault.
        """
        fault = None if self._is_hole else self._faults.due(vector.index, self._slot.index)
        if fault is not None:
            self._prepare(fault, vector.index, tag)
        if self._is_hole:
            raise OpFailedError(f"{self._slot.card} fails every vector until it is reset")
        self._device.execute(vector, repeats, tag)
        self._tags.append(tag)
        self._indexes.append(vector.index)
        if fault is not None and fault.kind in AFTER_LAUNCH:
            self._act(fault, vector.index)

    def _prepare(self, fault: Fault, index: int, tag: int) -> None:
        if fault.kind is FaultKind.BLACK_HOLE:
            self._faults.enter("hole", self._slot.index)
            self._is_hole = True
        elif fault.kind in IN_RECORDS:
            self._records[tag] = fault.kind
        elif fault.kind in AT_READ:
            self._at_read.append(fault)
        elif fault.kind not in AFTER_LAUNCH:
            self._act(fault, index)

    def _act(self, fault: Fault, index: int) -> None:
        slot = self._slot.index
        if fault.kind in HANGS:
            if slot in self._faults.wedge or fault.needs is ResetLevel.COLD:
                self._faults.enter("wedged", slot)
            if slot in self._faults.stuck or fault.needs is ResetLevel.WARM:
                self._faults.enter("stuck", slot)
        act(fault, index, self._faults.memory)

    def read_profile(self) -> pa.Table:
        """Drain the profiler, with what is to go wrong."""
        at_read = self._at_read
        for fault in at_read:
            if fault.kind is not FaultKind.HANG_IDLE:
                self._act(fault, fault.first)
        profile = self._throttled(self._device.read_profile())
        slot = self._slot.index
        if self._faults.is_in("wedged", slot) or self._faults.is_in("stuck", slot):
            profile = profile.slice(0, 0)
        said = profile
        if self._records and self._tags:
            said = altered(profile, self._tags, self._records, self._before)
        self._before = profile
        self._forget_batch()
        for fault in at_read:
            if fault.kind is FaultKind.HANG_IDLE:
                self._act(fault, fault.first)
        return said

    def _throttled(self, profile: pa.Table) -> pa.Table:
        throttle = self._faults.throttle
        if throttle is None or profile.num_rows == 0:
            return profile
        factors = throttle.factors(np.array(self._indexes, np.int64), self._slot.index)
        places = pc.index_in(profile["tag"], value_set=pa.array(self._tags, pa.int64()))
        duration_ns = profile["duration_ns"].to_numpy() * factors[places.to_numpy()]
        column = profile.schema.get_field_index("duration_ns")
        return profile.set_column(column, profile.schema.field(column), pa.array(duration_ns))

    def close(self) -> None:
        """Let go of the card."""
        self._forget_batch()
        self._before = None
        self._device.close()


class FaultyControl:
    """The care of a card with faults.

    Parameters
    ----------
    control : CardControl
        Does the work.
    slot : CardSlot
        Where the card is.
    faults : Faults
        What goes wrong.
    """

    def __init__(self, control: CardControl, slot: CardSlot, faults: Faults) -> None:
        self._control, self._slot, self._faults = control, slot, faults

    def reset(self, level: ResetLevel) -> None:
        """Reset the card, or do as a broken reset does; nothing heals a dead card.

        Raises
        ------
        CardError
            If the state in ``fault_dir`` cannot be changed.
        RuntimeError
            If the reset is told to raise.
        """
        slot = self._slot.index
        fault = self._faults.due_on_card(AT_RESET, slot)
        if fault is None:
            self._control.reset(level)
            self._faults.heal(level, slot)
        else:
            break_reset(fault, slot)

    def in_use_by_others(self) -> list[Process]:
        """List processes other than the farm's that have the card open."""
        return self._control.in_use_by_others()

    def probe_vectors(self) -> Sequence[Vector]:
        """Known-good vectors."""
        return self._control.probe_vectors()

    def probe_is_healthy(self, profile: pa.Table) -> bool:
        """Judge the launches of `probe_vectors`."""
        return self._control.probe_is_healthy(profile)
