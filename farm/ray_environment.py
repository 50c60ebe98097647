"""The environment in which Ray is safe, quiet and calls nobody; set before ``import ray``.

Each variable was verified against Ray 2.60:

* token authentication, with a token file of mode 0600 that Ray would otherwise create readable;
* every listener on the loopback interface, unless an address is asked for;
* no usage report (both variables are needed), no metadata request (a file in the HOME that Ray's
  daemons see stops it);
* no task events, which grow by hundreds of megabytes in a night;
* sessions below a private folder whose path is short enough for UNIX sockets.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from farm import access_token
from farm.access_token import HOME_KEPT
from farm.card_lock import private_folder
from farm.errors import UsageError

LOOPBACK_VARIABLE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Set to 0 it makes Ray bind the loopback interface alone, on Linux as well."""

_OLD_SESSION_S = 24 * 3600
_LONGEST_SESSIONS_PATH = 40  # the path of a UNIX socket may have 107 bytes, and Ray needs the rest
_BOOTSTRAP = "ray_bootstrap_config.yaml"
_TLS_FILES = {
    "RAY_TLS_SERVER_CERT": "tls.crt",
    "RAY_TLS_SERVER_KEY": "tls.key",
    "RAY_TLS_CA_CERT": "ca.crt",
}


def prepare(environment: MutableMapping[str, str]) -> Path:
    """Set Ray's variables for a run on this machine alone.

    Parameters
    ----------
    environment : MutableMapping
        The environment of the process that will import Ray.

    Returns
    -------
    Path
        Folder for Ray's sessions.
    """
    token = access_token.ensure(private_folder("home") / "token")
    environment.pop(access_token.TEXT_VARIABLE, None)
    prepare_member(environment, is_loopback=True, token=token)
    environment.update(
        RAY_gcs_rpc_server_reconnect_timeout_s="10",
        RAY_prestart_worker_first_driver="0",
        RAY_enable_worker_prestart="0",
        RAY_USE_TLS="0",
    )
    environment.pop("RAY_ADDRESS", None)
    return session_folder()


def prepare_member(
    environment: MutableMapping[str, str], is_loopback: bool, token: Path | None
) -> None:
    """Set Ray's variables for a process that starts a cluster, or joins one.

    Parameters
    ----------
    environment : MutableMapping
        The environment of the process that will import Ray.
    is_loopback : bool
        Whether the cluster is on this machine alone.
    token : Path or None
        The file with the cluster's token; None: the cluster asks for none.
    """
    environment.update(
        RAY_AUTH_MODE="token" if token else "disabled",
        RAY_USAGE_STATS_ENABLED="0",
        RAY_USAGE_STATS_REPORT_URL="http://127.0.0.1:9/",
        RAY_task_events_report_interval_ms="0",
        RAY_process_group_cleanup_enabled="1",
        RAY_SCHEDULER_EVENTS="0",
        RAY_DEDUP_LOGS="0",
    )
    environment.pop(access_token.PATH_VARIABLE, None)
    if token:
        environment[access_token.PATH_VARIABLE] = str(token)
    environment.pop(LOOPBACK_VARIABLE, None)
    if is_loopback:
        environment[LOOPBACK_VARIABLE] = "0"
    _quieten_home(environment)


def _quieten_home(environment: MutableMapping[str, str]) -> None:
    """Have Ray's daemons find the file that stops their metadata requests.

    Where ``ray up`` has put one into the user's HOME, that is it; it names other files there.
    """
    theirs = access_token.home(environment)
    environment[HOME_KEPT] = environment["HOME"] = str(theirs)
    if not (theirs / _BOOTSTRAP).exists():
        ours = private_folder("home")
        (ours / _BOOTSTRAP).write_text("{cluster_name: none}\n")
        environment["HOME"] = str(ours)


def prepare_tls(environment: MutableMapping[str, str], folder: Path) -> None:
    """Have Ray encrypt its gRPC traffic, and trust one certificate authority alone.

    Parameters
    ----------
    environment : MutableMapping
        The environment of the process that will import Ray.
    folder : Path
        Holds ``tls.crt`` and ``tls.key`` of this host and ``ca.crt``.

    Raises
    ------
    UsageError
        If a file is missing, or if others can read the key.
    """
    for variable, name in _TLS_FILES.items():
        path = folder.expanduser().absolute() / name
        if not path.is_file():
            raise UsageError(
                f"--tls {folder}: no {name} there; it must hold {', '.join(_TLS_FILES.values())}"
            )
        environment[variable] = str(path)
    key = Path(environment["RAY_TLS_SERVER_KEY"])
    if key.stat().st_mode & 0o077:
        raise UsageError(f"--tls {folder}: others can read tls.key; chmod 600 {key}")
    environment["RAY_USE_TLS"] = "1"


def uses_tls(environment: Mapping[str, str]) -> bool:
    """Whether Ray encrypts its traffic in this environment."""
    return environment.get("RAY_USE_TLS", "0").lower() in {"1", "true"}


def session_folder(name: str = "ray") -> Path:
    """Folder for Ray's sessions: private, with a path short enough for UNIX sockets.

    Parameters
    ----------
    name : str
        ``ray`` for runs on this machine alone, ``node`` for nodes of a cluster.

    Raises
    ------
    UsageError
        If the path of the temporary directory is too long.
    """
    folder = private_folder(name)
    if len(str(folder)) > _LONGEST_SESSIONS_PATH:
        raise UsageError(
            f"{folder}: Ray's sockets need a shorter path, of {_LONGEST_SESSIONS_PATH} characters "
            f"at most; set TMPDIR to a short one"
        )
    return folder


def prune_sessions(folder: Path) -> None:
    """Remove sessions that nobody has written to for a day; Ray never does."""
    oldest = time.time() - _OLD_SESSION_S
    for session in folder.glob("session_*"):
        if not session.is_symlink() and _last_write(session) < oldest:
            shutil.rmtree(session, ignore_errors=True)


def _last_write(session: Path) -> float:
    """Latest change in a session; one that lasts for days still writes its logs."""
    logs = session / "logs"
    changed = [path.stat().st_mtime for path in (session, *logs.glob("*")) if path.exists()]
    return max(changed, default=0.0)


def restore_home() -> None:
    """Give a process that Ray started the user's HOME back."""
    if HOME_KEPT in os.environ:
        os.environ["HOME"] = os.environ[HOME_KEPT]
