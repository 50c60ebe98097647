"""Durable writes: first wins, replacement is atomic, the disk's refusals are explained."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from farm.errors import StoreAccessError
from farm.store.disk_access import StoreAccess
from farm.store.files import TEMPORARY
from farm.store.local_files import LocalFiles
from farm.testing.crash_files import Crashed, CrashFiles, CrashPoint, When

RACER = """
import sys
from pathlib import Path
from farm.store.local_files import LocalFiles
root, name, n = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
files = LocalFiles(root)
print("ready", flush=True)
sys.stdin.readline()
won = [i for i in range(n) if files.publish(f"results/{i}", (name * 1000).encode())]
print(*won)
"""


def test_the_first_to_publish_wins(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    assert files.publish("results/ab/x", b"first")
    assert not files.publish("results/ab/x", b"second")
    assert (tmp_path / "results/ab/x").read_bytes() == b"first"
    assert not list((tmp_path / TEMPORARY).iterdir())


def test_of_two_racing_processes_exactly_one_publishes_each_name(tmp_path: Path) -> None:
    n = 200
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), name, str(n)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "AB"
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    won = [set(map(int, racer.communicate(timeout=60)[0].split())) for racer in racers]
    assert won[0] | won[1] == set(range(n))
    assert not won[0] & won[1]
    for name, numbers in zip("AB", won, strict=True):
        for number in numbers:
            assert (tmp_path / f"results/{number}").read_text() == name * 1000
    assert not list((tmp_path / TEMPORARY).iterdir())


def test_a_replaced_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    LocalFiles(tmp_path).replace("models/a", b"old")
    steps = CrashFiles(tmp_path)
    steps.replace("models/a", b"old")
    assert steps.steps == ["write", "rename", "sync_folder"]
    for step, when, expected in [
        (0, When.HALFWAY, b"old"),
        (0, When.AFTER, b"old"),
        (1, When.BEFORE, b"old"),
        (1, When.AFTER, b"new"),
        (2, When.BEFORE, b"new"),
    ]:
        LocalFiles(tmp_path).replace("models/a", b"old")
        with pytest.raises(Crashed):
            CrashFiles(tmp_path, CrashPoint(step, when)).replace("models/a", b"new")
        assert (tmp_path / "models/a").read_bytes() == expected
    assert LocalFiles(tmp_path).sweep_temporaries() == 3
    assert LocalFiles(tmp_path).sweep_temporaries() == 0


def test_a_dead_process_writes_nothing_more(tmp_path: Path) -> None:
    files = CrashFiles(tmp_path, CrashPoint(0, When.BEFORE))
    for _ in range(2):
        with pytest.raises(Crashed):
            files.publish("results/x", b"")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "the disk is full: free some space and run the same command again"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "no permission: choose another directory"),
        (errno.EPERM, "not permitted"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EIO, "the disk reported an I/O error"),
        (errno.ENOTDIR, "a part of the path is a file"),
        (errno.ELOOP, os.strerror(errno.ELOOP)),
    ],
)
def test_refusals_of_the_disk_say_where_and_what_to_do(number: int, advice: str) -> None:
    with (
        pytest.raises(StoreAccessError) as caught,
        StoreAccess("write", Path("/data/x")),
    ):
        raise OSError(number, os.strerror(number))
    assert str(caught.value).startswith("cannot write /data/x: ")
    assert advice in str(caught.value)
    assert caught.value.exit_code == 2


def test_what_is_no_refusal_of_the_disk_is_not_explained_away() -> None:
    with pytest.raises(OSError, match="corrupt page"), StoreAccess("read", Path("/x")):
        raise OSError("corrupt page")


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("mine")
    with pytest.raises(StoreAccessError, match="results"):
        LocalFiles(tmp_path).publish("results/ab/x", b"")
    assert (tmp_path / "results").read_text() == "mine"


def test_a_disk_that_takes_a_part_of_a_frame_is_asked_again(tmp_path: Path) -> None:
    class Stingy:
        def __init__(self, path: Path) -> None:
            self.file = path.open("ab", buffering=0)

        def write(self, content: memoryview) -> int:
            return self.file.write(content[:3])

        def fileno(self) -> int:
            return self.file.fileno()

    stingy = Stingy(tmp_path / "x")
    LocalFiles(tmp_path).append(stingy, b"0123456789")  # type: ignore[arg-type]
    stingy.file.close()
    assert (tmp_path / "x").read_bytes() == b"0123456789"


def test_read_and_exists(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    assert not files.exists("a/b.json")
    files.replace("a/b.json", b"1")
    assert files.exists("a/b.json")
    assert files.read("a/b.json") == b"1"
    with pytest.raises(StoreAccessError, match=r"cannot read .*c\.json: it does not exist"):
        files.read("a/c.json")


def test_a_replacement_that_need_not_last_is_whole_and_not_synced(tmp_path: Path) -> None:
    files = CrashFiles(tmp_path)
    files.replace("live.json", b"1")
    del files.steps[:]
    files.replace("live.json", b"2", is_durable=False)
    assert files.read("live.json") == b"2"
    assert files.steps == ["rename"]
