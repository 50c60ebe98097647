"""The edge to Ray's metrics exporter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farm.metrics import CATALOGUE, Metric, MetricKind


class RayMeter:
    """Implements `farm.metrics.Meter`; to be made after Ray is connected."""

    def __init__(self) -> None:
        from ray.util import metrics

        makers = {MetricKind.COUNTER: metrics.Counter, MetricKind.GAUGE: metrics.Gauge}
        self._made: dict[Metric, Any] = {
            metric: makers[metric.kind](
                metric.name, description=metric.description, tag_keys=metric.labels
            )
            for metric in CATALOGUE
        }

    def add(self, metric: Metric, amount: float, labels: Mapping[str, str]) -> None:
        """Let a counter grow."""
        self._made[metric].inc(amount, tags=dict(labels))

    def set(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """Set a gauge."""
        self._made[metric].set(value, tags=dict(labels))


def addresses() -> list[str]:
    """Address (host:port) at which this process' node serves metrics; none if it does not."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    return [
        f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}"
        for node in ray.nodes()
        # The port is -1 where Ray is installed without what its metrics need.
        if node["NodeID"] == here and int(node.get("MetricsExportPort", -1)) > 0
    ]
