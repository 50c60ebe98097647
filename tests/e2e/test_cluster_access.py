"""Who gets into a cluster that ``farm node`` started, and what others can reach of it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import trustme

from farm.cluster import open_probe
from farm.cluster.listeners import listeners, outbound, require_loopback
from farm.errors import AccessError
from tests.e2e.certificates import certificates
from tests.e2e.cluster_nodes import Nodes, wait_until_up

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.xdist_group("access")]

USE_ALL_CARDS = """
import json, os, sys
from farm.cluster import open_probe
environment = dict(os.environ)
address = open_probe.enter(environment, sys.argv[1], is_insecure="insecure" in sys.argv)
os.environ.update(environment)
import ray
ray.init(address=str(address), log_to_driver=False, logging_level="ERROR")
task = ray.remote(num_cpus=0, resources={"card": 1})(lambda: 1)
n_cards = int(ray.cluster_resources()["card"])
ray.get([task.remote() for _ in range(n_cards)])
from farm.cluster.listeners import listeners
print(json.dumps({
    "n_cards": n_cards,
    "n_nodes": len(ray.nodes()),
    "exposed": [str(one) for one in listeners(os.getpid()) if not one.is_loopback],
}))
"""
ASK = ("-m", "farm.cluster.gcs_answer")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    nodes = Nodes()
    try:
        # The second one waits for the head and for the token that the head makes.
        joining = nodes.start("--address", nodes.address, "--device", "sim:1")
        said = nodes.start_head("--device", "sim:2")
        assert "reachable from this machine only" in said
        wait_until_up(joining)
        yield nodes
    finally:
        nodes.close()


def _family(nodes: Nodes) -> list[psutil.Process]:
    roots = [psutil.Process(process.pid) for process in nodes.processes if process.poll() is None]
    return [one for root in roots for one in (root, *root.children(recursive=True))]


def test_whoever_has_the_token_uses_the_cards_of_all_nodes(cluster: Nodes) -> None:
    found = cluster.python("-c", USE_ALL_CARDS, "auto")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout) == {"n_cards": 3, "n_nodes": 2, "exposed": []}


def test_a_client_without_or_with_a_wrong_token_is_turned_away(cluster: Nodes) -> None:
    loopback = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    wrong = cluster.folder / "wrong"
    wrong.write_text("f" * 64)
    for variables in (
        {"RAY_AUTH_MODE": "disabled"},
        {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(wrong)},
    ):
        asked = cluster.python(*ASK, cluster.address, **loopback, **variables)
        assert asked.stdout.strip() == "turned away", asked.stderr
    right = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(cluster.token)}
    asked = cluster.python(*ASK, cluster.address, **loopback, **right)
    assert asked.stdout.strip() == "admitted 127.0.0.1", asked.stderr


def test_a_missing_or_wrong_token_is_one_clear_error(cluster: Nodes) -> None:
    environment = cluster.environment("stranger")
    with pytest.raises(AccessError, match="asks for a token, and there is none here"):
        open_probe.enter(environment, cluster.address)
    wrong = cluster.folder / "wrong-too"
    wrong.touch(mode=0o600)
    wrong.write_text("e" * 64)
    environment["RAY_AUTH_TOKEN_PATH"] = str(wrong)
    with pytest.raises(AccessError, match=f"does not accept the token in {wrong}"):
        open_probe.enter(environment, cluster.address)
    code, said = cluster.fail("--address", cluster.address, "--cards", 1, home="stranger")
    assert (code, said.count("error:")) == (2, 1), said
    assert "asks for a token" in said


def test_only_this_machine_reaches_it_and_nothing_calls_out(cluster: Nodes) -> None:
    for process in cluster.processes:
        if process.poll() is None:
            found = listeners(process.pid)
            assert {"raylet"} <= {one.process for one in found}
            require_loopback(found)
            assert outbound(process.pid) == []


def test_the_token_is_in_one_private_file_and_nowhere_else(cluster: Nodes) -> None:
    assert stat.S_IMODE(cluster.token.stat().st_mode) == 0o600
    assert stat.S_IMODE(cluster.token.parent.stat().st_mode) == 0o700
    secret = cluster.token.read_bytes()
    for process in _family(cluster):
        place = Path(f"/proc/{process.pid}")
        assert secret not in place.joinpath("environ").read_bytes(), process
        assert secret not in place.joinpath("cmdline").read_bytes(), process
    files = [path for path in cluster.folder.rglob("*") if path.is_file()]
    assert files
    holders = [path for path in files if secret in path.read_bytes()]
    assert holders == [cluster.token]


def test_no_directory_that_others_reach_can_be_written_by_them(cluster: Nodes) -> None:
    wide = [
        Path(folder)
        for folder, _, _ in os.walk(cluster.folder / "t")
        if Path(folder).stat().st_mode & 0o022
    ]
    assert wide  # Ray makes its own so; what counts is the way there
    for folder in wide:
        way = [parent.stat() for parent in folder.parents if cluster.folder / "t" in parent.parents]
        assert any(stat.S_IMODE(one.st_mode) == 0o700 for one in way), folder


def test_a_cluster_that_lets_anybody_in_is_not_joined_unless_told_to() -> None:
    nodes = Nodes()
    try:
        assert "NO token" in nodes.start_head("--device", "sim:1", "--insecure")
        refused = nodes.python("-c", USE_ALL_CARDS, nodes.address)
        assert "AccessError: the cluster" in refused.stderr
        assert "lets anybody in" in refused.stderr
        code, said = nodes.fail("--address", nodes.address, "--cards", 1)
        assert (code, said.count("error:")) == (2, 1), said
        joined = nodes.python("-c", USE_ALL_CARDS, nodes.address, "insecure")
        assert json.loads(joined.stdout)["n_cards"] == 1, joined.stderr
        assert nodes.stop(nodes.processes[0]) == 0
    finally:
        nodes.close()


def test_with_tls_only_certificates_of_its_own_authority_get_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_probe, "LONGEST_ANSWER_S", 3.0)
    authority = trustme.CA()
    ours = certificates(authority, tmp_path / "ours")
    # One trusts another authority; the other trusts the right one, which has not signed it.
    theirs = certificates(trustme.CA(), tmp_path / "theirs")
    forged = certificates(authority, tmp_path / "forged", issuer=trustme.CA())
    nodes = Nodes()
    try:
        nodes.start_head("--tls", ours)
        nodes.join("--tls", certificates(authority, tmp_path / "second"), "--cards", 1)
        variables = {
            "RAY_USE_TLS": "1",
            "RAY_TLS_SERVER_CERT": str(ours / "tls.crt"),
            "RAY_TLS_SERVER_KEY": str(ours / "tls.key"),
            "RAY_TLS_CA_CERT": str(ours / "ca.crt"),
        }
        used = nodes.python("-c", USE_ALL_CARDS, nodes.address, **variables)
        assert used.returncode == 0, used.stderr
        assert json.loads(used.stdout)["n_nodes"] == 2
        for folder in (theirs, forged):
            with pytest.raises(AccessError, match="not answer as a Ray head does, asked with TLS"):
                open_probe.enter(nodes.environment(), nodes.address, tls=folder)
        with pytest.raises(AccessError, match="asked without TLS"):
            open_probe.enter(nodes.environment(), nodes.address)
    finally:
        nodes.close()


def test_a_node_that_others_could_reach_all_the_same_ends_at_once() -> None:
    outside = _address_of_this_host()
    nodes = Nodes()
    try:
        token = nodes.folder / "token"
        token.touch(mode=0o600)
        token.write_text("a" * 64)
        ended = nodes.python(
            *("-m", "farm.cluster.ray_start", "loopback", "--head", f"--port={nodes.port}"),
            *(f"--node-ip-address={outside}", f"--temp-dir={nodes.folder / 't' / 'ray'}"),
            *("--include-dashboard=false", "--disable-usage-stats"),
            RAY_AUTH_MODE="token",
            RAY_AUTH_TOKEN_PATH=str(token),
            RAY_USAGE_STATS_REPORT_URL="http://127.0.0.1:9/",
        )
        assert ended.returncode == 2, ended.stderr
        assert ended.stderr.count("error: meant for this machine alone") == 1
        assert f":{nodes.port}" in ended.stderr
    finally:
        nodes.close()


def test_a_cluster_in_the_background_listens_until_it_is_stopped() -> None:
    outside = _address_of_this_host()
    nodes = Nodes()
    try:
        head = ("node", "--head", "--port", nodes.port, "--listen", outside, "--device", "sim:1")
        started = nodes.farm(*head, "--detach")
        assert started.returncode == 0, started.stderr
        assert "reachable on every interface" in started.stdout
        assert "the node is up, in the background" in started.stdout
        again = nodes.farm(*head, "--detach")
        assert again.returncode == 2
        assert f"error: port {nodes.port} cannot be listened on" in again.stderr
        used = nodes.python("-c", USE_ALL_CARDS, "auto")
        assert used.returncode == 0, used.stderr
        assert json.loads(used.stdout)["n_cards"] == 1
        # On the head, loopback leads there too; its driver must not keep to loopback all the same.
        environment = nodes.environment()
        assert open_probe.enter(environment, nodes.address).host == outside
        assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in environment
        assert nodes.farm("node", "--stop").stdout == "stopped: 1\n"
        assert nodes.farm("node", "--stop").stdout == "stopped: 0\n"
    finally:
        nodes.farm("node", "--stop")
        nodes.close()


def _address_of_this_host() -> str:
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family == 2 and not one.address.startswith("127."):
                return one.address
    pytest.skip("this host has no address but loopback")


@pytest.mark.filterwarnings("default")
def test_the_private_parts_of_ray_that_are_used_are_there() -> None:
    import ray._private.utils
    from ray._private import ray_constants, services
    from ray._raylet import GcsClient
    from ray.scripts import scripts

    assert callable(services.get_node_ip_address)
    assert isinstance(ray_constants.ENABLE_RAY_CLUSTER, bool)
    assert isinstance(ray_constants.RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S, float)
    assert callable(ray._private.utils.set_sigterm_handler)
    assert callable(scripts.get_ray_client_dependency_error)
    assert "start" in scripts.cli.commands
    assert callable(GcsClient)
