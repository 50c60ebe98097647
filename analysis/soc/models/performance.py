"""How fast a chip can be: the roofline of its peaks and of its memory levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from analysis.soc.chip import formulas
from analysis.soc.chip.precision import Precision
from analysis.soc.errors import ConfigError
from analysis.soc.models.marker import Marker

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Processor(Protocol):
    """What a roofline needs to know: a `SoCConfig`, a published `Chip`, or a measured machine."""

    @property
    def name(self) -> str:
        """What charts call it."""

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Those with a peak."""

    @property
    def memory_levels(self) -> Mapping[str, float]:
        """Bandwidth in GB/s by level, the farthest from the cores first."""

    def peak_compute(self, precision: Precision) -> float:
        """Peak in TFLOPS."""


@dataclass(frozen=True)
class Ceilings:
    """A processor given by its ceilings alone, such as measured ones.

    Attributes
    ----------
    name : str
        What charts call it.
    peak_tflops : mapping
        Peak by precision, TFLOPS.
    memory_levels : mapping
        Bandwidth in GB/s by level, the farthest from the cores first.
    """

    name: str
    peak_tflops: Mapping[Precision, float]
    memory_levels: Mapping[str, float]

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Those with a peak."""
        return tuple(self.peak_tflops)

    def peak_compute(self, precision: Precision) -> float:
        """Peak in TFLOPS.

        Raises
        ------
        ConfigError
            If the precision has no peak.
        """
        if precision not in self.peak_tflops:
            known = ", ".join(self.peak_tflops)
            raise ConfigError(f"{self.name} has no {precision} peak; it has {known}")
        return self.peak_tflops[precision]


@dataclass(frozen=True)
class Placement:
    """Where a marker lies under the roofline.

    Attributes
    ----------
    marker : Marker
        The operation.
    precision : Precision
        Whose peak it is held against.
    attainable_tflops : float
        The roof above it.
    bound : str
        What the roof is there: ``compute``, or the name of a memory level.
    """

    marker: Marker
    precision: Precision
    attainable_tflops: float
    bound: str

    @property
    def achieved_tflops(self) -> float:
        """What was measured, or the roof itself where nothing was."""
        achieved = self.marker.achieved_tflops
        return self.attainable_tflops if achieved is None else achieved

    @property
    def efficiency(self) -> float | None:
        """Achieved by attainable; None where nothing was measured."""
        achieved = self.marker.achieved_tflops
        return None if achieved is None else achieved / self.attainable_tflops


class PerformanceModel:
    """Roofline of one processor.

    Parameters
    ----------
    processor : Processor
        Whose.

    Examples
    --------
    >>> from analysis.soc.chip.config import SoCConfig
    >>> perf = PerformanceModel(SoCConfig())
    >>> perf.ridge_point(Precision.FP16)
    64.0
    >>> perf.attainable_tflops(Precision.FP16, intensity=32)
    32.768
    """

    def __init__(self, processor: Processor) -> None:
        self.processor = processor

    @property
    def title(self) -> str:
        """What charts call the processor: its title where it has one, else its name."""
        return str(getattr(self.processor, "title", self.processor.name))

    def bandwidth_gb_s(self, level: str | None = None) -> float:
        """Bandwidth of a memory level; of the farthest one unless named.

        Raises
        ------
        ConfigError
            If there is no such level.
        """
        levels = self.processor.memory_levels
        if level is None:
            return next(iter(levels.values()))
        if level not in levels:
            raise ConfigError(
                f"{self.processor.name} has no memory level {level!r}; it has {', '.join(levels)}"
            )
        return levels[level]

    def ridge_point(self, precision: Precision, level: str | None = None) -> float:
        """Arithmetic intensity in flop/byte from which the peak is the limit."""
        peak = self.processor.peak_compute(precision)
        return float(formulas.ridge_point(peak, self.bandwidth_gb_s(level)))

    def attainable_tflops(
        self, precision: Precision, intensity: float, level: str | None = None
    ) -> float:
        """Roof in TFLOPS at an arithmetic intensity in flop/byte."""
        peak = self.processor.peak_compute(precision)
        bandwidth = self.bandwidth_gb_s(level)
        return float(formulas.attainable_tflops(peak, bandwidth, intensity))

    def place(self, marker: Marker, precision: Precision, level: str | None = None) -> Placement:
        """Put an operation under the roof of its own precision, else of `precision`."""
        precision = marker.precision or precision
        name = next(iter(self.processor.memory_levels)) if level is None else level
        is_compute = marker.intensity >= self.ridge_point(precision, level)
        return Placement(
            marker=marker,
            precision=precision,
            attainable_tflops=self.attainable_tflops(precision, marker.intensity, level),
            bound="compute" if is_compute else name,
        )

    def plot_roofline(
        self,
        precisions: Precision | Sequence[Precision],
        *,
        markers: Sequence[Marker] = (),
        save_path: Path | str | None = None,
    ) -> Figure:
        """Draw the roofline of one or more precisions over all memory levels.

        Parameters
        ----------
        precisions : Precision or sequence of Precision
            The first one is that of markers without a precision of their own.
        markers : sequence of Marker, optional
            Operations to show.
        save_path : path, optional
            PNG or SVG, by its suffix.
        """
        from analysis.soc.charts.roofline import roofline_figure
        from analysis.soc.charts.style import save

        wanted = (precisions,) if isinstance(precisions, Precision) else tuple(precisions)
        figure = roofline_figure(self, wanted, markers)
        if save_path is not None:
            save(figure, Path(save_path))
        return figure
