"""End a process with its parent, whatever it is doing."""

from __future__ import annotations

import ctypes
import os
import signal

PARENT_DIED = 113
"""Exit code of a child whose parent died before it could ask to die with it."""

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(PARENT_DIED)  # it died before the call above
