"""What every kind of store must do; subclass `StoreContract` and say how to open one.

A test of it that passes on one kind passes on all: folders on a disk, on a file server, on a file
system without hard links, and prefixes of a bucket.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from farm.errors import DirectoryBusyError, StoreAccessError
from farm.store.files import Files
from farm.store.journal import JournalWriter, journal_files, read_journals

N_RACES = 60

RACER = """
import sys
from farm.testing.store_contract import opened
kind, place, name, n = *sys.argv[1:4], int(sys.argv[4])
files = opened(kind, place)
content = lambda i: (b"same" if i % 2 else name.encode()) * 1000
files.exists("results/0")
print("ready", flush=True)
sys.stdin.readline()
print(*[i for i in range(n) if files.publish(f"results/{i}", content(i))])
"""

HOLDER = """
import sys
from farm.testing.store_contract import opened
with opened(*sys.argv[1:3]).lock():
    print("held", flush=True)
    sys.stdin.readline()
"""


def opened(kind: str, place: str) -> Files:
    """Open a store of a kind of `farm.testing.quirky_files`, or at a location."""
    from farm.store.files import open_files
    from farm.testing.quirky_files import KINDS

    return KINDS[kind](Path(place)) if kind in KINDS else open_files(place)


class StoreContract(ABC):
    """Tests of one kind of store."""

    kind = "local"

    @pytest.fixture
    @abstractmethod
    def place(self) -> str:
        """Name an empty place that is this test's alone."""

    @pytest.fixture
    def files(self, place: str) -> Files:
        files = opened(self.kind, place)
        files.create()
        return files

    def test_nothing_is_there_at_first(self, files: Files) -> None:
        assert files.entries() == []
        assert files.names_in("results") == []
        assert files.read_if_exists("sweep.json") is None
        assert not files.exists("sweep.json")
        assert not files.set_aside("sweep.json")
        assert files.sweep_temporaries() == 0
        for read in (files.read, lambda name: files.read_tail(name, 8)):
            with pytest.raises(StoreAccessError, match=r"cannot read .*sweep\.json: it does not"):
                read("sweep.json")

    def test_the_first_to_publish_wins_and_each_knows(self, files: Files, place: str) -> None:
        another = opened(self.kind, place)
        for number in range(6):
            name = f"results/ab/{number}"
            assert files.publish(name, b"first")
            assert not another.publish(name, b"second")
            assert not files.publish(name, b"first")
            assert files.read(name) == b"first"
        assert files.names_in("tmp") == []

    def test_of_two_processes_exactly_one_publishes_each_name(self, place: str) -> None:
        racers = [self._started(RACER, place, name, str(N_RACES)) for name in "AB"]
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("\n")
            racer.stdin.flush()
        won = [set(map(int, racer.communicate(timeout=60)[0].split())) for racer in racers]
        assert won[0] | won[1] == set(range(N_RACES))
        assert not won[0] & won[1]
        files = opened(self.kind, place)
        for name, numbers in zip("AB", won, strict=True):
            for number in numbers:
                expected = b"same" if number % 2 else name.encode()
                assert files.read(f"results/{number}") == expected * 1000
        assert files.names_in("tmp") == []

    def test_replacing(self, files: Files) -> None:
        for content in (b"one", b"", b"three" * 10_000):
            for is_durable in (True, False):
                files.replace("models/a", content, is_durable=is_durable)
                assert files.read("models/a") == content
        assert files.entries() == [name for name in ("models", "tmp") if name in files.entries()]

    def test_names(self, files: Files) -> None:
        for name in ("sweep.json", "results/ab/2", "results/ab/1", "results/3", "results-2/4"):
            files.publish(name, b"x")
        assert files.names_in("results") == ["results/3", "results/ab/1", "results/ab/2"]
        assert set(files.entries()) - {"tmp"} == {"results", "results-2", "sweep.json"}
        assert files.exists("sweep.json")

    def test_tails(self, files: Files) -> None:
        files.publish("a", b"0123456789")
        assert files.read_tail("a", 4) == b"6789"
        assert files.read_tail("a", 10) == files.read_tail("a", 99) == b"0123456789"

    def test_what_is_set_aside_is_kept_and_the_name_is_free(self, files: Files) -> None:
        for content in (b"one", b"two"):
            assert files.publish("results/ab/1", content)
            assert files.set_aside("results/ab/1")
        kept = files.names_in("set-aside")
        assert {files.read(name) for name in kept} == {b"one", b"two"}
        assert all(name.startswith("set-aside/results/ab/1.") for name in kept)

    def test_removal_takes_what_is_named_and_nothing_else(self, files: Files) -> None:
        for name in ("sweep.json", "results/ab/1", "results-2/4", "notes"):
            files.publish(name, b"x")
        files.remove(["sweep.json", "results", "never-there", "tmp"])
        assert files.entries() == ["notes", "results-2"]

    def test_journals(self, files: Files, place: str) -> None:
        for first in (0, 3):
            writer = JournalWriter(files, "run-1-ab")
            for index in range(first, first + 3):
                writer.append("hang", index=index, message="é" * index)
            writer.close()
        other = JournalWriter(opened(self.kind, place), "quarantine")
        other.append("cleared", index=9)
        other.close()
        found = read_journals(files)
        assert [record["index"] for record in found] == [0, 1, 2, 3, 4, 5, 9]
        assert {record["writer"] for record in found} == {"run-1-ab", "quarantine"}

    def test_a_long_journal(self, files: Files) -> None:
        writer = JournalWriter(files, "w")
        for index in range(40):
            writer.append("hang", index=index, message="x" * 5000)
        writer.close()
        writer = JournalWriter(files, "w")
        writer.append("hang", index=40)
        writer.close()
        found = read_journals(files)
        assert [record["index"] for record in found] == list(range(41))
        assert {record["writer"] for record in found} == {"w"}
        assert all(name.startswith("journal/w") for name in journal_files(files))

    def test_each_reads_in_order(self, files: Files) -> None:
        names = [f"results/{number:02}" for number in range(40)]
        for name in names:
            files.publish(name, name.encode())
        assert list(files.each(files.read, names)) == [name.encode() for name in names]
        assert next(iter(files.each(files.read, names))) == b"results/00"
        with pytest.raises(StoreAccessError, match="never-there"):
            list(files.each(files.read, [*names, "never-there"]))

    def test_a_local_copy_has_the_content(self, files: Files) -> None:
        content = b"a shard" * 1000
        files.publish("vectors/00000.parquet", content)
        sha256 = hashlib.sha256(content).hexdigest()
        for is_fresh in (False, False, True):
            path = files.local_copy("vectors/00000.parquet", sha256, is_fresh=is_fresh)
            assert path.read_bytes() == content

    def test_one_run_at_a_time(self, files: Files, place: str) -> None:
        with files.lock() as lock:
            lock.require_held()
            with (
                pytest.raises(DirectoryBusyError, match="another run"),
                opened(self.kind, place).lock(),
            ):
                pass
            lock.require_held()
        with files.lock() as lock:
            lock.require_held()

    def test_the_lock_of_a_process_that_was_killed_is_free(self, files: Files, place: str) -> None:
        holder = self._started(HOLDER, place)
        with pytest.raises(DirectoryBusyError, match=rf"another run \(pid {holder.pid}"):
            files.lock().__enter__()
        holder.kill()
        holder.communicate()
        with files.lock():
            pass

    def _started(self, script: str, place: str, *more: str) -> subprocess.Popen[str]:
        """Start a process that says that it is ready, then waits for a line."""
        process = subprocess.Popen(
            [sys.executable, "-c", script, self.kind, place, *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() in {"ready\n", "held\n"}
        return process
