"""A stand-in for an OpenAI-compatible chat server, in a thread: it keeps what it was sent, and is as bad as wanted."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from endpoint.config import Settings

_BETWEEN = re.compile(r"BEGIN (\w+)\n(.*)\nEND \1", re.DOTALL)


class Raw(bytes):
    """A whole body that is no completion."""


class Asked:
    """A request. kind: the name of the shape that it asks for. data: what is between the marks."""

    def __init__(self, headers: dict[str, str], body: dict[str, Any]) -> None:
        self.headers, self.body = headers, body
        self.kind: str = body["response_format"]["json_schema"]["name"]
        self.system, user = (message["content"] for message in body["messages"])
        found = _BETWEEN.fullmatch(user)
        assert found, "the data is not between its marks"
        self.data = found[2]


Respond = Callable[[Asked], Any]  # content as a string or as a value for JSON, Raw, or a status


class Chat:
    """url: with /v1. asked: the requests. gate: responses wait for it."""

    def __init__(self, url: str, respond: Respond) -> None:
        self.url, self.respond = url, respond
        self.asked = list[Asked]()
        self.gate = threading.Event()
        self.gate.set()
        self.at_once = self.most_at_once = 0
        self.redirect = ""
        self.endless = False
        self.finish_reason = "stop"
        self.usage: dict[str, int] | None = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        self._lock = threading.Lock()

    def settings(self, **more: Any) -> Settings:
        return Settings(engine="fake", llm_base_url=self.url, llm_model="small", llm_api_key="the-key", **more)

    def made(self, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, bytes]:
        asked = Asked(headers, body)
        with self._lock:
            self.asked.append(asked)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.gate.wait(120)
        given = self.respond(asked)
        with self._lock:
            self.at_once -= 1
        if isinstance(given, int):
            return given, json.dumps({"error": {"message": asked.data}}).encode()
        if isinstance(given, Raw):
            return 200, given
        content = given if isinstance(given, str) else json.dumps(given)
        choice = {"index": 0, "finish_reason": self.finish_reason, "message": {"role": "assistant", "content": content}}
        body = {"id": "1", "object": "chat.completion", "created": 0, "model": "small", "choices": [choice]}
        return 200, json.dumps(body | ({"usage": self.usage} if self.usage else {})).encode()


@contextmanager
def chat(respond: Respond) -> Iterator[Chat]:
    """On a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if made.redirect:
                self.send_response(307)
                self.send_header("location", made.redirect)
                self.send_header("content-length", "0")
                self.end_headers()
                return
            status, data = made.made(body, {name.lower(): value for name, value in self.headers.items()})
            self.send_response(status)
            self.send_header("content-type", "application/json")
            try:
                if made.endless:
                    self.end_headers()
                    while True:
                        self.wfile.write(b" " * 65_536)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                return  # it left

        def log_message(self, format: str, *args: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        made = Chat(f"http://127.0.0.1:{server.server_port}/v1", respond)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.gate.set()
            server.shutdown()
            thread.join(60)


def obedient(asked: Asked) -> Any:
    """What a good model gives: a full stop and a capital letter; a paragraph every second sentence; short texts."""
    match asked.kind:
        case "Punctuated":
            return {"text": f"{asked.data[:1].upper()}{asked.data[1:].rstrip('.')}."}
        case "Paragraphs":
            return {"begins": list(range(0, asked.data.count("\n") + 1, 2))}
        case "Names":
            return {"names": []}
        case "Summary":
            return {"summary": f"It is about {len(asked.data)} characters."}
        case "Actions":
            return {"actions": ["Anna writes to Ben.", "Ben calls."]}
    raise AssertionError(asked.kind)
