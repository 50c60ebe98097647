"""A cluster whose nodes Ray's autoscaler v2 launches and terminates, all on this machine."""

from __future__ import annotations

import json
from typing import Any

from farm.testing.ray_cluster import RayCluster
from farm.testing.ray_node import command_line

_HEAD_ID = "f" * 51 + "00000"


class AutoscaledCluster(RayCluster):
    """A head without cards; nodes with cards appear on demand and go when idle.

    Parameters
    ----------
    max_nodes : int
        Most nodes at a time.
    n_cards : int
        Cards per node.
    idle_s : float
        How long a node is idle before it is terminated.
    """

    _AUTOSCALER = ()

    def __init__(self, max_nodes: int, n_cards: int = 1, idle_s: float = 3.0) -> None:
        super().__init__()
        self._max_nodes, self._n_cards, self._idle_s = max_nodes, n_cards, idle_s

    def __enter__(self) -> AutoscaledCluster:
        super().__enter__()
        return self

    @property
    def n_worker_nodes(self) -> int:
        """Nodes with cards whose raylet runs."""
        raylets = self.head.members("raylet/raylet") if self.head else []
        return sum(_HEAD_ID not in command_line(raylet) for raylet in raylets)

    def _head_arguments(self) -> list[str]:
        path = self.folder / "autoscaling.yaml"
        path.write_text(json.dumps(self._configuration()))
        return [*super()._head_arguments(), f"--autoscaling-config={path}"]

    def _head_environment(self) -> dict[str, str]:
        return {
            "RAY_FAKE_CLUSTER": "1",
            "RAY_enable_autoscaler_v2": "1",
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "RAY_CLOUD_INSTANCE_ID": _HEAD_ID,
        }

    def _head_id(self) -> str:
        return _HEAD_ID

    def _configuration(self) -> dict[str, Any]:
        """Cluster configuration as data; JSON is YAML."""
        return {
            "cluster_name": "autoscaled",
            "max_workers": self._max_nodes,
            "idle_timeout_minutes": self._idle_s / 60,
            "upscaling_speed": 100.0,
            "provider": {
                "type": "external",
                "module": "farm.testing.fake_nodes.FakeNodes",
                "gcs_address": self.address,
                "head_node_id": _HEAD_ID,
                "launch_multiple": True,
                "disable_node_updaters": True,
                "disable_launch_config_check": True,
                "foreground_node_launch": True,
            },
            "auth": {"ssh_user": "nobody"},
            "head_node_type": "ray.head.default",
            "available_node_types": {
                "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
                "card_node": {
                    "resources": {"card": self._n_cards},
                    "node_config": {},
                    "min_workers": 0,
                    "max_workers": self._max_nodes,
                },
            },
            "file_mounts": {},
            "cluster_synced_files": [],
            "file_mounts_sync_continuously": False,
            "rsync_exclude": [],
            "rsync_filter": [],
            "initialization_commands": [],
            "setup_commands": [],
            "head_setup_commands": [],
            "worker_setup_commands": [],
            "head_start_ray_commands": [],
            "worker_start_ray_commands": [],
            "head_node": {},
            "worker_nodes": {},
        }
