"""Import a sweep module as tt-metal does, beside this project's own packages.

A sweep module expects two import roots: the repository (``tests.*``, ``models.*``, ``infra.*``) and
``tests/sweep_framework`` in it (``framework``, ``sweep_utils``, ``sweeps``).  This project has
packages called ``sweeps`` and perhaps ``tests`` too, so their folders are added to those packages'
search paths; where both have ``sweeps.matmul``, ours a module and theirs a folder, ours gets the
folder as its search path.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

import sweeps
from farm.errors import PluginError, UsageError
from farm.tt_metal.seeds import reseed

SWEEPS_FOLDER = Path("tests/sweep_framework/sweeps")
_ROOT_PACKAGES = ("tests", "models", "infra")

_active: list[Path] = []
"""The root in use; a process imports from one checkout at a time."""


def module_file(root: Path, name: str) -> Path:
    """File of the sweep module called `name`.

    Raises
    ------
    UsageError
        If `root` is no tt-metal checkout, or has no such module.
    """
    folder = root / SWEEPS_FOLDER
    if not folder.is_dir():
        raise UsageError(
            f"--tt-metal-root {root}: there is no folder {SWEEPS_FOLDER} in it; give the root of a "
            f"tt-metal checkout"
        )
    file = folder.joinpath(*name.split(".")).with_suffix(".py")
    if name and file.is_file() and all(part.isidentifier() for part in name.split(".")):
        return file
    known = module_names(root)
    wanted = name.removeprefix("sweeps.").removesuffix(".py").replace("/", ".")
    near = [wanted] if wanted in known else get_close_matches(wanted, known, n=3, cutoff=0.5)
    hint = f"; did you mean {', '.join(near)}?" if near else f" ({len(known)} modules are there)"
    raise UsageError(f"--module {name}: there is no such sweep module in {folder}{hint}")


def module_names(root: Path) -> list[str]:
    """Names of all sweep modules of a checkout."""
    folder = root / SWEEPS_FOLDER
    files = (file.relative_to(folder).with_suffix("") for file in folder.rglob("*.py"))
    return sorted(".".join(file.parts) for file in files if file.name != "__init__")


def import_module(root: Path, name: str) -> ModuleType:
    """Import a sweep module.

    Random state is seeded first, so that parameters drawn at import are the same in every process.

    Raises
    ------
    UsageError
        If there is no such module.
    PluginError
        If importing it fails; the message has its error and the import roots.
    """
    file = module_file(root, name)
    _use(root)
    full_name = f"sweeps.{name}"
    spec = importlib.util.spec_from_file_location(full_name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"--module {name}: {file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    is_ours = full_name in sys.modules
    if not is_ours:
        sys.modules[full_name] = module
    try:
        reseed()
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # pytest.skip and sys.exit are no Exception
        if not is_ours:
            del sys.modules[full_name]
        raise PluginError(_failed_import(root, name, error)) from error
    return module


def _failed_import(root: Path, name: str, error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if Path(frame.filename).is_relative_to(root)]
    where = f" ({inside[-1].filename}:{inside[-1].lineno})" if inside else ""
    said = f"{type(error).__name__}: {error}"
    advice = f"Correct it, or see whether {sys.executable} imports it"
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        advice = (
            f"Make {package!r} importable for {sys.executable}: install it there, or run farm with "
            f"the Python of the tt-metal build (its python_env, with sweepfarm installed into it)"
        )
        if package in _ROOT_PACKAGES:
            advice = f"{error.name} is not in this checkout; is --tt-metal-root the right one?"
    return (
        f"--module {name} cannot be imported: {said}{where}\n"
        f"Import roots: {root} and {root / 'tests/sweep_framework'}. {advice}"
    )


def _use(root: Path) -> None:
    roots = [str(root), str(root / "tests" / "sweep_framework")]
    if _active and _active[0] == root:
        # Modules change the search path, too.
        sys.path[:0] = [path for path in roots if path not in sys.path]
        return
    if _active:
        _leave(_active.pop())
    sys.path[:0] = roots
    importlib.invalidate_caches()
    for package in _ROOT_PACKAGES:
        if (root / package).is_dir():
            _graft(package, root / package)
    _graft_sweeps(root / SWEEPS_FOLDER)
    _active.append(root)


def _graft(package: str, folder: Path) -> None:
    """Make `folder` the first place where the parts of a package are looked for."""
    with contextlib.suppress(ImportError):
        module = importlib.import_module(package)
        others = [path for path in getattr(module, "__path__", ()) if path != str(folder)]
        module.__path__ = [str(folder), *others]


def _graft_sweeps(folder: Path) -> None:
    for info in pkgutil.iter_modules(sweeps.__path__):
        if (folder / info.name).is_dir():
            ours = importlib.import_module(f"sweeps.{info.name}")
            ours.__path__ = [str(folder / info.name)]
    sweeps.__path__ = [*sweeps.__path__, str(folder)]


def _leave(root: Path) -> None:
    """Forget what was imported from another checkout, as far as it can be imported again."""
    framework = str(root / "tests" / "sweep_framework")
    sys.path[:] = [path for path in sys.path if path not in (str(root), framework)]
    folders = [root / package for package in _ROOT_PACKAGES]
    for name, module in list(sys.modules.items()):
        if _lies_in(module, folders):
            del sys.modules[name]
        elif hasattr(module, "__path__"):
            kept = [path for path in module.__path__ if not _is_below(path, folders)]
            if len(kept) < len(list(module.__path__)):
                module.__path__ = kept


def _lies_in(module: ModuleType, folders: Iterable[Path]) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and _is_below(file, folders)


def _is_below(path: str, folders: Iterable[Path]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)
