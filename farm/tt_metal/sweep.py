"""A sweep module as a sweep of this farm.

Each parameter is an axis, each suite is declared with its own loops.  The size is ``tiles``; all
parameters but the shapes name a group.  ``input_hash`` stands beside every vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from farm.errors import UsageError
from farm.tt_metal import input_hash
from farm.tt_metal.description import ModuleDescription, SuiteDescription, describe
from farm.tt_metal.expansion import Dimension
from farm.tt_metal.invalidation import Invalidation
from farm.tt_metal.module import load_source
from farm.tt_metal.module_process import describe_apart
from farm.tt_metal.parameters import axis_name
from farm.tt_metal.tensor_tiles import TILES, is_shape
from sweeps.axis import Axis, Value
from sweeps.space import Loop, Suite, Sweep


def load_sweep(source: str, runs_here: bool) -> Sweep:
    """Load the sweep of a module.

    Parameters
    ----------
    source : str
        ``tt-metal:ROOT:MODULE``.
    runs_here : bool
        Whether this process is to run the vectors, and so imports the module; otherwise a process
        of its own does, and ends.

    Raises
    ------
    UsageError
        If there is no such module, or it is no sweep module.
    PluginError
        If it cannot be imported.
    """
    return sweep_of(describe(load_source(source)) if runs_here else describe_apart(source))


def sweep_of(module: ModuleDescription) -> Sweep:
    """Make the sweep of a described module.

    Raises
    ------
    UsageError
        If it has no parameter with a value.
    """
    # By identity: suites over the same values share the loop.
    distinct = {id(loop): loop for suite in module.suites for loop in suite.loops}
    axes = {
        name: Axis(axis_name(name), module.kinds[name], tuple(values))
        for name, values in _values(distinct.values()).items()
        if values
    }
    if not axes:
        raise UsageError(f"{module.name}: no suite has a parameter with a value")
    positions = {
        name: {value: i for i, value in enumerate(axis.values)} for name, axis in axes.items()
    }
    loops = {key: _loop(loop, axes, positions) for key, loop in distinct.items()}
    return Sweep(
        name=module.name,
        op=module.name,
        version=module.version,
        axes=tuple(axes.values()),
        size=TILES.name,
        group_by=tuple(axis.name for name, axis in axes.items() if not is_shape(name)),
        features=(TILES,),
        timeout_s=module.timeout_s,
        origin=module.source,
        own_suites=tuple(_suite(suite, loops) for suite in module.suites),
        judge=Invalidation(module.source) if module.has_invalidate else None,
        labels=(input_hash.label(module.name),),
    )


def _values(loops: Iterable[Dimension]) -> dict[str, dict[Value, None]]:
    """Values of each parameter over all suites, in the order of their first appearance."""
    found: dict[str, dict[Value, None]] = {}
    for loop in loops:
        for column, name in enumerate(loop.names):
            found.setdefault(name, {}).update(dict.fromkeys(row[column] for row in loop.rows))
    return found


def _loop(
    loop: Dimension, axes: Mapping[str, Axis], positions: Mapping[str, Mapping[Value, int]]
) -> Loop:
    """Make the loop over axes; over none where a parameter has no value in any suite."""
    if not loop.rows:
        known = tuple(axes[name] for name in loop.names if name in axes)
        return Loop(known, np.zeros((len(known), 0), np.intp))
    steps = np.empty((len(loop.names), len(loop.rows)), np.intp)
    for column, name in enumerate(loop.names):
        position = positions[name]
        steps[column] = [position[row[column]] for row in loop.rows]
    return Loop(tuple(axes[name] for name in loop.names), steps)


def _suite(suite: SuiteDescription, loops: Mapping[int, Loop]) -> Suite:
    own = tuple(loops[id(loop)] for loop in suite.loops)
    return Suite(suite.name, tuple(axis for loop in own for axis in loop.axes), own)
