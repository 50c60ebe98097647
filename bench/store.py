"""What a commit costs in each kind of store, against the bare write that it cannot do without.

Run ``python bench/store.py [--n 200] [--folder PATH] [--location s3://BUCKET/PREFIX]``.  Both are
measured in turn in the same run, on a results file of 256 vectors.  Without ``--location`` the
bucket is one of the service that the tests start on loopback: its time is moto's, the ratio ours.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from farm.store.files import Files, open_files
from farm.store.local_files import LocalFiles
from farm.store.location import Location
from farm.testing.quirky_files import FileServerFiles, UnlinkableFiles

CONTENT_BYTES = 12_000
"""A results file of 256 vectors with 3 launches each."""
N_WRITERS = 8


def time_s(act: Callable[[int], object], number: int) -> float:
    """Time one call, s."""
    began_s = time.perf_counter()
    act(number)
    return time.perf_counter() - began_s


def footers_per_s(files: Files) -> float:
    """Read the end of every results file, as `farm status` does."""
    names = files.names_in("results")
    began_s = time.perf_counter()
    n_read = len(list(files.each(lambda name: files.read_tail(name, 4096), names)))
    return n_read / (time.perf_counter() - began_s)


def rate(act: Callable[[int], object], n: int) -> float:
    """Measure calls per second of `N_WRITERS` at a time."""
    with ThreadPoolExecutor(N_WRITERS) as pool:
        began_s = time.perf_counter()
        list(pool.map(act, range(n)))
        return n / (time.perf_counter() - began_s)


def bare_write(files: Files, name: str) -> Callable[[int], object]:
    """Return the least that puts bytes there: one synced file, or one unconditional put."""
    content = os.urandom(CONTENT_BYTES)
    if not isinstance(files, LocalFiles):
        import obstore
        from obstore.store import from_url

        store = from_url(str(files.location), client_options={"allow_http": True})
        return lambda number: obstore.put(store, f"bare/{name}/{number}", content)
    folder = files.root / "bare" / name
    folder.mkdir(parents=True)

    def write(number: int) -> None:
        with (folder / str(number)).open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    return write


def commits(files: Files, name: str) -> Callable[[int], object]:
    """Return what a card does with a chunk that it has measured."""
    content = os.urandom(CONTENT_BYTES)
    return lambda number: files.publish(f"results/{name}-{number % 256:02x}/{number}", content)


@contextlib.contextmanager
def bucket(text: str | None) -> Iterator[Location]:
    """Name a prefix of the user's, or of a service on loopback."""
    if text is not None:
        yield Location.parse(text) / f"bench-{uuid.uuid4().hex}"
        return
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.bucket_server import bucket_server

    with bucket_server() as server:
        os.environ.update(server.environment)
        yield Location.parse(server.location("bench"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="a shared folder, for instance")
    parser.add_argument("--location")
    arguments = parser.parse_args()
    table = Table(
        "store", "commit, ms", "bare write, ms", "ratio", f"commits/s, {N_WRITERS} at once"
    )
    table.add_column("footers/s")
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as name,
        bucket(arguments.location) as place,
    ):
        stores: dict[str, Files] = {
            "folder": LocalFiles(Path(name) / "folder"),
            "folder without hard links": UnlinkableFiles(Path(name) / "unlinkable"),
            "file server that loses answers": FileServerFiles(Path(name) / "server"),
            "bucket": open_files(place),
        }
        for label, files in stores.items():
            bare, commit = bare_write(files, "one"), commits(files, "one")
            # In turn, so that whatever else the machine does falls on both.
            both = [(time_s(bare, i), time_s(commit, i)) for i in range(arguments.n)]
            bare_s, commit_s = (median(column) for column in zip(*both, strict=True))
            per_s = rate(commits(files, "many"), arguments.n)
            footers = footers_per_s(files)
            table.add_row(
                label,
                f"{commit_s * 1e3:.2f}",
                f"{bare_s * 1e3:.2f}",
                f"x {commit_s / bare_s:.2f}",
                f"{per_s:,.0f}",
                f"{footers:,.0f}",
            )
        files = stores["bucket"]
        files.remove(["results", "bare"])
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
