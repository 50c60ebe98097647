"""Find a sweep by its name, module or file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from farm.errors import PluginError, UsageError
from farm.source_digest import source_digest
from farm.tt_metal.source import PREFIX
from sweeps import BUILTIN
from sweeps.errors import SpecError
from sweeps.space import Sweep

OPERATIONS = "op-model:"
"""Before the path of a JSON list of operations: the sweep ``op-model`` of those."""
IMPORTED = "imported:"
"""Of vectors from files, before the source of the sweep that devices run them with."""


def resolve_source(text: str) -> str:
    """Normalise what the user typed: files become absolute paths, names stay as they are.

    Raises
    ------
    UsageError
        If it names a file that does not exist.
    """
    if text.startswith(OPERATIONS):
        path = Path(text.removeprefix(OPERATIONS)).resolve()
        if not path.is_file():
            raise UsageError(f"sweep {text!r}: there is no such file")
        return f"{OPERATIONS}{path}"
    if text in BUILTIN or text.startswith(PREFIX) or not (text.endswith(".py") or "/" in text):
        return text
    path = Path(text).resolve()
    if not path.is_file():
        raise UsageError(f"sweep {text!r}: there is no such file")
    return str(path)


def is_imported(source: str) -> bool:
    """Whether vectors came from files of another framework."""
    return source.startswith(IMPORTED)


def source_to_run(source: str) -> str:
    """Return the source of the sweep that runs the vectors, imported or not.

    Raises
    ------
    UsageError
        If vectors were imported without one.
    """
    to_run = source.removeprefix(IMPORTED)
    if not to_run:
        raise UsageError(
            "these vectors were imported without their sweep module, so nothing can run them; "
            "import them with --tt-metal-root PATH"
        )
    return to_run


def load_sweep(source: str, runs_here: bool = False) -> Sweep:
    """Load a sweep.

    Parameters
    ----------
    source : str
        Name of a built-in sweep, dotted name of a module, or path of a Python file; the latter two
        define it as ``SWEEP``.  Or ``op-model:`` and the path of a list of operations; or
        ``imported:`` and the source of the sweep to run imported vectors with.

    Returns
    -------
    Sweep
        With `Sweep.version` set: the author's, or a digest of the file's code without comments and
        docstrings.

    Raises
    ------
    UsageError
        If there is no such sweep, or the declaration is wrong.
    PluginError
        If importing it fails.
    """
    if is_imported(source):
        return load_sweep(source_to_run(source), runs_here)
    if source.startswith(OPERATIONS):
        return _sweep_of_operations(Path(source.removeprefix(OPERATIONS)))
    if source.startswith(PREFIX):
        from farm.tt_metal.sweep import load_sweep as load_tt_metal_sweep

        return load_tt_metal_sweep(source, runs_here)
    module = _import(source)
    sweep = getattr(module, "SWEEP", None)
    if not isinstance(sweep, Sweep):
        raise UsageError(
            f"sweep {source!r}: the module has no SWEEP = Sweep(...); see "
            f"docs/how-to/add-a-sweep.md"
        )
    if sweep.version:
        return sweep
    if module.__file__ is None:
        raise UsageError(f"sweep {module.__name__}: it has no source file; set Sweep(version=...)")
    return replace(sweep, version=source_digest(Path(module.__file__)))


def _sweep_of_operations(path: Path) -> Sweep:
    from sweeps.op_model.operation import operations_of
    from sweeps.op_model.sweep import sweep_of

    try:
        return sweep_of(operations_of(json.loads(path.read_text(encoding="utf-8-sig")), str(path)))
    except (OSError, ValueError) as error:
        # SpecError is a ValueError that says where.
        said = error if isinstance(error, SpecError) else f"{path}: no list of operations: {error}"
        raise UsageError(str(said)) from error


def _import(source: str) -> ModuleType:
    try:
        if source.endswith(".py") or "/" in source:
            return _import_file(Path(resolve_source(source)))
        return importlib.import_module(BUILTIN.get(source, source))
    except SpecError as error:
        raise UsageError(str(error)) from error
    except UsageError:
        raise
    except ModuleNotFoundError as error:
        if error.name and source.startswith(error.name) and source not in BUILTIN:
            raise UsageError(
                f"unknown sweep {source!r}: built in are {', '.join(BUILTIN)}; otherwise give a "
                f"module that can be imported or the path of a .py file"
            ) from error
        raise PluginError(f"sweep {source!r} cannot be imported: {error}") from error
    except Exception as error:
        raise PluginError(
            f"sweep {source!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _import_file(path: Path) -> ModuleType:
    # A name of its own, so that a user's matmul.py never shadows another module.
    name = f"sweepfarm_user_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"sweep {path}: it is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
