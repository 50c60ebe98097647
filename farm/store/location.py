"""Where a sweep directory lives: a folder, or a prefix of a bucket.

Written as text: a path, ``file:///path``, ``s3://bucket/prefix``, ``gs://bucket/prefix`` or
``az://container/prefix``.  Credentials and endpoints come from the environment, never from here.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from farm.errors import UsageError

BUCKET_SCHEMES = ("s3", "gs", "az")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_COLLAPSED = re.compile(rf"({'|'.join(BUCKET_SCHEMES)}):(/[^/]|$)")
_KNOWN = "a path, file:///PATH, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"


@dataclass(frozen=True)
class Location:
    """A place for a sweep directory; make it with `Location.parse`.

    Attributes
    ----------
    text : str
        A path, or ``scheme://bucket/prefix`` without a slash at its end.
    """

    text: str

    @staticmethod
    def parse(place: str | Path | Location) -> Location:
        """Read what a user or another process wrote.

        Raises
        ------
        UsageError
            If the scheme is unknown, the bucket is missing, or it holds more than a place.

        Examples
        --------
        >>> Location.parse("s3://lab/sweeps/m1/")
        Location(text='s3://lab/sweeps/m1')
        >>> Location.parse("file:///data/m1").path
        PosixPath('/data/m1')
        >>> str(Location.parse("out/m1") / "sweep.json")
        'out/m1/sweep.json'
        """
        if isinstance(place, Location):
            return place
        text = str(place)
        if _COLLAPSED.match(text):
            scheme, _, rest = text.partition(":")
            meant = f"{scheme}://{rest.lstrip('/') or 'BUCKET'}"
            if isinstance(place, Path):
                raise UsageError(f"{meant} is in a bucket; give a folder here")
            raise UsageError(f"{text}: write two slashes, {meant}")
        found = _SCHEME.match(text)
        if found is None:
            return Location(str(Path(text)))
        scheme = found[1].lower()
        return _of_file_url(text) if scheme == "file" else _of_bucket_url(text, scheme)

    @property
    def scheme(self) -> str:
        """``s3``, ``gs`` or ``az``; empty for a folder."""
        found = _SCHEME.match(self.text)
        return found[1] if found else ""

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of a file system of this host, however that is mounted."""
        return not self.scheme

    @property
    def bucket(self) -> str:
        """Name of the bucket; empty for a folder."""
        return "" if self.is_local else self.text.split("/")[2]

    @property
    def path(self) -> Path:
        """The folder.

        Raises
        ------
        UsageError
            If it is in a bucket.
        """
        if not self.is_local:
            raise UsageError(f"{self} is in a bucket; give a folder here")
        return Path(self.text)

    @property
    def name(self) -> str:
        """Last part of it."""
        return PurePosixPath(self.absolute().text).name

    def absolute(self) -> Location:
        """Return the same place in words that other processes understand."""
        return Location(str(self.path.resolve())) if self.is_local else self

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that stand for this place on this host."""
        return hashlib.sha256(self.absolute().text.encode()).hexdigest()[:12]

    def __truediv__(self, relative: str) -> Location:
        return Location(str(self.path / relative) if self.is_local else f"{self.text}/{relative}")

    def __str__(self) -> str:
        return self.text


LocationLike = str | Path | Location
"""What `Location.parse` takes."""


def _of_file_url(text: str) -> Location:
    parts = urlsplit(text)
    if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        raise UsageError(f"{text}: write file:///PATH, with an absolute path and no host")
    return Location(str(Path(unquote(parts.path))))


def _of_bucket_url(text: str, scheme: str) -> Location:
    if scheme not in BUCKET_SCHEMES:
        raise UsageError(f"{scheme}:// is no place for a sweep directory; write {_KNOWN}")
    rest = text.partition("://")[2].rstrip("/")
    bucket, _, prefix = rest.partition("/")
    if "@" in bucket:
        # Not repeated in the message: it may be a secret.
        raise UsageError(
            f"{scheme}://...@...: credentials do not belong into a location; set them in the "
            f"environment"
        )
    if not bucket:
        raise UsageError(f"{text}: the bucket is missing; write {scheme}://BUCKET/PREFIX")
    if any(sign in rest for sign in "?#"):
        raise UsageError(f"{text}: a location has no ? and no #; write {scheme}://BUCKET/PREFIX")
    if any(part in {"", ".", ".."} for part in prefix.split("/")) and prefix:
        raise UsageError(f"{text}: empty parts, . and .. mean nothing in a bucket; leave them out")
    return Location(f"{scheme}://{rest}")
