"""The ``sim`` device kind: simulated cards whose true durations are known.

Durations come from `farm.devices.sim_model`, noise from `farm.devices.sim_noise`.  What a vector
measures depends on the vector, the seed and the noise alone, never on the card, the batch or the
order (`farm.devices.sim_throttle` tells the exception that can be asked for).  A card that is told
to misbehave is wrapped in `farm.devices.sim_faulty`; all faults are told in
`farm.devices.sim_faults`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from farm.devices.sim_faulty import FAULT_OPTION_HELP, Faults, FaultyControl, FaultyDevice
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
    """

    seed: int
    noise: float
    vector_s: float | None
    open_s: float

    @staticmethod
    def parse(options: Mapping[str, str]) -> SimOptions:
        """Read device options.

        Raises
        ------
        UsageError
            If one is malformed.
        """
        device_time = options.get("device_time", "0")
        return SimOptions(
            seed=_whole_number(options, "seed"),
            noise=_number(options, "noise", DEFAULT_NOISE, MOST_NOISE),
            vector_s=None if device_time == "true" else _number(options, "device_time", 0.0),
            open_s=_number(options, "open_s", 0.0),
        )


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


class SimDevice:
    """One simulated card, open in this process."""

    def __init__(self, slot: CardSlot) -> None:
        self._slot = slot
        self._options = SimOptions.parse(slot.options)
        self._waits = self._options.vector_s != 0
        self._owed_s = 0.0
        self._is_open = False
        self._vectors: list[Vector] = []
        self._tags: list[int] = []
        self._repeats: list[int] = []

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
        """Open the card."""
        if self._options.open_s:
            time.sleep(self._options.open_s)
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
        check(vector)
        if self._waits:
            self._wait(vector, repeats)
        self._vectors.append(vector)
        self._tags.append(tag)
        self._repeats.append(repeats)

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
        self._vectors, self._tags, self._repeats = [], [], []
        if not vectors:
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
        # A profiler's log goes core by core, so launches of one vector are far apart in it.
        rows = np.random.default_rng(n_launches).permutation(n_launches)
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
        self._vectors, self._tags, self._repeats = [], [], []


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
        """Reset the card, which has nothing that a reset could change."""

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
        **FAULT_OPTION_HELP,
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
        Faults.parse(options)
        if amount is not None and amount < 1:
            raise UsageError(f"sim:{amount}: give at least one card")
        return [CardSlot(self.name, index, dict(options)) for index in range(amount or 1)]

    def device(self, slot: CardSlot, sweep: Sweep) -> Device:
        """Make the device object of a slot."""
        device, faults = SimDevice(slot), Faults.parse(slot.options)
        return device if faults is None else FaultyDevice(device, slot, faults)

    def control(self, slot: CardSlot) -> CardControl:
        """Make the card control of a slot."""
        control, faults = SimControl(slot), Faults.parse(slot.options)
        return control if faults is None else FaultyControl(control, slot, faults)

    def missing(self) -> str | None:
        """Say what this host lacks: nothing."""
        return None


KIND = SimKind()
