"""On a node: find the cards of this host, and claim one that nobody has.

Ray tells an actor that it may have *a* card, not which.  So an actor takes the lock of a card's
claim and keeps it until its process ends: the kernel frees it, whatever ends the process.  Actors
of a cluster that lost its head live on for a minute; their successors wait for that long.

A node that cannot be used at all refuses, with the cause.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import farm
from farm.card_lock import try_hold
from farm.catalog import load_sweep
from farm.devices import registry
from farm.devices.device import CardSlot, DeviceKind
from farm.errors import ClusterError, FarmError
from farm.settings import RunSettings
from farm.store.directory import SweepDirectory

PREDECESSOR_S = 75.0
"""How long an earlier actor on the same host may live on after its cluster is gone."""

MARKER = "run.json"
"""File of the sweep directory that names the run at work: seen by all, or it is not shared."""

_MARKER_S = 5.0
_RETRY_S = 0.2


@dataclass(frozen=True, slots=True)
class Node:
    """Where an actor found itself.

    Attributes
    ----------
    node_id : str
        Of Ray.
    host : str
        Name of the machine.
    n_cards : int
        Amount of the resource ``card`` that the node has.
    """

    node_id: str
    host: str
    n_cards: int

    def name(self, kind: DeviceKind) -> str:
        """Name of the node in card names.

        Hardware belongs to its host; simulated cards belong to a node, of which a host may have
        several.
        """
        return f"{self.host}-{self.node_id[-6:]}" if kind.is_simulated else self.host


@dataclass(frozen=True, slots=True)
class Claim:
    """A card that is this process' until it ends, or lets go.

    Attributes
    ----------
    slot : CardSlot
        The card.
    descriptor : int
        Holds the lock.
    """

    slot: CardSlot
    descriptor: int

    def let_go(self) -> None:
        """Leave the card to others."""
        os.close(self.descriptor)


def require_same_version(version: str) -> None:
    """Check that the driver's Sweepfarm is this one.

    Raises
    ------
    ClusterError
        If not.
    """
    if version != farm.__version__:
        raise ClusterError(
            f"Sweepfarm {farm.__version__} is installed here, but {version} where `farm run` was "
            f"started; install the same everywhere"
        )


def open_shared(settings: RunSettings, token: str) -> SweepDirectory:
    """Open the sweep directory of a run, and prove that it is the one that the driver sees.

    Parameters
    ----------
    settings : RunSettings
        Of the run.
    token : str
        What the driver wrote into `MARKER`.

    Returns
    -------
    SweepDirectory
        With a sweep that can be loaded here.

    Raises
    ------
    FarmError
        If it is not there, is another one, or its sweep cannot be loaded on this host.
    """
    directory = SweepDirectory.open(settings.directory)
    deadline = time.monotonic() + _MARKER_S
    while not _shows(directory, token):
        if time.monotonic() > deadline:
            raise ClusterError(
                f"{settings.directory} on this host is not the directory that the driver sees; put "
                f"the sweep on storage that all nodes share"
            )
        time.sleep(_RETRY_S)
    load_sweep(directory.manifest.source, runs_here=True)
    return directory


def _shows(directory: SweepDirectory, token: str) -> bool:
    try:
        return token.encode() in directory.files.read(MARKER)
    except FarmError:
        return False


def slots_of(node: Node, kind_name: str, options: Mapping[str, str]) -> list[CardSlot]:
    """Cards of a device kind that a node has.

    Raises
    ------
    FarmError
        If the kind is not installed, or the host lacks what it needs, or has no card of it.
    """
    kind = registry.kind(kind_name)
    lacking = kind.missing()
    if lacking:
        raise ClusterError(f"device {kind_name!r} cannot be used on this host: {lacking}")
    amount = node.n_cards if kind.is_simulated else None
    name = node.name(kind)
    found = [
        CardSlot(slot.kind, slot.index, slot.options, name)
        for slot in kind.discover(amount, options)
    ]
    if not found:
        raise ClusterError(f"this host has no card of device kind {kind_name!r}")
    return found


def without_retired(slots: Collection[CardSlot], retired: Collection[str]) -> list[CardSlot]:
    """Leave out cards that could not be healed in this run.

    Raises
    ------
    ClusterError
        If no card is left.
    """
    usable = [slot for slot in slots if slot.card not in retired]
    if not usable:
        raise ClusterError(f"every card of this host is retired ({', '.join(sorted(retired))})")
    return usable


def claim_one(slots: Collection[CardSlot], scope: str, wait_s: float = PREDECESSOR_S) -> Claim:
    """Claim the first card that is free.

    Parameters
    ----------
    slots : Collection of CardSlot
        The cards of this node.
    scope : str
        Of simulated cards: what they belong to.  Hardware is there once, for all.
    wait_s : float
        How long to wait for one to become free.

    Returns
    -------
    Claim
        Held by this process.

    Raises
    ------
    ClusterError
        If all are taken for so long.
    """
    deadline = time.monotonic() + wait_s
    while True:
        for slot in slots:
            descriptor = try_hold("claims", _lock_name(slot, scope))
            if descriptor is not None:
                return Claim(slot, descriptor)
        if time.monotonic() > deadline:
            taken = ", ".join(slot.place for slot in slots)
            raise ClusterError(
                f"all {len(slots)} cards of this host are in use ({taken}); the node's resource "
                f"`card` is larger than that, or others use them"
            )
        time.sleep(_RETRY_S)


def _lock_name(slot: CardSlot, scope: str) -> str:
    if not registry.kind(slot.kind).is_simulated:
        return slot.place
    return f"{slot.card}-{hashlib.sha256(scope.encode()).hexdigest()[:12]}"
