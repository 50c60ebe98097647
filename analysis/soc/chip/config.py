"""Chips to think about: streaming multiprocessors in chiplets in a system on chip (SoC).

Configurations are frozen values.  They are checked when they are made, compare by value, and
compose: an SoC has a chiplet, a chiplet has an SM.  Every field has its own name, so that a change
anywhere inside is ``soc.with_values(clock_mhz=2300, area_mm2=350)``.

The defaults are the baseline of the published table in ``docs/soc-models.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

from analysis.soc.chip import formulas
from analysis.soc.chip.precision import Precision
from analysis.soc.chip.quantities import check_quantities, counted, optional_quantity, quantity
from analysis.soc.chip.technology import Technology
from analysis.soc.errors import ConfigError
from sweeps.errors import near_or_known

_OPS_SUFFIX = "_ops_per_cycle"

Config = TypeVar("Config")


def _ops(default: float | None) -> Any:
    return optional_quantity(default, "operations per cycle", 1, 1e7)


@dataclass(frozen=True)
class OpsPerCycle:
    """Operations per cycle of one tensor core, by precision; a multiply-add counts as two.

    Attributes
    ----------
    fp4, fp8, int8, fp16, bf16, tf32, fp32, fp64 : float or None
        None where the tensor core does not have the precision.
    """

    fp4: float | None = _ops(512)
    fp8: float | None = _ops(256)
    int8: float | None = _ops(256)
    fp16: float | None = _ops(128)
    bf16: float | None = _ops(128)
    tf32: float | None = _ops(None)
    fp32: float | None = _ops(64)
    fp64: float | None = _ops(None)

    def __post_init__(self) -> None:
        check_quantities(self)
        if not self.precisions:
            raise ConfigError("OpsPerCycle: no precision has a rate; give at least one")

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Those that the tensor core has, narrow ones first."""
        return tuple(p for p in Precision if getattr(self, p.lower()) is not None)

    def __getitem__(self, precision: Precision) -> float:
        rate: float | None = getattr(self, precision.lower())
        if rate is None:
            known = ", ".join(self.precisions)
            raise ConfigError(f"the tensor core has no {precision} rate; it has {known}")
        return rate


@dataclass(frozen=True, kw_only=True)
class SMConfig:
    """A streaming multiprocessor, or whatever a chip calls the block around its tensor cores.

    Attributes
    ----------
    n_tensor_cores : int
        Tensor cores per SM.
    clock_mhz : float
        Clock of SMs and L2, MHz.
    ops_per_cycle : OpsPerCycle
        Rates of one tensor core.
    l2_bytes_per_cycle : float
        Bytes that an SM can take from L2 per cycle.
    """

    n_tensor_cores: int = counted(4, "tensor cores per SM", 1, 4096)
    clock_mhz: float = quantity(2000.0, "MHz", 50, 20_000)
    ops_per_cycle: OpsPerCycle = field(default_factory=OpsPerCycle)
    l2_bytes_per_cycle: float = quantity(64.0, "bytes per cycle", 0.5, 65_536)

    def __post_init__(self) -> None:
        check_quantities(self)
        _check_part(self, "ops_per_cycle", OpsPerCycle)

    def peak_compute(self, precision: Precision) -> float:
        """Peak in TFLOPS."""
        rate = self.ops_per_cycle[precision]
        return float(formulas.sm_peak_tflops(rate, self.n_tensor_cores, self.clock_mhz))


@dataclass(frozen=True, kw_only=True)
class ChipletConfig:
    """One die of compute.

    Attributes
    ----------
    sm : SMConfig
        Its streaming multiprocessors, all alike.
    n_sms : int
        How many.
    area_mm2 : float
        Area of the die, mm².
    l2_mb : float
        Second-level cache on the die, MB.
    """

    sm: SMConfig = field(default_factory=SMConfig)
    n_sms: int = counted(16, "SMs per chiplet", 1, 100_000)
    area_mm2: float = quantity(400.0, "mm²", 10, 100_000)
    l2_mb: float = quantity(6.0, "MB", 0.0, 4096)

    def __post_init__(self) -> None:
        check_quantities(self)
        _check_part(self, "sm", SMConfig)

    def peak_compute(self, precision: Precision) -> float:
        """Peak in TFLOPS."""
        return self.sm.peak_compute(precision) * self.n_sms


