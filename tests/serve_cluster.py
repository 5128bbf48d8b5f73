"""Ray Serve with the server on it, on a Ray of this machine, that ends with its input.

    python -m tests.serve_cluster PORT ENGINES SETTINGS

prints `ready` when all replicas are there. SETTINGS: of the engines, as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from endpoint.net import free_port

TOKEN = "the-token-of-the-tests"


@contextmanager
def serve_cluster(engines: int, **settings: object) -> Iterator[str]:
    """The address."""
    port = free_port()
    command = [sys.executable, "-m", "tests.serve_cluster", str(port), str(engines), json.dumps(settings)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert any(line.strip() == "ready" for line in process.stdout), "Serve did not start"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stdin.close()
            process.wait(120)


def main(port: int, count: int, settings: dict[str, object]) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray import serve

    from endpoint.gateway.wire import PREFIX
    from endpoint.serving import Engine, api

    ray.init("local", include_dashboard=False, log_to_driver=False, num_cpus=2 + count)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    common = {"engine_token": TOKEN, "jobs_url": "off", "decode_workers": 1}
    serve.run(Engine.options(num_replicas=count).bind({**common, **settings}), name="engines", route_prefix=PREFIX)
    address = {"engines": f"http://127.0.0.1:{port}", "allow_anonymous": True}
    serve.run(api({**common, **address}), name="api", route_prefix="/")
    print("ready", flush=True)
    sys.stdin.read()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]))
