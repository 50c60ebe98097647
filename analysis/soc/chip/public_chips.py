"""Well-known public chips, with the source of each figure: ``public_chips.yaml``."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from analysis.soc.chip.config import SoCConfig
from analysis.soc.chip.config_file import config_of
from analysis.soc.chip.precision import Precision
from analysis.soc.chip.quantities import Plausible
from analysis.soc.errors import ConfigError
from analysis.soc.yaml_file import read_yaml

_FILE = Path(__file__).with_name("public_chips.yaml")
_TFLOPS = Plausible("TFLOPS", 0.1, 1e6)
_GB_S = Plausible("GB/s", 1, 1e6)
_WATT = Plausible("W", 1, 1e5)
_MM2 = Plausible("mm²", 1, 1e5)
_MB = Plausible("MB", 0.1, 1e5)


@dataclass(frozen=True, eq=False)
class Chip:
    """What is published about one chip.

    Attributes
    ----------
    name : str
        What it is called on a command line.
    title : str
        Maker and product.
    peak_tflops : mapping
        Dense peak by precision, TFLOPS.
    memory_levels : mapping
        Bandwidth by memory level in GB/s, the farthest from the cores first.
    sources : tuple of str
        Documents of the maker, and what is from each.
    aliases : tuple of str
        Other names.
    tdp_w : float or None
        Design power of module or card, W.
    die_area_mm2 : float or None
        Area of the compute die, mm².
    cache_mb : float or None
        Last-level cache, MB; by default the L2 of the design.
    design : SoCConfig or None
        Its structure, where public: then the models can be applied to it.
    """

    name: str
    title: str
    peak_tflops: Mapping[Precision, float]
    memory_levels: Mapping[str, float]
    sources: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    tdp_w: float | None = None
    die_area_mm2: float | None = None
    cache_mb: float | None = None
    design: SoCConfig | None = None

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Those with a published peak, narrow ones first."""
        return tuple(p for p in Precision if p in self.peak_tflops)

    def peak_compute(self, precision: Precision) -> float:
        """Return the published dense peak in TFLOPS.

        Raises
        ------
        ConfigError
            If none is published.
        """
        try:
            return self.peak_tflops[precision]
        except KeyError:
            known = ", ".join(self.precisions)
            raise ConfigError(
                f"no {precision} peak of {self.title} is published; there are {known}"
            ) from None


@functools.cache
def library() -> Mapping[str, Chip]:
    """Read all chips, by name."""
    entries = read_yaml(_FILE)
    return MappingProxyType({name: _chip(name, entry) for name, entry in entries.items()})


def find_chip(name: str) -> Chip | None:
    """Look a chip up by name or alias, in upper or lower case; None where there is none."""
    wanted = name.strip().lower()
    for chip in library().values():
        if wanted in (chip.name, *chip.aliases):
            return chip
    return None


def _chip(name: str, entry: Mapping[str, Any]) -> Chip:
    design = entry.get("design")
    soc = None if design is None else config_of({"name": name, **design}, f"{name}: design")
    cache_mb = entry.get("cache_mb", None if soc is None else soc.total_l2_mb)
    return Chip(
        name=name,
        title=entry["title"],
        peak_tflops=_quantities(
            {Precision.parse(key): value for key, value in entry["peak_tflops"].items()},
            f"{name}: peak_tflops",
            _TFLOPS,
        ),
        memory_levels=_quantities(entry["memory"], f"{name}: memory", _GB_S),
        sources=tuple(entry["sources"]),
        aliases=tuple(entry.get("aliases", ())),
        tdp_w=_optional(entry.get("tdp_w"), f"{name}: tdp_w", _WATT),
        die_area_mm2=_optional(entry.get("die_area_mm2"), f"{name}: die_area_mm2", _MM2),
        cache_mb=_optional(cache_mb, f"{name}: cache_mb", _MB),
        design=soc,
    )


def _quantities(values: Mapping[Any, Any], where: str, plausible: Plausible) -> Mapping[Any, float]:
    return MappingProxyType(
        {key: plausible.checked(f"{where}.{key}", value) for key, value in values.items()}
    )


def _optional(value: object, where: str, plausible: Plausible) -> float | None:
    return None if value is None else plausible.checked(where, value)
