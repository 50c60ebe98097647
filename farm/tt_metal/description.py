"""What a sweep module declares, as plain data that may leave the process that imported it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from farm.source_digest import source_digest
from farm.tt_metal.expansion import Dimension
from farm.tt_metal.module import TtMetalModule
from farm.tt_metal.source import format_source
from farm.tt_metal.timeout import scanned_timeout_s
from sweeps.axis import AxisKind


@dataclass(frozen=True)
class SuiteDescription:
    """A suite whose loops hold axis values.

    Attributes
    ----------
    name : str
        As the module calls it.
    loops : tuple of Dimension
        The outermost first; `Dimension.names` are parameters.
    """

    name: str
    loops: tuple[Dimension, ...]


@dataclass(frozen=True)
class ModuleDescription:
    """A sweep module without its objects.

    Attributes
    ----------
    name, source : str
        Dotted name, and the text that leads back to it.
    version : str
        Digest of its code.
    timeout_s, scanned_timeout_s : float
        Its TIMEOUT, and what a scan of its text takes for it, s.
    has_invalidate : bool
        Whether it judges its vectors.
    kinds : Mapping
        Parameter -> kind of its axis.
    suites : tuple of SuiteDescription
        In the order of the declaration.
    """

    name: str
    source: str
    version: str
    timeout_s: float
    scanned_timeout_s: float
    has_invalidate: bool
    kinds: Mapping[str, AxisKind]
    suites: tuple[SuiteDescription, ...]


def describe(module: TtMetalModule) -> ModuleDescription:
    """Describe an imported module.

    Raises
    ------
    UsageError
        If a parameter has a value that cannot be written as text.
    """
    return ModuleDescription(
        name=module.name,
        source=format_source(module.root, module.name),
        version=source_digest(module.path),
        timeout_s=module.timeout_s,
        scanned_timeout_s=scanned_timeout_s(module.path),
        has_invalidate=module.has_invalidate,
        kinds=module.kinds,
        suites=tuple(SuiteDescription(suite.name, suite.texts) for suite in module.suites),
    )
