"""Make an estimator from what a command line says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analysis.op_model.estimator.estimator import Estimator
from analysis.op_model.estimator.selection import Mode
from analysis.op_model.parameters.sparse_tables import find_sparse_tables, read_sparse_tables
from analysis.op_model.parameters.versions import ENVIRONMENT, open_parameters
from farm.errors import UsageError


@dataclass(frozen=True)
class Source:
    """Where parameters come from, and how they are used.

    Attributes
    ----------
    params : Path or None
        Parameter file, or folder of them.
    version : int or None
        Version; the newest by default.
    arch : str or None
        Architecture; needed where nothing else tells it.
    sparse_tables : Path or None
        Folder of the sparse tables; by default looked for near the parameters.
    mode : str
        ``normal`` or ``parity``.
    may_fall_back : bool
        Whether ``nop`` may stand in for an operation without parameters.
    """

    params: Path | None
    version: int | None = None
    arch: str | None = None
    sparse_tables: Path | None = None
    mode: str = Mode.NORMAL.value
    may_fall_back: bool = False

    def open(self, arch: str = "") -> Estimator:
        """Read the files.

        Parameters
        ----------
        arch : str
            Architecture of the descriptors, where they tell it.

        Raises
        ------
        UsageError
            If no parameters are named, or there is none of that architecture or version.
        FormatError
            If a file is not what it should be.
        """
        if self.mode not in set(Mode):
            raise UsageError(f"--mode {self.mode!r}: it is {' or '.join(Mode)}")
        if self.params is None:
            raise UsageError(
                f"which parameters? Name a file or folder with --params or in ${ENVIRONMENT}, or "
                f"fitted models with --model; farm run-sweep writes both"
            )
        if self.arch and arch and self.arch != arch:
            raise UsageError(f"--arch {self.arch}, but the descriptors are of {arch}")
        parameters = open_parameters(self.params, self.arch or arch or None, self.version)
        folder = self.sparse_tables or find_sparse_tables(self.params, parameters.arch)
        tables = read_sparse_tables(folder) if folder else None
        return Estimator(parameters, tables, Mode(self.mode), may_fall_back=self.may_fall_back)
