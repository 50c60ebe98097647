"""``farm soc scaling``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.console import say, show
from analysis.soc.commands.options import (
    ChipOption,
    ConfigOption,
    PlotOption,
    PowerOption,
    SetOption,
    checked_plot,
    chosen_precision,
    chosen_soc,
)
from farm.cli.options import JsonOption
from farm.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from analysis.soc.models.scaling import ScalingStudy

_MOST_STUDIES_DRAWN = 4


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "scaling",
        epilog="Example: farm soc scaling --over n_chiplets=2,4,8 --power reference",
    )(scaling)


def scaling(
    config: ConfigOption = None,
    chip: ChipOption = None,
    changes: SetOption = [],  # noqa: B006 - typer needs a list
    over: Annotated[
        list[str],
        typer.Option(
            "--over",
            metavar="KEY=VALUE,...",
            help="A field and the values that it takes. May be repeated; default: chiplets, SMs "
            "and clock. Two stacks of HBM come with each chiplet.",
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer needs a list
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision", "-p", metavar="NAME", help="Of the peaks.", show_default="FP16"
        ),
    ] = None,
    semantics: PowerOption = "physical",
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what becomes of a chip when one of its parameters grows."""
    from analysis.soc.models.scaling import USUAL_STUDIES, ScalingModel

    checked_plot(plot)
    soc = chosen_soc(config, chip, changes)
    chosen = chosen_precision(precision, soc)
    wanted = [parse_study(text) for text in over] or list(USUAL_STUDIES.items())
    model = ScalingModel(soc, semantics)
    studies = [model.study(key, values, chosen) for key, values in wanted]
    if plot is not None:
        from analysis.soc.charts.scaling import scaling_figure
        from analysis.soc.charts.style import save

        if len(studies) > _MOST_STUDIES_DRAWN:
            raise UsageError(
                f"a chart has room for {_MOST_STUDIES_DRAWN} studies, not {len(studies)}; "
                f"draw them in several runs"
            )
        save(scaling_figure(studies), plot)
    if as_json:
        typer.echo(
            json.dumps({"power": semantics, "studies": [study.as_json() for study in studies]})
        )
        return
    for study in studies:
        show(_table(study))
        typer.echo()
    reasons = {s.reason for study in studies for s in study.summaries if s.reason}
    if reasons:
        say(f"where there is no power: {min(reasons)}")
    if plot is not None:
        typer.echo(f"wrote {plot}")


def parse_study(text: str) -> tuple[str, tuple[float, ...]]:
    """Read ``KEY=VALUE,VALUE,...``.

    Raises
    ------
    UsageError
        If the text is anything else.
    """
    key, is_given, values = text.partition("=")
    try:
        if not is_given or not key.strip():
            raise ValueError
        return key.strip(), tuple(float(value) for value in values.split(","))
    except ValueError:
        raise UsageError(f"--over {text}: write KEY=VALUE,VALUE, such as n_sms=16,32") from None


def _table(study: ScalingStudy) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from analysis.soc.numerals import number_text

    table = Table(
        title=f"{escape(study.soc.name)} over {study.key}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for name in (
        *(study.key, "HBM stacks", f"{study.summaries[0].precision} TFLOPS", "TFLOPS/mm²"),
        *("HBM GB/s", "ridge flop/byte", "power W", "junction °C", "TFLOPS/W"),
    ):
        table.add_column(name, justify="right")
    for value, s in zip(study.values, study.summaries, strict=True):
        warm = "-" if s.junction_c is None else f"{s.junction_c:.1f}"
        table.add_row(
            f"{value:g}",
            str(s.n_hbm_stacks),
            number_text(s.peak_tflops),
            number_text(s.density_tflops_mm2),
            number_text(s.bandwidth_gb_s),
            number_text(s.ridge_point),
            "runaway" if s.power_w is None else f"{s.power_w:.1f}",
            f"[red]{warm} too hot[/red]" if s.is_too_hot and s.junction_c is not None else warm,
            "-" if s.tflops_per_w is None else number_text(s.tflops_per_w),
        )
    return table
