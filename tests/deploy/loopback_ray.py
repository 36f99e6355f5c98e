"""The command `ray`, on a machine whose only address is 127.0.0.1.

A container has an address of its own, which Ray finds; here all nodes are on one machine and must listen on loopback
only. Ray would take the machine's outer address in its place, and listen on every one.
"""

import sys

from ray._private import ray_constants, services


def _loopback(address: str | None = None) -> str:
    return "127.0.0.1"


def _as_it_is(host: str) -> str:
    return host


ray_constants.ENABLE_RAY_CLUSTER = True
services.get_node_ip_address = _loopback
services.resolve_ip_for_localhost = _as_it_is

from ray.scripts.scripts import main  # noqa: E402

sys.exit(main())  # type: ignore[no-untyped-call]
