"""Options that several SoC commands share, and the chips that they name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.errors import UsageError
from sweeps.errors import near_or_known

if TYPE_CHECKING:
    from analysis.soc.chip.config import SoCConfig
    from analysis.soc.chip.precision import Precision
    from analysis.soc.chip.public_chips import Chip

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE.yaml", help="A chip of yours.", show_default=False
    ),
]
ChipOption = Annotated[
    str | None,
    typer.Option(
        "--chip",
        metavar="NAME",
        help="A published design (baseline, realistic, ...) or a public chip (h100, n150, ...); "
        "[b]farm soc chips[/b] lists them.",
        show_default="baseline",
    ),
]
SetOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Change a field, such as [b]clock_mhz=2300[/b] or [b]fp16_ops_per_cycle=192[/b]. "
        "May be repeated.",
        show_default=False,
    ),
]
PowerOption = Annotated[
    str,
    typer.Option(
        "--power",
        metavar="physical|reference",
        help="Power formulas: C V² f with leakage and temperature, or those of the published "
        "table, which do not look at the clock.",
    ),
]
PlotOption = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE.png|.svg", help="Draw it.", show_default=False),
]


def chosen_soc(config: Path | None, chip: str | None, changes: list[str]) -> SoCConfig:
    """Find the chip that is to be modelled.

    Raises
    ------
    UsageError
        If it is named twice or unknown, its structure is not public, or a change is impossible.
    """
    return _with_changes(modelled(chosen(config, chip)), changes)


def chosen_processor(config: Path | None, chip: str | None, changes: list[str]) -> SoCConfig | Chip:
    """Find a chip whose ceilings are wanted: published ones, unless something is changed."""
    found = chosen(config, chip)
    return _with_changes(modelled(found), changes) if changes else found


def chosen(config: Path | None, chip: str | None) -> SoCConfig | Chip:
    """Find a chip by file or by name; the baseline where neither is given.

    Raises
    ------
    UsageError
        If both are given, or there is no such chip.
    """
    from analysis.soc.chip.config_file import read_config
    from analysis.soc.chip.designs import BASELINE, DESIGNS
    from analysis.soc.chip.public_chips import find_chip, library

    if config is not None and chip is not None:
        raise UsageError("--config and --chip both name a chip; give one of them")
    if config is not None:
        return read_config(config)
    if chip is None:
        return BASELINE
    found = DESIGNS.get(chip.strip().lower()) or find_chip(chip)
    if found is None:
        hint = near_or_known(chip.lower(), [*DESIGNS, *library()])
        raise UsageError(f"there is no chip {chip!r}; {hint}")
    return found


def modelled(chip: SoCConfig | Chip) -> SoCConfig:
    """Return what the models can be applied to.

    Raises
    ------
    UsageError
        If the structure of a public chip is not in the library.
    """
    from analysis.soc.chip.public_chips import Chip, library

    if not isinstance(chip, Chip):
        return chip
    if chip.design is None:
        can = ", ".join(c.name for c in library().values() if c.design is not None)
        raise UsageError(
            f"{chip.name}: the structure that the models need is not in the library, only its "
            f"ceilings; public chips with structure are {can}"
        )
    return chip.design


def _with_changes(soc: SoCConfig, changes: list[str]) -> SoCConfig:
    import yaml

    from analysis.soc.yaml_file import parse_yaml

    values: dict[str, Any] = {}
    for change in changes:
        key, is_given, text = change.partition("=")
        if not is_given or not key.strip() or not text.strip():
            raise UsageError(f"--set {change}: write KEY=VALUE, such as clock_mhz=2300")
        try:
            values[key.strip()] = parse_yaml(text)
        except yaml.YAMLError:
            raise UsageError(f"--set {change}: {text!r} is not a value") from None
    return soc.with_values(values) if values else soc


def parse_precisions(names: list[str], default: tuple[Precision, ...]) -> tuple[Precision, ...]:
    """Read precisions, separated by commas or given one by one; each once, in their order."""
    from analysis.soc.chip.precision import Precision

    wanted = [Precision.parse(part) for name in names for part in name.split(",") if part.strip()]
    return tuple(dict.fromkeys(wanted)) or default


def chosen_precision(name: str | None, soc: SoCConfig) -> Precision:
    """Read one precision; FP16, or the widest that the chip has, where none is given."""
    from analysis.soc.chip.precision import Precision
    from analysis.soc.models.power import usual_precision

    return usual_precision(soc) if name is None else Precision.parse(name)


def checked_plot(path: Path | None) -> Path | None:
    """Refuse a file that no chart can be written to, before anything is computed."""
    if path is not None:
        from analysis.soc.charts.style import check_path

        check_path(path)
    return path
