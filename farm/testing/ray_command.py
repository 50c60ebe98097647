"""The ``ray`` command, for several nodes whose every listener stays on the loopback interface.

The variable that keeps Ray on loopback (see `farm.ray_environment`) also makes ``ray start`` refuse
a second node.  Only the command looks at it as a Python constant, so only the command is told
otherwise; whatever it starts still sees the variable.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point: ``python -m farm.testing.ray_command start ...``."""
    from ray._private import ray_constants, services
    from ray.scripts import scripts

    # No server for remote clients: nobody asks it, and every head would want the same port.
    scripts.get_ray_client_dependency_error = lambda: "not wanted"
    ray_constants.ENABLE_RAY_CLUSTER = True
    services.get_node_ip_address = lambda *_, **__: "127.0.0.1"
    sys.argv[0] = "ray"
    scripts.main()


if __name__ == "__main__":
    main()
