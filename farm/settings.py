"""Settings of one run, as data that every process of it receives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from farm.devices.device import CardSlot


@dataclass(frozen=True)
class RunSettings:
    """What `farm run` was told.

    Attributes
    ----------
    directory : str
        The sweep directory.
    run_id : str
        Names this run in results and journals.
    slots : tuple of CardSlot
        The cards to use; none in a cluster run, whose cards are found on its nodes.
    fit_over : str
        ``vectors`` or ``size-means``, see `analysis.linear`.
    max_strikes : int
        Hangs or crashes after which a vector is condemned.
    batch_rows : int or None
        Vectors per profiler read; None: adapted to the device's speed.
    open_timeout_s, read_timeout_s, reset_timeout_s : float
        Longest time of opening a card, of one profiler read, of one reset.
    deadline_floor_s, deadline_factor : float
        How far deadlines tighten, see `farm.card.deadlines`.
    resets_shared_cards : bool
        Whether a card that other processes use may be reset.
    lease_s : float
        Silence after which a card's leases expire.
    straggler_s : float
        Age of a lease after which an idle card may measure its chunk, too.
    grace_s : float
        How long cards may go on with the chunk in hand after an interrupt.
    n_analysis_workers : int
        Processes that fit models.
    address : str
        Of the cluster: ``auto`` or ``HOST:PORT``; empty for a run on this machine alone.
    device_kind, device_options : str, Mapping
        Of the cards to be found on the nodes of a cluster.
    max_cards : int or None
        Most cards of a cluster to use at a time; None: as many as there is work for.
    requires : Mapping
        Field of `farm.devices.device.DeviceInfo` -> pattern that a card of a cluster must match.
    wait_cards_s : float
        How long a cluster run may be without any card at work.
    allows_open_cluster : bool
        Whether a cluster without authentication may be joined.
    tls : str
        Folder with certificates for the cluster; empty: as the environment says.
    log_level : str
        From which level on the processes of the run write logs, see `farm.logs`.
    metrics_port : int or None
        Port of the Prometheus endpoint of a run on this machine; None: any.
    """

    directory: str
    run_id: str
    slots: tuple[CardSlot, ...]
    fit_over: str = "vectors"
    max_strikes: int = 2
    batch_rows: int | None = None
    open_timeout_s: float = 120.0
    read_timeout_s: float = 60.0
    reset_timeout_s: float = 180.0
    deadline_floor_s: float = 1.0
    deadline_factor: float = 10.0
    resets_shared_cards: bool = False
    lease_s: float = 30.0
    straggler_s: float = 60.0
    grace_s: float = 10.0
    n_analysis_workers: int = 1
    address: str = ""
    device_kind: str = ""
    device_options: Mapping[str, str] = field(default_factory=dict)
    max_cards: int | None = None
    requires: Mapping[str, str] = field(default_factory=dict)
    wait_cards_s: float = 1800.0
    allows_open_cluster: bool = False
    tls: str = ""
    log_level: str = "warning"
    metrics_port: int | None = None

    @property
    def is_cluster_run(self) -> bool:
        """Whether the cards are those of a cluster."""
        return bool(self.address)

    @property
    def example_slot(self) -> CardSlot:
        """A slot as the cards of this run have it: tells the kind and the options."""
        return self.slots[0] if self.slots else CardSlot(self.device_kind, 0, self.device_options)

    def to_json(self) -> str:
        """Encode for another process."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> RunSettings:
        """Read what `to_json` wrote."""
        content: dict[str, Any] = json.loads(text)
        content["slots"] = tuple(CardSlot(**slot) for slot in content["slots"])
        return RunSettings(**content)
