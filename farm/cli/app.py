"""The ``farm`` command: its sub-commands, and how errors end it.

Exit codes: 0 every vector is accounted for (or the command succeeded); 2 usage, or the request was
refused and nothing changed; 3 the store is damaged; 4 the run stopped before its end; 70 a defect
of the farm; 75 a run has not answered yet; 130 interrupted.  After 4 and 130 the same command goes
on.
"""

from __future__ import annotations

import os
import sys
import traceback
from functools import cache

import typer

from farm import __version__, plugins
from farm.cli import (
    check,
    control,
    devices,
    export_data,
    generate,
    import_data,
    incidents,
    node,
    profiler_log,
    quarantine,
    run,
    status,
)
from farm.errors import FarmError
from sweeps.errors import SpecError

EXIT_DEFECT = 70

app = typer.Typer(
    name="farm",
    help="Sweep operations over parameters on accelerator cards, and fit models to their times.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"farm {__version__}")
        raise typer.Exit


@app.callback()
def _farm(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    del version


for _command in (
    generate,
    import_data,
    run,
    status,
    control,
    incidents,
    quarantine,
    check,
    devices,
    node,
    export_data,
    profiler_log,
):
    _command.register(app)


def main() -> None:
    """Run the command line and end the process."""
    sys.exit(_run())


@cache
def _add_plugged_in_commands() -> None:
    for name in plugins.names(plugins.COMMANDS):
        plugins.load(plugins.COMMANDS, name)(app)


def _run() -> int:
    try:
        _add_plugged_in_commands()
        code = app(standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        return _say("interrupted", 130)
    except FarmError as error:
        return _say(str(error), error.exit_code)
    except SpecError as error:
        return _say(str(error), 2)
    except BrokenPipeError:
        # The reader of a pipe has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        # Typer carries a click of its own, so its usage errors are known by what they can do.
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            error.show()
            return int(error.exit_code)
        if os.environ.get("SWEEPFARM_TRACEBACK"):
            traceback.print_exc()
        return _say(
            f"this is a defect of the farm: {type(error).__name__}: {error}\n"
            f"Run again with SWEEPFARM_TRACEBACK=1 to see where, and report it.",
            EXIT_DEFECT,
        )
    return code if isinstance(code, int) else 0


def _say(message: str, code: int) -> int:
    typer.echo(f"error: {message}", err=True)
    return code
