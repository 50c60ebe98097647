"""A sweep directory that is a prefix of a bucket: S3 and what speaks it, Google, Azure.

Every object that must be created once, or changed by its one writer only, is put on a condition
(``If-None-Match: *``, ``If-Match``) and carries the token of that very put.  Where an answer is
lost, or a repeated request is told that the name is taken, the token tells whose object it is: a
winner never takes itself for a loser, nor the reverse.

Every request goes through `ObjectFiles.request`, so that a test can die before or after each.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore import exceptions as refusals
from obstore.store import from_url

from farm.store.files import SET_ASIDE, TEMPORARY, Appender, Files, RunLock
from farm.store.location import Location
from farm.store.object_access import ObjectAccess, endpoint, is_without_bucket
from farm.store.shard_cache import ShardCache

TOKEN = "sweepfarmwriter"
"""Metadata of an object: which put made it."""

_N_PUTS = 4
"""Puts of one object whose fate cannot be found out, before it is given up."""

_RETRIES = {
    "max_retries": 6,
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5)},
    "retry_timeout": timedelta(seconds=60),
}
_LOST_TO_ANOTHER = (refusals.AlreadyExistsError, refusals.PreconditionError)

T = TypeVar("T")


@dataclass(frozen=True)
class Version:
    """A version of an object, for a write on the condition that it is still that.

    Attributes
    ----------
    token : str
        Of the put that made it; empty if another program did.
    condition : dict
        What the store calls it.
    """

    token: str
    condition: dict[str, Any]


@dataclass(frozen=True)
class Found:
    """An object as it was found.

    Attributes
    ----------
    content : bytes
        What it holds; empty if only its version was asked for.
    version : Version
        Which version it is.
    changed : datetime
        When it was put, by the store's clock.
    """

    content: bytes
    version: Version
    changed: datetime


class ObjectFiles(Files):
    """The objects below one prefix.

    Parameters
    ----------
    location : Location
        Bucket and prefix.
    store : obstore.store.ObjectStore or None
        The store itself; None: the one at the location, as the environment says.

    Raises
    ------
    StoreAccessError
        If the environment lacks what it needs.
    """

    n_at_a_time = 32

    def __init__(self, location: Location, store: Any = None) -> None:
        super().__init__(location)
        self._store: Any = _connected(location) if store is None else store

    def request(self, kind: str, call: Callable[[], T]) -> T:
        """Send one request; `kind` names it."""
        del kind
        return call()

    def create(self) -> None:
        """Make nothing: a prefix needs no folder, and the bucket is its owner's."""

    def publish(self, relative: str, content: bytes) -> bool:
        """Create an object if its name is free; see `Files.publish`."""
        return self.put_if(relative, content, None) is not None

    def put_if(self, relative: str, content: bytes, version: Version | None) -> Version | None:
        """Put an object if it is still that version; with None: if it does not exist.

        Returns
        -------
        Version or None
            What it is now; None if another writer was first.

        Raises
        ------
        StoreAccessError
            If the store refuses, or its fate cannot be found out.
        """
        with ObjectAccess("write", self.location, relative):
            return self._put_if(relative, content, version)

    def _put_if(self, relative: str, content: bytes, version: Version | None) -> Version | None:
        token = uuid.uuid4().hex
        mode: Any = version.condition if version else "create"
        refusal: Exception | None = None
        for _ in range(_N_PUTS):
            try:
                result = self.request("put-if", lambda: self._put(relative, content, mode, token))
                return Version(token, _condition(result))
            except (*_LOST_TO_ANOTHER, refusals.GenericError) as error:
                refusal = error
            except FileNotFoundError:
                # What was to be changed is no more; without anything to change, no bucket is there.
                if version is None:
                    raise
            there = self.version_of(relative)
            if there is not None and there.token == token:
                return there
            if there != version:
                return None
        raise refusal or refusals.GenericError("its fate is unknown")

    def _put(self, relative: str, content: bytes, mode: Any, token: str) -> Any:
        return obstore.put(
            self._store,
            relative,
            content,
            mode=mode,
            attributes={TOKEN: token},
            use_multipart=False,
        )

    def version_of(self, relative: str) -> Version | None:
        """Version of an object; None if there is none."""
        found = self._get("head", relative, {"head": True})
        return found.version if found else None

    def found(self, relative: str) -> Found | None:
        """Content and version of an object; None if there is none."""
        return self._get("get", relative, {})

    def _get(self, kind: str, relative: str, options: Any) -> Found | None:
        def call() -> Found:
            result = obstore.get(self._store, relative, options=options)
            version = Version(str(result.attributes.get(TOKEN, "")), _condition(result.meta))
            content = b"" if options.get("head") else bytes(result.bytes())
            return Found(content, version, result.meta["last_modified"])

        with ObjectAccess("read", self.location, relative):
            try:
                return self.request(kind, call)
            except FileNotFoundError as error:
                if is_without_bucket(error):
                    raise
                return None

    def replace(self, relative: str, content: bytes, *, is_durable: bool = True) -> None:
        """Write an object, whatever was there before; see `Files.replace`."""
        del is_durable
        token = uuid.uuid4().hex
        with ObjectAccess("write", self.location, relative):
            self.request("put", lambda: self._put(relative, content, "overwrite", token))

    def read_if_exists(self, relative: str) -> bytes | None:
        """Content of an object; None if there is none."""
        found = self.found(relative)
        return found.content if found else None

    def read_tail(self, relative: str, n_bytes: int) -> bytes:
        """Last bytes of an object, or all of it if it is shorter."""
        with ObjectAccess("read", self.location, relative):
            try:
                return self.request("get", lambda: self._tail(relative, n_bytes))
            except refusals.NotSupportedError:
                # Azure has no suffix ranges.
                return self.read(relative)[-n_bytes:]

    def _tail(self, relative: str, n_bytes: int) -> bytes:
        options: Any = {"range": {"suffix": n_bytes}}
        return bytes(obstore.get(self._store, relative, options=options).bytes())

    def exists(self, relative: str) -> bool:
        """Whether there is such an object."""
        return self.version_of(relative) is not None

    def names_in(self, folder: str) -> list[str]:
        """Names of all objects below a folder, in order."""
        with ObjectAccess("list", self.location, folder):
            return self.request(
                "list",
                lambda: sorted(
                    one["path"]
                    for page in obstore.list(self._store, folder or None)
                    for one in page
                ),
            )

    def entries(self) -> list[str]:
        """Names at the top, in order."""
        with ObjectAccess("list", self.location):
            found = self.request("list", lambda: obstore.list_with_delimiter(self._store))
        objects = [one["path"] for one in found["objects"]]
        return sorted([*objects, *(name.rstrip("/") for name in found["common_prefixes"])])

    def set_aside(self, relative: str) -> bool:
        """Move an object below ``set-aside/``; see `Files.set_aside`."""
        target = f"{SET_ASIDE}/{relative}.{uuid.uuid4().hex[:8]}"
        if not self.exists(relative):
            return False
        with ObjectAccess("set aside", self.location, relative):
            self.request("copy", lambda: obstore.copy(self._store, relative, target))
            self.request("delete", lambda: obstore.delete(self._store, relative))
        return True

    def remove(self, entries: Iterable[str]) -> None:
        """Remove objects, and all that is below them; first what makes others count."""
        wanted = list(entries)
        found = self.names_in("") if wanted else []
        for entry in wanted:
            names = [name for name in found if name == entry or name.startswith(f"{entry}/")]
            if names:
                with ObjectAccess("remove", self.location, entry):
                    self._delete(names)

    def discard(self, relative: str) -> None:
        """Remove one object.

        Raises
        ------
        StoreAccessError
            If the store refuses.
        """
        with ObjectAccess("remove", self.location, relative):
            self._delete([relative])

    def _delete(self, names: list[str]) -> None:
        self.request("delete", lambda: obstore.delete(self._store, names))

    def sweep_temporaries(self) -> int:
        """Remove what writers that died left behind: a look at the clock may."""
        names = self.names_in(TEMPORARY)
        if names:
            with ObjectAccess("clean up", self.location, TEMPORARY):
                self._delete(names)
        return len(names)

    def appender(self, relative: str, n_whole: Callable[[bytes], int]) -> Appender:
        """Open a journal for writing."""
        from farm.store.segments import SegmentAppender

        return SegmentAppender(self, relative, n_whole)

    @contextmanager
    def lock(self) -> Iterator[RunLock]:
        """Hold the right to run; lost if this process is stopped for long."""
        from farm.store.lease import held_lease

        with held_lease(self) as lease:
            yield lease

    def local_copy(self, relative: str, sha256: str, *, is_fresh: bool = False) -> Path:
        """Return a copy in the cache of this host; fetched once for all processes."""
        return self._cache.path_of(
            sha256, str(self.location / relative), lambda: self._stream(relative), is_fresh
        )

    @cached_property
    def _cache(self) -> ShardCache:
        return ShardCache()

    def _stream(self, relative: str) -> Iterator[bytes]:
        with ObjectAccess("read", self.location, relative):
            found = self.request("get", lambda: obstore.get(self._store, relative))
            for part in found.stream():
                yield bytes(part)


def _connected(location: Location) -> Any:
    is_plain = (endpoint(location) or "").startswith("http://")
    with ObjectAccess("open", location):
        return from_url(
            location.text,
            client_options={
                "timeout": timedelta(seconds=60),
                "connect_timeout": timedelta(seconds=5),
                # Asked for by whoever names such an endpoint; obstore refuses it unless told.
                **({"allow_http": True} if is_plain else {}),
            },
            retry_config=_RETRIES,  # type: ignore[call-overload]
        )


def _condition(facts: Any) -> dict[str, Any]:
    """Return what a store calls a version: an entity tag, a number, or both."""
    return {key: facts[key] for key in ("e_tag", "version") if facts[key] is not None}
