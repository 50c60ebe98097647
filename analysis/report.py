"""Write the report of a sweep directory."""

from __future__ import annotations

from pathlib import Path

from analysis.chunk_statistics import Over
from analysis.models import PARQUET_FILE, read_models
from analysis.report_facts import Facts, collect
from analysis.report_page import page
from farm.errors import StoreAccessError
from farm.store.directory import SweepDirectory
from farm.store.disk_access import StoreAccess
from farm.store.location import Location

FILE_NAME = "report.html"


def write_report(directory: SweepDirectory, out: Path | None = None) -> tuple[Facts, Location]:
    """Write one self-contained HTML page about a sweep, in whatever state it is.

    The fits are made from the results as they are now, over the points that the model files are
    over, where there are any.

    Parameters
    ----------
    directory : SweepDirectory
        The sweep.
    out : Path or None
        The file to write; None for ``report.html`` in the sweep directory.

    Returns
    -------
    tuple
        What the page says, and where it is.

    Raises
    ------
    StoreError
        If the sweep cannot be read or the page not be written.
    """
    facts = collect(directory, _over(directory))
    content = page(facts).encode()
    if out is None:
        directory.replace(FILE_NAME, content)
        return facts, directory.location / FILE_NAME
    with StoreAccess("write", out):
        if out.is_dir():
            raise StoreAccessError(f"--out {out} is a directory; name a file")
        out.write_bytes(content)
    return facts, Location(str(out))


def _over(directory: SweepDirectory) -> str:
    if not directory.files.exists(PARQUET_FILE):
        return Over.VECTORS.value
    return read_models(directory).over or Over.VECTORS.value
