"""Pictures of estimates against silicon, as PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from farm.store.disk_access import StoreAccess

Floats = npt.NDArray[np.float64]

_BAND = 0.1
_MOST_GROUPS = 8
_DPI = 130
# Okabe and Ito's colours, which colour-blind readers can tell apart.
_COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7"),
    *("#E69F00", "#56B4E9", "#8C6D31", "#000000"),
)


def draw_evaluation(
    folder: Path,
    title: str,
    runtime: Floats,
    estimate: Floats,
    tiles: npt.NDArray[np.int64],
    groups: npt.NDArray[np.str_],
) -> list[Path]:
    """Draw estimate against silicon, and ratio against size.

    Parameters
    ----------
    folder : Path
        Where to write the files; made if it is not there.
    title : str
        Begins the titles and, made safe, the names of the files.
    runtime, estimate : ndarray
        Cycles per input, shape (n,).
    tiles : ndarray
        Size of each row, shape (n,).
    groups : ndarray
        What the colours tell, shape (n,).

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    StoreAccessError
        If the disk refuses.
    """
    groups = _fewer(groups)
    against, by_size = _figure(), _figure()
    _estimate_against_silicon(against.subplots(), title, runtime, estimate, groups)
    _ratio_against_size(by_size.subplots(), title, tiles, estimate / runtime, groups)
    paths = []
    with StoreAccess("write", folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in (("estimate-vs-silicon", against), ("ratio-vs-size", by_size)):
            path = folder / f"{title}-{name}.png"
            figure.savefig(path, dpi=_DPI)
            paths.append(path)
    return paths


def _figure() -> Figure:
    return Figure(figsize=(7.5, 5.5), layout="constrained")


def _fewer(groups: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    """Merge the smallest groups, so that every colour means one thing."""
    names, counts = np.unique(groups, return_counts=True)
    if len(names) <= _MOST_GROUPS:
        return groups
    kept = names[np.argsort(-counts, kind="stable")][: _MOST_GROUPS - 1]
    return np.where(np.isin(groups, kept), groups, "others")


def _estimate_against_silicon(
    axes: Axes, title: str, runtime: Floats, estimate: Floats, groups: npt.NDArray[np.str_]
) -> None:
    both = np.concatenate([runtime, estimate])
    ends = np.array([both.min() / 1.3, both.max() * 1.3])
    axes.plot(ends, ends, color="0.35", linewidth=1, label="equal")
    axes.fill_between(
        ends, ends * (1 - _BAND), ends * (1 + _BAND), color="0.85", label=f"within {_BAND:.0%}"
    )
    _dots(axes, runtime, estimate, groups)
    axes.set(
        xscale="log",
        yscale="log",
        xlim=ends,
        ylim=ends,
        xlabel="measured runtime (cycles per input)",
        ylabel="estimate (cycles per input)",
        title=f"{title}: estimate against silicon, {len(runtime):,} rows",
    )
    axes.legend(frameon=False, fontsize="small")


def _ratio_against_size(
    axes: Axes,
    title: str,
    tiles: npt.NDArray[np.int64],
    ratio: Floats,
    groups: npt.NDArray[np.str_],
) -> None:
    axes.axhspan(1 - _BAND, 1 + _BAND, color="0.85", label=f"within {_BAND:.0%}")
    axes.axhline(1, color="0.35", linewidth=1)
    _dots(axes, tiles, ratio, groups)
    axes.set(
        xscale="log",
        xlabel="tiles, or pairs of tiles, of work",
        ylabel="estimate / measured runtime",
        title=f"{title}: ratio against size, {len(ratio):,} rows",
    )
    axes.legend(frameon=False, fontsize="small")


def _dots(
    axes: Axes, x: npt.NDArray[np.int64] | Floats, y: Floats, groups: npt.NDArray[np.str_]
) -> None:
    for group, colour in zip(np.unique(groups), _COLOURS, strict=False):
        rows = groups == group
        axes.scatter(
            x[rows], y[rows], s=12, color=colour, alpha=0.6, linewidths=0, label=str(group)
        )
    axes.grid(which="major", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
