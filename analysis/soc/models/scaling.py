"""What becomes of a chip when one of its parameters grows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from analysis.soc.chip.config import KEYS, SoCConfig, key_path
from analysis.soc.chip.formulas import STACKS_PER_CHIPLET
from analysis.soc.chip.precision import Precision
from analysis.soc.errors import ConfigError
from analysis.soc.models.power import PowerSemantics
from analysis.soc.models.summary import Summary, summarize

USUAL_STUDIES: dict[str, tuple[float, ...]] = {
    "n_chiplets": (1, 2, 3, 4, 6, 8, 12, 16),
    "n_sms": (8, 16, 24, 32, 40, 48, 64),
    "clock_mhz": (1000, 1200, 1400, 1600, 1800, 2000, 2200, 2400, 2600, 2800),
}
"""Parameters and values of a study that asks for nothing in particular."""


@dataclass(frozen=True)
class ScalingStudy:
    """One chip over values of one field.

    Attributes
    ----------
    soc : SoCConfig
        The chip that is varied.
    key : str
        The field that varies.
    values : tuple of float
        What it is set to.
    summaries : tuple of Summary
        What becomes of the chip, one per value.
    """

    soc: SoCConfig
    key: str
    values: tuple[float, ...]
    summaries: tuple[Summary, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        points = [
            {self.key: value} | summary.as_json()
            for value, summary in zip(self.values, self.summaries, strict=True)
        ]
        return {"chip": self.soc.name, "parameter": self.key, "points": points}


class ScalingModel:
    """Scaling studies of one chip.

    Parameters
    ----------
    soc : SoCConfig
        Where every study starts.
    semantics : PowerSemantics or str
        Which power formulas.

    Examples
    --------
    >>> study = ScalingModel(SoCConfig(), "reference").study("n_chiplets", [4, 8])
    >>> [summary.power_w for summary in study.summaries]
    [267.2, 504.4]
    """

    def __init__(
        self, soc: SoCConfig, semantics: PowerSemantics | str = PowerSemantics.PHYSICAL
    ) -> None:
        self.soc = soc
        self.semantics = semantics

    def study(
        self, key: str, values: Iterable[float], precision: Precision = Precision.FP16
    ) -> ScalingStudy:
        """Vary one field, named as in `SoCConfig.with_values`.

        Stacks of HBM grow with the chiplets: two beside each.

        Raises
        ------
        ConfigError
            If there is no such field, it is not a number, or a value is not plausible.
        """
        path = key_path(key)
        key = next(name for name, known in KEYS.items() if known == path)
        if key == "name":
            raise ConfigError("a name cannot be scaled; give a field that is a number")
        values = tuple(values)
        if not values:
            raise ConfigError(f"no values of {key} to study")
        varied = (self._variation(key, value) for value in values)
        return ScalingStudy(
            soc=self.soc,
            key=key,
            values=values,
            summaries=tuple(summarize(soc, precision, self.semantics) for soc in varied),
        )

    def _variation(self, key: str, value: float) -> SoCConfig:
        changes: dict[str, object] = {key: value}
        if key == "n_chiplets":
            changes["n_hbm_stacks"] = STACKS_PER_CHIPLET * value
        return self.soc.with_values(changes)
