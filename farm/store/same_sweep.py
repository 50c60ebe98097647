"""Whether a directory holds the sweep that is asked for, and if not, what differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farm.errors import ChangedSweepError, DifferentSweepError
from farm.store.location import Location
from farm.store.manifest import Manifest
from sweeps.space import Sweep


def require_same_sweep(manifest: Manifest, sweep: Sweep, path: Location) -> None:
    """Check that a directory holds this very sweep.

    Raises
    ------
    ChangedSweepError
        If its code is another than when the vectors were generated.
    DifferentSweepError
        If it is another otherwise; either message lists what differs.
    """
    if manifest.fingerprint == sweep.fingerprint:
        return
    there, here = dict(manifest.declaration), sweep.declaration()
    differences = [
        f"  {key}: {_short(there.get(key))} there, {_short(here.get(key))} here"
        for key in here
        if key not in {"axes", "suites"} and there.get(key) != here[key]
    ]
    differences += _suite_differences(there.get("suites", {}), here.get("suites", {}))
    axes_there, axes_here = there.get("axes", {}), here["axes"]
    differences += [
        f"  axis {name}: {_short(_values(axes_there, name))} there, "
        f"{_short(_values(axes_here, name))} here"
        for name in {**axes_there, **axes_here}
        if axes_there.get(name) != axes_here.get(name)
    ]
    listed = "\n".join(differences)
    is_same = all(there.get(key) == here[key] for key in ("name", "op"))
    if is_same and there.get("version") != here["version"]:
        raise ChangedSweepError(
            f"the code of {sweep.name} was changed after the vectors in {path} were generated:\n"
            f"{listed}\nRestore it and run again to go on, use another --out, or start over with "
            f"--force-clean"
        )
    raise DifferentSweepError(
        f"{path} holds another sweep (fingerprint {manifest.fingerprint[:12]}, not "
        f"{sweep.fingerprint[:12]}):\n{listed}\nUse another --out, go on with what is there by "
        f"`farm run {path}`, or start over with --force-clean"
    )


def _suite_differences(there: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    kinds = {
        "only there": [name for name in there if name not in here],
        "only here": [name for name in here if name not in there],
        "with other values": [name for name in here if there.get(name, here[name]) != here[name]],
    }
    return [
        f"  suites {kind}: {len(names):,} ({_short(', '.join(names))})"
        for kind, names in kinds.items()
        if names
    ]


def _values(axes: dict[str, Any], name: str) -> object:
    return axes.get(name, {}).get("values", "absent")


def _short(value: object, width: int = 60) -> str:
    text = str(value)
    return text if len(text) <= width else text[: width - 3] + "..."
