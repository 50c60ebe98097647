"""Where the time of a workload goes, and what more of each resource would give."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.soc.charts.style import FAINT, INK, PALETTE, SOFT, new_figure, style
from analysis.soc.workload.analysis import MORE_OF, NAMES, OpShare, WorkloadAnalysis
from analysis.units import duration_text, significant

MOST_OPS = 14

_COLORS = {"compute": PALETTE[0], "memory": PALETTE[1], "overhead": PALETTE[3]}
_LONGEST_NAME = 26


def workload_figure(analysis: WorkloadAnalysis) -> Figure:
    """Draw the ops by their time, what binds, and the gain of ten per cent more."""
    energy_j = analysis.energy_j
    energy = "" if energy_j is None else f", {significant(energy_j)} J"
    binds = ", ".join(
        f"{NAMES[name]} {100 * share:.0f} %"
        for name, share in sorted(analysis.bound_shares.items(), key=lambda item: -item[1])
        if share >= 0.005
    )
    with style():
        figure, (ops, gains) = new_figure(
            f"{analysis.workload.name} on {analysis.machine.processor.name}",
            f"{duration_text(analysis.time_s * 1e9)}{energy}; binding: {binds} of the time",
            1,
            2,
            width_ratios=[1.8, 1.0],
        )
        _draw_ops(ops, analysis.shares, analysis.time_s)
        _draw_gains(gains, analysis)
    return figure


def _draw_ops(axes: Axes, shares: Sequence[OpShare], total_s: float) -> None:
    longest = sorted(shares, key=lambda share: -share.time_s)
    shown, rest = longest[:MOST_OPS], longest[MOST_OPS:]
    names = [_short(share.op.label) for share in shown]
    times_s = [share.time_s for share in shown]
    colors = [_COLORS[share.spent.bound] for share in shown]
    if rest:
        names.append(f"{len(rest)} others")
        times_s.append(sum(share.time_s for share in rest))
        colors.append(FAINT)
    rows = range(len(names))
    axes.barh(rows, [100 * time_s / total_s for time_s in times_s], color=colors, height=0.7)
    for row, time_s in zip(rows, times_s, strict=True):
        axes.annotate(
            duration_text(time_s * 1e9),
            (100 * time_s / total_s, row),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=INK,
        )
    for bound in dict.fromkeys(share.spent.bound for share in shown):
        label = f"bound by {NAMES[bound]}"
        axes.plot([], [], "s", color=_COLORS[bound], markersize=9, label=label)
    axes.legend(loc="lower right")
    axes.set_yticks(rows, names)
    axes.invert_yaxis()
    axes.margins(x=0.16, y=0.02)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_xlabel("% of the time")
    axes.set_title("Time by op")


def _draw_gains(axes: Axes, analysis: WorkloadAnalysis) -> None:
    gains = {w.resource: 100 * w.gain for w in analysis.what_if}
    rows = range(len(gains))
    axes.barh(rows, list(gains.values()), color=SOFT, height=0.6)
    for row, gain in zip(rows, gains.values(), strict=True):
        axes.annotate(
            f"{gain:+.1f} %" if gain >= 0.05 else "nothing",
            (gain, row),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=INK,
        )
    axes.set_yticks(rows, [MORE_OF[name].replace(" ", "\n", 1) for name in gains])
    axes.invert_yaxis()
    axes.set_xlim(0, max(10.0, *gains.values()) * 1.25)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_xlabel("speed-up in %")
    axes.set_title("10 % more of it gives")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
