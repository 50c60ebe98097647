"""A sweep module of tt-metal, imported into this process and called.

The module's objects never leave the process: a sweep directory holds their text
(`farm.tt_metal.serialisation`), and whoever runs a vector looks the text up among the module's own
`parameters` with `TtMetalModule.arguments`.

A sweep of such a module has ``tt-metal:ROOT:MODULE`` as its source, in manifests and worker
settings as in `sweeps.space.Sweep.origin`; a device that runs the module gets it from there:
``load_source(sweep.origin)``.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from farm.errors import CardError, UsageError
from farm.tt_metal.bookkeeping import NEVER_ARGUMENTS
from farm.tt_metal.expansion import Dimension, Materialiser, dimensions_of
from farm.tt_metal.fixture import Fixture
from farm.tt_metal.import_roots import import_module, module_file
from farm.tt_metal.parameters import WrittenSuite, kinds_of, parameter_name
from farm.tt_metal.run_result import RunResult, read_result
from farm.tt_metal.seeds import SEED, reseed
from farm.tt_metal.serialisation import ABSENT
from farm.tt_metal.source import parse_source
from farm.tt_metal.timeout import timeout_of
from sweeps.axis import AxisKind, Value

_OWN_DEVICE_NAMES = ("_CUR_DEVICE", "_CONV_DEV")


@dataclass(frozen=True)
class LiveSuite:
    """A suite with its live values, and the values that an axis of this farm holds for them.

    Attributes
    ----------
    name : str
        As the module calls it.
    dimensions : tuple of Dimension
        The loops with live objects, the outermost first.  Values with the same text are the same
        parameter value and stand once.
    texts : tuple of Dimension
        The same loops with axis values.
    """

    name: str
    dimensions: tuple[Dimension, ...]
    texts: tuple[Dimension, ...]

    @cached_property
    def _live(self) -> dict[str, dict[Value, object]]:
        found: dict[str, dict[Value, object]] = {}
        for live, text in zip(self.dimensions, self.texts, strict=True):
            for column, name in enumerate(live.names):
                values = found.setdefault(name, {})
                for live_row, text_row in zip(live.rows, text.rows, strict=True):
                    values.setdefault(text_row[column], live_row[column])
        return found

    def live_loops(self, loops: Iterable[Dimension]) -> tuple[Dimension, ...]:
        """Return loops of axis values as loops of live objects."""
        return tuple(
            Dimension(
                loop.names,
                tuple(
                    tuple(self._live[n][value] for n, value in zip(loop.names, row, strict=True))
                    for row in loop.rows
                ),
            )
            for loop in loops
        )

    def arguments(self, params: Mapping[str, Value | None]) -> dict[str, object] | None:
        """Look live objects up, or None if the suite has other parameters or values."""
        given = {name: value for name, value in params.items() if value is not None}
        if given.keys() != self._live.keys():
            return None
        try:
            return {name: values[given[name]] for name, values in self._live.items()}
        except KeyError:
            return None


class TtMetalModule:
    """An imported sweep module.

    Parameters
    ----------
    root : Path
        Of the tt-metal checkout.
    name : str
        Dotted name below ``tests/sweep_framework/sweeps``.
    module : ModuleType
        The imported module.

    Raises
    ------
    UsageError
        If it has no ``run`` or no ``parameters``, or these are not what they must be.
    """

    def __init__(self, root: Path, name: str, module: ModuleType) -> None:
        self.root, self.name, self._module = root, name, module
        self.path = module_file(root, name)
        self.run: Callable[..., Any] = self._function("run", required=True)
        invalidate = self._function("invalidate_vector")
        self.invalidate: Callable[[dict[str, Any]], Any] | None = invalidate
        self.fixture: Fixture | None = self._function("mesh_device_fixture")
        self.timeout_s = timeout_of(module, self.path)
        self.kinds, self.suites = self._read_suites()
        self._accepts_absent_keys = _accepts(self.run, "__absent_keys__")

    @property
    def has_invalidate(self) -> bool:
        """Whether the module judges its vectors, one Python call each."""
        return self.invalidate is not None

    @property
    def skips_device_perf(self) -> bool:
        """Whether the module asks not to be profiled; to be read after a run."""
        return bool(getattr(self._module, "_SKIP_DEVICE_PERF", False))

    @property
    def is_non_deterministic(self) -> bool:
        """Whether the module's results differ from run to run by design."""
        return bool(getattr(self._module, "_NON_DETERMINISTIC_BY_DESIGN", False))

    @property
    def own_device(self) -> Any:
        """Device that the module has opened itself, or None; for fixtures that yield None."""
        for name in _OWN_DEVICE_NAMES:
            device = getattr(self._module, name, None)
            if device is not None:
                return device
        for name, module in list(sys.modules.items()):
            if name.rpartition(".")[2] == "ccl_common":
                cache = getattr(module, "_DEVICE_CACHE", None)
                found = list(cache.values()) if isinstance(cache, dict) else [cache]
                if found and found[-1] is not None:
                    return found[-1]
        return None

    def suite(self, name: str) -> LiveSuite:
        """Return a suite by its name.

        Raises
        ------
        UsageError
            If there is none.
        """
        for suite in self.suites:
            if suite.name == name:
                return suite
        known = ", ".join(suite.name for suite in self.suites)
        raise UsageError(f"{self.name} has no suite {name!r}; its suites are {known}")

    def arguments(
        self, params: Mapping[str, Value | None], suite: str | None = None
    ) -> dict[str, object]:
        """Look up the live objects of a vector's parameters.

        Parameters
        ----------
        params : Mapping
            Axis -> value; None where the vector's suite has no such parameter.
        suite : str or None
            Suite of the vector; None: the first one that has these parameters and values.

        Raises
        ------
        CardError
            If no suite has these values: the module here is not the one that was generated from.
        """
        named = {parameter_name(axis): value for axis, value in params.items()}
        for candidate in self.suites if suite is None else (self.suite(suite),):
            found = candidate.arguments(named)
            if found is not None:
                return found
        raise CardError(
            f"{self.name} has no suite with the parameters {dict(named)}: {self.path} was changed "
            f"after the vectors were generated, or draws its parameters anew at each import"
        )

    def call(self, arguments: Mapping[str, object], device: object, seed: int = SEED) -> RunResult:
        """Seed random state and run a vector once.

        Parameters
        ----------
        arguments : Mapping
            Live objects from `arguments`.
        device : object
            An open device.
        seed : int
            Of ``random``, NumPy and torch; the same for each repeat of a vector.

        Raises
        ------
        OpFailedError
            If ``run`` returns something that is no result.
        """
        given = {k: v for k, v in arguments.items() if k not in NEVER_ARGUMENTS}
        absent = {k for k, v in given.items() if isinstance(v, str) and v == ABSENT}
        given.update(dict.fromkeys(absent))
        if absent and self._accepts_absent_keys:
            given["__absent_keys__"] = absent
        reseed(seed)
        return read_result(self.run(**given, device=device))

    def _read_suites(self) -> tuple[dict[str, AxisKind], tuple[LiveSuite, ...]]:
        written = {
            name: WrittenSuite.of(loops, f"{self.name}, suite {name!r}")
            for name, loops in self._loops().items()
        }
        kinds = kinds_of(written.values())
        return kinds, tuple(
            LiveSuite(name, *suite.in_axis_values(kinds)) for name, suite in written.items()
        )

    def _loops(self) -> dict[str, tuple[Dimension, ...]]:
        declared = getattr(self._module, "parameters", None)
        if not isinstance(declared, Mapping) or not declared:
            raise UsageError(
                f"{self.path} has no parameters: a sweep module declares "
                f"parameters = {{suite: {{name: values}}}}"
            )
        materialiser, loops = Materialiser(), {}
        for suite, parameters in declared.items():
            where = f"{self.name}, suite {suite!r}"
            if not isinstance(parameters, Mapping):
                raise UsageError(f"{where}: it must be a dictionary of parameters")
            loops[str(suite)] = dimensions_of(parameters, where, materialiser)
        return loops

    def _function(self, name: str, required: bool = False) -> Any:
        found = getattr(self._module, name, None)
        if found is None and not required:
            return None
        if not callable(found):
            raise UsageError(f"{self.path} has no function {name}; a sweep module needs one")
        return found


def _accepts(function: Callable[..., Any], name: str) -> bool:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    return name in parameters or any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()
    )


@lru_cache
def load_module(root: Path, name: str) -> TtMetalModule:
    """Import a sweep module into this process, once.

    Parameters
    ----------
    root : Path
        Of the tt-metal checkout.
    name : str
        Dotted name below ``tests/sweep_framework/sweeps``, such as
        ``data_movement.reshard.reshard``.

    Raises
    ------
    UsageError
        If there is no such module, or it lacks what a sweep module must have.
    PluginError
        If importing it fails.
    """
    root = root.resolve()
    return TtMetalModule(root, name, import_module(root, name))


def load_source(source: str) -> TtMetalModule:
    """Import the module that a source text ``tt-metal:ROOT:MODULE`` names.

    Raises
    ------
    UsageError, PluginError
        As `load_module` does, or if it is no such text.
    """
    return load_module(*parse_source(source))
