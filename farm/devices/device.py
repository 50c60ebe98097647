"""The two protocols of a device kind.

`Device` lives in the executor process and has the card open; `CardControl` lives beside it, in the
actor, and never opens the card.  A `DeviceKind` joins the two and is what an entry point of the
group ``sweepfarm.devices`` names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from sweeps.space import Sweep
from sweeps.vector import Vector

PROFILE_SCHEMA = pa.schema(
    [
        pa.field("tag", pa.int64(), nullable=False),
        pa.field("repeat", pa.int32(), nullable=False),
        pa.field("duration_ns", pa.float64(), nullable=False),
    ]
)
"""Least that `Device.read_profile` returns: one row per measured launch, in any order."""
N_LAUNCHES = b"n_launches"
"""Key in the metadata of a profile's schema: launches that the profiler held for it, where they are
more than the measured ones (warm-up, several programs per vector)."""


@dataclass(frozen=True, slots=True)
class CardSlot:
    """A place where a card of some kind can be: what one actor owns.

    Attributes
    ----------
    kind : str
        Device kind.
    index : int
        Slot number on this host.
    options : Mapping
        Device options of the run, as text.
    node : str
        Name of the cluster node that the card is in; empty in a run on one machine.
    """

    kind: str
    index: int
    options: Mapping[str, str] = field(default_factory=dict)
    node: str = ""

    @property
    def place(self) -> str:
        """Name of the card on its host, such as ``sim:2``."""
        return f"{self.kind}:{self.index}"

    @property
    def card(self) -> str:
        """Name of the card in the run, such as ``sim:2``, or ``host-7/ttnn:0`` in a cluster."""
        return f"{self.node}/{self.place}" if self.node else self.place


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What measured: stored with every committed chunk.

    Attributes
    ----------
    card, kind, arch : str
        Card name, device kind, architecture or model name.
    firmware, driver : str
        Versions, empty where the kind has none.
    clocks_hz : Mapping
        Clock name -> frequency in Hz, as far as known.
    software : Mapping
        Library -> version.
    details : Mapping
        Anything else worth knowing about the measurement.
    profiler_capacity : int or None
        Launches that the profiler holds between two reads; None where there is no limit.
    """

    card: str
    kind: str
    arch: str
    firmware: str = ""
    driver: str = ""
    clocks_hz: Mapping[str, float] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    profiler_capacity: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain data for a file's footer."""
        return asdict(self)


@runtime_checkable
class Device(Protocol):
    """One open card, in the executor process."""

    @property
    def info(self) -> DeviceInfo:
        """What the card is; complete once `open` has returned."""

    def open(self) -> None:
        """Open the card.

        Raises
        ------
        CardError
            If the card cannot be opened.
        """

    def execute(self, vector: Vector, repeats: int, tag: int) -> None:
        """Run a vector `repeats` times; its launches carry `tag`.

        Raises
        ------
        OpError
            If this vector cannot be measured; its subclass decides the status.  Any other exception
            counts as `OpFailedError`, but for `CardError`, which is an incident.  It may also hang
            or crash the process: that is expected.
        """

    def read_profile(self) -> pa.Table:
        """Drain the profiler: the launches since the last read, see `PROFILE_SCHEMA`."""

    def close(self) -> None:
        """Let go of the card; may be called twice."""


@runtime_checkable
class OverlappingDevice(Device, Protocol):
    """A device whose profiler can be read while the next batch executes."""

    def dump_profile(self) -> Callable[[], pa.Table]:
        """Drain the profiler now, and leave reading it to the function that is returned.

        That function is called once, in another thread and in the order of the dumps, and returns
        what `read_profile` would have returned.  It raises `CardError` if the dump is unreadable.
        """


@runtime_checkable
class WarmingDevice(Device, Protocol):
    """A device on which the first run of a vector compiles what it launches.

    That may take as long as the sweep's timeout allows; learned deadlines are for `execute`.
    """

    def warm_up(self, vector: Vector) -> None:
        """Run a vector unmeasured; `execute` of the same vector follows, unless this raises.

        Raises
        ------
        OpError
            As `execute` does.
        """


class ResetLevel(StrEnum):
    """Rungs of the recovery ladder that touch the card; reopening does not."""

    WARM = "warm"
    COLD = "cold"


@dataclass(frozen=True, slots=True)
class Process:
    """Another process that has the card open."""

    pid: int
    command: str


class CardControl(Protocol):
    """Care of one card from outside the executor."""

    def reset(self, level: ResetLevel) -> None:
        """Reset the card.

        Raises
        ------
        CardError
            If the reset cannot be tried.  Returning proves nothing: the probe decides.
        """

    def in_use_by_others(self) -> list[Process]:
        """List processes other than the farm's own executors that have the card open."""

    def probe_vectors(self) -> Sequence[Vector]:
        """Small known-good vectors that a healthy card runs at once; may be empty."""

    def probe_is_healthy(self, profile: pa.Table) -> bool:
        """Judge the launches of `probe_vectors`, whose tags are their positions."""


class DeviceKind(Protocol):
    """A registry entry."""

    @property
    def name(self) -> str:
        """Name in ``--device NAME``."""

    @property
    def is_simulated(self) -> bool:
        """Whether its cards are no hardware of the host, so that every run may have its own."""

    @property
    def option_help(self) -> Mapping[str, str]:
        """Device option -> what it does and its default."""

    def discover(self, amount: int | None, options: Mapping[str, str]) -> list[CardSlot]:
        """Cards of this host, or the first `amount` of them.

        Raises
        ------
        UsageError
            If an option is unknown or malformed, or there are fewer cards than asked for.
        """

    def device(self, slot: CardSlot, sweep: Sweep) -> Device:
        """Make the device object of a slot, in the executor; does not open it."""

    def control(self, slot: CardSlot) -> CardControl:
        """Make the card control of a slot, in the actor."""

    def missing(self) -> str | None:
        """Say what this host lacks to use the kind, or None."""


@runtime_checkable
class SettledKind(DeviceKind, Protocol):
    """A kind whose options decide what is measured, so that one directory has one setting."""

    def settled(self, slot: CardSlot) -> Mapping[str, str]:
        """Those of `DeviceInfo.details` that stay the same within a sweep directory."""


@runtime_checkable
class SelectiveKind(DeviceKind, Protocol):
    """A kind that cannot run every sweep at all."""

    def require_runnable(self, sweep: Sweep) -> None:
        """Check that vectors of a sweep can run; called before anything is generated.

        Raises
        ------
        UsageError
            If not; it names what can run.
        """


@runtime_checkable
class PreparedKind(DeviceKind, Protocol):
    """A kind whose SDK reads the environment when it is imported."""

    def prepare(self, slot: CardSlot) -> None:
        """Set the environment of this process for a card; called before the sweep is loaded.

        Raises
        ------
        CardError
            If that is not possible.
        """
