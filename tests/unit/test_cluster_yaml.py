"""cluster.yaml is what `ray up` accepts, and opens nothing to strangers."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

PATH = Path(__file__).resolve().parents[2] / "cluster.yaml"


@pytest.fixture
def config() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(PATH.read_text())
    return content


@pytest.mark.filterwarnings("default")
def test_ray_accepts_it(config: dict[str, Any]) -> None:
    import ray.autoscaler
    from ray.autoscaler._private.util import prepare_config, validate_config

    schema = Path(ray.autoscaler.__file__).with_name("ray-schema.json")
    jsonschema.validate(config, json.loads(schema.read_text()))
    prepared = prepare_config(config)
    validate_config(prepared)
    assert prepared["max_workers"] == len(config["provider"]["worker_ips"])
    assert prepared["available_node_types"]["local.cluster.node"]["resources"] == {}


@pytest.mark.filterwarnings("default")
def test_ray_would_notice_a_mistake(config: dict[str, Any]) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    with pytest.raises(jsonschema.ValidationError, match="Additional properties"):
        validate_config(prepare_config(config | {"worker_nodez": {}}))


def _starts(config: dict[str, Any]) -> list[str]:
    commands = config["head_start_ray_commands"] + config["worker_start_ray_commands"]
    return [command for command in commands if "ray start" in command]


def test_every_start_is_authenticated_and_declares_cards(config: dict[str, Any]) -> None:
    starts = _starts(config)
    assert len(starts) == 2
    for start in starts:
        assert "RAY_AUTH_MODE=token" in start
        assert "chmod 600 ~/.ray/auth_token" in start
        assert "--disable-usage-stats" in start
        assert "farm devices --count" in start
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


def test_the_dashboard_is_not_public(config: dict[str, Any]) -> None:
    heads = [start for start in _starts(config) if "--head" in start]
    assert all("--dashboard-host=127.0.0.1" in head for head in heads)
    assert "0.0.0.0" not in PATH.read_text()
