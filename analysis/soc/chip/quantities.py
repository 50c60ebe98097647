"""Fields that know their unit and what is plausible, checked when an object is made.

A chip is described by dozens of numbers, each in the unit that people use for it.  A bandwidth in
bytes per second where gigabytes per second are meant still computes; so every field declares its
unit and a range far wider than any real chip, and a value outside it is refused with the unit in
which it would make sense.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, field, fields
from typing import Any

from analysis.soc.errors import ConfigError

# How much of the field's unit one of the other unit is.
_OTHER_UNITS: dict[str, dict[str, float]] = {
    "MHz": {"GHz": 1e3, "kHz": 1e-3, "Hz": 1e-6},
    "GB/s": {"TB/s": 1e3, "MB/s": 1e-3, "B/s": 1e-9},
    "mm²": {"cm²": 1e2, "m²": 1e6, "µm²": 1e-6},
    "MB": {"GB": 1e3, "kB": 1e-3, "B": 1e-6},
    "V": {"mV": 1e-3},
    "V/GHz": {"mV/MHz": 1.0, "V/MHz": 1e3, "mV/GHz": 1e-3},
    "W": {"kW": 1e3, "mW": 1e-3},
    "pJ": {"J": 1e12, "nJ": 1e3, "fJ": 1e-3},
    "nF": {"F": 1e9, "µF": 1e3, "pF": 1e-3},
    "TFLOPS": {"PFLOPS": 1e3, "GFLOPS": 1e-3, "FLOPS": 1e-12},
    "°C": {},
}


@dataclass(frozen=True)
class Plausible:
    """The values that a field may have.

    Attributes
    ----------
    unit : str
        Unit, or what is counted.
    low, high : float
        Smallest and largest plausible value, both allowed.
    is_count : bool
        Whether only whole numbers are allowed.
    is_optional : bool
        Whether the value may be missing (None).
    """

    unit: str
    low: float
    high: float
    is_count: bool = False
    is_optional: bool = False

    def checked(self, where: str, value: object) -> float | int:
        """Return `value` as a Python number.

        Parameters
        ----------
        where : str
            Name of the field, for the message.
        value : object
            Anything.

        Raises
        ------
        ConfigError
            If it is not a plausible number.
        """
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise ConfigError(f"{where} = {value!r} is not a number ({self.unit})")
        number = float(value)
        if not math.isfinite(number):
            raise ConfigError(f"{where} = {number} is not a finite number")
        if self.is_count and not number.is_integer():
            raise ConfigError(f"{where} = {number:g}: {self.unit} come in whole numbers")
        if not self.low <= number <= self.high:
            raise ConfigError(
                f"{where} = {number:g} {self.unit} is not plausible: expected "
                f"{self.low:g} to {self.high:g} {self.unit}{self._hint(number)}"
            )
        return int(number) if self.is_count else number

    def _hint(self, number: float) -> str:
        for unit, factor in _OTHER_UNITS.get(self.unit, {}).items():
            if self.low <= number * factor <= self.high and factor != 1:
                return f". Is it in {unit}? Then write {number * factor:g}"
        return ""


def quantity(default: float, unit: str, low: float, high: float) -> Any:
    """Declare a dataclass field with a unit and a plausible range."""
    return field(default=default, metadata={"plausible": Plausible(unit, low, high)})


def optional_quantity(default: float | None, unit: str, low: float, high: float) -> Any:
    """Declare a dataclass field that may be None."""
    plausible = Plausible(unit, low, high, is_optional=True)
    return field(default=default, metadata={"plausible": plausible})


def counted(default: int, unit: str, low: int, high: int) -> Any:
    """Declare a dataclass field that counts things."""
    plausible = Plausible(unit, low, high, is_count=True)
    return field(default=default, metadata={"plausible": plausible})


def check_quantities(instance: Any) -> None:
    """Check and normalise every declared quantity of a frozen dataclass.

    Parameters
    ----------
    instance : dataclass
        Just made; call this from ``__post_init__``.

    Raises
    ------
    ConfigError
        If a value is not plausible.
    """
    for declared in fields(instance):
        plausible = declared.metadata.get("plausible")
        value = getattr(instance, declared.name)
        if plausible is not None and not (value is None and plausible.is_optional):
            where = f"{type(instance).__name__}.{declared.name}"
            object.__setattr__(instance, declared.name, plausible.checked(where, value))
