"""What this host says about its Tenstorrent cards; opens none of them.

Card N is the device node ``/dev/tenstorrent/N``.  The kernel driver shows its attributes in
``/sys/class/tenstorrent/tenstorrent!N``, its own version in ``/sys/module/tenstorrent/version``,
and in ``/proc/driver/tenstorrent/N/pids`` who has the card open, other users' processes included.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from farm.devices.device import Process
from farm.spawning import MARK_VARIABLE

_ARCHITECTURES = {"0xfaca": "grayskull", "0x401e": "wormhole_b0", "0xb140": "blackhole"}
"""PCI device id -> architecture, as tt-metal calls it."""
_CLOCKS = ("aiclk", "axiclk", "arcclk")
_DELETED = " (deleted)"
_PROCESSES = Path("/proc")


@dataclass(frozen=True)
class TtHost:
    """The cards of this host.

    Attributes
    ----------
    root : Path
        Where ``dev``, ``sys`` and the driver's ``proc/driver`` are looked for; another place than
        ``/`` is for containers that mount them elsewhere, and for tests.
    """

    root: Path = Path("/")

    @property
    def nodes(self) -> Path:
        """Directory of the device nodes."""
        return self.root / "dev" / "tenstorrent"

    def cards(self) -> list[int]:
        """Numbers of the cards, ascending."""
        return sorted(int(node.name) for node in self.nodes.glob("*") if node.name.isdecimal())

    def node(self, card: int) -> Path:
        """Device node of a card."""
        return self.nodes / str(card)

    def arch(self, card: int) -> str:
        """Architecture of a card, such as ``wormhole_b0``; empty where the host does not tell."""
        return _ARCHITECTURES.get(_read(self._class(card) / "device" / "device"), "")

    def board(self, card: int) -> str:
        """Product name of a card, such as ``n150``; empty where the driver does not tell."""
        return _read(self._class(card) / "tt_card_type")

    def firmware(self, card: int) -> str:
        """Version of a card's firmware bundle; empty where the driver does not tell."""
        return _read(self._class(card) / "tt_fw_bundle_ver")

    def clocks_hz(self, card: int) -> dict[str, float]:
        """Clocks of a card as they are now, Hz; a card that nobody has open runs slowly."""
        found = {name: _read(self._class(card) / f"tt_{name}") for name in _CLOCKS}
        return {name: int(mhz) * 1e6 for name, mhz in found.items() if mhz.isdecimal() and int(mhz)}

    def bus(self, card: int) -> str:
        """PCI address of a card, such as ``0000:01:00.0``; empty where the host does not tell."""
        device = self._class(card) / "device"
        return device.resolve().name if device.exists() else ""

    def driver(self) -> str:
        """Version of the kernel driver; empty where it is not loaded."""
        return _read(self.root / "sys" / "module" / "tenstorrent" / "version")

    def users(self, card: int) -> list[Process]:
        """List processes that have a card open, but for this one and executors of the farm.

        Process 0 stands for processes outside of this container.
        """
        pids = {*self._holders(card), *self._pids_of_driver(card)} - {os.getpid()}
        found = [(pid, _command(pid)) for pid in sorted(pids) if not _is_executor(pid)]
        return [Process(pid, command) for pid, command in found if command is not None]

    def opened_here(self) -> list[int]:
        """Cards whose nodes this process has open, ascending."""
        nodes = {os.path.realpath(self.node(card)): card for card in self.cards()}
        files = (_PROCESSES / "self" / "fd").iterdir()
        return sorted({nodes[path] for path in map(_opened, files) if path in nodes})

    def _class(self, card: int) -> Path:
        return self.root / "sys" / "class" / "tenstorrent" / f"tenstorrent!{card}"

    def _pids_of_driver(self, card: int) -> set[int]:
        listed = _read(self.root / "proc" / "driver" / "tenstorrent" / str(card) / "pids")
        return {int(pid) for pid in listed.split() if pid.isdecimal()}

    def _holders(self, card: int) -> Iterator[int]:
        node = os.path.realpath(self.node(card))
        for process in _PROCESSES.glob("[0-9]*"):
            # Processes end meanwhile; those of other users show nothing: the driver lists them.
            with contextlib.suppress(OSError):
                if any(_opened(file) == node for file in (process / "fd").iterdir()):
                    yield int(process.name)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _opened(descriptor: Path) -> str:
    """Path that a descriptor was opened by, or nothing if it was closed meanwhile."""
    try:
        return os.readlink(descriptor).removesuffix(_DELETED)
    except OSError:
        return ""


def _command(pid: int) -> str | None:
    """Command of a process, or None if it has ended."""
    if pid == 0:
        return "outside of this container"
    try:
        process = psutil.Process(pid)
        return " ".join(process.cmdline()) or process.name()
    except psutil.AccessDenied:
        return "of another user"
    except psutil.NoSuchProcess:
        return None


def _is_executor(pid: int) -> bool:
    """Whether an executor of the farm, of this run or another, started a process."""
    try:
        variables = (_PROCESSES / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(variable.startswith(f"{MARK_VARIABLE}=".encode()) for variable in variables)
