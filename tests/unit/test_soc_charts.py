"""Charts: written as asked, the same each time, no label over another one."""

from collections.abc import Callable
from pathlib import Path

import matplotlib.text
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.soc.charts.comparison import comparison_figure
from analysis.soc.charts.label_placement import label_points
from analysis.soc.charts.power import power_figure
from analysis.soc.charts.roofline import MOST_NAMED_MARKERS
from analysis.soc.charts.scaling import scaling_figure
from analysis.soc.charts.style import save, style
from analysis.soc.chip.designs import BASELINE, DESIGNS
from analysis.soc.chip.precision import Precision
from analysis.soc.chip.public_chips import library
from analysis.soc.errors import ConfigError
from analysis.soc.models.comparison import compare
from analysis.soc.models.marker import Marker, typical_markers
from analysis.soc.models.performance import Ceilings, PerformanceModel
from analysis.soc.models.power import PowerModel
from analysis.soc.models.scaling import USUAL_STUDIES, ScalingModel

SIGNATURES = {".png": b"\x89PNG", ".svg": b"<?xml"}


def roofline() -> Figure:
    markers = typical_markers(Precision.FP16)
    return PerformanceModel(BASELINE).plot_roofline(
        [Precision.FP16, Precision.FP8], markers=markers
    )


def power() -> Figure:
    return power_figure(PowerModel(BASELINE), Precision.FP16)


def scaling() -> Figure:
    model = ScalingModel(BASELINE)
    return scaling_figure([model.study(key, values) for key, values in USUAL_STUDIES.items()])


def comparison() -> Figure:
    return comparison_figure(compare([*DESIGNS.values(), *list(library().values())[:3]]))


@pytest.mark.parametrize(
    ("draw", "suffix"),
    [
        (roofline, ".png"),
        (roofline, ".svg"),
        (power, ".svg"),
        (scaling, ".png"),
        (comparison, ".svg"),
    ],
)
def test_a_chart_is_the_same_each_time(
    draw: Callable[[], Figure], suffix: str, tmp_path: Path
) -> None:
    first, again = tmp_path / f"first{suffix}", tmp_path / f"again{suffix}"
    save(draw(), first)
    save(draw(), again)
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes().startswith(SIGNATURES[suffix])


def test_the_roofline_is_saved_by_the_call_that_draws_it(tmp_path: Path) -> None:
    path = tmp_path / "roofline.svg"
    PerformanceModel(BASELINE).plot_roofline(Precision.FP16, save_path=path)
    assert path.stat().st_size > 10_000


def test_other_formats_and_folders_are_refused(tmp_path: Path) -> None:
    perf = PerformanceModel(BASELINE)
    with pytest.raises(ConfigError, match=r"a chart is a \.png or \.svg file"):
        perf.plot_roofline(Precision.FP16, save_path=tmp_path / "roofline.jpeg")
    with pytest.raises(ConfigError, match="there is no folder"):
        perf.plot_roofline(Precision.FP16, save_path=tmp_path / "no" / "roofline.png")


def texts_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def test_the_roofline_names_peaks_levels_ridges_and_markers() -> None:
    shown = texts_of(roofline())
    for expected in ("FP16  65.5 TFLOPS", "FP8  131 TFLOPS", "64", "128", "GEMM 4096³"):
        assert expected in shown
    assert any(text.startswith("HBM") for text in shown)
    assert any(text.startswith("L2") for text in shown)


def test_equal_peaks_share_a_line_and_a_name() -> None:
    figure = PerformanceModel(BASELINE).plot_roofline([Precision.FP16, Precision.BF16])
    assert "FP16, BF16  65.5 TFLOPS" in texts_of(figure)


def test_many_measured_operations_are_a_cloud_without_names() -> None:
    markers = [
        Marker(f"op {i}", 1e9 * i, 1e8, 1e-3, group="mine")
        for i in range(1, MOST_NAMED_MARKERS + 2)
    ]
    shown = texts_of(PerformanceModel(BASELINE).plot_roofline(Precision.FP16, markers=markers))
    assert f"mine ({len(markers)})" in shown
    assert not any(text.startswith("op ") for text in shown)


def test_ceilings_alone_are_enough_for_a_roofline() -> None:
    machine = Ceilings("this machine", {Precision.FP32: 0.2}, {"DRAM": 12.0})
    placed = PerformanceModel(machine).place(Marker("copy", 1e6, 8e6, 1e-3), Precision.FP32)
    assert placed.bound == "DRAM"
    assert placed.attainable_tflops == pytest.approx(12e9 / 8 / 1e12)
    assert placed.efficiency == pytest.approx((1e9 / 1e12) / (12e9 / 8 / 1e12))
    PerformanceModel(machine).plot_roofline(Precision.FP32)


def test_a_marker_has_work_and_time() -> None:
    for work in ((0, 1, None), (1, -1, None), (1, 1, 0.0), (float("inf"), 1, None)):
        with pytest.raises(ConfigError, match="must be above 0"):
            Marker("odd", *work)


def test_labels_of_close_points_do_not_overlap() -> None:
    with style():
        figure = Figure(figsize=(8, 6), dpi=100)
        axes: Axes = figure.subplots()
        axes.set(xlim=(0, 10), ylim=(0, 10))
        points = [(5.0, 5.0), (5.1, 5.05), (4.9, 5.1), (5.05, 4.9)]
        label_points(axes, points, [f"label {i}" for i in range(4)], color="black")
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 4
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])
