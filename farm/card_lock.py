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
        If it exists and belongs to somebody else.
    """
    root = Path(tempfile.gettempdir()) / f"sweepfarm-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    status = root.lstat()
    if status.st_uid != os.getuid() or root.is_symlink():
        raise CardError(f"{root} belongs to another user; remove it")
    root.chmod(0o700)
    folder = root.joinpath(*parts)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


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
    path = private_folder("cards") / f"{name.replace(':', '-').replace('/', '-')}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise CardError(
                    f"card {name} is in use by another run on this host (lock {path})"
                ) from error
            time.sleep(0.05)
        else:
            return descriptor
