"""A host-wide lock per card, held by the process that has the card open.

After the loss of a cluster's head two actors for one card can live side by side for a while; the
kernel makes sure that only one executor touches it, and frees the lock when its holder dies.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from pathlib import Path

from farm.errors import CardError


def private_folder(*parts: str) -> Path:
    """Folder of this user under the temporary directory, mode 0700.

    Raises
    ------
    CardError
        If it exists and belongs to somebody else, or cannot be made.
    """
    try:
        root = Path(tempfile.gettempdir()) / f"sweepfarm-{os.getuid()}"
        root.mkdir(mode=0o700, exist_ok=True)
        status = root.lstat()
        if status.st_uid != os.getuid() or root.is_symlink():
            raise CardError(f"{root} belongs to another user; remove it")
        root.chmod(0o700)
        folder = root.joinpath(*parts)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CardError(
            f"no private folder for locks and sockets: {error}. Have TMPDIR name a folder that "
            f"can be written, with a short path"
        ) from error
    return folder


def try_hold(folder: str, name: str) -> int | None:
    """Take a lock of this host if it is free, and keep it until the process ends.

    Parameters
    ----------
    folder : str
        What the lock is for; locks of two folders have nothing to do with each other.
    name : str
        Unique on the host.

    Returns
    -------
    int or None
        The descriptor that holds the lock; None if somebody else does.
    """
    descriptor = os.open(lock_path(folder, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def lock_path(folder: str, name: str) -> Path:
    """Return the file of a lock."""
    return private_folder(folder) / f"{name.replace(':', '-').replace('/', '-')}.lock"


def hold_card(name: str, wait_s: float = 20.0) -> int:
    """Take the lock of a card and keep it until the process ends.

    Parameters
    ----------
    name : str
        Card name, unique on the host.
    wait_s : float
        How long an earlier holder may take to go away.

    Returns
    -------
    int
        The descriptor that holds the lock.

    Raises
    ------
    CardError
        If the card stays locked.
    """
    deadline = time.monotonic() + wait_s
    while (descriptor := try_hold("cards", name)) is None:
        if time.monotonic() > deadline:
            path = lock_path("cards", name)
            raise CardError(f"card {name} is in use by another run on this host (lock {path})")
        time.sleep(0.05)
    return descriptor
