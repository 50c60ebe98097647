"""A question about a design space, written in YAML.

.. code-block:: yaml

    axes:                           # other values for axes of soc-design, as --limit AXIS:=VALUES
      n_sms: 16..64
      clock_mhz: [1800, 2000, 2200]
    chip: realistic                 # all other fields: a design, or fields as in a chip's file
    constraints: [total_power_w <= 500, 300 <= area_mm2]
    pareto: [density_tflops_mm2, total_power_w]
    objective: density_tflops_mm2
    precision: FP16
    power: physical
    workload: gemm:8192x8192x8192   # or a file beside this one

Every key may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from analysis.soc.chip.config import SoCConfig
from analysis.soc.chip.config_file import config_of
from analysis.soc.workload.argument import WORKLOAD_SUFFIXES
from analysis.soc.yaml_file import read_yaml
from farm.errors import FormatError
from sweeps.errors import near_or_known


@dataclass(frozen=True)
class Study:
    """What a file asks; None and empty where it is silent.

    Attributes
    ----------
    limits : tuple of str
        Limits of the space, as `sweeps.limits.limited` reads them.
    chip : SoCConfig or None
        The base chip.
    constraints, pareto : tuple of str
        Constraints, and goals of the front.
    objective, precision, power, workload : str or None
        As the options of the command.
    """

    limits: tuple[str, ...] = ()
    chip: SoCConfig | None = None
    constraints: tuple[str, ...] = ()
    pareto: tuple[str, ...] = ()
    objective: str | None = None
    precision: str | None = None
    power: str | None = None
    workload: str | None = None

    def joined(self, given: Study) -> Study:
        """Add limits and constraints of another study; what else it says stands in place."""
        said = {f.name: value for f in fields(Study) if (value := getattr(given, f.name))}
        said["limits"] = (*self.limits, *given.limits)
        said["constraints"] = (*self.constraints, *given.constraints)
        return replace(self, **said)

    @staticmethod
    def load(path: Path) -> Study:
        """Read a YAML file.

        Raises
        ------
        FormatError
            If it cannot be read or is no study; the message names file and key.
        ConfigError
            If its chip is impossible.
        """
        content = read_yaml(path)
        known = ["axes", *(f.name for f in fields(Study) if f.name != "limits")]
        if not isinstance(content, Mapping):
            raise FormatError(f"{path}: expected the keys {', '.join(known)} at the top")
        for key in content:
            if key not in known:
                raise FormatError(f"{path}: no key {key!r}; {near_or_known(str(key), known)}")
        return _study(content, path)


def _study(content: Mapping[str, Any], path: Path) -> Study:
    axes = content.get("axes", {})
    if not isinstance(axes, Mapping):
        raise FormatError(f"{path}: axes: write AXIS: VALUES, such as n_sms: 16..64")
    words = {
        key: None if content.get(key) is None else str(content[key])
        for key in ("objective", "precision", "power", "workload")
    }
    if words["workload"] and words["workload"].endswith(WORKLOAD_SUFFIXES):
        words["workload"] = str(path.parent / words["workload"])
    return Study(
        limits=tuple(
            f"{axis}:={','.join(_texts(v, f'{path}: axes.{axis}'))}" for axis, v in axes.items()
        ),
        chip=_chip(content.get("chip"), str(path)),
        constraints=_texts(content.get("constraints", ()), f"{path}: constraints"),
        pareto=_texts(content.get("pareto", ()), f"{path}: pareto"),
        **words,
    )


def _chip(value: object, where: str) -> SoCConfig | None:
    if value is None:
        return None
    fields_ = value if isinstance(value, Mapping) else {"base": value}
    return config_of(fields_, f"{where}: chip")


def _texts(value: object, where: str) -> tuple[str, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(each, Mapping | list) or each is None for each in values):
        raise FormatError(f"{where}: write one text or number, or a list of them")
    return tuple(str(each) for each in values)
