"""The environment in which Ray is safe, quiet and calls nobody; set before ``import ray``.

Each variable was verified against Ray 2.60:

* token authentication, with a token file of mode 0600 that Ray would otherwise create readable;
* every listener on the loopback interface;
* no usage report (both variables are needed), no metadata request (a file in the HOME that Ray's
  daemons see stops it);
* no task events, which grow by hundreds of megabytes in a night;
* sessions below a private folder whose path is short enough for UNIX sockets.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from farm.card_lock import private_folder

HOME_KEPT = "SWEEPFARM_HOME"
_OLD_SESSION_S = 24 * 3600


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
    home = private_folder("home")
    (home / "ray_bootstrap_config.yaml").write_text("{cluster_name: none}\n")
    token = home / "token"
    if not token.exists():
        descriptor = os.open(token, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(descriptor, secrets.token_hex(32).encode())
        os.close(descriptor)
    environment[HOME_KEPT] = environment.get("HOME", str(Path.home()))
    environment.update(
        HOME=str(home),
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN_PATH=str(token),
        RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",
        RAY_USAGE_STATS_ENABLED="0",
        RAY_USAGE_STATS_REPORT_URL="http://127.0.0.1:9/",
        RAY_task_events_report_interval_ms="0",
        RAY_gcs_rpc_server_reconnect_timeout_s="10",
        RAY_process_group_cleanup_enabled="1",
        RAY_prestart_worker_first_driver="0",
        RAY_enable_worker_prestart="0",
        RAY_SCHEDULER_EVENTS="0",
        RAY_DEDUP_LOGS="0",
    )
    environment.pop("RAY_ADDRESS", None)
    return session_folder()


def session_folder() -> Path:
    """Folder for Ray's sessions: private, with a path short enough for UNIX sockets."""
    return private_folder("ray")


def prune_sessions(folder: Path) -> None:
    """Remove sessions that are a day old; Ray never does."""
    oldest = time.time() - _OLD_SESSION_S
    for session in folder.glob("session_*"):
        if not session.is_symlink() and session.stat().st_mtime < oldest:
            shutil.rmtree(session, ignore_errors=True)


def restore_home() -> None:
    """Give a process that Ray started the user's HOME back."""
    if HOME_KEPT in os.environ:
        os.environ["HOME"] = os.environ[HOME_KEPT]


def quiet(log: Any) -> None:
    """Send what Ray would print on standard output to a log function instead."""
    import ray._private.worker as ray_worker

    ray_worker.print_to_stdstream = lambda data, ignore_prefix=False: log(str(data))
