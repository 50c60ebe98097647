"""cluster.yaml and its cloud variants are what `ray up` accepts, and open nothing to strangers."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import botocore.session
import jsonschema
import pytest
import typer
import yaml
from botocore.validate import ParamValidator

from farm.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
ON_PREMISES = ROOT / "cluster.yaml"
CLOUDS = [ROOT / "deploy" / "cluster-aws.yaml", ROOT / "deploy" / "cluster-gcp.yaml"]
ALL = [ON_PREMISES, *CLOUDS]
COMMANDS = (
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
)

every = pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
clouds = pytest.mark.parametrize("path", CLOUDS, ids=lambda path: path.stem)


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def _prepared(config: dict[str, Any]) -> dict[str, Any]:
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared: dict[str, Any] = prepare_config(config)
    validate_config(prepared)
    return prepared


def _nodes(config: dict[str, Any]) -> list[str]:
    commands = config["head_start_ray_commands"] + config["worker_start_ray_commands"]
    return [command for command in commands if "farm node" in command]


@every
@pytest.mark.filterwarnings("default")
def test_ray_accepts_it(path: Path) -> None:
    import ray.autoscaler

    schema = Path(ray.autoscaler.__file__).with_name("ray-schema.json")
    config = _read(path)
    jsonschema.validate(config, json.loads(schema.read_text()))
    assert _prepared(config)["cluster_name"] == "sweepfarm"


@pytest.mark.filterwarnings("default")
def test_hosts_of_ones_own_stay_up() -> None:
    config = _read(ON_PREMISES)
    prepared = _prepared(config)
    assert prepared["max_workers"] == len(config["provider"]["worker_ips"])
    # Ray gives its one type of such hosts no resources: `farm node` has to say what there is.
    assert prepared["available_node_types"]["local.cluster.node"]["resources"] == {}
    assert any("--device" in command for command in config["worker_start_ray_commands"])


@clouds
@pytest.mark.filterwarnings("default")
def test_hosts_of_a_cloud_come_and_go(path: Path) -> None:
    prepared = _prepared(_read(path))
    cards = prepared["available_node_types"]["cards"]
    assert (cards["min_workers"], cards["max_workers"]) == (0, prepared["max_workers"])
    assert cards["resources"]["card"] >= 1
    assert "card" not in prepared["available_node_types"]["head"]["resources"]
    assert prepared["idle_timeout_minutes"] >= 5
    assert prepared["provider"]["use_internal_ips"] is True


@pytest.mark.filterwarnings("default")
def test_ray_would_notice_a_mistake() -> None:
    with pytest.raises(jsonschema.ValidationError, match="Additional properties"):
        _prepared(_read(ON_PREMISES) | {"worker_nodez": {}})


@pytest.mark.filterwarnings("default")
def test_amazon_knows_what_its_hosts_are_asked_for() -> None:
    session = botocore.session.get_session()
    shape = session.get_service_model("ec2").operation_model("RunInstances").input_shape
    for node_type in _read(CLOUDS[0])["available_node_types"].values():
        asked = {"MinCount": 1, "MaxCount": 1, **node_type["node_config"]}
        report = ParamValidator().validate(asked, shape)
        assert not report.has_errors(), report.generate_report()
        assert asked["MetadataOptions"]["HttpTokens"] == "required"


@every
def test_every_node_is_one_of_farm_node_which_has_these_options(path: Path) -> None:
    group = typer.main.get_command(app)
    known = {
        option
        for parameter in group.commands["node"].params  # type: ignore[attr-defined]
        for option in parameter.opts
    }
    nodes = _nodes(_read(path))
    assert len([node for node in nodes if "--stop" not in node]) == 2
    for node in nodes:
        words = shlex.split(node.removeprefix("echo 'farm node runs ray start' && "))
        assert words[:2] == ["~/sweepfarm/bin/farm", "node"]
        options = {word for word in words if word.startswith("--")}
        assert options <= known, options - known
        assert "--insecure" not in options
        assert "--stop" in options or "--detach" in options


@every
def test_commands_are_shell(path: Path) -> None:
    config = _read(path)
    for key in COMMANDS:
        for command in config.get(key, []):
            checked = subprocess.run(
                ["bash", "-n", "-c", f"true && ({command})"],  # as Ray runs them
                capture_output=True,
                text=True,
                check=False,
            )
            assert checked.returncode == 0, (command, checked.stderr)


@every
def test_the_token_reaches_every_host_and_only_its_user(path: Path) -> None:
    config = _read(path)
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert any("chmod 600 ~/.ray/auth_token" in command for command in config["setup_commands"])


@every
def test_no_dashboard_and_no_open_address(path: Path) -> None:
    text = path.read_text()
    assert "dashboard" not in " ".join(_nodes(_read(path)))
    assert not re.search(r"(?<!\d)0\.0\.0\.0", text)
