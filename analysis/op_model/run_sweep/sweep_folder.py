"""The folder of ``farm run-sweep``: everything about the operations of one place.

::

    sweeps/00/ ...                    sweep directories of the farm, see `farm.store.directory`
    sweeps/00.json ...                the operations of one, where they are not the default ones
    raw/<arch>/<data file>            what an operation measured, see `sweep_csv_writer`
    raw/<arch>/<name>-failed.yaml     its failed tests, and why they failed
    models/<arch>/<name>.json         its model, see `fitted_model`
    <arch>_params.yaml, ..._v2.yaml   versions of the weights

Operations that are begun together share a sweep directory, so that one run of the farm measures
all of them; operations that are added later get another one.  Each is in one directory only, and
is there to stay: a directory is what its fingerprint says.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farm.catalog import OPERATIONS, load_sweep
from farm.errors import UsageError
from farm.generation import Plan, overridden, plan_of
from farm.store.directory import SweepDirectory, remove_sweep
from farm.store.disk_access import StoreAccess
from farm.store.local_files import LocalFiles
from farm.store.manifest import FILE_NAME
from sweeps.errors import SpecError
from sweeps.limits import limited
from sweeps.op_model.catalogue import DEFAULT_OPERATIONS
from sweeps.op_model.operation import Operation, operations_of

SWEEPS, RAW, MODELS = "sweeps", "raw", "models"
_DEFAULT_SOURCE = "op-model"


@dataclass(frozen=True)
class Part:
    """One sweep directory of the folder.

    Attributes
    ----------
    path : Path
        Where it is.
    plan : Plan
        What it holds, or is to hold.
    operations : tuple of Operation
        Its operations.
    """

    path: Path
    plan: Plan
    operations: tuple[Operation, ...]

    @property
    def arch(self) -> str:
        """Architecture that its operations are swept for."""
        return str(self.plan.sweep.axis("arch").values[0])

    @property
    def input_count(self) -> int:
        """Inputs of a launch."""
        (count,) = self.plan.sweep.axis("input_count").values
        return int(str(count))

    @property
    def is_complete(self) -> bool:
        """Whether every vector is accounted for."""
        if not (self.path / FILE_NAME).exists():
            return False
        directory = SweepDirectory.open(self.path)
        return len(directory.committed()) == len(directory.chunks())


@dataclass(frozen=True)
class Wanted:
    """What is to be swept.

    Attributes
    ----------
    operations : tuple of Operation
        The operations, at least one.
    arch : str
        Architecture.
    input_count : int
        Inputs of a launch.
    repeats : int or None
        Launches of a configuration; None for the sweep's.
    timeout_s : float or None
        Longest time of one configuration; None for the sweep's.
    """

    operations: tuple[Operation, ...]
    arch: str
    input_count: int
    repeats: int | None = None
    timeout_s: float | None = None


class SweepFolder:
    """A folder of ``farm run-sweep``, there or not.

    Parameters
    ----------
    path : Path
        The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def raw_path(self, arch: str) -> Path:
        """Folder of the raw CSV files of an architecture."""
        return self.path / RAW / arch

    def is_used(self) -> bool:
        """Whether there is anything in the folder.

        Raises
        ------
        StoreAccessError
            If it cannot be read.
        """
        with StoreAccess("read", self.path):
            return self.path.exists() and any(self.path.iterdir())

    def is_own(self) -> bool:
        """Whether an earlier ``run-sweep`` made it."""
        return (self.path / SWEEPS).is_dir()

    def clean(self) -> None:
        """Remove sweep directories, raw files and models; versions of parameters stay.

        Raises
        ------
        StoreAccessError
            If a file cannot be removed.
        """
        for part in self._directories():
            remove_sweep(part)
        for name in (SWEEPS, RAW, MODELS):
            with StoreAccess("remove", self.path / name):
                if (self.path / name).is_dir():
                    shutil.rmtree(self.path / name)

    def _directories(self) -> list[Path]:
        return sorted(path for path in (self.path / SWEEPS).glob("[0-9]*") if path.is_dir())

    def parts(self) -> list[Part]:
        """Sweep directories that are there, oldest first.

        Raises
        ------
        FarmError
            If one is damaged or its operations cannot be read any more.
        """
        return [_opened(path) for path in self._directories() if (path / FILE_NAME).exists()]

    def parts_for(self, wanted: Wanted) -> list[Part]:
        """Find the sweep directories of operations, and plan one for those that have none.

        Nothing is measured or generated yet; of a generation that was cut off, the pieces go.

        Raises
        ------
        UsageError
            If an operation is there with other configurations.
        FarmError
            If a directory is damaged.
        """
        own = [part for part in self.parts() if part.arch == wanted.arch]
        there = {operation.op_name: part for part in own for operation in part.operations}
        for operation in wanted.operations:
            if operation.op_name in there:
                self._require_same(operation, wanted, there[operation.op_name])
        names = {operation.op_name for operation in wanted.operations}
        parts = [part for part in own if names & {o.op_name for o in part.operations}]
        missing = tuple(o for o in wanted.operations if o.op_name not in there)
        return [*parts, self._planned(missing, wanted)] if missing else parts

    def _require_same(self, operation: Operation, wanted: Wanted, part: Part) -> None:
        known = next(o for o in part.operations if o.op_name == operation.op_name)
        advice = "Use another --out, or start over with --force-clean"
        if known.as_json() != operation.as_json():
            raise UsageError(
                f"{part.path} holds {operation.op_name} with other configurations:\n"
                f"  there {json.dumps(known.as_json())}\n"
                f"  here  {json.dumps(operation.as_json())}\n{advice}"
            )
        sweep = part.plan.sweep
        for name, there, here in (
            ("--input-count", part.input_count, wanted.input_count),
            ("--repeats", sweep.repeats, wanted.repeats or sweep.repeats),
        ):
            if there != here:
                raise UsageError(
                    f"{part.path} holds {operation.op_name} with {name} {there}, not {here}. "
                    f"{advice}"
                )

    def _planned(self, operations: tuple[Operation, ...], wanted: Wanted) -> Part:
        numbers = [-1]
        for path in self._directories():
            if (path / FILE_NAME).exists():
                numbers.append(int(path.name))
            else:
                remove_sweep(path)
        path = self.path / SWEEPS / f"{max(numbers) + 1:02}"
        limits = [f"arch:={wanted.arch}", f"input_count:={wanted.input_count}"]
        if all(operation in DEFAULT_OPERATIONS for operation in operations):
            source = _DEFAULT_SOURCE
            limits.append(f"operation={','.join(o.op_name for o in operations)}")
        else:
            source = self._publish(path, operations)
        sweep = limited(load_sweep(source), limits)
        sweep = overridden(sweep, wanted.repeats, wanted.timeout_s, None)
        return Part(path, Plan(sweep, source, tuple(limits)), operations)

    def _publish(self, path: Path, operations: tuple[Operation, ...]) -> str:
        listed = [operation.as_json() for operation in operations]
        with StoreAccess("make", path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        name = f"{path.name}.json"
        LocalFiles(path.parent).replace(name, json.dumps(listed, indent=1).encode() + b"\n")
        return f"{OPERATIONS}{(path.parent / name).resolve()}"


def _opened(path: Path) -> Part:
    manifest = SweepDirectory.open(path).manifest
    plan = plan_of(manifest)
    names = {str(name) for name in plan.sweep.axis("operation").values}
    return Part(path, plan, tuple(o for o in _listed(manifest.source) if o.op_name in names))


def _listed(source: str) -> Sequence[Operation]:
    """Operations of a sweep's source."""
    if not source.startswith(OPERATIONS):
        return DEFAULT_OPERATIONS
    path = Path(source.removeprefix(OPERATIONS))
    try:
        return operations_of(json.loads(path.read_text()), str(path))
    except (OSError, ValueError, SpecError) as error:
        raise UsageError(f"{path}: the operations of a sweep cannot be read: {error}") from error
