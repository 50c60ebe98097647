"""Certificates of hosts, as ``--tls`` takes them."""

from __future__ import annotations

from pathlib import Path

import trustme


def certificates(authority: trustme.CA, folder: Path, issuer: trustme.CA | None = None) -> Path:
    """Write the folder of a host that trusts one authority; that or another one vouches for it."""
    folder.mkdir()
    issued = (issuer or authority).issue_cert("127.0.0.1", "localhost")
    key = folder / "tls.key"
    key.touch(mode=0o600)
    issued.private_key_pem.write_to_path(key)
    for i, part in enumerate(issued.cert_chain_pems):
        part.write_to_path(folder / "tls.crt", append=i > 0)
    authority.cert_pem.write_to_path(folder / "ca.crt")
    return folder
