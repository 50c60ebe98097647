"""How the weights of a parameter set were fitted: what says how sure an estimate is.

Format of ``<parameter file>.fits.json``: JSON object with `format`, `version`,
`parameters_sha256` (of the parameter file that it belongs to) and `sets`: operation -> attribute
set -> the fields of `FitRecord`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from analysis.op_model.descriptors.descriptor import Sizes

FORMAT = "sweepfarm op-model fits"
VERSION = 1


@dataclass(frozen=True)
class FitRecord:
    """What is known about one parameter set.

    Attributes
    ----------
    n_rows : int
        Measured rows that it was fitted on.
    mape_percent : float
        Mean of ``|estimate - runtime| / runtime`` in percent.
    is_cross_validated : bool
        Whether that error is of rows that were not fitted.
    source : str
        Where the rows came from.
    ranges : Mapping
        Size, as descriptors name it -> its least and largest fitted value.
    """

    n_rows: int
    mape_percent: float
    is_cross_validated: bool
    source: str
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def outside(self, sizes: Mapping[str, int]) -> list[str]:
        """Name the sizes beyond what was fitted."""
        return [
            f"{name}={sizes[name]} (fitted: {low} to {high})"
            for name, (low, high) in self.ranges.items()
            if not low <= sizes[name] <= high
        ]


def records_path(parameters: Path) -> Path:
    """Where the fits of a parameter file are recorded."""
    return parameters.with_name(f"{parameters.stem}.fits.json")


def records_text(records: Mapping[tuple[str, str], FitRecord], parameters_sha256: str) -> str:
    """Write records as their file has them."""
    sets: dict[str, dict[str, Any]] = {}
    for (op, set_name), record in records.items():
        sets.setdefault(op, {})[set_name] = asdict(record)
    head = {"format": FORMAT, "version": VERSION, "parameters_sha256": parameters_sha256}
    return json.dumps({**head, "sets": sets}, indent=1) + "\n"


def read_fit_records(
    parameters: Path, parameters_sha256: str
) -> tuple[dict[tuple[str, str], FitRecord], str]:
    """Read the records of a parameter file.

    Returns
    -------
    tuple
        Records by operation and set, none where there is no file, and why they were not taken:
        empty unless the file is damaged or belongs to other parameters.
    """
    path = records_path(parameters)
    if not path.exists():
        return {}, ""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if (data["format"], data["version"]) != (FORMAT, VERSION):
            return {}, f"{path}: not a record of fits in version {VERSION}; it is ignored"
        if data["parameters_sha256"] != parameters_sha256:
            return {}, f"{path}: {parameters.name} was changed since; the record is ignored"
        records = {
            (op, set_name): _record(entry)
            for op, sets in data["sets"].items()
            for set_name, entry in sets.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return {}, f"{path}: damaged, and ignored: {type(error).__name__}: {error}"
    return records, ""


def _record(entry: dict[str, Any]) -> FitRecord:
    known = {f.name for f in fields(FitRecord)}
    record = FitRecord(**{name: value for name, value in entry.items() if name in known})
    if not (math.isfinite(record.mape_percent) and record.mape_percent >= 0 < record.n_rows):
        raise ValueError(f"no sound record: {entry}")
    ranges = {name: (int(low), int(high)) for name, (low, high) in record.ranges.items()}
    unknown = set(ranges) - set(Sizes._fields)
    if unknown:
        raise ValueError(f"ranges of unknown sizes: {', '.join(sorted(unknown))}")
    return FitRecord(
        record.n_rows, record.mape_percent, record.is_cross_validated, record.source, ranges
    )
