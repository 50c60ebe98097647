"""Checksum of JSON data: SHA-256 of its canonical form, kept beside it under ``checksum``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sweeps.vector import canonical_json

KEY = "checksum"


def checksum(content: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of an object, in hexadecimal."""
    return hashlib.sha256(canonical_json(content)).hexdigest()


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with its checksum."""
    return {**content, KEY: checksum(content)}


def unsealed(content: Any) -> dict[str, Any]:
    """Return what was sealed.

    Raises
    ------
    TypeError
        If it is no JSON object.
    ValueError
        If its checksum does not match.
    """
    if not isinstance(content, dict):
        raise TypeError("it is not a JSON object")
    plain = {key: value for key, value in content.items() if key != KEY}
    if content.get(KEY) != checksum(plain):
        raise ValueError("its checksum does not match its content")
    return plain
