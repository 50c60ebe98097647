"""The ``sim`` device kind: simulated cards whose true durations are known.

Durations come from `farm.devices.sim_model`, noise from `farm.devices.sim_noise`, faults from
`farm.devices.sim_faults`.  What a vector measures depends on the vector, the seed and the noise
alone, never on the card, the batch or the order.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

import farm
from farm.devices.device import (
    PROFILE_SCHEMA,
    CardControl,
    CardSlot,
    Device,
    DeviceInfo,
    Process,
    ResetLevel,
)
from farm.devices.registry import check_options
from farm.devices.sim_faults import HANGS, FaultKind, FaultPlan, act
from farm.devices.sim_model import check, true_duration_ns, true_durations_ns
from farm.devices.sim_noise import CLOCK_HZ, LARGEST_Z, measured_ns
from farm.errors import CardError, UsageError
from sweeps.reshard import SWEEP as RESHARD
from sweeps.space import Sweep
from sweeps.vector import Vector, vector_id

DEFAULT_NOISE = 0.007
MOST_NOISE = 0.1
_LEAST_SLEEP_S = 0.001


@dataclass(frozen=True, slots=True)
class SimOptions:
    """Device options of simulated cards, read from text.

    Attributes
    ----------
    seed : int
        Seed of the noise.
    noise : float
        Relative standard deviation of the launches of one vector.
    vector_s : float or None
        Seconds that each vector takes; None for as long as its launches would.
    open_s : float
        Seconds that opening takes.
    faults : FaultPlan
        Faults by position in the sweep.
    dead, wedge : frozenset of int
        Slots that cannot be opened; slots that need a cold reset after a hang.
    """

    seed: int
    noise: float
    vector_s: float | None
    open_s: float
    faults: FaultPlan
    dead: frozenset[int]
    wedge: frozenset[int]

    @staticmethod
    def parse(options: Mapping[str, str]) -> SimOptions:
        """Read device options.

        Raises
        ------
        UsageError
            If one is malformed.
        """
        faults = FaultPlan.parse(options.get("faults", ""), options.get("fault_dir", ""))
        wedge = _slots(options, "wedge")
        if wedge and faults.directory is None:
            raise UsageError("device option wedge needs fault_dir, where the state is kept")
        device_time = options.get("device_time", "0")
        return SimOptions(
            seed=_whole_number(options, "seed"),
            noise=_number(options, "noise", DEFAULT_NOISE, MOST_NOISE),
            vector_s=None if device_time == "true" else _number(options, "device_time", 0.0),
            open_s=_number(options, "open_s", 0.0),
            faults=faults,
            dead=_slots(options, "dead_cards"),
            wedge=wedge,
        )

    def wedged_file(self, index: int) -> Path | None:
        """File whose presence says that a slot waits for a cold reset; None if it never does."""
        if index not in self.wedge or self.faults.directory is None:
            return None
        return self.faults.directory / f"wedged-{index}"


def _number(options: Mapping[str, str], name: str, default: float, most: float = math.inf) -> float:
    text = options.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (0 <= value <= most and math.isfinite(value)):
        limit = f" up to {most}" if math.isfinite(most) else ""
        raise UsageError(f"device option {name}={text!r}: give a number from 0{limit}")
    return value


def _whole_number(options: Mapping[str, str], name: str) -> int:
    text = options.get(name, "0")
    if not (text.isascii() and text.isdigit() and int(text) < 1 << 64):
        raise UsageError(f"device option {name}={text!r}: give a whole number from 0 to 2^64 - 1")
    return int(text)


def _slots(options: Mapping[str, str], name: str) -> frozenset[int]:
    parts = [part.strip() for part in options.get(name, "").split(",") if part.strip()]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(
            f"device option {name}={options[name]!r}: give slot numbers, for example 1,2"
        )
    return frozenset(int(part) for part in parts)


class SimDevice:
    """One simulated card, open in this process."""

    def __init__(self, slot: CardSlot) -> None:
        self._slot = slot
        self._options = SimOptions.parse(slot.options)
        self._has_faults = bool(self._options.faults.faults)
        self._waits = self._options.vector_s != 0
        self._owed_s = 0.0
        self._is_open = False
        self._vectors: list[Vector] = []
        self._tags: list[int] = []
        self._repeats: list[int] = []
        self._altered: dict[int, FaultKind] = {}

    @property
    def info(self) -> DeviceInfo:
        """What the card is."""
        return DeviceInfo(
            card=self._slot.card,
            kind=self._slot.kind,
            arch="sim-wormhole_b0",
            firmware="sim-1",
            driver="none",
            clocks_hz={"aiclk": float(CLOCK_HZ)},
            software={"sweepfarm": farm.__version__, "numpy": np.__version__},
            details={"seed": str(self._options.seed), "noise": str(self._options.noise)},
        )

    def open(self) -> None:
        """Open the card.

        Raises
        ------
        CardError
            If the card is told to be dead.
        """
        if self._options.open_s:
            time.sleep(self._options.open_s)
        if self._slot.index in self._options.dead:
            raise CardError(f"{self._slot.card} does not answer (it is one of dead_cards)")
        self._is_open = True

    def execute(self, vector: Vector, repeats: int, tag: int) -> None:
        """Run a vector `repeats` times; its launches carry `tag`.

        Raises
        ------
        OpError
            If the card cannot run this vector.
        CardError
            If the card is not open.
        """
        if not self._is_open:
            raise CardError(f"{self._slot.card} is not open")
        if self._has_faults:
            self._misbehave(vector, tag)
        check(vector)
        if self._waits:
            self._wait(vector, repeats)
        self._vectors.append(vector)
        self._tags.append(tag)
        self._repeats.append(repeats)

    def _misbehave(self, vector: Vector, tag: int) -> None:
        fault = self._options.faults.due(vector.index)
        if fault is None:
            return
        if fault.kind in HANGS:
            self._wedge()
        if fault.kind in (FaultKind.DROP, FaultKind.DOUBLE):
            self._altered[tag] = fault.kind
        act(fault, vector.index)

    def _wedge(self) -> None:
        wedged = self._options.wedged_file(self._slot.index)
        if wedged is not None:
            try:
                wedged.parent.mkdir(parents=True, exist_ok=True)
                wedged.touch()
            except OSError as error:
                raise CardError(f"{self._slot.card} cannot be wedged: {error}") from error

    def _wait(self, vector: Vector, repeats: int) -> None:
        vector_s = self._options.vector_s
        if vector_s is None:
            one_s = true_duration_ns(vector.op, vector.params, vector.features) / 1e9
            vector_s = one_s * repeats
        # Short waits are saved up: the shortest sleep is longer than most launches.
        self._owed_s += vector_s
        if self._owed_s >= _LEAST_SLEEP_S:
            started = time.monotonic()
            time.sleep(self._owed_s)
            self._owed_s -= time.monotonic() - started

    def read_profile(self) -> pa.Table:
        """Drain the profiler: the launches since the last read, in no useful order.

        Raises
        ------
        CardError
            If the card is not open.
        """
        if not self._is_open:
            raise CardError(f"{self._slot.card} is not open")
        vectors, tags, repeats = self._vectors, self._tags, self._repeats
        altered = self._altered
        self._vectors, self._tags, self._repeats, self._altered = [], [], [], {}
        wedged = self._options.wedged_file(self._slot.index)
        if not vectors or (wedged is not None and wedged.exists()):
            return PROFILE_SCHEMA.empty_table()
        per_vector = np.array(repeats)
        n_launches = int(per_vector.sum())
        first = np.cumsum(per_vector) - per_vector
        repeat = (np.arange(n_launches) - np.repeat(first, per_vector)).astype(np.int32)
        ids = [v.vector_id for v, n in zip(vectors, repeats, strict=True) for _ in range(n)]
        duration_ns = measured_ns(
            np.repeat(true_durations_ns(vectors), per_vector),
            ids,
            repeat,
            self._options.seed,
            self._options.noise,
        )
        copies = [_COPIES.get(altered.get(tag), 1) for tag in tags]
        rows = np.repeat(np.arange(n_launches), np.repeat(copies, per_vector))
        # A profiler's log goes core by core, so launches of one vector are far apart in it.
        rows = np.random.default_rng(n_launches).permutation(rows)
        return pa.Table.from_arrays(
            [
                pa.array(np.repeat(np.array(tags, np.int64), per_vector)[rows]),
                pa.array(repeat[rows]),
                pa.array(duration_ns[rows]),
            ],
            schema=PROFILE_SCHEMA,
        )

    def close(self) -> None:
        """Let go of the card; what was not read is lost."""
        self._is_open = False
        self._vectors, self._tags, self._repeats, self._altered = [], [], [], {}


_COPIES: dict[FaultKind | None, int] = {FaultKind.DROP: 0, FaultKind.DOUBLE: 2}
PROBE_SHAPES = ((1, 1, 64, 64), (1, 1, 128, 256))


def probe_vectors() -> list[Vector]:
    """Two small reshards, at positions that no sweep has."""
    vectors = []
    for position, shape in enumerate(PROBE_SHAPES):
        params = {axis.name: axis.values[0] for axis in RESHARD.axes}
        params |= {"output_strategy": "WIDTH", "output_grid": (2, 1), "shape": shape}
        features = RESHARD.derive(params)
        vectors.append(
            Vector(-1 - position, vector_id(RESHARD.op, params), RESHARD.op, params, features)
        )
    return vectors


class SimControl:
    """Care of one simulated card."""

    def __init__(self, slot: CardSlot) -> None:
        self._slot = slot
        self._options = SimOptions.parse(slot.options)

    def reset(self, level: ResetLevel) -> None:
        """Reset the card: only a cold reset heals one that is wedged, nothing a dead one.

        Raises
        ------
        CardError
            If the state in ``fault_dir`` cannot be changed.
        """
        wedged = self._options.wedged_file(self._slot.index)
        if level is ResetLevel.COLD and wedged is not None:
            try:
                wedged.unlink(missing_ok=True)
            except OSError as error:
                raise CardError(f"{self._slot.card} cannot be reset: {error}") from error

    def in_use_by_others(self) -> list[Process]:
        """Nobody else has a simulated card open."""
        return []

    def probe_vectors(self) -> Sequence[Vector]:
        """Small reshards whose true durations are known."""
        return probe_vectors()

    def probe_is_healthy(self, profile: pa.Table) -> bool:
        """Whether every probe was measured, once per repeat, as long as it truly takes."""
        vectors = probe_vectors()
        tags = profile["tag"].to_numpy()
        repeats = profile["repeat"].to_numpy()
        duration_ns = profile["duration_ns"].to_numpy()
        n_repeats, left = divmod(profile.num_rows, len(vectors))
        launches = set(zip(tags.tolist(), repeats.tolist(), strict=True))
        expected = {(tag, repeat) for tag in range(len(vectors)) for repeat in range(n_repeats)}
        if left or not expected or launches != expected:
            return False
        true_ns = true_durations_ns(vectors)[tags]
        allowed_ns = LARGEST_Z * self._options.noise * true_ns + 1e9 / CLOCK_HZ
        return bool(np.all(np.abs(duration_ns - true_ns) <= allowed_ns))


class SimKind:
    """Registry entry of the simulated cards."""

    name = "sim"
    is_simulated = True
    option_help: Mapping[str, str] = {
        "seed": "seed of the noise, a whole number (default 0)",
        "noise": f"relative standard deviation of the launches (default {DEFAULT_NOISE})",
        "device_time": (
            "seconds that each vector takes, or true: as long as its launches would (default 0)"
        ),
        "open_s": "seconds that opening a card takes (default 0)",
        "faults": (
            "KIND:INDEX or KIND:FIRST..LAST, then @SECONDS and *TIMES where needed, separated by "
            f"commas; KIND is one of {', '.join(FaultKind)} (default none)"
        ),
        "fault_dir": "directory that remembers faults across processes (default none)",
        "dead_cards": "slots that cannot be opened, such as 2 or 1,2 (default none)",
        "wedge": "slots that need a cold reset after a hang; needs fault_dir (default none)",
    }

    def discover(self, amount: int | None, options: Mapping[str, str]) -> list[CardSlot]:
        """Make `amount` simulated cards, 1 by default.

        Raises
        ------
        UsageError
            If an option is unknown or malformed, or `amount` is below 1.
        """
        check_options(self, options)
        SimOptions.parse(options)
        if amount is not None and amount < 1:
            raise UsageError(f"sim:{amount}: give at least one card")
        return [CardSlot(self.name, index, dict(options)) for index in range(amount or 1)]

    def device(self, slot: CardSlot, sweep: Sweep) -> Device:
        """Make the device object of a slot."""
        return SimDevice(slot)

    def control(self, slot: CardSlot) -> CardControl:
        """Make the card control of a slot."""
        return SimControl(slot)

    def missing(self) -> str | None:
        """Say what this host lacks: nothing."""
        return None


KIND = SimKind()