@dataclass(frozen=True, kw_only=True)
class SoCConfig:
    """A package: chiplets, all alike, and stacks of HBM.

    Attributes
    ----------
    name : str
        What tables and charts call it.
    chiplet : ChipletConfig
        Its dies of compute.
    n_chiplets : int
        How many.
    n_hbm_stacks : int
        Stacks of memory in the package.
    hbm_stack_gb_s : float
        Bandwidth of one stack, GB/s.
    technology : Technology
        Constants of the default power model.
    """

    name: str = "baseline"
    chiplet: ChipletConfig = field(default_factory=ChipletConfig)
    n_chiplets: int = counted(4, "chiplets", 1, 4096)
    n_hbm_stacks: int = counted(8, "HBM stacks", 1, 4096)
    hbm_stack_gb_s: float = quantity(128.0, "GB/s", 5, 20_000)
    technology: Technology = field(default_factory=Technology)

    def __post_init__(self) -> None:
        check_quantities(self)
        _check_part(self, "chiplet", ChipletConfig)
        _check_part(self, "technology", Technology)
        object.__setattr__(self, "name", str(self.name).strip())
        if not self.name:
            raise ConfigError("SoCConfig.name is empty: give the chip a name")

    @property
    def sm(self) -> SMConfig:
        """The streaming multiprocessor of every chiplet."""
        return self.chiplet.sm

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Those that have a peak."""
        return self.sm.ops_per_cycle.precisions

    @property
    def n_all_sms(self) -> int:
        """SMs of all chiplets."""
        return self.n_chiplets * self.chiplet.n_sms

    @property
    def total_area_mm2(self) -> float:
        """Area of all chiplets, mm²."""
        return self.n_chiplets * self.chiplet.area_mm2

    @property
    def total_l2_mb(self) -> float:
        """L2 of all chiplets, MB."""
        return self.n_chiplets * self.chiplet.l2_mb

    @property
    def hbm_bandwidth_gb_s(self) -> float:
        """Bandwidth of all stacks, GB/s."""
        return float(formulas.hbm_bandwidth_gb_s(self.n_hbm_stacks, self.hbm_stack_gb_s))

    @property
    def l2_bandwidth_gb_s(self) -> float:
        """Bandwidth between L2 and all SMs, GB/s."""
        sm = self.sm
        return float(
            formulas.l2_bandwidth_gb_s(
                sm.l2_bytes_per_cycle, self.chiplet.n_sms, self.n_chiplets, sm.clock_mhz
            )
        )

    @property
    def memory_levels(self) -> dict[str, float]:
        """Bandwidth of each memory level in GB/s, the farthest from the SMs first."""
        return {"HBM": self.hbm_bandwidth_gb_s, "L2": self.l2_bandwidth_gb_s}

    def peak_compute(self, precision: Precision) -> float:
        """Peak in TFLOPS.

        Raises
        ------
        ConfigError
            If the chip does not have the precision.
        """
        per_sm = self.sm.peak_compute(precision)
        return float(formulas.soc_peak_tflops(per_sm, self.chiplet.n_sms, self.n_chiplets))

    def compute_density(self, precision: Precision) -> float:
        """Peak per area of compute silicon in TFLOPS/mm²."""
        peak = self.peak_compute(precision)
        return float(formulas.density_tflops_mm2(peak, self.n_chiplets, self.chiplet.area_mm2))

    def with_values(self, values: Mapping[str, object] | None = None, **more: object) -> SoCConfig:
        """Change fields anywhere inside by their names alone.

        Parameters
        ----------
        values : mapping, optional
            Field names and values; a rate is ``fp16_ops_per_cycle``.  See `KEYS`.
        **more : object
            The same, as keywords.

        Raises
        ------
        ConfigError
            If there is no such field, or a value is not plausible.
        """
        nested: dict[str, Any] = {}
        for key, value in {**(values or {}), **more}.items():
            *parts, leaf = key_path(key)
            inner = nested
            for part in parts:
                inner = inner.setdefault(part, {})
            inner[leaf] = value
        return _replaced(self, nested)

    def value(self, key: str) -> Any:
        """Look a field up by its name alone."""
        found: Any = self
        for part in key_path(key):
            found = getattr(found, part)
        return found


def _check_part(owner: object, name: str, kind: type) -> None:
    part = getattr(owner, name)
    if not isinstance(part, kind):
        raise ConfigError(
            f"{type(owner).__name__}.{name} must be a {kind.__name__}, not {type(part).__name__}"
        )


def _replaced(part: Config, nested: Mapping[str, Any]) -> Config:
    changes = {
        name: _replaced(getattr(part, name), value) if is_dataclass(getattr(part, name)) else value
        for name, value in nested.items()
    }
    return replace(part, **changes)  # type: ignore[type-var]  # every part is a dataclass


def _paths(kind: type, prefix: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    parts = {
        "chiplet": ChipletConfig,
        "sm": SMConfig,
        "ops_per_cycle": OpsPerCycle,
        "technology": Technology,
    }
    found: dict[str, tuple[str, ...]] = {}
    for declared in fields(kind):
        path = (*prefix, declared.name)
        if declared.name in parts:
            found |= _paths(parts[declared.name], path)
        else:
            name = declared.name + (_OPS_SUFFIX if kind is OpsPerCycle else "")
            found[name] = path
    return found


KEYS: dict[str, tuple[str, ...]] = _paths(SoCConfig)
"""Every field's own name, and the path to it."""


def key_path(key: str) -> tuple[str, ...]:
    """Find a field by its own name (``clock_mhz``) or by its path (``chiplet.sm.clock_mhz``).

    Raises
    ------
    ConfigError
        If there is no such field.
    """
    if key in KEYS:
        return KEYS[key]
    path = tuple(key.split("."))
    if path in KEYS.values():
        return path
    if inner := [".".join(known) for known in KEYS.values() if known[: len(path)] == path]:
        raise ConfigError(f"{key!r} has fields of its own; give one of them, such as {inner[0]}")
    hint = near_or_known(key.rsplit(".", maxsplit=1)[-1], KEYS)
    raise ConfigError(f"a chip has no field {key!r}; {hint}")
