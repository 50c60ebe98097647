"""The ``sim`` device kind: simulated cards whose true durations are known.

Durations come from `farm.devices.sim_truth`, noise from `farm.devices.sim_noise`.  What a vector
measures depends on the vector, the seed and the noise alone, never on the card, the batch or the
order (`farm.devices.sim_throttle` tells the exception that can be asked for).  A card that is told
to misbehave is wrapped in `farm.devices.sim_faulty`; all faults are told in
`farm.devices.sim_faults`.

Launches are profiled as on a real card: `farm.devices.sim_log` writes them to a log and reads it
back.  The option ``profiler=direct`` hands their durations over without.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
from farm.devices.sim_executed import Executed
from farm.devices.sim_faulty import FAULT_OPTION_HELP, Faults, FaultyControl, FaultyDevice
from farm.devices.sim_log import FIRST_LAUNCH_ID, SimProfiler
from farm.devices.sim_noise import CLOCK_HZ, LARGEST_Z
from farm.devices.sim_truth import Truth, truth_of
from farm.errors import CardError, UsageError
from farm.profiler.log_format import Generation
from sweeps.reshard import SWEEP as RESHARD
from sweeps.space import Sweep
from sweeps.vector import Vector, vector_id

DEFAULT_NOISE = 0.007
MOST_NOISE = 0.1
GENERATIONS = tuple(str(g) for g in Generation if g.has_host_ids)
DEFAULT_GENERATION = Generation.V5
DEFAULT_CAPACITY = 1000
"""Launches that the device profiler's buffer holds unless it is told otherwise."""
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
    generation : Generation or None
        Format of the profiler's log; None for no log.
    capacity : int
        Launches that the profiler's buffer holds between two reads.
    truth : Truth
        How long vectors really take.
    """

    seed: int
    noise: float
    vector_s: float | None
    open_s: float
    generation: Generation | None
    capacity: int
    truth: Truth

    def settled(self) -> dict[str, str]:
        """Describe what decides how long a launch takes."""
        truth = self.truth.path or "model"
        return {"seed": str(self.seed), "noise": str(self.noise), "truth": truth}

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
            generation=_generation(options),
            capacity=_capacity(options),
            truth=truth_of(options.get("truth", "")),
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


def _whole_number(options: Mapping[str, str], name: str, default: int = 0) -> int:
    text = options.get(name, str(default))
    if not (text.isascii() and text.isdigit() and int(text) < 1 << 64):
        raise UsageError(f"device option {name}={text!r}: give a whole number from 0 to 2^64 - 1")
    return int(text)


def _capacity(options: Mapping[str, str]) -> int:
    capacity = _whole_number(options, "profiler_capacity", DEFAULT_CAPACITY)
    if not capacity:
        raise UsageError("device option profiler_capacity=0: give at least one launch")
    return capacity


def _generation(options: Mapping[str, str]) -> Generation | None:
    mode = options.get("profiler", "log")
    if mode not in {"log", "direct"}:
        raise UsageError(f"device option profiler={mode!r}: give log or direct")
    name = options.get("profiler_generation", DEFAULT_GENERATION)
    if name not in GENERATIONS:
        known = ", ".join(GENERATIONS)
        raise UsageError(f"device option profiler_generation={name!r}: give one of {known}")
    return Generation(name) if mode == "log" else None


class SimDevice:
    """One simulated card, open in this process."""

    def __init__(self, slot: CardSlot) -> None:
        self._slot = slot
        self._options = SimOptions.parse(slot.options)
        self._waits = self._options.vector_s != 0
        self._owed_s = 0.0
        self._is_open = False
        self._executed = Executed(self._options.truth)
        generation, capacity = self._options.generation, self._options.capacity
        self._profiler = (
            None if generation is None else SimProfiler(slot.index, generation, capacity)
        )
        self._next_id = FIRST_LAUNCH_ID

    @property
    def info(self) -> DeviceInfo:
        """What the card is."""
        options = self._options
        profiler = "direct" if options.generation is None else f"log {options.generation}"
        return DeviceInfo(
            card=self._slot.card,
            kind=self._slot.kind,
            arch="sim-wormhole_b0",
            firmware="sim-1",
            driver="none",
            clocks_hz={"aiclk": float(CLOCK_HZ)},
            software={"sweepfarm": farm.__version__, "numpy": np.__version__},
            details={
                "profiler": profiler,
                **options.settled(),
            },
            profiler_capacity=None if self._profiler is None else options.capacity,
        )

    def open(self) -> None:
        """Open the card.

        Raises
        ------
        CardError
            If there is no place for the profiler's log.
        """
        if self._options.open_s:
            time.sleep(self._options.open_s)
        if self._profiler is not None:
            self._profiler.open()
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
        self._options.truth.check(vector)
        if self._waits:
            self._wait(vector, repeats)
        executed = self._executed
        executed.vectors.append(vector)
        executed.tags.append(tag)
        executed.repeats.append(repeats)
        executed.starts.append(self._next_id)
        self._next_id += repeats

    def _wait(self, vector: Vector, repeats: int) -> None:
        vector_s = self._options.vector_s
        if vector_s is None:
            vector_s = float(self._options.truth.durations_ns([vector])[0]) / 1e9 * repeats
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
            If the card is not open, or its log cannot be written or read.
        """
        return self.dump_profile()()

    def dump_profile(self) -> Callable[[], pa.Table]:
        """Drain the profiler now, and leave reading it to the function that is returned.

        Raises
        ------
        CardError
            If the card is not open, or its log cannot be written.
        """
        if not self._is_open:
            raise CardError(f"{self._slot.card} is not open")
        executed, self._executed = self._executed, Executed(self._options.truth)
        if not executed.vectors:
            return partial(pa.Table.from_batches, [], PROFILE_SCHEMA)
        seed, noise = self._options.seed, self._options.noise
        if self._profiler is None:
            return partial(executed.records, seed, noise)
        return self._profiler.dump(executed.batch(seed, noise))

    def close(self) -> None:
        """Let go of the card; what was not read is lost."""
        self._is_open = False
        self._executed = Executed(self._options.truth)
        if self._profiler is not None:
            self._profiler.close()


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
        true_ns = self._options.truth.durations_ns(vectors)[tags]
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
        "profiler": (
            "log: launches are logged in the format of the tt-metal device profiler and read back; "
            "direct: they are not (default log)"
        ),
        "profiler_generation": (
            f"format of the log: one of {', '.join(GENERATIONS)} (default {DEFAULT_GENERATION})"
        ),
        "profiler_capacity": (
            "launches that the profiler's buffer holds between two reads; later ones are dropped "
            f"(default {DEFAULT_CAPACITY})"
        ),
        "truth": (
            "CSV of published fits (in_grid, out_grid, group, coef, intercept) that reshards take "
            "for true, instead of the simulator's own model"
        ),
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
        known = dict(options)
        if "truth" in known:
            # Executors have another working directory.
            known["truth"] = str(Path(known["truth"]).resolve())
        return [CardSlot(self.name, index, known) for index in range(amount or 1)]

    def device(self, slot: CardSlot, sweep: Sweep) -> Device:
        """Make the device object of a slot."""
        device, faults = SimDevice(slot), Faults.parse(slot.options)
        return device if faults is None else FaultyDevice(device, slot, faults)

    def control(self, slot: CardSlot) -> CardControl:
        """Make the card control of a slot."""
        control, faults = SimControl(slot), Faults.parse(slot.options)
        return control if faults is None else FaultyControl(control, slot, faults)

    def settled(self, slot: CardSlot) -> Mapping[str, str]:
        """Say seed, noise and truth, which decide what is measured."""
        return SimOptions.parse(slot.options).settled()

    def missing(self) -> str | None:
        """Say what this host lacks: nothing."""
        return None


KIND = SimKind()
