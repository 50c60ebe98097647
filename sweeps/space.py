"""Sweeps as data: axes, suites, rules with reasons, features, groups.

A `Sweep` is declared once, as a module-level constant ``SWEEP``.  Rules and features are functions
of `Columns`: they see whole NumPy arrays, never one candidate, and must work element-wise with
broadcasting, because candidates of a block arrive as an open mesh (one axis per dimension).
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from sweeps.axis import Axis, Value
from sweeps.columns import Array, Columns
from sweeps.derivation import Feature, Label, Rule
from sweeps.errors import SpecError, known_names
from sweeps.suite import Judge, Loop, Suite, Verdicts
from sweeps.vector import canonical_json

__all__ = [
    "Array",
    "Columns",
    "Feature",
    "Kernel",
    "Label",
    "Loop",
    "Rule",
    "Suite",
    "SuiteValues",
    "Sweep",
    "Verdicts",
]

Kernel = Callable[[Mapping[str, Value]], Callable[[], object]]
SuiteValues = Callable[[Mapping[str, Value]], Mapping[str, Sequence[Value]]]

RESERVED_NAMES = frozenset(
    {
        "vector_id",
        "group_id",
        "suite",
        "index",
        "chunk",
        "status",
        "reason",
        "card",
        "attempt",
        "duration_ns",
    }
)
"""Names that the store uses for its own columns."""


@dataclass(frozen=True)
class Sweep:
    """A declared parameter space of one operation.

    Attributes
    ----------
    name : str
        What the user calls it.
    op : str
        What the device runs.
    axes : tuple of Axis
        In enumeration order; the first varies slowest.
    size : str
        Feature or integer axis that the fits use as the independent variable.
    group_by : tuple of str
        Axes whose values together name the group that shares one model.
    suite_by : tuple of str
        Axes that are constant within a suite: one suite per combination.  Without them the whole
        sweep is one suite named ``all``.
    suite_values : Callable or None
        Where suites sweep different values: values of the `suite_by` axes -> name of another axis
        -> those of its values that the suite has.  `version` has to say what this depends on.
    rules, suite_rules : tuple of Rule
        Validity of candidates; validity of whole suites (these see the `suite_by` axes only).
    features : tuple of Feature
        Derived columns.
    max_vectors_per_suite : int or None
        Above this many valid vectors every other one, starting with the first, is deleted
        repeatedly.
    repeats : int
        Measured launches per vector.
    timeout_s : float
        Longest time that one vector may take, all repeats included; where a device warms it up
        apart, that has as long again.
    chunk_rows : int
        Vectors per chunk: what one card leases and commits at a time.
    version : str
        Bumped by the author when a rule or feature changes its meaning.  Where it is empty, the
        farm uses a digest of the defining file instead.
    kernel : Callable or None
        For the ``cpu`` device: parameters -> a function without arguments that is one launch.
    origin : str
        Of a sweep made from a foreign declaration: the source text that leads back to it.
    own_suites : tuple of Suite
        Suites declared one by one, in place of `suite_by`; each has some of the axes and loops of
        its own.  A vector has no value (null) for an axis that its suite lacks.
    judge : Callable or None
        Validity that no rule can express: judges candidates one by one.  `version` has to say what
        it depends on.
    labels : tuple of Label
        Texts stored with every vector.
    """

    name: str
    op: str
    axes: tuple[Axis, ...]
    size: str
    group_by: tuple[str, ...]
    suite_by: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    suite_rules: tuple[Rule, ...] = ()
    features: tuple[Feature, ...] = ()
    max_vectors_per_suite: int | None = None
    repeats: int = 10
    timeout_s: float = 30.0
    chunk_rows: int = 1024
    version: str = ""
    kernel: Kernel | None = field(default=None, compare=False)
    suite_values: SuiteValues | None = field(default=None, compare=False)
    origin: str = field(default="", compare=False)
    own_suites: tuple[Suite, ...] = field(default=(), compare=False)
    judge: Judge | None = field(default=None, compare=False)
    labels: tuple[Label, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        names = [axis.name for axis in self.axes] + [f.name for f in self.features]
        names += [label.name for label in self.labels]
        if not self.axes:
            raise SpecError(f"sweep {self.name}: it has no axes; declare at least one")
        for name in names:
            if names.count(name) > 1:
                raise SpecError(f"sweep {self.name}: axis or feature {name!r} is declared twice")
            if name in RESERVED_NAMES or not name.isidentifier():
                raise SpecError(
                    f"sweep {self.name}: {name!r} cannot name an axis or feature: it must be an "
                    f"identifier other than {', '.join(sorted(RESERVED_NAMES))}"
                )
        for role in ("group_by", "suite_by"):
            for name in getattr(self, role):
                self._require(name, [axis.name for axis in self.axes], role)
        self._require(self.size, [*(f.name for f in self.features), *self._int_axes()], "size")
        if self.repeats < 1 or self.timeout_s <= 0 or self.chunk_rows < 1:
            raise SpecError(
                f"sweep {self.name}: repeats, timeout_s and chunk_rows must be positive"
            )
        if self.max_vectors_per_suite is not None and self.max_vectors_per_suite < 1:
            raise SpecError(f"sweep {self.name}: max_vectors_per_suite must be positive or None")

    def _int_axes(self) -> list[str]:
        return [axis.name for axis in self.axes if axis.kind == "int"]

    def _require(self, name: str, known: list[str], role: str) -> None:
        if name not in known:
            raise SpecError(
                f"sweep {self.name}: {role} names {name!r}, which is not among {', '.join(known)}"
            )

    def axis(self, name: str) -> Axis:
        """Return the axis called `name`.

        Raises
        ------
        SpecError
            If there is none.
        """
        for axis in self.axes:
            if axis.name == name:
                return axis
        known = ", ".join(axis.name for axis in self.axes)
        raise SpecError(f"sweep {self.name}: no axis {name!r}; its axes are {known}")

    def with_axis(self, axis: Axis) -> Sweep:
        """Return the same sweep with the axis of that name replaced.

        Raises
        ------
        SpecError
            If there is none, or `own_suites` have no such values.
        """
        wanted = set(axis.values)
        unknown = wanted - set(self.axis(axis.name).values)
        if self.own_suites and unknown:
            raise SpecError(
                f"sweep {self.name}: axis {axis.name} cannot have the value "
                f"{axis.format(min(unknown, key=str))}: its suites list theirs one by one"
            )
        shared = {loop for suite in self.own_suites for loop in suite.loops}
        narrowed = {loop: loop.restricted(axis.name, wanted) for loop in shared}
        return replace(
            self,
            axes=tuple(axis if a.name == axis.name else a for a in self.axes),
            own_suites=tuple(
                replace(suite, own_loops=tuple(narrowed[loop] for loop in suite.loops))
                for suite in self.own_suites
            ),
        )

    def with_suites(self, names: Sequence[str]) -> Sweep:
        """Return the same sweep with those of `own_suites` that are named.

        Raises
        ------
        SpecError
            If one is unknown.
        """
        known = {suite.name: suite for suite in self.own_suites}
        for name in names:
            if name not in known:
                hint = known_names("its suites", name, list(known))
                raise SpecError(f"sweep {self.name}: no suite {name!r}; {hint}")
        wanted = set(names)
        kept = tuple(suite for suite in self.own_suites if suite.name in wanted)
        return replace(self, own_suites=kept)

    @cached_property
    def partial_axes(self) -> frozenset[str]:
        """Axes that some of `own_suites` lack."""
        names = frozenset(axis.name for axis in self.axes)
        lacking = (names.difference(a.name for a in suite.axes) for suite in self.own_suites)
        return frozenset().union(*lacking)

    def suites(self) -> Iterator[Suite]:
        """Yield the suites in order; those that a suite rule excludes are left out."""
        for suite, reason in self.suites_with_reasons():
            if reason is None:
                yield suite

    def suites_with_reasons(self) -> Iterator[tuple[Suite, str | None]]:
        """Yield every suite with the reason why it is excluded, or None.

        Raises
        ------
        SpecError
            If two suites have the same name, or a suite rule fails.
        """
        if self.own_suites:
            yield from ((suite, suite.empty_reason) for suite in self.own_suites)
            return
        names: set[str] = set()
        pinned = [axis for axis in self.axes if axis.name in self.suite_by]
        pinned.sort(key=lambda axis: self.suite_by.index(axis.name))
        for combination in itertools.product(*(axis.values for axis in pinned)):
            values = dict(zip((axis.name for axis in pinned), combination, strict=True))
            axes = tuple(
                axis.with_values([values[axis.name]]) if axis.name in values else axis
                for axis in self.axes
            )
            name = "-".join(
                axis.format(value) for axis, value in zip(pinned, combination, strict=True)
            )
            if name in names:
                raise SpecError(
                    f"sweep {self.name}: two suites are called {name!r}; rename the choices of "
                    f"{', '.join(axis.name for axis in pinned)} so that they differ when joined"
                )
            names.add(name)
            axes, reason = self._narrowed(axes, values)
            yield Suite(name or "all", axes), reason or self._excluded(axes)

    def _narrowed(
        self, axes: tuple[Axis, ...], pinned: Mapping[str, Value]
    ) -> tuple[tuple[Axis, ...], str | None]:
        """Leave each axis the values that a suite has; or say which axis is left without any."""
        if self.suite_values is None:
            return axes, None
        try:
            wanted = {name: set(values) for name, values in self.suite_values(pinned).items()}
        except Exception as error:
            raise self.failed("suite_values", error) from error
        narrowed = []
        for axis in axes:
            values = [v for v in axis.values if axis.name not in wanted or v in wanted[axis.name]]
            if not values:
                return axes, f"no value of {axis.name} is left"
            narrowed.append(axis.with_values(values))
        return tuple(narrowed), None

    def _excluded(self, axes: tuple[Axis, ...]) -> str | None:
        if not self.suite_rules:
            return None
        here = tuple(axis for axis in axes if axis.name in self.suite_by)
        return self._first_failed(self.suite_rules, here)

    def _first_failed(self, rules: tuple[Rule, ...], axes: tuple[Axis, ...]) -> str | None:
        columns = Columns(axes, {axis.name: np.zeros(1, np.intp) for axis in axes})
        for rule in rules:
            try:
                is_valid = np.all(rule.is_valid(columns))
            except Exception as error:
                raise self.failed(f"rule {rule.reason!r}", error) from error
            if not is_valid:
                return rule.reason
        return None

    def failed(self, what: str, error: Exception) -> SpecError:
        """Say that a rule or feature of this sweep raised `error`."""
        # A KeyError prints its message in quotes.
        said = error.args[0] if isinstance(error, KeyError) and error.args else error
        return SpecError(f"sweep {self.name}: {what} failed: {said}")

    def _pinned(self, params: Mapping[str, Value]) -> tuple[Axis, ...]:
        given = tuple(axis for axis in self.axes if axis.name in params)
        if not self.own_suites and len(given) < len(self.axes):
            missing = next(axis.name for axis in self.axes if axis not in given)
            raise SpecError(f"sweep {self.name}: no value is given for axis {missing!r}")
        return tuple(axis.with_values([params[axis.name]]) for axis in given)

    def derive(self, params: Mapping[str, Value]) -> dict[str, int | float]:
        """Compute the features of one vector.

        Parameters
        ----------
        params : Mapping
            A value for every axis, or with `own_suites` for those of a suite; values need not be
            among those declared.

        Returns
        -------
        dict
            Feature name -> number.

        Raises
        ------
        SpecError
            If a value is missing or of another kind than its axis, or a feature fails.
        """
        axes = self._pinned(params)
        columns = Columns(axes, {axis.name: np.zeros(1, np.intp) for axis in axes})
        derived = {}
        for feature in self.features:
            try:
                values = np.broadcast_to(feature.compute(columns), (1,))
            except Exception as error:
                raise self.failed(f"feature {feature.name!r}", error) from error
            derived[feature.name] = values[0].item()
        return derived

    def invalid_reason(self, params: Mapping[str, Value]) -> str | None:
        """Say why one candidate is not part of the sweep, or None if it is.

        Raises
        ------
        SpecError
            If a value is missing or of another kind than its axis, or a rule fails.
        """
        return self._first_failed(self.suite_rules + self.rules, self._pinned(params))

    def declaration(self) -> dict[str, Any]:
        """Everything that decides which vectors exist and how they are measured, as JSON data."""
        optional: dict[str, Any] = {}
        if self.own_suites:
            optional["suites"] = {suite.name: suite.digest for suite in self.own_suites}
        if self.labels:
            optional["labels"] = [label.name for label in self.labels]
        return {
            "name": self.name,
            "op": self.op,
            "version": self.version,
            "axes": {
                axis.name: {
                    "kind": axis.kind.value,
                    "components": list(axis.components),
                    "n_values": len(axis.values),
                    "values_sha256": _digest(list(axis.values)),
                    "values": axis.abridged(),
                }
                for axis in self.axes
            },
            "axis_order": [axis.name for axis in self.axes],
            "size": self.size,
            "group_by": list(self.group_by),
            "suite_by": list(self.suite_by),
            "rules": [rule.reason for rule in self.rules],
            "suite_rules": [rule.reason for rule in self.suite_rules],
            "features": [feature.name for feature in self.features],
            "max_vectors_per_suite": self.max_vectors_per_suite,
            "repeats": self.repeats,
            "chunk_rows": self.chunk_rows,
            **optional,
        }

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON of the declaration, in hexadecimal."""
        return _digest(self.declaration())


def _digest(value: object) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()
