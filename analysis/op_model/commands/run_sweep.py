"""``farm run-sweep``: measure operations, and make a parameter file from them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.options import DeviceOptionsOption, JsonOption
from farm.errors import UsageError
from sweeps.op_model.op_types import DEFAULT_INPUT_COUNT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from analysis.op_model.run_sweep.assessment import Swept
    from analysis.op_model.run_sweep.sweep_folder import SweepFolder, Wanted
    from farm.devices.device import CardSlot
    from sweeps.op_model.operation import Operation

DEFAULT_OUT = Path("op-model-sweep")
_N_REASONS = 3
_NEWS_EVERY_S = 10.0

_ASKED_BY = {
    "df_int8": "input_format=Int8 output_format=Int8",
    "df_int32": "input_format=Int32 output_format=Int32",
    "approx": "approx=true",
    "vector_r": "vector_mode=r",
    "vector_c": "vector_mode=c",
    "l1_acc_en": "l1_accumulate=true",
}
"""Predicate of an attribute set -> what a descriptor says to meet it."""

Device = tuple[str | None, list[str]]
"""Kind and number of cards, and options of the kind, as given."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "run-sweep",
        epilog="Example: farm run-sweep --op-type binary --device sim:4 --out my-ops",
        rich_help_panel="Learn",
    )(run_sweep)


