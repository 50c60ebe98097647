"""What tt-metal's sweep framework keeps in a vector beside the parameters of ``run``."""

from __future__ import annotations

NEVER_ARGUMENTS = frozenset(
    {
        "sweep_name",
        "suite_name",
        "input_hash",
        "traced_source",
        "traced_machine_info",
        "timestamp",
        "tag",
        "invalid_reason",
        "status",
        "validity",
        "device",
    }
)
"""Entries that ``run`` never receives as parameters."""


def entries(suite: str, module: str) -> dict[str, str]:
    """Return the entries of a valid vector: what is judged, hashed and written with it.

    Parameters
    ----------
    suite : str
        Name of its suite.
    module : str
        Dotted name of its sweep module.
    """
    return {
        "suite_name": suite,
        "validity": "VALID",
        "invalid_reason": "",
        "status": "VectorStatus.CURRENT",
        "sweep_name": module,
    }
