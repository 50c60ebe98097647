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
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from farm.errors import ChangedSweepError, UsageError
from farm.tt_metal.bookkeeping import NEVER_ARGUMENTS
from farm.tt_metal.expansion import Dimension, Materialiser, dimensions_of
from farm.tt_metal.fixture import Fixture
from farm.tt_metal.import_roots import import_module, module_file
from farm.tt_metal.parameters import LiveLoop, ParameterTexts, parameter_name
from farm.tt_metal.run_result import RunResult, read_result
from farm.tt_metal.seeds import SEED, reseed
from farm.tt_metal.serialisation import ABSENT
from farm.tt_metal.source import parse_source
from farm.tt_metal.timeout import timeout_of
from sweeps.axis import AxisKind, Value
from sweeps.errors import known_names

_OWN_DEVICE_NAMES = ("_CUR_DEVICE", "_CONV_DEV")


@dataclass(frozen=True)
class LiveSuite:
    """A suite with its live values, and the values that an axis of this farm holds for them.

    Attributes
    ----------
    name : str
        As the module calls it.
    loops : tuple of LiveLoop
        The outermost first; suites share those over the same list of values.
    """

    name: str
    loops: tuple[LiveLoop, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """The parameters of the suite."""
        return frozenset(name for loop in self.loops for name in loop.texts.names)

    @property
    def texts(self) -> tuple[Dimension, ...]:
        """The loops in axis values."""
        return tuple(loop.texts for loop in self.loops)

    def live_loops(self, loops: Iterable[Dimension]) -> tuple[Dimension, ...]:
        """Return loops of axis values, of which some steps may be missing, in live objects."""
        return tuple(
            Dimension(loop.names, tuple(map(own.live_rows.__getitem__, loop.rows)))
            for own, loop in zip(self.loops, loops, strict=True)
        )

    def arguments(self, params: Mapping[str, Value | None]) -> dict[str, object] | None:
        """Look live objects up, or None if the suite has other parameters or values."""
        given = {name: value for name, value in params.items() if value is not None}
        if given.keys() != self.names:
            return None
        found: dict[str, object] = {}
        for loop in self.loops:
            row = loop.live_rows.get(tuple(given[name] for name in loop.texts.names))
            if row is None:
                return None
            found.update(zip(loop.texts.names, row, strict=True))
        return found


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
        If it has no ``run`` or no ``parameters``, or these are no suites.  What
        stands in the suites is looked at when they are first asked for.
    """

    def __init__(self, root: Path, name: str, module: ModuleType) -> None:
        self.root, self.name, self._module = root, name, module
        self.path = module_file(root, name)
        self.run: Callable[..., Any] = self._function("run", required=True)
        invalidate = self._function("invalidate_vector")
        self.invalidate: Callable[[dict[str, Any]], Any] | None = invalidate
        self.fixture: Fixture | None = self._function("mesh_device_fixture")
        self.timeout_s = timeout_of(module, self.path)
        self._declared = self._read_parameters()
        self._materialiser = Materialiser()
        self._materialiser.read_iterators(self._declared, name)
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

    @property
    def kinds(self) -> Mapping[str, AxisKind]:
        """Parameter -> kind of its axis."""
        return self._texts.kinds

    @cached_property
    def suites(self) -> tuple[LiveSuite, ...]:
        """All suites, in the order of the declaration.

        Raises
        ------
        UsageError
            If one is not declared as it must be, or a value cannot be written as text.
        """
        texts = self._texts
        return tuple(
            LiveSuite(name, tuple(map(texts.of, loops))) for name, loops in self._loops.items()
        )

    def suite(self, name: str) -> LiveSuite:
        """Return a suite by its name.

        Raises
        ------
        UsageError
            If there is none.
        """
        found = self._suite_named.get(name)
        if found is None:
            hint = known_names("its suites", name, list(self._suite_named))
            raise UsageError(f"{self.name} has no suite {name!r}; {hint}")
        return found

    def some_suites(
        self, names: Iterable[str], kinds: Mapping[str, AxisKind]
    ) -> dict[str, LiveSuite]:
        """Return suites without looking at the others, given the kinds of their axes."""
        loops = {name: self._loops_of(name) for name in names}
        texts = ParameterTexts(self._placed(loops), kinds)
        return {name: LiveSuite(name, tuple(map(texts.of, own))) for name, own in loops.items()}

    def arguments(self, params: Mapping[str, Value | None], suite: str = "") -> dict[str, object]:
        """Look up the live objects of a vector's parameters.

        Parameters
        ----------
        params : Mapping
            Axis -> value; None where the vector's suite has no such parameter.
        suite : str
            Suite of the vector; where the module has none of that name, the first that has these
            parameters and values.

        Raises
        ------
        ChangedSweepError
            If no suite has these values: the module here is not the one that was generated from.
        """
        named = {parameter_name(axis): value for axis, value in params.items()}
        own = self._suite_named.get(suite)
        for candidate in self.suites if own is None else (own,):
            found = candidate.arguments(named)
            if found is not None:
                return found
        raise ChangedSweepError(
            f"{self.name} has no suite with the parameters {dict(named)}: {self.path} or what it "
            f"imports was changed after the vectors were generated, or draws its parameters anew "
            f"at each import. Restore it and run again to go on, or generate the sweep anew in "
            f"another --out"
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

    def _read_parameters(self) -> dict[str, Mapping[str, Any]]:
        declared = getattr(self._module, "parameters", None)
        if not isinstance(declared, Mapping) or not declared:
            raise UsageError(
                f"{self.path} has no parameters: a sweep module declares "
                f"parameters = {{suite: {{name: values}}}}"
            )
        for suite, parameters in declared.items():
            if not isinstance(parameters, Mapping):
                raise UsageError(
                    f"{self.name}, suite {suite!r}: it must be a dictionary of parameters"
                )
        return {str(suite): parameters for suite, parameters in declared.items()}

    @cached_property
    def _loops(self) -> dict[str, tuple[Dimension, ...]]:
        return {name: self._loops_of(name) for name in self._declared}

    def _loops_of(self, suite: str) -> tuple[Dimension, ...]:
        return dimensions_of(self._declared[suite], self._where(suite), self._materialiser)

    def _placed(
        self, loops: Mapping[str, tuple[Dimension, ...]]
    ) -> Iterator[tuple[Dimension, str]]:
        return ((loop, self._where(name)) for name, own in loops.items() for loop in own)

    def _where(self, suite: str) -> str:
        return f"{self.name}, suite {suite!r}"

    @cached_property
    def _texts(self) -> ParameterTexts:
        return ParameterTexts(self._placed(self._loops))

    @cached_property
    def _suite_named(self) -> dict[str, LiveSuite]:
        return {suite.name: suite for suite in self.suites}

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
