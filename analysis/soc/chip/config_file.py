"""Chips as YAML: a mapping with the fields of `SoCConfig`, nested as the configurations are.

What a file leaves out is that of its ``base``, a design by name, or of the baseline::

    base: realistic
    name: my chip
    n_chiplets: 6
    chiplet:
      area_mm2: 420
      sm:
        clock_mhz: 2100
        ops_per_cycle: {fp16: 256, fp4: null}    # null: the chip does not have it
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from analysis.soc.chip.config import SoCConfig
from analysis.soc.chip.designs import BASELINE, DESIGNS
from analysis.soc.errors import ConfigError
from analysis.soc.yaml_file import read_yaml


def read_config(path: Path | str) -> SoCConfig:
    """Read a chip from a YAML file.

    Raises
    ------
    FormatError
        If the file cannot be read or is not YAML.
    ConfigError
        If it describes an impossible chip.
    """
    path = Path(path)
    content = read_yaml(path)
    if not isinstance(content, Mapping):
        raise ConfigError(f"{path}: expected fields of a chip such as 'n_chiplets: 4'")
    return config_of({"name": path.stem, **content}, str(path))


def config_of(content: Mapping[str, Any], where: str) -> SoCConfig:
    """Make a chip from a nested mapping.

    Parameters
    ----------
    content : mapping
        As in a file, see the module's text.
    where : str
        What to call it in messages.

    Raises
    ------
    ConfigError
        If a field is unknown or a value impossible.
    """
    content = dict(content)
    name = content.pop("base", BASELINE.name)
    base = DESIGNS.get(name)
    if base is None:
        raise ConfigError(f"{where}: there is no base {name!r}; known are {', '.join(DESIGNS)}")
    try:
        return base.with_values(dict(_leaves(content)))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def config_text(soc: SoCConfig) -> str:
    """Write a chip as YAML, with every field."""
    return yaml.safe_dump(asdict(soc), sort_keys=False, allow_unicode=True)


def _leaves(content: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value
