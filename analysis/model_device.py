"""The ``model`` device kind: cards on which designs are evaluated instead of measured.

A vector of the sweep ``soc-design`` is a design; what it "measures" is the time in which that
design does a stated workload, by the models of `analysis.soc`.  So a design space is run, resumed
and stored like any other sweep.  Time on a card is the same for every repeat, card and batch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

import farm
from analysis.soc.chip.config import SoCConfig
from analysis.soc.explore.evaluation import PARAMETERS, DesignColumns, Setting
from analysis.soc.workload.argument import (
    DEFAULT_WORKLOAD,
    WORKLOAD_HELP,
    WORKLOAD_SUFFIXES,
    parse_workload,
)
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
from farm.errors import CardError, InvalidVectorError, UnsupportedVectorError, UsageError
from sweeps.axis import Value
from sweeps.soc_design import SWEEP
from sweeps.space import Sweep
from sweeps.vector import Vector, vector_id

_KNOWN = frozenset(PARAMETERS)


def _setting(options: Mapping[str, str]) -> Setting:
    return Setting(workload=parse_workload(options.get("workload", DEFAULT_WORKLOAD)))


def _findable(options: Mapping[str, str]) -> dict[str, str]:
    """Give files in full: the executor runs in a folder of its own."""
    text = options.get("workload", DEFAULT_WORKLOAD)
    is_file = text.endswith(WORKLOAD_SUFFIXES)
    return {**options, "workload": str(Path(text).resolve())} if is_file else dict(options)


@dataclass(slots=True)
class _Executed:
    """Designs since the profiler was drained, in the order of execution."""

    params: list[Mapping[str, Value]] = field(default_factory=list)
    tags: list[int] = field(default_factory=list)
    repeats: list[int] = field(default_factory=list)

    def records(self, setting: Setting) -> pa.Table:
        """Evaluate them at once; columns of `PROFILE_SCHEMA`."""
        if not self.tags:
            return PROFILE_SCHEMA.empty_table()
        repeats = np.array(self.repeats)
        columns = {
            name: np.array([params[name] for params in self.params], np.float64)
            for name in self.params[0]
        }
        first = np.cumsum(repeats) - repeats
        repeat = np.arange(repeats.sum()) - np.repeat(first, repeats)
        return pa.Table.from_arrays(
            [
                pa.array(np.repeat(np.array(self.tags, np.int64), repeats)),
                pa.array(repeat.astype(np.int32)),
                pa.array(np.repeat(DesignColumns(columns, setting)["time_ns"], repeats)),
            ],
            schema=PROFILE_SCHEMA,
        )


def _details(setting: Setting) -> dict[str, str]:
    workload = setting.workload
    return {"workload": workload.name, "workload_ops": json.dumps(workload.as_json()["ops"])}


class ModelDevice:
    """One evaluating card, open in this process."""

    def __init__(self, slot: CardSlot) -> None:
        self._slot = slot
        self._setting = _setting(slot.options)
        self._is_open = False
        self._executed = _Executed()

    @property
    def info(self) -> DeviceInfo:
        """What the card is."""
        return DeviceInfo(
            card=self._slot.card,
            kind=self._slot.kind,
            arch="soc-model",
            software={"sweepfarm": farm.__version__, "numpy": np.__version__},
            details=_details(self._setting),
        )

    def open(self) -> None:
        """Open the card."""
        self._is_open = True

    def execute(self, vector: Vector, repeats: int, tag: int) -> None:
        """Take a design; it is evaluated with its batch when the profiler is read.

        Raises
        ------
        UnsupportedVectorError
            If the vector is no design.
        InvalidVectorError
            If a parameter of the design is not above 0.
        CardError
            If the card is not open.
        """
        if not self._is_open:
            raise CardError(f"{self._slot.card} is not open")
        if vector.op != SWEEP.op:
            raise UnsupportedVectorError(
                f"the model device evaluates vectors of {SWEEP.name}, not of {vector.op!r}"
            )
        for name, value in vector.params.items():
            if name not in _KNOWN:
                raise UnsupportedVectorError(f"a design has no parameter {name!r}")
            if not (isinstance(value, int | float) and value > 0):
                raise InvalidVectorError(f"{name}={value}: it must be above 0")
        executed = self._executed
        executed.params.append(vector.params)
        executed.tags.append(tag)
        executed.repeats.append(repeats)

    def read_profile(self) -> pa.Table:
        """Drain the profiler: evaluate the designs since the last read.

        Raises
        ------
        CardError
            If the card is not open.
        """
        if not self._is_open:
            raise CardError(f"{self._slot.card} is not open")
        executed, self._executed = self._executed, _Executed()
        return executed.records(self._setting)

    def close(self) -> None:
        """Let go of the card; what was not read is lost."""
        self._is_open = False
        self._executed = _Executed()


BASELINE: Mapping[str, int] = {axis.name: int(SoCConfig().value(axis.name)) for axis in SWEEP.axes}
"""Parameters of the baseline chip, all of them whole."""


def probe_vector() -> Vector:
    """Baseline design, at a position that no sweep has."""
    identity = vector_id(SWEEP.op, BASELINE)
    return Vector(-1, identity, SWEEP.op, BASELINE, SWEEP.derive(BASELINE))


class ModelControl:
    """Care of one evaluating card."""

    def __init__(self, slot: CardSlot) -> None:
        self._setting = _setting(slot.options)

    def reset(self, level: ResetLevel) -> None:
        """Reset the card, which has nothing that a reset could change."""

    def in_use_by_others(self) -> list[Process]:
        """Nobody else has a card of this kind open."""
        return []

    def probe_vectors(self) -> Sequence[Vector]:
        """One design: the baseline."""
        return [probe_vector()]

    def probe_is_healthy(self, profile: pa.Table) -> bool:
        """Whether the baseline was evaluated, once per repeat, to what it takes."""
        columns = {name: np.array([value], np.float64) for name, value in BASELINE.items()}
        true_ns = DesignColumns(columns, self._setting)["time_ns"]
        repeats = np.sort(profile["repeat"].to_numpy())
        return bool(
            profile.num_rows
            and np.all(profile["tag"].to_numpy() == 0)
            and np.array_equal(repeats, np.arange(profile.num_rows))
            and np.all(profile["duration_ns"].to_numpy() == true_ns)
        )


class ModelKind:
    """Registry entry of the evaluating cards."""

    name = "model"
    is_simulated = True
    option_help: Mapping[str, str] = {
        "workload": f"what the designs run: {WORKLOAD_HELP}",
    }

    def discover(self, amount: int | None, options: Mapping[str, str]) -> list[CardSlot]:
        """Make `amount` cards, 1 by default; more than the cores of the host gain nothing.

        Raises
        ------
        UsageError
            If an option is unknown or malformed, or `amount` is below 1.
        """
        check_options(self, options)
        _setting(options)
        if amount is not None and amount < 1:
            raise UsageError(f"model:{amount}: give at least one card")
        return [CardSlot(self.name, i, _findable(options)) for i in range(amount or 1)]

    def device(self, slot: CardSlot, sweep: Sweep) -> Device:
        """Make the device object of a slot."""
        return ModelDevice(slot)

    def control(self, slot: CardSlot) -> CardControl:
        """Make the card control of a slot."""
        return ModelControl(slot)

    def settled(self, slot: CardSlot) -> Mapping[str, str]:
        """Say the workload, which decides what is measured."""
        return _details(_setting(slot.options))

    def missing(self) -> str | None:
        """Say what this host lacks: nothing."""
        return None


KIND = ModelKind()
