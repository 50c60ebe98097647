"""What an object store's refusals mean, in one line that holds no secret.

The library's own texts quote requests and answers at length; only their kind is used.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any

from obstore import exceptions as refusals

from farm.errors import StoreAccessError
from farm.store.location import Location

ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
"""Variables that name another endpoint than the provider's own, most usual first."""

_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (profiles are not read: "
    "`eval $(aws configure export-credentials --format env)`)",
    "gs": "GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_METADATA_SERVICES = ("169.254.", "/latest/api/token", "/latest/meta-data", "metadata.google")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")
_UNREACHABLE = ("error sending request", "dns error", "tcp connect", "connection refused")
REFUSALS = (refusals.BaseError, FileNotFoundError, PermissionError, ValueError, OSError)
"""All that a request can raise."""


def endpoint(location: Location) -> str | None:
    """Endpoint that the environment names for a location; None for the provider's own."""
    found = [os.environ[name] for name in ENDPOINTS[location.scheme] if os.environ.get(name)]
    return found[0] if found else None


class ObjectAccess:
    """Context that turns a refusal into a `StoreAccessError` that says what to do.

    Parameters
    ----------
    action : str
        What is done, such as "read".
    location : Location
        Of the sweep directory.
    relative : str
        Name of the object.
    """

    def __init__(self, action: str, location: Location, relative: str = "") -> None:
        self._action, self._location, self._relative = action, location, relative

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Translate."""
        if isinstance(error, REFUSALS):
            place = self._location / self._relative if self._relative else self._location
            # Not chained: the library's text would be printed with a traceback, and quotes answers.
            raise StoreAccessError(
                f"cannot {self._action} {place}: {advice(self._location, error)}"
            ) from None


def is_without_bucket(error: Exception) -> bool:
    """Whether what was not found is the bucket itself."""
    return any(name in str(error) for name in _NO_BUCKET)


def advice(location: Location, error: Any) -> str:
    """Say what a refusal means and what to do."""
    text = str(error)
    variables = _CREDENTIALS[location.scheme]
    if is_without_bucket(error):
        return f"there is no bucket {location.bucket}: make it, or choose another --out"
    if isinstance(error, FileNotFoundError):
        return "it does not exist (any more)"
    if any(service in text for service in _METADATA_SERVICES) or "MissingAccount" in text:
        return f"no credentials were found: set {variables}"
    denied = (refusals.PermissionDeniedError, refusals.UnauthenticatedError, PermissionError)
    if isinstance(error, denied) or "403 Forbidden" in text or "401 Unauthorized" in text:
        return f"access is denied: check {variables}, and what they may do in {location.bucket}"
    if any(words in text for words in _UNREACHABLE):
        where = endpoint(location) or f"the service of {location.scheme}://"
        setting = " or ".join(ENDPOINTS[location.scheme][:2])
        return f"{_bare(where)} cannot be reached: check the network, and {setting} if it is set"
    if "timed out" in text:
        return "the store did not answer in time: run the same command again"
    if isinstance(error, refusals.PreconditionError | refusals.AlreadyExistsError):
        return "another process writes it"
    if isinstance(error, refusals.NotSupportedError):
        return "this store cannot do that: it needs conditional writes (If-None-Match, If-Match)"
    return f"the store refused ({_status(text)}): run the same command again"


def _bare(url: str) -> str:
    """Return an endpoint without a user and password that somebody may have put into it."""
    scheme, slashes, rest = url.partition("://")
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}" if slashes else url.rpartition("@")[2]


def _status(text: str) -> str:
    _, found, rest = text.partition("status code: ")
    return rest.partition(":")[0][:40] if found else "no reason given"
