"""A double of Hugging Face's API of Inference Endpoints, over HTTP on the loopback interface.

Its responses have the fields of those recorded in huggingface_hub's own tests (tests/test_inference_endpoints.py,
Apache 2.0: MOCK_INITIALIZING, MOCK_RUNNING, MOCK_UPDATE, MOCK_PROVIDERS). What it is sent must be of huggingface_hub's
types.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from huggingface_hub import InferenceEndpointStatus, InferenceEndpointType
from huggingface_hub._inference_endpoints import InferenceEndpointScalingMetric

TOKEN = "hf_of_the_tests"
USER = {"id": "6273f303f6d63a28483fde12", "name": "somebody"}
COMPUTE = {
    "accelerator": "gpu", "numAccelerators": 1, "numCpus": 7, "memoryGb": 30.0, "gpuMemoryGb": 24,
    "architecture": "Nvidia L4", "status": "available", "pricePerHour": 0.8,
    "quota": {"maxAccelerators": 16, "usedAccelerators": 1},
}  # fmt: skip
PROVIDERS = {
    "vendors": [
        {"name": "aws", "status": "available", "regions": [
            {"name": "us-east-1", "label": "N. Virginia", "status": "available", "computes": [
                COMPUTE | {"id": "aws-us-east-1-nvidia-l4-x1", "instanceType": "nvidia-l4", "instanceSize": "x1"},
                COMPUTE | {"id": "aws-us-east-1-nvidia-a100-x8", "instanceType": "nvidia-a100", "instanceSize": "x8",
                           "status": "reserved"},
            ]},
        ]},
    ],
}  # fmt: skip
CREATED = {"compute", "model", "name", "provider", "type"}
LOOKS = 2  # until what was begun is done


class Double:
    """One endpoint at most. running: the address it has while it runs. calls: (method, path, body) in order."""

    def __init__(self, running: str) -> None:
        self.running = running
        self.calls = list[tuple[str, str, Any]]()
        self.fails = False
        self._raw: dict[str, Any] | None = None
        self._next, self._looks = "", 0

    def respond(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.calls.append((method, path, body))
        parts = path.strip("/").split("/")
        if parts == ["api", "whoami-v2"]:
            return 200, {"name": USER["name"], "type": "user", "auth": {"type": "access_token"}}
        if parts[0] == "provider":
            return 200, PROVIDERS
        assert parts[:2] == ["endpoint", USER["name"]], path
        if method == "POST" and len(parts) == 2:
            return self._create(body)
        if self._raw is None or parts[2] != self._raw["name"]:
            return 404, {"error": "Endpoint not found"}
        return self._act(method, parts[3:], body)

    def _create(self, body: dict[str, Any]) -> tuple[int, Any]:
        if self._raw is not None:
            return 409, {"error": "Endpoint already exists"}
        assert set(body) == CREATED
        InferenceEndpointType(body["type"])
        for metric in body["compute"]["scaling"].get("measure", {}):
            InferenceEndpointScalingMetric(metric)
        image = body["model"]["image"]["custom"]
        secrets = {"secrets": dict.fromkeys(body["model"].get("secrets", {}), "")}  # they never come back
        self._raw = {
            "name": body["name"],
            "type": body["type"],
            "accountId": None,
            "provider": body["provider"],
            "healthRoute": image["healthRoute"],
            "compute": body["compute"],
            "model": {"revision": "11c5a3d5811f50298f278a704980280950aedb10"} | body["model"] | secrets,
        }
        return 200, self._state("pending", "running")

    def _act(self, method: str, rest: list[str], body: Any) -> tuple[int, Any]:
        assert self._raw is not None
        if method == "DELETE":
            self._raw = None
            return 200, {}
        if method == "PUT":
            for part in ("compute", "model"):
                self._raw[part] = self._raw[part] | body.get(part, {})
            return 200, self._state("updating", "running")
        if method == "POST":
            then = {"pause": "paused", "resume": "running", "scale-to-zero": "scaledToZero"}[rest[0]]
            return 200, self._state(then if then == "paused" else "updating", then)
        self._looks += 1
        if self._looks >= LOOKS:
            self._state("failed" if self.fails else self._next, self._next)
        return 200, self._raw

    def _state(self, now: str, then: str) -> dict[str, Any]:
        assert self._raw is not None
        if now != then:
            self._next, self._looks = then, 0
        up = now in ("running", "scaledToZero")
        ready = int(now == "running")
        self._raw["status"] = {
            "createdAt": "2026-11-26T12:41:53.263078506Z", "createdBy": USER, "updatedBy": USER, "private": None,
            "updatedAt": "2026-11-26T12:41:53.263079138Z", "state": InferenceEndpointStatus(now).value,
            "message": f"Endpoint is {now}", "readyReplica": ready, "targetReplica": ready,
            **({"url": self.running} if up else {}),
        }  # fmt: skip
        return self._raw


@contextmanager
def hub(running: str) -> Iterator[tuple[str, Double]]:
    """Its base URL, and the double."""
    double = Double(running)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            if self.headers.get("authorization") != f"Bearer {TOKEN}":
                status, sent = 401, {"error": "Invalid token"}
            else:
                status, sent = double.respond(self.command, self.path.partition("?")[0], body)
            data = json.dumps(sent).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
