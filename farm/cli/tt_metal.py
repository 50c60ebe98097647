"""Options that name sweep modules of tt-metal, and how they become plans."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from farm.cli.options import make_plan
from farm.errors import UsageError
from farm.generation import Plan
from farm.store.location import Location
from farm.tt_metal.import_roots import module_file, module_names
from farm.tt_metal.source import format_source
from farm.tt_metal.timeout import scanned_timeout_s

_PANEL = "Sweep modules of tt-metal"
_MOST_IMPORTS = 4

RootOption = Annotated[
    Path | None,
    typer.Option(
        "--tt-metal-root",
        metavar="PATH",
        envvar="TT_METAL_HOME",
        help="Checkout of tt-metal whose sweep modules are to run.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
ModuleOption = Annotated[
    list[str],
    typer.Option(
        "--module",
        metavar="NAME",
        help="Sweep module in place of SWEEP, such as [b]data_movement.reshard.reshard[/b]. May be "
        "repeated: then each has a directory of its own name under --out.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
SuiteOption = Annotated[
    list[str],
    typer.Option(
        "--suite",
        metavar="NAME",
        help="Suite of the module; default: all. May be repeated.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
TimeoutScanOption = Annotated[
    bool,
    typer.Option(
        "--timeout-scan",
        help="Take TIMEOUT from the module's text as the sweep runner does, not from its value.",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True)
class Choice:
    """What to sweep, as the user chose it.

    Attributes
    ----------
    sweep : str or None
        The argument SWEEP.
    root, modules, suites, scans_timeout : Path or None, list of str, list of str, bool
        The options of sweep modules.
    """

    sweep: str | None
    root: Path | None
    modules: list[str]
    suites: list[str]
    scans_timeout: bool


@dataclass(frozen=True)
class Target:
    """A plan and the directory it is for."""

    plan: Plan
    place: Location


def targets(
    choice: Choice,
    out: Location | None,
    limits: list[str],
    repeats: int | None,
    timeout_s: float | None,
    chunk_rows: int | None,
) -> list[Target]:
    """Turn arguments into plans and directories; every module is imported before this returns.

    Raises
    ------
    UsageError
        If no sweep is named or two ways are mixed, or one cannot be loaded.
    """
    if not choice.modules:
        sweep = _required_sweep(choice)
        plan, existing = make_plan(sweep, limits, repeats, timeout_s, chunk_rows)
        return [Target(plan, existing or out or _default_place(plan))]
    root = _required_root(choice)
    if choice.suites:
        limits = [f"suite={','.join(choice.suites)}", *limits]

    def target(name: str) -> Target:
        scanned_s = scanned_timeout_s(module_file(root, name)) if choice.scans_timeout else None
        source = format_source(root, name)
        plan, _ = make_plan(source, limits, repeats, timeout_s or scanned_s, chunk_rows)
        is_one = len(choice.modules) == 1
        return Target(plan, (out if is_one else out / name) if out else _default_place(plan))

    for name in choice.modules:
        module_file(root, name)
    with ThreadPoolExecutor(min(_MOST_IMPORTS, len(choice.modules))) as pool:
        return list(pool.map(target, dict.fromkeys(choice.modules)))


def run_each(targets: list[Target], run: Callable[[Target], int]) -> int:
    """Run targets in turn; returns the first exit code that is not 0, and stops there."""
    for target in targets:
        code = run(target)
        if code:
            return code
    return 0


def _default_place(plan: Plan) -> Location:
    return Location.parse(f"{plan.sweep.name}-sweep")


def _required_sweep(choice: Choice) -> str:
    if choice.suites or choice.scans_timeout:
        raise UsageError("--suite and --timeout-scan belong to --module; name a sweep module")
    if choice.sweep is not None:
        return choice.sweep
    if choice.root is None:
        raise UsageError("name a SWEEP, or --tt-metal-root PATH and --module NAME")
    names = module_names(choice.root)
    raise UsageError(
        f"name a SWEEP, or a --module of the {len(names)} in {choice.root}"
        + (f", such as {names[0]}" if names else "; is it a tt-metal checkout?")
    )


def _required_root(choice: Choice) -> Path:
    if choice.sweep is not None:
        raise UsageError(
            f"both the sweep {choice.sweep!r} and --module {choice.modules[0]} are named; give one"
        )
    if choice.root is None:
        raise UsageError(
            f"--module {choice.modules[0]}: give --tt-metal-root PATH or set TT_METAL_HOME"
        )
    return choice.root
