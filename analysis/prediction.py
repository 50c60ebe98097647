"""Answer from fitted models what a vector would take."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.linear import LinearFit
from analysis.models import GroupModel, read_models
from analysis.units import duration_text
from farm.catalog import load_sweep
from farm.errors import FarmError, UsageError
from farm.store.directory import SweepDirectory
from farm.store.manifest import NO_VALUE, Manifest
from sweeps.axis import Axis, AxisKind, Value
from sweeps.errors import SpecError, did_you_mean
from sweeps.space import Sweep

_MOST_NAMED = 6


@dataclass(frozen=True)
class Prediction:
    """What the model of one group says about one vector.

    Attributes
    ----------
    group : Mapping
        Group key: axis -> value as text.
    size_name : str
        Name of the size variable.
    size : float
        Its value.
    duration_ns : float
        Duration on the group's line; negative if that is what the line says.
    fit : LinearFit
        The line, with its errors and the fitted range of sizes.
    over : str
        What the points of the fit were.
    warnings : tuple of str
        What limits the answer's worth.
    """

    group: Mapping[str, str]
    size_name: str
    size: float
    duration_ns: float
    fit: LinearFit
    over: str
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "group": dict(self.group),
            "size_name": self.size_name,
            "size": self.size,
            "predicted_ns": self.duration_ns,
            "coefficient": self.fit.coefficient,
            "intercept": self.fit.intercept_ns,
            "rrmse": self.fit.rrmse,
            "rmsre": self.fit.rmsre,
            "r2": self.fit.r2,
            "n": self.fit.n,
            "size_min": self.fit.size_min,
            "size_max": self.fit.size_max,
            "over": self.over,
            "warnings": list(self.warnings),
        }


def predict(directory: SweepDirectory, op: str, assignments: Sequence[str]) -> Prediction:
    """Predict the duration of one vector.

    Parameters
    ----------
    directory : SweepDirectory
        Where the models are.
    op : str
        Operation, which must be the sweep's.
    assignments : Sequence of str
        ``AXIS=VALUE`` for the axes of the group key, where more than one value was fitted, and
        either ``SIZE=NUMBER`` or the axes that the size derives from.

    Raises
    ------
    UsageError
        If something is unknown, missing, given twice or malformed, or the group has no line.
    """
    manifest = directory.manifest
    if op != manifest.op:
        raise UsageError(f"--op {op!r}: {directory.location} holds the models of {manifest.op!r}")
    models = read_models(directory)
    given = _parse(manifest, assignments)
    group = _choose(manifest, models.groups, given)
    key = dict(zip(manifest.group_by, group.key, strict=True))
    if not group.fit.is_fitted:
        raise UsageError(f"the group {_named(key)} has no line: {group.fit.reason}")
    warnings: list[str] = []
    size = _size(manifest, given, key, warnings)
    duration_ns = group.fit.predict_ns(size)
    warnings += _range_warnings(manifest.size, size, duration_ns, group.fit)
    return Prediction(
        key, manifest.size, size, duration_ns, group.fit, models.over, tuple(warnings)
    )


def _range_warnings(name: str, size: float, duration_ns: float, fit: LinearFit) -> list[str]:
    warnings = []
    if fit.size_min is not None and fit.size_max is not None:
        low, high = fit.size_min, fit.size_max
        if not low <= size <= high:
            warnings.append(
                f"{name}={size:g} is outside of the fitted range {low:g}..{high:g}: this is an "
                f"extrapolation"
            )
    if duration_ns <= 0:
        warnings.append(
            f"the line gives {duration_text(duration_ns)}, which no vector takes: its intercept "
            f"is negative and the size too small for it"
        )
    return warnings


def _parse(manifest: Manifest, assignments: Sequence[str]) -> dict[str, str]:
    known = list(dict.fromkeys([*(axis.name for axis in manifest.axes), manifest.size]))
    given: dict[str, str] = {}
    for assignment in assignments:
        name, sign, value = assignment.partition("=")
        if not sign or not name or not value:
            raise UsageError(
                f"{assignment!r}: write KEY=VALUE, for example {manifest.size}=64; the keys are "
                f"{', '.join(known)}"
            )
        if name not in known:
            hint = did_you_mean(name, known)
            raise UsageError(f"unknown key {name!r}{hint}; the keys are {', '.join(known)}")
        if name in given:
            raise UsageError(f"{name} is given twice")
        given[name] = value
    return given


def _choose(
    manifest: Manifest, groups: Sequence[GroupModel], given: Mapping[str, str]
) -> GroupModel:
    """Narrow the groups down to one, axis by axis."""
    left = list(groups)
    if not left:
        raise UsageError("the models have no groups: nothing was measured yet")
    for position, name in enumerate(manifest.group_by):
        values = list(dict.fromkeys(group.key[position] for group in left))
        if name not in given:
            continue
        wanted = _canonical(manifest, name, given[name])
        left = [group for group in left if group.key[position] == wanted]
        if not left:
            raise UsageError(
                f"no group with {name}={wanted}; with what else was asked for there is "
                f"{_some(wanted, values)}"
            )
    if len(left) > 1:
        open_axes = {
            name: list(dict.fromkeys(group.key[i] for group in left))
            for i, name in enumerate(manifest.group_by)
            if name not in given
        }
        choices = "; ".join(
            f"{name}={_some('', values)}" for name, values in open_axes.items() if len(values) > 1
        )
        raise UsageError(f"{len(left)} groups match: say also {choices}")
    return left[0]


def _canonical(manifest: Manifest, name: str, text: str) -> str:
    """Write the text of a value as the models do: ``[1, 2]``, ``01x2`` and ``1x2`` are one."""
    if text == NO_VALUE:
        return text
    info = manifest.axis(name)
    axis = _axis(info.name, info.kind, info.components)
    try:
        return axis.format(axis.parse(text))
    except SpecError as error:
        raise UsageError(str(error)) from error


def _axis(name: str, kind: str, components: tuple[str, ...]) -> Axis:
    """Make an axis of a kind with one value of no meaning, for reading and writing its texts."""
    samples: dict[AxisKind, Value] = {
        AxisKind.INT: 1,
        AxisKind.FLOAT: 0.5,
        AxisKind.STR: "text",
        AxisKind.BOOL: True,
        AxisKind.GRID: (1,) * len(components),
        AxisKind.SHAPE: (1,) * len(components),
    }
    return Axis(name, AxisKind(kind), (samples[AxisKind(kind)],), components)


def _some(wanted: str, values: Sequence[str]) -> str:
    close = difflib.get_close_matches(wanted, values, n=3, cutoff=0.5)
    shown = [*close, *(value for value in values if value not in close)][:_MOST_NAMED]
    rest = f", ... ({len(values)} in all)" if len(values) > len(shown) else ""
    return ", ".join(shown) + rest


def _named(key: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in key.items())


def _size(
    manifest: Manifest, given: Mapping[str, str], key: Mapping[str, str], warnings: list[str]
) -> float:
    """Size as given, or derived from the axes; where all axes are known, the rules are checked."""
    texts = {**given, **key}
    missing = [axis.name for axis in manifest.axes if axis.name not in texts]
    direct = _number(manifest.size, given[manifest.size]) if manifest.size in given else None
    if missing and direct is None:
        raise UsageError(
            f"the size is missing: give {manifest.size}=NUMBER, or all axes that it derives from: "
            f"{', '.join(missing)}"
        )
    if missing and direct is not None:
        return direct
    try:
        sweep = load_sweep(manifest.source)
        params = _params(manifest, sweep, texts)
    except FarmError as error:
        if direct is None:
            raise
        warnings.append(f"the sweep's rules were not checked: {error}")
        return direct
    reason = sweep.invalid_reason(params)
    if reason is not None:
        warnings.append(f"the sweep's rules reject this vector: {reason}")
    derived = _number(manifest.size, str({**params, **sweep.derive(params)}[manifest.size]))
    if direct is not None and direct != derived:
        raise UsageError(
            f"{manifest.size}={direct:.17g} contradicts the axes, which give {derived:.17g}"
        )
    return derived


def _params(manifest: Manifest, sweep: Sweep, texts: Mapping[str, str]) -> dict[str, Value]:
    # Where suites are declared one by one, a vector has no value on an axis that its suite lacks.
    given = [
        axis.name
        for axis in manifest.axes
        if not (sweep.own_suites and texts[axis.name] == NO_VALUE)
    ]
    try:
        return {name: sweep.axis(name).parse(texts[name]) for name in given}
    except SpecError as error:
        raise UsageError(str(error)) from error


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise UsageError(f"{name}={text!r} is not a number") from error
    if not math.isfinite(value):
        raise UsageError(f"{name}={text!r} is not a finite number")
    return value
