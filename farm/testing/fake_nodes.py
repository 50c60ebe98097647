"""Ray's provider of nodes on this machine, under a name that an ``external`` provider may have.

Ray's autoscaler v2 refuses the built-in name of the same provider; loaded from outside it works.
Only the monitor process of `farm.testing.autoscaled_cluster.AutoscaledCluster` imports this.
"""

from ray.autoscaler._private.fake_multi_node.node_provider import FakeMultiNodeProvider


class FakeNodes(FakeMultiNodeProvider):  # type: ignore[misc]
    """Nodes that the autoscaler launches and terminates are sessions of raylets on this host."""
