"""A sweep in a bucket of a real service that fails: what is lost, what it costs, what is said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from farm.errors import DamagedStoreError, DirectoryBusyError, FarmError, StoreAccessError
from farm.store import object_files
from farm.store.check import verify
from farm.store.directory import SweepDirectory, holds_sweep, run_lock
from farm.store.files import open_files
from farm.store.lease import Claim
from farm.store.object_files import ObjectFiles
from farm.store.overview import overview
from tests.bucket_server import Fault, Server
from tests.tiny_sweep import commit, commit_all, content_of, generated

CHUNK = "00001-00000"

STOPPED_HOLDER = """
import sys
from farm.errors import DirectoryBusyError
from farm.store import lease
lease.BEAT_S = 0.1
from farm.store.directory import run_lock
with run_lock(sys.argv[1]) as lock:
    print("held", flush=True)
    sys.stdin.readline()
    for _ in range(100):
        lock._put(lock._claim)
        try:
            lock.require_held()
        except DirectoryBusyError as error:
            print(error, flush=True)
            break
"""


@pytest.fixture
def place(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SWEEPFARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(object_files._RETRIES, "max_retries", 2)
    server.fail()
    server.requests()
    return server.location(f"service/{uuid.uuid4().hex}")


def test_what_is_in_a_bucket_is_what_is_in_a_folder(place: str, tmp_path: Path) -> None:
    here, there = generated(tmp_path / "sweep"), generated(place)
    for directory in (here, there):
        commit_all(directory)
    names = {name for name in content_of(here.path) if not name.startswith("sweep.json")}
    assert {name for name in there.files.names_in("") if name != "sweep.json"} == names
    assert all(there.files.read(name) == here.files.read(name) for name in names)
    assert here.manifest.shards == there.manifest.shards
    assert verify(place).summary == verify(here.path).summary


def test_what_a_chunk_costs(place: str, server: Server) -> None:
    directory = generated(place)
    server.requests()
    reader = SweepDirectory.open(place)
    for chunk in reader.chunks():
        reader.vectors(chunk.chunk_id)
    assert server.kinds() == {"get": 1 + 3}, "sweep.json, and each of three shards once"
    fresh = SweepDirectory.open(place)
    for chunk in fresh.chunks():
        fresh.vectors(chunk.chunk_id)
        assert commit(fresh, chunk.chunk_id)
    assert server.kinds() == {"get": 1, "put": 6}, "a lease reads nothing, a commit is one put"
    assert not commit(directory, CHUNK)
    assert server.kinds() == {"put": 1, "head": 1}
    overview(directory)
    assert server.kinds() == {"list": 2, "get": 6}, "a footer is one short request"


def test_footers_are_read_several_at_a_time(place: str, server: Server) -> None:
    directory = generated(place)
    commit_all(directory)
    server.most_at_a_time()
    server.fail(Fault("stall", "GET", "results/", n_times=6, wait_s=0.3))
    overview(directory)
    assert server.most_at_a_time() == 6


@pytest.mark.parametrize("action", ["refuse", "lose", "drop", "cut"])
@pytest.mark.parametrize("n_times", [1, 2])
def test_a_commit_survives_a_service_that_fails(
    place: str, server: Server, action: str, n_times: int
) -> None:
    directory = generated(place)
    server.fail(Fault(action, "PUT", "results/", n_times))
    assert commit(directory, CHUNK), "the winner must not take itself for a loser"
    assert directory.committed() == {CHUNK}
    server.fail(Fault(action, "PUT", "results/", n_times))
    assert not commit(directory, CHUNK, attempt=2), "nor the loser itself for the winner"
    assert directory.result_meta(CHUNK).attempt == 1


def test_a_service_that_stays_away_is_given_up(place: str, server: Server) -> None:
    directory = generated(place)
    server.fail(Fault("refuse", "PUT", "results/", 1000))
    with pytest.raises(StoreAccessError, match=r"cannot write .*the store refused \(503") as caught:
        commit(directory, CHUNK)
    assert place in str(caught.value)
    assert len(server.requests()) < 60
    server.fail()
    assert commit(directory, CHUNK)


def test_a_damaged_or_missing_shard_is_found_though_a_copy_is_at_hand(place: str) -> None:
    directory = generated(place)
    commit_all(directory)
    assert verify(place).is_sound
    shard = directory.manifest.shards[0].file
    whole = directory.files.read(shard)
    directory.files.replace(shard, whole[:-1] + b"x")
    (finding,) = verify(place).findings
    assert "its SHA-256 is not that in sweep.json" in finding.message
    directory.files.remove([shard])
    (finding,) = verify(place).findings
    assert "does not exist" in finding.message
    directory.files.replace(shard, b"junk")
    with pytest.raises(DamagedStoreError):
        directory.verify_shard(0)


def test_only_one_of_two_runs_and_the_other_is_told_about(place: str) -> None:
    with (
        run_lock(place),
        pytest.raises(DirectoryBusyError, match=rf"pid {os.getpid()} on .* sign of life \d+ s ago"),
        run_lock(place),
    ):
        pass


def test_a_lease_of_another_host_is_taken_over_when_it_is_old(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = open_files(place)
    other = {**vars(Claim.of_this_process()), "host": "away", "boot": "another", "pid": 1}
    files.replace("run.lock", Claim(**other).encode())
    with pytest.raises(DirectoryBusyError, match=r"pid 1 on away.*try again in \d+ s"):
        files.lock().__enter__()
    files.replace("run.lock", Claim(**{**other, "ttl_s": -1.0}).encode())
    with files.lock() as lock:
        lock.require_held()
        claim = Claim.decode(files.read("run.lock"))
        assert claim is not None
        assert (claim.epoch, claim.pid) == (2, os.getpid())


def test_a_holder_that_was_stopped_learns_that_it_lost_the_run(place: str) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", STOPPED_HOLDER, place],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, holder.pid, os.WSTOPPED | os.WNOWAIT)
    files = open_files(place)
    assert isinstance(files, ObjectFiles)
    found = files.found("run.lock")
    assert found is not None
    # As another host does that sees no beat for the claim's whole time.
    old = Claim.decode(found.content)
    assert old is not None
    taken = files.put_if("run.lock", Claim.of_this_process().encode(), found.version)
    assert taken is not None
    holder.send_signal(signal.SIGCONT)
    said, _ = holder.communicate("\n", timeout=60)
    assert "another run has taken over" in said
    assert files.version_of("run.lock") == taken, "the holder that lost it leaves it alone"


def test_a_store_that_ignores_conditions_is_refused(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = ObjectFiles._put

    def ignoring(files: ObjectFiles, relative: str, content: bytes, mode: object, token: str):  # type: ignore[no-untyped-def]
        del mode
        return put(files, relative, content, "overwrite", token)

    monkeypatch.setattr(ObjectFiles, "_put", ignoring)
    with pytest.raises(StoreAccessError, match="ignores the conditions of writes"):
        open_files(place).lock().__enter__()


def test_what_is_said_when_the_place_is_wrong(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(location: str) -> str:
        with pytest.raises(StoreAccessError) as caught:
            SweepDirectory.open(location)
        assert caught.value.exit_code == FarmError.exit_code
        assert "test-secret" not in str(caught.value)
        return str(caught.value)

    assert "there is no bucket nowhere: make it" in said("s3://nowhere/x")
    assert "has no sweep.json" in said(place)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://me:test-secret@127.0.0.1:9")
    assert "http://127.0.0.1:9 cannot be reached: check the network" in said(place)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "no credentials were found: set AWS_ACCESS_KEY_ID" in said(place)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    assert "set AZURE_STORAGE_ACCOUNT_NAME" in said("az://box/x")


def test_access_denied_is_said(place: str, server: Server) -> None:
    server.fail(Fault("refuse", "HEAD", n_times=10, status=403))
    with pytest.raises(StoreAccessError, match="access is denied: check AWS_ACCESS_KEY_ID"):
        holds_sweep(place)
