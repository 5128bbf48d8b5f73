"""Fetching from addresses that callers send: hostile ones never reach a listener on this machine."""

from __future__ import annotations

import asyncio
import http.server
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from endpoint.errors import ConfigError, DeadlineExceeded, InvalidRequest, TooLarge
from endpoint.outgoing import OutgoingPolicy, fetch

BODY = b"RIFF" + bytes(range(256)) * 16
HOSTILE = [
    "http://127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0x7f.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0177.1:{port}/",
    "http://017700000001:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://127.255.255.254:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[2001:0:7f00:1::]:{port}/",
    "http://[fe80::1]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://[fc00::1]:{port}/",
    "http://[fd12:3456:789a::1]:{port}/",
    "http://[ff02::1]:{port}/",
    "http://[2001:db8::1]:{port}/",
    "http://10.0.0.1:{port}/",
    "http://172.16.0.1:{port}/",
    "http://192.168.1.1:{port}/",
    "http://100.64.0.1:{port}/",
    "http://169.254.169.254:{port}/latest/meta-data/",
    "http://192.0.0.192:{port}/",
    "http://198.18.0.1:{port}/",
    "http://192.0.2.1:{port}/",
    "http://224.0.0.1:{port}/",
    "http://255.255.255.255:{port}/",
    "http://240.0.0.1:{port}/",
    "http://user:password@127.0.0.1:{port}/",
    "http://example.com@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http://127。0。0。1:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "https://127.0.0.1:{port}/",
    "http://127.0.0.1%00.example.com:{port}/",
    "http:///127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_GET",
    "data:audio/wav;base64,UklGRg==",
    "http://",
    "",
    "http://127.0.0.1:70000/",
    "http://[::1/",
    "\thttp://127.0.0.1:{port}/",
    "http://127.0.0.1\r\nX: y:{port}/",
]


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/missing":
            self.send_error(404)
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 100_000)
        elif self.path == "/packed":
            self.send_response(200)
            self.send_header("content-encoding", "gzip")
            self.end_headers()
        else:
            self.send_response(200)
            self.send_header("content-length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)

    def log_message(self, *_: Any) -> None:
        pass


def _serve(address: str) -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer((address, 0), Site)
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def canary() -> Iterator[http.server.ThreadingHTTPServer]:
    """A service of this machine that no request may reach."""
    yield from _serve("127.0.0.1")


@pytest.fixture
def site() -> Iterator[http.server.ThreadingHTTPServer]:
    """A server in place of one on the internet: its network is allowed."""
    yield from _serve("127.0.0.2")


def policy(*canaries: http.server.ThreadingHTTPServer, hosts: str = "") -> OutgoingPolicy:
    ports = frozenset(server.server_address[1] for server in canaries)
    return replace(OutgoingPolicy.parse(hosts, "127.0.0.2/32"), ports=ports)


def address(server: http.server.ThreadingHTTPServer, path: str = "/") -> str:
    host, port = server.server_address[:2]
    return f"http://{host!s}:{port}{path}"


@pytest.mark.parametrize("url", HOSTILE)
async def test_hostile_addresses_open_no_connection(canary: http.server.ThreadingHTTPServer, url: str) -> None:
    port = canary.server_address[1]
    with pytest.raises((InvalidRequest, DeadlineExceeded)) as caught:
        await fetch(url.replace("{port}", str(port)), OutgoingPolicy(ports=frozenset({port})), 1000)
    assert caught.value.param == "url"
    assert canary.asked == []  # type: ignore[attr-defined]


async def test_a_file_is_fetched(site: http.server.ThreadingHTTPServer) -> None:
    assert (await fetch(address(site, "/talk.wav"), policy(), 10_000)).read() == BODY


async def test_redirects_are_followed_and_checked(
    site: http.server.ThreadingHTTPServer, canary: http.server.ThreadingHTTPServer
) -> None:
    there = policy(canary)
    assert (await fetch(address(site, f"/to/{address(site)}"), there, 10_000)).read() == BODY
    for target in (address(canary), f"http://localhost:{canary.server_address[1]}/", "file:///etc/passwd"):
        with pytest.raises(InvalidRequest, match="not fetched"):
            await fetch(address(site, f"/to/{target}"), there, 10_000)
    loop = "/to/" * 10 + "/"
    with pytest.raises(InvalidRequest, match="redirect"):
        await fetch(address(site, loop), there, 10_000)
    assert canary.asked == []  # type: ignore[attr-defined]


async def test_a_name_is_resolved_once(
    site: http.server.ThreadingHTTPServer,
    canary: http.server.ThreadingHTTPServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    addresses = iter(["127.0.0.2", "127.0.0.1"])  # the first is allowed, the second is this machine
    asked = []

    async def resolve(_: Any, host: str, port: int, **__: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(addresses), port))]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", resolve)
    body = await fetch(f"http://rebind.test:{site.server_address[1]}/", policy(canary), 10_000)
    assert body.read() == BODY
    assert asked[:1] == ["rebind.test"]
    assert canary.asked == []  # type: ignore[attr-defined]


async def test_one_private_address_of_several_is_enough_to_refuse(
    canary: http.server.ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(_: Any, __: str, port: int, **___: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in ("93.184.216.34", "127.0.0.1")]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", resolve)
    port = canary.server_address[1]
    with pytest.raises(InvalidRequest, match="not a public one"):
        await fetch(f"http://mixed.test:{port}/", OutgoingPolicy(ports=frozenset({port})), 1000)


async def test_limits_and_responses(site: http.server.ThreadingHTTPServer) -> None:
    there = policy()
    with pytest.raises(TooLarge):
        await fetch(address(site), there, len(BODY) - 1)
    with pytest.raises(TooLarge):
        await fetch(address(site, "/endless"), there, 50_000)
    with pytest.raises(InvalidRequest, match="responded with status 404"):
        await fetch(address(site, "/missing"), there, 1000)
    with pytest.raises(InvalidRequest, match="compressed"):
        await fetch(address(site, "/packed"), there, 1000)


async def test_ports_and_hosts_are_limited(site: http.server.ThreadingHTTPServer) -> None:
    with pytest.raises(InvalidRequest, match="port"):
        await fetch("http://1.1.1.1:22/", OutgoingPolicy(), 1000)
    with pytest.raises(InvalidRequest, match=r"media\.example\.com, other\.test only"):
        await fetch(address(site), policy(hosts="media.example.com, other.test"), 1000)


def test_wrong_networks_are_named() -> None:
    with pytest.raises(ConfigError, match=r"URL_NETWORKS: 10\.1\.2\.3/8 has host bits set"):
        OutgoingPolicy.parse("", "10.0.0.0/8, 10.1.2.3/8")


async def test_the_environments_proxy_is_not_used(
    site: http.server.ThreadingHTTPServer, canary: http.server.ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", address(canary))
    monkeypatch.setenv("http_proxy", address(canary))
    assert (await fetch(address(site), policy(), 10_000)).read() == BODY
    assert canary.asked == []  # type: ignore[attr-defined]
