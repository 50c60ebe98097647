"""Copies of far shards: verified, fetched once, bounded, private."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.errors import DamagedStoreError, StoreAccessError, UsageError
from farm.store.shard_cache import IN_USE_S, ShardCache

FETCHER = """
import sys, time
from pathlib import Path
from farm.store.shard_cache import ShardCache
folder, sha256 = Path(sys.argv[1]), sys.argv[2]
def fetch():
    print("fetched")
    for _ in range(5):
        yield b"part"
        time.sleep(0.02)
path = ShardCache(folder).path_of(sha256, "far", fetch)
assert path.read_bytes() == b"part" * 5
"""


class Source:
    """Something far away that counts how often it is asked."""

    def __init__(self, content: bytes) -> None:
        self.content, self.n_fetched = content, 0

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def fetch(self) -> Iterator[bytes]:
        self.n_fetched += 1
        yield self.content[:3]
        yield self.content[3:]

    def in_(self, cache: ShardCache, *, is_fresh: bool = False) -> Path:
        return cache.path_of(self.sha256, "s3://b/v", self.fetch, is_fresh)


def test_a_shard_is_fetched_once(tmp_path: Path) -> None:
    source = Source(b"content")
    for _ in range(2):
        cache = ShardCache(tmp_path)
        for _ in range(2):
            assert source.in_(cache).read_bytes() == source.content
    assert source.n_fetched == 1
    source.in_(cache, is_fresh=True)
    assert source.n_fetched == 2


def test_a_copy_that_rotted_or_vanished_is_fetched_again(tmp_path: Path) -> None:
    source = Source(b"content")
    cache = ShardCache(tmp_path)
    path = source.in_(cache)
    path.write_bytes(b"CONTENT")
    assert source.in_(ShardCache(tmp_path)).read_bytes() == b"content"
    path.unlink()
    assert source.in_(cache).read_bytes() == b"content"
    assert source.n_fetched == 3


def test_what_is_not_what_was_published_is_damage_and_not_kept(tmp_path: Path) -> None:
    source = Source(b"content")
    cache = ShardCache(tmp_path)
    with pytest.raises(DamagedStoreError, match=r"shard s3://b/v is damaged: its SHA-256"):
        cache.path_of("0" * 64, "s3://b/v", source.fetch)
    assert not list(tmp_path.rglob("*.parquet"))
    assert not list(tmp_path.rglob("*.tmp"))


def test_several_processes_fetch_once(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"part" * 5).hexdigest()
    command = [sys.executable, "-c", FETCHER, str(tmp_path), sha256]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(said) == ["", "", "fetched\n"]


def test_the_copies_that_were_not_used_for_longest_go(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, most_bytes=20)
    sources = [Source(bytes([number]) * 8) for number in range(4)]
    paths = [source.in_(cache) for source in sources[:3]]
    assert all(path.exists() for path in paths), "none goes that was used just now"
    for age, path in enumerate(paths):
        used = path.stat().st_mtime - 2 * IN_USE_S + age
        os.utime(path, (used, used))
    sources[0].in_(cache)
    litter = tmp_path / "shards" / "dead.tmp"
    litter.write_bytes(b"x")
    os.utime(litter, (0, 0))
    sources[3].in_(cache)
    assert [path.exists() for path in paths] == [True, False, False] or paths[0].exists()
    assert sum(path.stat().st_size for path in litter.parent.glob("*.parquet")) <= 24
    assert not litter.exists()


def test_a_folder_that_others_may_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o777)
    monkeypatch.setenv("SWEEPFARM_CACHE", str(tmp_path))
    with pytest.raises(StoreAccessError, match="others may write there"):
        ShardCache()


def test_a_size_that_is_no_number_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEPFARM_CACHE_BYTES", "20GB")
    with pytest.raises(UsageError, match="write a number of bytes"):
        ShardCache(tmp_path)
