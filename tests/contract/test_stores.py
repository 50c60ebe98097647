"""Every kind of store through the one contract."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from farm.errors import StoreAccessError
from farm.store import local_files
from farm.testing.quirky_files import UnlinkableFiles
from farm.testing.store_contract import StoreContract
from tests.bucket_server import Server


class FolderContract(StoreContract):
    """Folders of any kind."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        return str(tmp_path / "sweep")


class TestLocalDisk(FolderContract):
    kind = "local"


class TestNoHardLinks(FolderContract):
    kind = "unlinkable"


class TestFileServer(FolderContract):
    kind = "file-server"


class TestBucket(StoreContract):
    kind = "bucket"

    @pytest.fixture
    def place(self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SWEEPFARM_CACHE", str(tmp_path / "cache"))
        return server.location(f"contract/{uuid.uuid4().hex}")


def test_a_file_system_that_can_do_neither_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ctypes
    import errno

    from farm.store import exclusive_rename

    def unsupported(*_: object) -> int:
        ctypes.set_errno(errno.EINVAL)
        return -1

    monkeypatch.setattr(exclusive_rename, "_renameat2", lambda: unsupported)
    with pytest.raises(StoreAccessError, match="choose a directory on another one"):
        UnlinkableFiles(tmp_path).publish("a", b"x")
    assert local_files.LocalFiles(tmp_path).names_in("tmp") == []
