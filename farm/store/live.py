"""``live.json``: what a run looks like at the moment, for whoever sees the sweep directory.

Written by ``farm run`` about every `EVERY_S` seconds (`EVERY_S_REMOTE` on an object store), always
whole, never fsynced: it is a view, and a new one is on its way.  One JSON object with ``format`` 1
and the fields of `Snapshot`.  The last one of a run says in ``end`` how the run ended.

A run that was killed leaves a snapshot without an end behind.  Whether its writer lives is seen by
``n_written``, which grows with every snapshot, on the reader's own clock; the time of writing is
only compared with the reader's wall clock as long as one snapshot is all that was seen, because the
clocks of two machines may differ (`Watch`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from farm.store.control import Wanted
from farm.store.files import Files

LIVE_FILE = "live.json"
FORMAT = 1

EVERY_S = 2.0
EVERY_S_REMOTE = 5.0

LOST_AFTER = 7
"""Snapshots that do not come after which a run is taken for dead; a driver's restart takes 5."""


@dataclass(frozen=True)
class End:
    """How a run ended.

    Attributes
    ----------
    state : str
        ``finished``, ``stopped`` or ``failed``.
    exit_code : int
        Of ``farm run``.
    message : str
        Why, in words.
    """

    state: str
    exit_code: int
    message: str = ""


@dataclass(frozen=True)
class Snapshot:
    """A run at one moment.

    Attributes
    ----------
    run_id, sweep, directory, device : str
        Which run of which sweep, where it is stored, on what it runs.
    host, pid : str, int
        Where ``farm run`` runs.
    started_at, written_at : str
        ISO, UTC.
    n_written : int
        Number of this snapshot in its run, from 1.
    every_s : float
        Seconds between two snapshots.
    phase : str
        What the farm is doing.
    n_vectors, n_done, n_committed : int
        Vectors of the sweep, with an outcome, and committed.
    n_chunks, n_chunks_committed : int
        The same of chunks.
    counts : dict
        Status -> committed vectors.
    rate_hz : float
        Vectors per second over the last seconds.
    eta_s : float or None
        Expected seconds to the end.
    cards : dict
        Card -> ``state``, ``n_done``, ``rate_hz``, ``batch_rows``, ``node``, ``age_s`` (seconds
        since it was heard of), ``log`` (path on its node), ``incident`` (its last one).
    incidents : list of dict
        The last journal records of the run.
    n_incidents : int
        All its incidents.
    fits : dict
        Live figures of the models.
    cluster : dict or None
        ``address``, ``n_wanted``, ``n_max``, ``n_pending``, ``nodes``; None: a run on one machine.
    metrics : list of str
        Addresses (host:port) at which Prometheus finds the run's metrics.
    control : Wanted
        The requests that the run has taken in.
    end : End or None
        How the run ended; None: it has not.
    """

    run_id: str
    sweep: str = ""
    directory: str = ""
    device: str = ""
    host: str = ""
    pid: int = 0
    started_at: str = ""
    written_at: str = ""
    n_written: int = 0
    every_s: float = EVERY_S
    phase: str = ""
    n_vectors: int = 0
    n_done: int = 0
    n_committed: int = 0
    n_chunks: int = 0
    n_chunks_committed: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    rate_hz: float = 0.0
    eta_s: float | None = None
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)
    incidents: list[dict[str, Any]] = field(default_factory=list)
    n_incidents: int = 0
    fits: dict[str, Any] = field(default_factory=dict)
    cluster: dict[str, Any] | None = None
    metrics: list[str] = field(default_factory=list)
    control: Wanted = field(default_factory=Wanted)
    end: End | None = None

    def as_json(self) -> dict[str, Any]:
        """Return JSON data."""
        return {"format": FORMAT, **asdict(self)}

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        return json.dumps(self.as_json(), separators=(",", ":")).encode() + b"\n"

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Snapshot:
        """Read what `as_json` wrote; keys of later versions are left out.

        Raises
        ------
        ValueError
            If it is no snapshot of a format that is known.
        """
        if content.get("format") != FORMAT or not content.get("run_id"):
            raise ValueError("it is no snapshot of this version of the farm")
        names = {field.name for field in fields(Snapshot)}
        known = {name: value for name, value in content.items() if name in names}
        end = known.get("end")
        known["end"] = End(**end) if end else None
        known["control"] = Wanted.from_json(known.get("control") or {})
        return Snapshot(**known)


def read_live(files: Files) -> Snapshot | None:
    """Read the latest snapshot; None if there is none, or none that can be understood.

    Raises
    ------
    StoreAccessError
        If the store cannot be reached.
    """
    content = files.read_if_exists(LIVE_FILE)
    if content is None:
        return None
    try:
        return Snapshot.from_json(json.loads(content))
    except (ValueError, TypeError, AttributeError):
        return None


class Liveness(StrEnum):
    """What is known of a run's process."""

    NONE = "none"
    """No snapshot was found."""
    LIVE = "live"
    ENDED = "ended"
    UNSURE = "unsure"
    """The only snapshot seen is old by its clock; another one will tell."""
    LOST = "lost"
    """No new snapshot for long: the process is gone, or its host is cut off."""


class Watch:
    """Follows the snapshots of a directory and judges whether a run is at work."""

    def __init__(self) -> None:
        self._latest: Snapshot | None = None
        self._first_s = self._changed_s = 0.0
        self._has_changed = False

    @property
    def latest(self) -> Snapshot | None:
        """The snapshot seen last."""
        return self._latest

    def see(self, snapshot: Snapshot | None, now_s: float) -> None:
        """Take in what was read.

        Parameters
        ----------
        snapshot : Snapshot or None
            What was read.
        now_s : float
            Monotonic time of reading, seconds.
        """
        known, self._latest = self._latest, snapshot
        if snapshot is None:
            return
        if known is None:
            self._first_s = self._changed_s = now_s
            self._has_changed = False
        elif (known.run_id, known.n_written) != (snapshot.run_id, snapshot.n_written):
            self._changed_s, self._has_changed = now_s, True

    def age_s(self, now_s: float, now_at: datetime | None = None) -> float:
        """Seconds since the latest snapshot was written, as well as that can be known."""
        if self._latest is None:
            return 0.0
        seen_s = now_s - self._changed_s
        if self._has_changed:
            return seen_s
        return max(seen_s, _wall_age_s(self._latest, now_at or datetime.now(UTC)))

    def liveness(self, now_s: float, now_at: datetime | None = None) -> Liveness:
        """Judge whether a run is at work."""
        snapshot = self._latest
        if snapshot is None:
            return Liveness.NONE
        if snapshot.end is not None:
            return Liveness.ENDED
        longest_s = LOST_AFTER * snapshot.every_s
        if self._has_changed:
            return Liveness.LIVE if now_s - self._changed_s <= longest_s else Liveness.LOST
        by_clock_s = _wall_age_s(snapshot, now_at or datetime.now(UTC))
        if now_s - self._first_s > longest_s:
            return Liveness.LOST
        # A time in the future, or long ago, may be the clock's fault.
        return Liveness.LIVE if 0 <= by_clock_s <= 2 * snapshot.every_s + 1 else Liveness.UNSURE


def _wall_age_s(snapshot: Snapshot, now_at: datetime) -> float:
    try:
        return (now_at - datetime.fromisoformat(snapshot.written_at)).total_seconds()
    except (TypeError, ValueError):
        return float("inf")
