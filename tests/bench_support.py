"""A server with given responses, and outcomes for tests."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from endpoint.bench.client import Outcome
from endpoint.bench.recordings import Recording
from endpoint.bench.request import Request


def recording(seconds: float = 2.0, text: str | None = "one two three", language: str = "en") -> Recording:
    return Recording(language, text, np.zeros(int(seconds * 16_000), np.int16))


REQUEST = Request(b"--x\r\n\r\n--x--\r\n", "multipart/form-data; boundary=x", recording())


def outcome(
    latency: float, *, at: float = 0.0, late: float = 0.0, failure: str = "", text: str = "one two three"
) -> Outcome:
    return Outcome(REQUEST, at, at + late, at + latency, None, text, failure)


@dataclass(frozen=True)
class ResponseModel:
    """cut: the connection is closed before the body is whole."""

    body: bytes
    status: int = 200
    kind: str = "application/json"
    cut: bool = False


@contextmanager
def serving(*responses: ResponseModel) -> Iterator[tuple[str, list[tuple[str, dict[str, str], bytes]]]]:
    """(base URL of a server that gives the responses in turn and then repeats the last one; the requests it got)."""
    asked: list[tuple[str, dict[str, str], bytes]] = []
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with lock:
                response = responses[min(len(asked), len(responses) - 1)]
                asked.append((self.path, dict(self.headers), body))
            self.send_response(response.status)
            self.send_header("Content-Type", response.kind)
            self.send_header("Content-Length", str(len(response.body) + 10 * response.cut))
            self.end_headers()
            self.wfile.write(response.body)
            self.close_connection = response.cut

        do_GET = do_POST = _respond  # noqa: N815 - the names http.server looks for

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def events(lines: Sequence[str]) -> ResponseModel:
    """A stream of server-sent events."""
    return ResponseModel("".join(f"{line}\n\n" for line in lines).encode(), kind="text/event-stream")
