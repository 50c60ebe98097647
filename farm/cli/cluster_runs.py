"""``farm status --address``: the runs at work on a cluster, told by the cluster itself."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from farm.cli.watch import watch
from farm.cluster.runs import Runs
from farm.errors import NoRunError, UsageError
from farm.store.live import Snapshot
from farm.store.location import Location
from farm.view import live_view


def show_runs(
    address: str,
    directory: Location | None,
    is_watched: bool,
    every_s: float,
    until_end: bool,
    is_insecure: bool,
    tls: Path | None,
    as_json: bool,
) -> int:
    """List the runs of a cluster, or watch one of them.

    Parameters
    ----------
    address : str
        Of the cluster.
    directory : Location or None
        Whose run to show; None: all of them, or to watch the only one.
    is_watched : bool
        Whether to go on showing it.
    every_s : float
        Seconds between two looks.
    until_end : bool
        Whether to end with the run.
    is_insecure : bool
        Whether a cluster that lets anybody in is asked.
    tls : Path or None
        Folder with certificates; None: as the environment says.
    as_json : bool
        Whether to write JSON.

    Raises
    ------
    NoRunError
        If the run that was asked for is not at work there.
    """
    runs = Runs(address, every_s, is_insecure, tls)
    try:
        found = _of(runs.latest(), directory)
        if directory is not None and not found:
            raise NoRunError(f"no run is at work in {directory} on the cluster at {address}")
        if not is_watched:
            _list(found, address, as_json)
            return 0
        if len(found) != 1:
            raise UsageError(
                f"{len(found)} runs are at work on the cluster at {address}; name the directory of "
                f"the one to watch"
            )
        run_id = found[0].run_id

        def source() -> Snapshot | None:
            return next((one for one in runs.latest() if one.run_id == run_id), None)

        return watch(source, None, every_s, as_json, until_end)
    finally:
        runs.close()


def _of(runs: list[Snapshot], directory: Location | None) -> list[Snapshot]:
    if directory is None:
        return runs
    wanted = {str(directory), str(directory.absolute())}
    return [run for run in runs if run.directory in wanted]


def _list(runs: list[Snapshot], address: str, as_json: bool) -> None:
    if as_json:
        for run in runs:
            typer.echo(json.dumps(run.as_json()))
        return
    if not runs:
        typer.echo(f"no run is at work on the cluster at {address}")
    for run in runs:
        typer.echo(f"{run.sweep} in {run.directory}: run {run.run_id}, started on {run.host}")
        typer.echo(f"  {live_view.line(run)}")
