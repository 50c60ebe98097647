"""What a node of a cluster is started with, and where the head of one is; no Ray here."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from farm.cluster import address
from farm.cluster.node import NodeSettings, prepare
from farm.errors import AccessError, FarmError, UsageError

Environment = dict[str, str]
OUTSIDE = next(
    (
        one.address
        for addresses in psutil.net_if_addrs().values()
        for one in addresses
        if one.family == socket.AF_INET and not one.address.startswith("127.")
    ),
    "",
)


@pytest.fixture(autouse=True)
def short_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    del tmp_path  # pytest makes it in the usual place, before that moves
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="sf") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return {"HOME": str(tmp_path), "PATH": "/usr/bin"}


def _settings(**given: Any) -> NodeSettings:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    return NodeSettings(**{"n_cards": 0, "port": port, **given})


def _tls_folder(folder: Path) -> Path:
    folder.mkdir()
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (folder / name).touch(mode=0o600)
    return folder


def test_a_head_keeps_to_this_machine_and_asks_for_a_token(
    environment: Environment, tmp_path: Path
) -> None:
    start = prepare(_settings(n_cards=4), environment)
    token = tmp_path / ".ray" / "auth_token"
    assert start.is_loopback
    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["RAY_AUTH_TOKEN_PATH"] == str(token)
    assert environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert '--resources={"card": 4}' in start.arguments
    assert "--include-dashboard=false" in start.arguments
    assert "this machine only" in start.announcement


def test_the_token_itself_is_nowhere_but_in_its_file(
    environment: Environment, tmp_path: Path
) -> None:
    environment["RAY_AUTH_TOKEN"] = "given-in-the-environment"
    start = prepare(_settings(n_cards=1), environment)
    said = " ".join([*start.arguments, start.announcement, *environment.values()])
    assert "given-in-the-environment" not in said
    assert Path(environment["RAY_AUTH_TOKEN_PATH"]).read_text() == "given-in-the-environment"


def test_nothing_calls_out(environment: Environment) -> None:
    start = prepare(_settings(n_cards=1), environment)
    assert "--disable-usage-stats" in start.arguments
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert "127.0.0.1" in environment["RAY_USAGE_STATS_REPORT_URL"]
    assert (Path(environment["HOME"]) / "ray_bootstrap_config.yaml").exists()


def test_the_home_of_a_head_that_ray_up_starts_stays_as_it_is(
    environment: Environment, tmp_path: Path
) -> None:
    config = tmp_path / "ray_bootstrap_config.yaml"
    config.touch()
    start = prepare(_settings(autoscaling_config=config), environment)
    assert environment["HOME"] == str(tmp_path)
    assert f"--autoscaling-config={config}" in start.arguments
    assert not any("resources" in argument for argument in start.arguments)


@pytest.mark.skipif(not OUTSIDE, reason="this host has no address but loopback")
def test_a_head_that_listens_says_what_becomes_reachable(environment: Environment) -> None:
    start = prepare(_settings(listen=OUTSIDE), environment)
    assert not start.is_loopback
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in environment
    assert f"--node-ip-address={OUTSIDE}" in start.arguments
    for said in ("every interface", "token", "no TLS", "no dashboard", "no job server"):
        assert said in start.announcement
    assert environment["RAY_enable_metrics_collection"] == "0"


def test_metrics_without_token_are_on_request_and_said(environment: Environment) -> None:
    start = prepare(_settings(listen="auto", metrics_port=9100), environment)
    assert "--metrics-export-port=9100" in start.arguments
    assert "RAY_enable_metrics_collection" not in environment
    assert "metrics without token on 9100" in start.announcement


def test_a_head_without_a_token_is_on_request_and_said(environment: Environment) -> None:
    start = prepare(_settings(listen="auto", is_insecure=True), environment)
    assert environment["RAY_AUTH_MODE"] == "disabled"
    assert "RAY_AUTH_TOKEN_PATH" not in environment
    assert "NO token" in start.announcement


def test_ports_for_a_firewall_do_not_overlap(environment: Environment) -> None:
    start = prepare(_settings(listen="auto", ports=(20000, 20099)), environment)
    given = [
        int(argument.rpartition("=")[2]) for argument in start.arguments if "20" in argument[-5:-3]
    ]
    assert len(given) == len(set(given)) == 7
    assert min(given) == 20000
    assert max(given) == 20099


def test_encryption_is_set_and_said(environment: Environment, tmp_path: Path) -> None:
    folder = _tls_folder(tmp_path / "tls")
    start = prepare(_settings(listen="auto", tls=folder), environment)
    assert environment["RAY_USE_TLS"] == "1"
    assert environment["RAY_TLS_CA_CERT"] == str(folder / "ca.crt")
    assert "; TLS;" in start.announcement


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tls": Path("/nowhere")}, "no tls.crt there"),
        ({"ports": (100, 200)}, "--ports 100-200: write at least"),
        ({"ports": (20000, 20010)}, "write at least"),
        ({"autoscaling_config": Path("/nowhere.yaml")}, "there is no such file"),
        ({"listen": "no-such-host.invalid"}, "has no address"),
        ({"head": "127.0.0.1:1", "wait_s": 0.0}, "no cluster answers at 127.0.0.1:1"),
        ({"head": "127.0.0.1:port"}, "write HOST:PORT"),
    ],
)
def test_bad_input_is_one_clear_error(
    environment: Environment, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(FarmError, match=message) as caught:
        prepare(_settings(n_cards=1, **settings), environment)
    assert caught.value.exit_code == 2


def test_a_key_that_others_can_read_is_refused(environment: Environment, tmp_path: Path) -> None:
    folder = _tls_folder(tmp_path / "tls")
    (folder / "tls.key").chmod(0o644)
    with pytest.raises(UsageError, match=r"others can read tls\.key"):
        prepare(_settings(tls=folder), environment)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:7000", "127.0.0.1:7000"),
        ("127.0.0.1", "127.0.0.1:6379"),
        ("localhost:7000", "127.0.0.1:7000"),
        ("[::1]:7000", "[::1]:7000"),
        ("::1", "[::1]:6379"),
    ],
)
def test_addresses(text: str, expected: str) -> None:
    assert str(address.resolve(text, {})) == expected


@pytest.mark.parametrize("text", ["", ":7000", "host:0", "host:70000", "ray://host:10001", "a:b"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write HOST:PORT"):
        address.resolve(text, {})


def test_auto_is_what_the_environment_says_else_what_was_joined_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(address, "_RAYS_OWN_FOLDER", tmp_path)
    with pytest.raises(AccessError, match="belongs to no cluster"):
        address.resolve("auto", {})
    (tmp_path / "ray_current_cluster").write_text("127.0.0.1:7001")
    assert address.resolve("auto", {}).port == 7001
    assert address.resolve("auto", {"RAY_ADDRESS": "127.0.0.1:7002"}).port == 7002


def test_a_port_that_is_taken_is_said_before_anything_starts(environment: Environment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} cannot be listened on"):
            prepare(NodeSettings(n_cards=1, port=port), environment)


def test_an_address_of_another_host_cannot_be_listened_on(environment: Environment) -> None:
    with pytest.raises(UsageError, match=r"--listen 192\.0\.2\.1: this host has no such address"):
        prepare(NodeSettings(n_cards=1, listen="192.0.2.1"), environment)