def run_sweep(
    op_type: Annotated[
        list[str],
        typer.Option(
            metavar="TYPE",
            help="Only operations of this type, such as unary. May be repeated.",
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer needs a list
    op_name: Annotated[
        list[str],
        typer.Option(
            metavar="NAME",
            help="Only this operation, such as exp_approx. May be repeated.",
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer needs a list
    operations_cfg: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="List of operations, instead of the 41 default ones.",
            show_default=False,
        ),
    ] = None,
    skip_perf_sweep: Annotated[
        bool, typer.Option("--skip-perf-sweep", help="Measure nothing: fit the raw CSV files.")
    ] = False,
    skip_performance_model: Annotated[
        bool, typer.Option("--skip-performance-model", help="Measure only: fit nothing.")
    ] = False,
    continue_run: Annotated[
        bool,
        typer.Option(
            "--continue-run", help="Go on with what --out holds: measure what is missing there."
        ),
    ] = False,
    force_clean: Annotated[
        bool,
        typer.Option(
            "--force-clean",
            help="Delete the measurements in --out and start over; parameter files stay.",
        ),
    ] = False,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "--perf-sweep-output-dir", metavar="DIR", help="Folder of measurements."
        ),
    ] = DEFAULT_OUT,
    raw_data_output_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the raw CSV files.", show_default="OUT/raw/ARCH"
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="Device kind and number of cards, such as sim:4 or cpu.", show_default=False
        ),
    ] = None,
    device_option: DeviceOptionsOption = [],  # noqa: B006 - typer needs a list
    arch: Annotated[
        str, typer.Option(envvar="ARCH_NAME", help="grayskull, wormhole_b0 or blackhole.")
    ] = "wormhole_b0",
    input_count: Annotated[
        int, typer.Option(min=1, help="Inputs that one launch works through.")
    ] = DEFAULT_INPUT_COUNT,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Launches per configuration; default: 3.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(help="Longest time of one configuration, s; default: 60.", show_default=False),
    ] = None,
    models: Annotated[
        bool,
        typer.Option(
            "--models/--no-models",
            help="Also fit models, which are more exact than parameters and take longer.",
        ),
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Measure operations on cards and make op parameters of them: sweep, CSV files, weights.

    Interrupted? The same command with --continue-run goes on where it stopped.
    """
    from analysis.console import warn
    from analysis.op_model.run_sweep.export import export
    from analysis.op_model.run_sweep.sweep_folder import MODELS, SweepFolder, Wanted

    _refuse_conflicts(skip_perf_sweep, skip_performance_model, continue_run, force_clean)
    operations = _operations(op_type, op_name, operations_cfg, arch)
    folder = SweepFolder(out)
    raw = raw_data_output_dir or folder.raw_path(arch)
    if not skip_perf_sweep:
        again = [
            *("farm", "run-sweep", "--continue-run", "--out", str(out), "--arch", arch),
            *_repeated("--op-type", op_type),
            *_repeated("--op-name", op_name),
            *_repeated("--operations-cfg", [operations_cfg] if operations_cfg else []),
            *_repeated("--raw-data-output-dir", [raw] if raw_data_output_dir else []),
            *_repeated(
                "--input-count", [input_count] if input_count != DEFAULT_INPUT_COUNT else []
            ),
            *_repeated("--repeats", [repeats] if repeats else []),
            *_repeated("--timeout", [timeout] if timeout else []),
            *(["--skip-performance-model"] if skip_performance_model else []),
            *([] if models else ["--no-models"]),
        ]
        slots = _slots(device, device_option)
        _prepare(folder, continue_run, force_clean, yes)
        wanted = Wanted(tuple(operations), arch, input_count, repeats, timeout)
        code = _measure(folder, wanted, slots, (device, device_option), again, as_json)
        if code:
            return code
        warn(export(folder.parts_for(wanted), operations, raw))
    is_fitted = not skip_performance_model
    into = out / MODELS if models and is_fitted else None
    results = _assessed(operations, raw, arch, bool(op_name), is_fitted, into)
    _finish(results, out, arch, is_fitted, as_json)
    return 0


def _refuse_conflicts(
    skip_perf_sweep: bool, skip_performance_model: bool, continue_run: bool, force_clean: bool
) -> None:
    if force_clean and continue_run:
        raise UsageError("--force-clean deletes what --continue-run would go on with: choose one")
    if skip_perf_sweep and skip_performance_model:
        raise UsageError(
            "--skip-perf-sweep and --skip-performance-model leave nothing to do: choose one"
        )
    for option, is_given in (("--force-clean", force_clean), ("--continue-run", continue_run)):
        if skip_perf_sweep and is_given:
            raise UsageError(
                f"--skip-perf-sweep measures nothing, so that {option} has no meaning: leave it out"
            )


def _repeated(option: str, values: Sequence[object]) -> list[str]:
    return [part for value in values for part in (option, str(value))]


def _operations(
    op_types: list[str], op_names: list[str], listed: Path | None, arch: str
) -> list[Operation]:
    """Choose the operations; those that the architecture lacks are left out, unless named."""
    from analysis.console import warn
    from analysis.op_model.run_sweep.operation_list import chosen, read_operations
    from sweeps.op_model.catalogue import DEFAULT_OPERATIONS
    from sweeps.op_model.sweep import ARCHES, runs_on

    if arch not in ARCHES:
        raise UsageError(f"--arch {arch!r} is unknown; there are {', '.join(ARCHES)}")
    operations, warnings = list(DEFAULT_OPERATIONS), list[str]()
    if listed is not None:
        operations, warnings = read_operations(listed)
    warn(warnings)
    wanted = chosen(operations, op_types, op_names)
    there = [operation for operation in wanted if runs_on(operation, arch)]
    missing = ", ".join(operation.op_name for operation in wanted if operation not in there)
    if missing and (op_names or not there):
        raise UsageError(f"{arch} has no whole numbers, which {missing} would need")
    if missing:
        warn([f"{arch} has no whole numbers: {missing} are left out"])
    return there


def _slots(device: str | None, options: list[str]) -> tuple[CardSlot, ...]:
    from farm.cli.running import parse_options
    from farm.devices import registry

    if device is None:
        raise UsageError("--device is missing: which cards? For example --device sim:4")
    return tuple(registry.cards(device, parse_options(options)))


def _prepare(folder: SweepFolder, continue_run: bool, force_clean: bool, is_sure: bool) -> None:
    """Make sure that the folder is what the flags say."""
    path = folder.path
    is_used = folder.is_used()
    if continue_run and not path.exists():
        raise UsageError(f"--continue-run: there is no {path}; leave it out to start there")
    if is_used and (continue_run or force_clean) and not folder.is_own():
        raise UsageError(f"{path} was not made by run-sweep; choose another --out")
    if is_used and not (continue_run or force_clean):
        raise UsageError(
            f"{path} exists: --continue-run goes on with what it holds, --force-clean deletes its "
            f"measurements; or choose another --out"
        )
    if is_used and force_clean:
        if not is_sure:
            typer.confirm(f"Delete all measurements in {path}?", abort=True)
        folder.clean()


def _measure(
    folder: SweepFolder,
    wanted: Wanted,
    slots: tuple[CardSlot, ...],
    device: Device,
    again: list[str],
    as_json: bool,
) -> int:
    """Run what is not complete; returns the exit code."""
    from farm.cli.running import device_arguments, new_run_id, require_same_device, run_plan
    from farm.settings import RunSettings
    from farm.store.directory import SweepDirectory

    text, options = str(device[0]), device[1]
    for part in folder.parts():
        # Weights of one folder are of one kind of card, whatever is complete already.
        require_same_device(SweepDirectory.open(part.path), slots[0])
    for part in folder.parts_for(wanted):
        if part.is_complete:
            continue
        settings = RunSettings(str(part.path.resolve()), new_run_id(), slots)
        command = [*again, *device_arguments(text, options)]
        code = run_plan(part.plan, part.path, settings, text, as_json, command)
        if code:
            return code
    return 0


def _assessed(
    operations: list[Operation],
    raw: Path,
    arch: str,
    is_named: bool,
    is_fitted: bool,
    models: Path | None,
) -> list[Swept]:
    """Count tests and fit; operations that nobody named may be without measurements."""
    from analysis.console import warn
    from analysis.op_model.run_sweep.assessment import assess

    measured = [o for o in operations if is_named or (raw / o.data_file).exists()]
    if not measured:
        raise UsageError(f"{raw} holds no raw CSV file of these operations: measure them first")
    results = []
    said_s = time.monotonic()
    for i, operation in enumerate(measured):
        results.append(assess(operation, raw, arch, is_fitted, models))
        if time.monotonic() - said_s > _NEWS_EVERY_S:
            said_s = time.monotonic()
            typer.echo(f"fitting: {i + 1} of {len(measured)} operations", err=True)
    missing = [o.op_name for o in operations if o not in measured]
    if missing:
        warn([f"{raw} has no measurements of {', '.join(missing)}"])
    warn(warning for result in results for warning in result.warnings)
    return results


def _finish(results: list[Swept], out: Path, arch: str, is_fitted: bool, as_json: bool) -> None:
    """Write the weights, and say what became of everything."""
    from analysis.console import show
    from analysis.op_model.run_sweep.publish import publish

    if not as_json:
        show(_table(results))
        for result in results:
            for reason, n in sorted(result.reasons.items(), key=lambda item: -item[1])[:_N_REASONS]:
                typer.echo(f"{result.op_name}: {n:,} failed: {reason}")
    written = publish(out, arch, results) if is_fitted else None
    if as_json:
        facts: dict[str, object] = {"event": "swept", "operations": [r.as_json() for r in results]}
        if written:
            parameters, is_new = written
            facts |= {
                "parameters": parameters.source,
                "version": parameters.version,
                "is_new": is_new,
            }
        typer.echo(json.dumps(facts))
    elif written:
        parameters, is_new = written
        said = "wrote" if is_new else "nothing has changed since"
        typer.echo(f"{said} {parameters.source}, version {parameters.version} for {arch}")
        typer.echo(f"next: farm op-model estimate --params {out} {_example(results)}")


def _table(results: list[Swept]) -> Table:
    from rich.table import Table

    from analysis.op_model.commands.numerals import percent

    table = Table(box=None)
    table.add_column("operation")
    for name in ("tests", "OK", "failed"):
        table.add_column(name, justify="right")
    table.add_column("model", justify="right")
    table.add_column("parameter sets (mean error)")
    for result in results:
        sets = ", ".join(f"{fit.set_name} ({percent(fit.errors.mape)})" for fit in result.fits)
        model = "-" if result.model_mape is None else percent(result.model_mape)
        table.add_row(result.op_name, *_counts([result]), model, result.problem or sets)
    n_models, n_sets = sum(bool(r.model) for r in results), sum(len(r.fits) for r in results)
    models = f"{n_models} models" if n_models else "-"
    table.add_row("in all", *_counts(results), models, f"{n_sets} sets")
    return table


def _counts(results: list[Swept]) -> list[str]:
    n_tests, n_ok = sum(r.n_tests for r in results), sum(r.n_ok for r in results)
    return [f"{n:,}" for n in (n_tests, n_ok, n_tests - n_ok)]


def _example(results: list[Swept]) -> str:
    """Write a question that the new parameters answer."""
    fits = [fit for result in results for fit in result.fits]
    fit = next((fit for fit in fits if fit.set_name == "base"), fits[0])
    sizes = (f"{name}={low}" for name, (low, _) in fit.ranges.items() if low > 0 and name != "t")
    traits = [_ASKED_BY[part] for part in fit.set_name.split("/") if part in _ASKED_BY]
    return " ".join([f"op={fit.op}", *sizes, *traits])
