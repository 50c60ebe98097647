"""What an imported sweep directory says about itself, and how to find back from it to a sweep.

``source`` in its sweep.json is ``imported:`` and the source of the sweep that devices run its
vectors with: ``reshard``, or ``tt-metal:ROOT:MODULE`` if the checkout was named.  Its declaration
is that of a sweep with the axes, features and groups of its vectors; in place of rules it has
``imported``: {``n_vectors``, ``generation``, ``files``, ``sha256`` over their names and contents},
because the files decide which vectors there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from farm.interchange.record_table import FileFacts
from farm.interchange.vector_parameters import VectorParameters, axis_value
from farm.tt_metal.input_hash import NAME
from farm.tt_metal.tensor_tiles import TILES, is_shape
from sweeps.axis import Axis, Value
from sweeps.generate import SuiteSelection, vectors
from sweeps.reshard import SWEEP as RESHARD
from sweeps.space import Label, Loop, Suite, Sweep
from sweeps.vector import canonical_json


def frame(module: str, parameters: VectorParameters, is_reshard: bool) -> Sweep:
    """Make the sweep of which the vectors are points, without saying which points.

    Parameters
    ----------
    module : str
        Dotted name of the sweep module.
    parameters : VectorParameters
        Of all vectors.
    is_reshard : bool
        Whether they are vectors of the sweep ``reshard``.
    """
    axes = tuple(parameters.axes.values())
    labels = (Label(NAME, _no_hashes),)
    if is_reshard:
        return replace(
            RESHARD,
            axes=axes,
            rules=(),
            suite_rules=(),
            suite_by=(),
            max_vectors_per_suite=None,
            labels=labels,
        )
    return Sweep(
        name=module,
        op=module,
        axes=axes,
        size=TILES.name,
        group_by=tuple(axis.name for name, axis in parameters.axes.items() if not is_shape(name)),
        features=(TILES,),
        own_suites=parameters.partial_suites,
        labels=labels,
    )


def declaration(sweep: Sweep, generation: str, files: Sequence[FileFacts]) -> dict[str, Any]:
    """Return the declaration of an import; its digest is the fingerprint."""
    contents = [[file.name, file.sha256] for file in files]
    declared = sweep.declaration()
    declared.pop("suites", None)
    return declared | {
        "imported": {
            "generation": generation,
            "n_vectors": sum(file.n_records for file in files),
            "files": len(files),
            "sha256": hashlib.sha256(canonical_json(contents)).hexdigest(),
        }
    }


@dataclass(frozen=True)
class VectorRun:
    """Vectors of one suite, one after the other, with the same parameters.

    Attributes
    ----------
    suite : str
        Its name.
    names : tuple of str
        Parameters.
    rows : list of tuple
        Their values, see `farm.interchange.vector_parameters.texts_of`.
    hashes : list of str
        Id of each vector in its file.
    """

    suite: str
    names: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    hashes: list[str]

    def table(self, sweep: Sweep, axes: dict[str, Axis]) -> pa.Table:
        """Return the columns of the vectors, see `sweeps.generate.schema`."""
        own, steps = [], []
        for name, column in zip(self.names, zip(*self.rows, strict=True), strict=True):
            code = {value: i for i, value in enumerate(dict.fromkeys(column))}
            axis = axes[name]
            own.append(axis.with_values(axis_value(value, axis.kind) for value in code))
            steps.append([code[value] for value in column])
        loop = Loop(tuple(own), np.array(steps, np.intp))
        suite = Suite(self.suite, tuple(own), (loop,))
        n = len(self.rows)
        labelled = replace(sweep, labels=(Label(NAME, lambda *_: self.hashes),))
        return vectors(labelled, SuiteSelection(suite, np.arange(n), n, n), 0, n)


def _no_hashes(suite: Suite, codes: object) -> Sequence[str]:
    raise LookupError(f"the ids of {suite.name} are in the imported files only")
