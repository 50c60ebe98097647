"""Find the parameter files of an architecture: which versions there are, and where.

Two layouts, which may be mixed below one folder:

============================ ===========================================
``<arch>/params_v<N>.yaml``  one folder per architecture; in it or above it
``<arch>_params.yaml``       version 1, as a sweep writes it
``<arch>_params_v<N>.yaml``  later versions of it
============================ ===========================================
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from analysis.op_model.parameters.parameter_file import Parameters, read_parameters
from farm.errors import UsageError

ENVIRONMENT = "SWEEPFARM_OP_PARAMS"
"""Environment variable that names the default file or folder of parameters."""

_IN_FOLDER = re.compile(r"params_v(?P<version>[1-9]\d*)\.ya?ml")
_NAMED = re.compile(r"(?P<arch>[A-Za-z]\w*?)_params(_v(?P<version>[1-9]\d*))?\.ya?ml")


def find_versions(folder: Path) -> dict[str, dict[int, Path]]:
    """List the parameter files in and directly below a folder: architecture -> version -> file.

    Raises
    ------
    UsageError
        If two files are the same version of the same architecture.
    """
    found: dict[str, dict[int, Path]] = {}
    # Below lie folders of architectures, not of other sweeps with versions of their own.
    for path in sorted([*folder.glob("*.y*ml"), *folder.glob("*/params_v*.y*ml")]):
        identity = identify(path)
        if identity is None:
            continue
        arch, version = identity
        versions = found.setdefault(arch, {})
        if version in versions:
            raise UsageError(
                f"{versions[version]} and {path} are both version {version} of {arch}: "
                f"name one of them"
            )
        versions[version] = path
    return {arch: dict(sorted(versions.items())) for arch, versions in found.items()}


def identify(path: Path) -> tuple[str, int] | None:
    """Tell architecture and version of a parameter file by its name; None if it says neither."""
    in_folder = _IN_FOLDER.fullmatch(path.name)
    if in_folder:
        return path.resolve().parent.name, int(in_folder["version"])
    named = _NAMED.fullmatch(path.name)
    if named:
        return named["arch"], int(named["version"] or 1)
    return None


def open_parameters(path: Path, arch: str | None = None, version: int | None = None) -> Parameters:
    """Read parameters from a file, or from a folder the newest or the named version.

    Parameters
    ----------
    path : Path
        File or folder.
    arch : str, optional
        Architecture; needed where the path does not tell it, or a folder has several.
    version : int, optional
        Version; the newest by default.

    Raises
    ------
    UsageError
        If there is no such path, architecture or version.
    FormatError
        If the file is no parameter file.
    """
    if path.is_dir():
        folder, is_newest = path, version is None
        arch, version, path = _in_folder(folder, arch, version)
        found = read_parameters(path, arch, version)
        missing = gaps(find_versions(folder)[arch]) if is_newest else []
        if not missing:
            return found
        numbers = ", ".join(map(str, missing))
        warning = f"{folder} lacks version {numbers} of {arch}: is {version} the newest?"
        return replace(found, warnings=(*found.warnings, warning))
    if path.exists():
        arch, version = _of_file(path, arch, version)
        return read_parameters(path, arch, version)
    raise UsageError(f"{path}: no such file or folder of parameters")


def next_version_path(folder: Path, arch: str) -> Path:
    """Name of the next version of an architecture in a folder, in the layout that it has."""
    versions = find_versions(folder).get(arch, {}) if folder.is_dir() else {}
    version = max(versions, default=0) + 1
    if versions and _IN_FOLDER.fullmatch(versions[version - 1].name):
        return versions[version - 1].with_name(f"params_v{version}.yaml")
    suffix = "" if version == 1 else f"_v{version}"
    return folder / f"{arch}_params{suffix}.yaml"


def gaps(versions: dict[int, Path]) -> list[int]:
    """List the versions that are missing below the newest one."""
    return [n for n in range(1, max(versions, default=0)) if n not in versions]


def _in_folder(folder: Path, arch: str | None, version: int | None) -> tuple[str, int, Path]:
    found = find_versions(folder)
    if not found:
        raise UsageError(
            f"{folder}: no parameter files; they are named <arch>/params_v<N>.yaml or "
            f"<arch>_params.yaml"
        )
    if arch is None and len(found) > 1:
        raise UsageError(f"{folder} has parameters of {', '.join(found)}: choose with --arch")
    arch = arch or next(iter(found))
    if arch not in found:
        raise UsageError(f"{folder} has no parameters of {arch!r}, only of {', '.join(found)}")
    versions = found[arch]
    version = max(versions) if version is None else version
    if version not in versions:
        known = ", ".join(map(str, versions))
        what = "is missing" if version in gaps(versions) else "does not exist"
        raise UsageError(f"{folder}: version {version} of {arch} {what}; there are {known}")
    return arch, version, versions[version]


def _of_file(path: Path, arch: str | None, version: int | None) -> tuple[str, int]:
    named_arch, named_version = identify(path) or ("", 0)
    if arch and named_arch and arch != named_arch:
        raise UsageError(f"{path} is named as one of {named_arch}, not of {arch}")
    if version and named_version and version != named_version:
        raise UsageError(f"{path} is version {named_version}, not {version}")
    if not (arch or named_arch):
        raise UsageError(f"{path}: its name does not tell the architecture: say --arch")
    return arch or named_arch, version or named_version or 1
