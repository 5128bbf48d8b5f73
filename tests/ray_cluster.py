"""A cluster of Ray as processes of this machine that ends with its input.

Its address is not on the loopback interface: Ray's drivers take 127.0.0.1 for the address of their node. Ray asks for
the token that it keeps for this user.

    python -m tests.ray_cluster NODES CPUS STORE_BYTES

prints the address, then a line for each node that a line of its input made it kill: `kill NUMBER`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

STORE_BYTES = 200 << 20  # of a node's object store


@dataclass(frozen=True)
class RayCluster:
    """address: for `--address`."""

    address: str
    process: subprocess.Popen[str]

    def kill(self, node: int) -> None:
        """End a node and all that runs on it, at once."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"kill {node}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == f"killed {node}"


@contextmanager
def ray_cluster(nodes: int = 1, cpus: int = 2, store: int = STORE_BYTES) -> Iterator[RayCluster]:
    """store: bytes of each node's object store."""
    command = [sys.executable, "-m", "tests.ray_cluster", str(nodes), str(cpus), str(store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            address = next((line.split()[1] for line in process.stdout if line.startswith("address ")), None)
            assert address is not None, "the cluster did not start"
            yield RayCluster(address, process)
        finally:
            process.stdin.close()
            process.wait(120)


def main(nodes: int, cpus: int, store: int) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    own = {"num_cpus": cpus, "object_store_memory": store}
    cluster = Cluster(initialize_head=True, head_node_args={**own, "include_dashboard": False})
    others = [cluster.add_node(**own) for _ in range(nodes - 1)]
    print("address", cluster.address, flush=True)
    for line in sys.stdin:
        number = int(line.split()[1])
        cluster.remove_node(others[number], allow_graceful=False)
        print("killed", number, flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
