"""Analysis workers: fit lines while the sweep runs.

A plain class; the farm's driver makes Ray actors of it.  Several workers share the groups by
``group_id % n_workers``.  Nothing is lost with a worker: before it answers with its fits, it reads
from the sweep directory whatever has been committed and it has not seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from analysis.chunk_statistics import ChunkStatistics, Over
from analysis.linear import NOT_MEASURED, solve
from analysis.models import (
    CSV_FILE,
    PARQUET_FILE,
    GroupModel,
    encode_csv,
    encode_parquet,
    model_table,
    ordered,
    summary,
)
from farm.store.directory import SweepDirectory
from farm.store.measured import measured

CATCH_UP_CHUNKS = 100
"""Chunks of earlier runs that are read between two looks at the live figures."""


class AnalysisWorker:
    """Fits the groups whose id is `index` modulo `n_workers`.

    Parameters
    ----------
    directory : str
        Path of the sweep directory.
    over : str
        What the points of a fit are: ``vectors`` or ``size-means``.
    index, n_workers : int
        Which part of the groups is this worker's.

    Raises
    ------
    UsageError
        If `over` is neither.
    """

    def __init__(
        self, directory: str, over: str = "vectors", index: int = 0, n_workers: int = 1
    ) -> None:
        self._directory = directory
        self._over = Over.parse(over)
        self._index, self._n_workers = index, n_workers
        self._statistics = ChunkStatistics(self._over)
        self._groups: dict[int, tuple[str, ...]] = {}
        self._live: dict[str, Any] | None = None
        self._earlier: list[str] | None = None

    def push(self, chunk_id: str, rows: pa.Table, groups: dict[int, tuple[str, ...]]) -> None:
        """Take in a committed chunk; does nothing if it is known.

        Parameters
        ----------
        chunk_id : str
            The chunk.  What is pushed must be what was committed: an actor whose commit came
            second does not push.
        rows : pyarrow.Table
            See `farm.store.measured.Measured.rows`.
        groups : dict
            See `farm.store.measured.Measured.groups`.
        """
        if chunk_id in self._statistics:
            return
        group_ids = rows["group_id"].to_numpy()
        is_mine = group_ids % self._n_workers == self._index
        self._statistics.add(
            chunk_id,
            group_ids[is_mine],
            rows["size"].to_numpy()[is_mine].astype(np.float64),
            rows["duration_ns"].to_numpy()[is_mine].astype(np.float64),
        )
        self._groups.update(
            {g: tuple(key) for g, key in groups.items() if g % self._n_workers == self._index}
        )
        self._live = None

    def live(self) -> dict[str, Any]:
        """Describe the fits so far; chunks committed before this worker began are read bit by bit.

        Returns
        -------
        dict
            ``n_chunks``, ``n_groups``, ``n_fitted``, ``median_r2`` (None without a line).
        """
        self._catch_up()
        if self._live is None:
            solution = solve(self._statistics.live_line_moments())
            r2 = solution.r2[solution.is_fitted]
            self._live = {
                "n_chunks": len(self._statistics),
                "n_groups": len(self._groups),
                "n_fitted": len(r2),
                "median_r2": float(np.median(r2)) if len(r2) else None,
            }
        return dict(self._live)

    def _catch_up(self) -> None:
        """Read some of the chunks that earlier runs committed."""
        if self._earlier == []:
            return
        directory = SweepDirectory.open(self._directory)
        if self._earlier is None:
            self._earlier = sorted(directory.committed())
        now, self._earlier = self._earlier[:CATCH_UP_CHUNKS], self._earlier[CATCH_UP_CHUNKS:]
        self._read(directory, [chunk_id for chunk_id in now if chunk_id not in self._statistics])

    def _read(self, directory: SweepDirectory, chunk_ids: list[str]) -> None:
        for chunk_id, (outcomes, _) in zip(chunk_ids, directory.results(chunk_ids), strict=True):
            found = measured(directory.manifest, directory.vectors(chunk_id), outcomes)
            self.push(chunk_id, found.rows, found.groups)

    def fits(self) -> pa.Table:
        """Fit this worker's groups over exactly the chunks that are committed.

        Returns
        -------
        pyarrow.Table
            See `analysis.models.model_schema`; for `publish`.

        Raises
        ------
        StoreError
            If the sweep directory cannot be read.
        """
        directory = SweepDirectory.open(self._directory)
        self._reconcile(directory)
        moments = self._statistics.line_moments()
        fits = dict(zip(moments.group_ids.tolist(), solve(moments).fits(), strict=True))
        groups = [
            GroupModel(key, fits.get(group_id, NOT_MEASURED))
            for group_id, key in sorted(self._groups.items())
        ]
        return model_table(directory.manifest, self._over.value, groups)

    def _reconcile(self, directory: SweepDirectory) -> None:
        committed = directory.committed()
        if self._statistics.chunk_ids - committed:
            # Pushed but never committed, or its file was set aside: start over from the files.
            self._statistics, self._groups = ChunkStatistics(self._over), {}
            self._live = None
        self._read(directory, sorted(committed - self._statistics.chunk_ids))

    @staticmethod
    def publish(directory: str, over: str, tables: list[pa.Table]) -> dict[str, Any]:
        """Write the model files from the fits of all workers.

        Parameters
        ----------
        directory : str
            Path of the sweep directory.
        over : str
            What the points of the fits are.
        tables : list of pyarrow.Table
            What `fits` of each worker returned.

        Returns
        -------
        dict
            See `analysis.models.summary`; with ``over``.

        Raises
        ------
        StoreAccessError
            If the files cannot be written.
        """
        target = SweepDirectory.open(directory)
        parts = tables or [model_table(target.manifest, over, [])]
        table = ordered(target.manifest, pa.concat_tables(parts))
        target.replace(CSV_FILE, encode_csv(table))
        target.replace(PARQUET_FILE, encode_parquet(table))
        return {"over": over, **summary(table)}
