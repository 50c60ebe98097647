"""deploy/kuberay.yaml against Ray's own reader, the fields of KubeRay, and Kubernetes' models."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

PATH = Path(__file__).resolve().parents[2] / "deploy" / "kuberay.yaml"
# The fields of ray.io/v1 in KubeRay 1.6, as its reference lists them.
CLUSTER_FIELDS = {
    "authOptions",
    "autoscalerOptions",
    "enableInTreeAutoscaling",
    "gcsFaultToleranceOptions",
    "headGroupSpec",
    "headServiceAnnotations",
    "managedBy",
    "rayVersion",
    "suspend",
    "upgradeStrategy",
    "workerGroupSpecs",
}
AUTOSCALER_FIELDS = {
    "env",
    "envFrom",
    "idleTimeoutSeconds",
    "image",
    "imagePullPolicy",
    "resources",
    "securityContext",
    "upscalingMode",
    "version",
    "volumeMounts",
}
HEAD_FIELDS = {
    "enableIngress",
    "headService",
    "labels",
    "rayStartParams",
    "resources",
    "serviceType",
    "template",
}
WORKER_FIELDS = {
    "groupName",
    "idleTimeoutSeconds",
    "labels",
    "maxReplicas",
    "minReplicas",
    "numOfHosts",
    "rayStartParams",
    "replicas",
    "resources",
    "scaleStrategy",
    "suspend",
    "template",
}


@cache
def _documents() -> tuple[dict[str, Any], dict[str, Any]]:
    cluster, policy = yaml.safe_load_all(PATH.read_text())
    return cluster, policy


def _pods() -> list[dict[str, Any]]:
    spec = _documents()[0]["spec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    return [group["template"] for group in groups]


def _unknown(content: Any, type_name: str, where: str = "") -> list[str]:
    """Find keys that a Kubernetes model does not have, at any depth."""
    from kubernetes.client import models

    if listed := re.fullmatch(r"list\[(.+)\]", type_name):
        return [
            found
            for i, one in enumerate(content)
            for found in _unknown(one, listed[1], f"{where}[{i}]")
        ]
    model = getattr(models, type_name, None)
    if model is None:
        return []
    types = {model.attribute_map[name]: kind for name, kind in model.openapi_types.items()}
    return [
        found
        for key, value in content.items()
        for found in (
            _unknown(value, types[key], f"{where}.{key}") if key in types else [f"{where}.{key}"]
        )
    ]


@pytest.mark.filterwarnings("default")
def test_rays_autoscaler_reads_zero_to_eight_hosts_with_two_cards() -> None:
    from ray.autoscaler._private.kuberay import autoscaling_config
    from ray.autoscaler._private.util import validate_config

    config = autoscaling_config._derive_autoscaling_config_from_ray_cr(_documents()[0])
    validate_config(config)
    cards = config["available_node_types"]["cards"]
    assert (cards["min_workers"], cards["max_workers"]) == (0, 8)
    assert cards["resources"]["card"] == cards["resources"]["GPU"] == 2
    assert config["available_node_types"]["headgroup"]["resources"]["CPU"] == 0
    assert config["idle_timeout_minutes"] == 5


def test_kuberay_has_all_of_its_fields() -> None:
    spec = _documents()[0]["spec"]
    assert set(spec) <= CLUSTER_FIELDS
    assert set(spec["autoscalerOptions"]) <= AUTOSCALER_FIELDS
    assert set(spec["headGroupSpec"]) <= HEAD_FIELDS
    assert all(set(group) <= WORKER_FIELDS for group in spec["workerGroupSpecs"])
    assert spec["autoscalerOptions"]["version"] == "v2"


@pytest.mark.filterwarnings("default")
def test_kubernetes_has_all_of_the_pods_and_the_policys_fields() -> None:
    for pod in _pods():
        assert _unknown(pod, "V1PodTemplateSpec") == []
    options = _documents()[0]["spec"]["autoscalerOptions"]
    assert _unknown(options["env"], "list[V1EnvVar]") == []
    assert _unknown(options["securityContext"], "V1SecurityContext") == []
    assert _unknown(_documents()[1], "V1NetworkPolicy") == []
    assert _unknown({"spec": {"containerz": []}}, "V1PodTemplateSpec") == [".spec.containerz"]


def test_parameters_of_ray_start_are_its_options() -> None:
    from ray.scripts.scripts import start

    known = {option.lstrip("-") for parameter in start.params for option in parameter.opts}
    spec = _documents()[0]["spec"]
    for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]:
        assert set(group["rayStartParams"]) <= known
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_a_token_is_asked_for_and_nobody_is_root() -> None:
    spec = _documents()[0]["spec"]
    assert spec["authOptions"] == {"mode": "token"}
    contexts = [spec["autoscalerOptions"]["securityContext"]]
    contexts += [one["securityContext"] for pod in _pods() for one in pod["spec"]["containers"]]
    assert len(contexts) == 3
    for context in contexts:
        assert context["runAsNonRoot"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_only_pods_of_the_cluster_get_in() -> None:
    cluster, policy = _documents()
    assert cluster["spec"]["headGroupSpec"]["rayStartParams"]["dashboard-host"] == "127.0.0.1"
    assert cluster["spec"]["headGroupSpec"]["serviceType"] == "ClusterIP"
    ours = {"podSelector": {"matchLabels": {"ray.io/cluster": cluster["metadata"]["name"]}}}
    assert policy["spec"]["podSelector"] == ours["podSelector"]
    assert policy["spec"]["ingress"] == [{"from": [ours]}]
    assert policy["metadata"]["namespace"] == cluster["metadata"]["namespace"]


def test_a_pod_has_time_for_the_chunks_in_hand() -> None:
    (worker,) = _documents()[0]["spec"]["workerGroupSpecs"]
    pod = worker["template"]["spec"]
    variables = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
    drain_s = float(variables["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"])
    assert drain_s < pod["terminationGracePeriodSeconds"]
    assert variables["RAY_USAGE_STATS_ENABLED"] == "0"
