"""The token that guards a Ray cluster: one file that only its owner can read.

Whoever holds it can run any code as the user of the cluster on every node, so it is never written
into an environment or on a command line; processes are told where the file is.  It is looked for
where Ray looks: ``RAY_AUTH_TOKEN`` (which is moved into a private file), ``RAY_AUTH_TOKEN_PATH``,
``~/.ray/auth_token``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from farm.card_lock import private_folder
from farm.errors import UsageError

PATH_VARIABLE = "RAY_AUTH_TOKEN_PATH"
TEXT_VARIABLE = "RAY_AUTH_TOKEN"
HOME_KEPT = "SWEEPFARM_HOME"
"""The user's HOME, where a process that Ray started has another one."""


def home(environment: Mapping[str, str]) -> Path:
    """Home of the user, whatever ``HOME`` was set to for Ray."""
    named = environment.get(HOME_KEPT) or environment.get("HOME")
    return Path(named) if named else Path.home()


def default_path(environment: Mapping[str, str]) -> Path:
    """Where Ray and the farm look for the token if nothing else is said."""
    return home(environment) / ".ray" / "auth_token"


def find(environment: MutableMapping[str, str]) -> Path | None:
    """Find the token of a cluster; one in the environment itself is moved into a private file.

    Parameters
    ----------
    environment : MutableMapping
        Of the process that is to use the token.

    Returns
    -------
    Path or None
        A file that only this user can read; None if there is none.

    Raises
    ------
    UsageError
        If others can read or replace it, if it is empty, or if a named one is missing.
    """
    text = environment.pop(TEXT_VARIABLE, "").strip()
    if text:
        path = private_folder("home") / "token-given"
        path.unlink(missing_ok=True)
        _publish(path, text)
        return path
    named = environment.get(PATH_VARIABLE)
    path = Path(named).expanduser() if named else default_path(environment)
    if not os.path.lexists(path):
        if named:
            raise UsageError(f"{PATH_VARIABLE} names {path}, which does not exist")
        return None
    require_private(path)
    return path


def ensure(path: Path) -> Path:
    """Use the token at a path, or make one there; safe if several processes do so at once.

    Raises
    ------
    UsageError
        If there is one that others can read or replace, or none can be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.path.lexists(path):
            if path.parent.stat().st_uid == os.getuid():
                path.parent.chmod(0o700)
            _publish(path, secrets.token_hex(32))
    except OSError as error:
        raise UsageError(
            f"token {path} cannot be written ({error.strerror}); have HOME name a folder of yours, "
            f"or {PATH_VARIABLE} a token file"
        ) from error
    require_private(path)
    return path


def require_private(path: Path) -> None:
    """Check that nobody else can read or replace a token file.

    Raises
    ------
    UsageError
        If somebody can, or if it cannot be read or holds no token.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise UsageError(f"token {path} cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
        raise UsageError(f"token {path}: must be a file of yours; remove it or name another one")
    if status.st_mode & 0o077:
        raise UsageError(
            f"token {path}: others can read it (mode {stat.S_IMODE(status.st_mode):04o}). Whoever "
            f"has it can run code as you: chmod 600 {path}, and make a new one if that may have "
            f"happened"
        )
    folder = path.resolve().parent.stat()
    if folder.st_mode & 0o022 and not folder.st_mode & stat.S_ISVTX:
        raise UsageError(f"token {path}: others can replace it; chmod 700 {path.resolve().parent}")
    _require_text(path)


def _require_text(path: Path) -> None:
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if not text:
        raise UsageError(f"token {path} is empty; remove it, or copy the token of the cluster")
    if not text.isascii() or not text.isprintable():
        raise UsageError(
            f"token {path} is not one line of plain text; remove it, or copy the token of the "
            f"cluster"
        )


def _publish(path: Path, text: str) -> None:
    """Write a whole file under a name, unless another process was first."""
    own = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, text.encode())
        with contextlib.suppress(FileExistsError):
            os.link(own, path)
    finally:
        os.close(descriptor)
        own.unlink()
