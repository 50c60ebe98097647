"""Rename that refuses to replace, for file systems without hard links (Linux, renameat2)."""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache
from pathlib import Path
from typing import Any

from farm.errors import StoreAccessError

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1


def rename_if_free(source: Path, target: Path) -> bool:
    """Move a file to a name that is free.

    Returns
    -------
    bool
        False if the name is taken; the file is where it was then.

    Raises
    ------
    StoreAccessError
        If the file system cannot do that either.
    OSError
        If the disk refuses.
    """
    names = os.fsencode(source), os.fsencode(target)
    if not _renameat2()(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_NOREPLACE):
        return True
    number = ctypes.get_errno()
    if number == errno.EEXIST:
        return False
    if number in {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:
        raise StoreAccessError(
            f"cannot write {target}: its file system can neither link files nor rename them "
            f"without replacing, so that two writers could not be told apart; choose a directory "
            f"on another one"
        )
    raise OSError(number, os.strerror(number), str(target))


@cache
def _renameat2() -> Any:
    function = ctypes.CDLL(None, use_errno=True).renameat2
    function.argtypes = [
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    ]
    return function
