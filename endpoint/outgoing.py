"""HTTP to addresses that callers send: a recording's `url`, later a webhook. Only public addresses are connected to.

A host name is resolved once, all its addresses are checked, and the connection uses a checked address. So redirects,
unusual spellings of an address and names that resolve differently the second time cannot reach a private network.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpcore2
import httpx2

from endpoint.errors import ConfigError, DeadlineExceeded, InvalidRequest, TooLarge
from endpoint.memfile import MemoryFile

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_REDIRECTS = 5
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 30.0  # the longest wait for more bytes
PORTS = frozenset({80, 443, 8000, 8080, 8443})

# IPv6 networks that embed an IPv4 address or are translated to one, and special ones that `is_global` accepts.
_REFUSED = tuple(
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "192.0.0.0/24", "192.88.99.0/24", "::/96")
)


@dataclass(frozen=True)
class OutgoingPolicy:
    """Where requests may go.

    hosts: if not empty, only these names. networks: private ones that are allowed, on any port. ports: those allowed
    on public addresses, so that callers reach web servers only.
    """

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    ports: frozenset[int] = PORTS

    @classmethod
    def parse(cls, hosts: str, networks: str) -> OutgoingPolicy:
        """From two lists separated by commas. Raises ConfigError."""
        try:
            inside = tuple(ipaddress.ip_network(text.strip()) for text in networks.split(",") if text.strip())
        except ValueError as error:
            raise ConfigError(f"URL_NETWORKS: {error}; write networks as 10.1.0.0/16,fd00::/8") from error
        return cls(frozenset(name.strip().lower() for name in hosts.split(",") if name.strip()), inside)

    def allows(self, address: Address, port: int) -> bool:
        """Whether to connect: the address is public and the port is one of the web, or its network is in `networks`."""
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address in network for network in self.networks):
            return True
        public = address.is_global and not address.is_multicast and not any(address in net for net in _REFUSED)
        return public and port in self.ports


class _GuardedBackend(httpcore2.AnyIOBackend):
    """Connects to a host only if the policy allows every address of it."""

    def __init__(self, policy: OutgoingPolicy) -> None:
        self._policy = policy

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        policy = self._policy
        if policy.hosts and host.lower().rstrip(".") not in policy.hosts:
            raise _refused(f"this server fetches from {', '.join(sorted(policy.hosts))} only")
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"{host} has no address: {error}") from error
        addresses = [str(info[4][0]) for info in found]
        plain = [ipaddress.ip_address(text.partition("%")[0]) for text in addresses]
        if not plain or not all(policy.allows(address, port) for address in plain):
            raise _refused(f"its address is not a public one, or the port is none of {sorted(policy.ports)}")
        return await super().connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        raise _refused("it is no network address")


class _GuardedTransport(httpx2.AsyncHTTPTransport):
    """httpx2's transport over a pool of guarded connections."""

    def __init__(self, policy: OutgoingPolicy) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(), network_backend=_GuardedBackend(policy)
        )


@asynccontextmanager
async def outgoing_client(
    policy: OutgoingPolicy, *, redirects: int = MAX_REDIRECTS
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that applies `policy` to every redirect. It uses no proxy and no password of the environment."""
    async with httpx2.AsyncClient(
        transport=_GuardedTransport(policy),
        trust_env=False,
        follow_redirects=redirects > 0,
        max_redirects=redirects,
        timeout=httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
        headers={"user-agent": "whisper-endpoint", "accept-encoding": "identity"},
    ) as client:
        yield client


async def fetch(url: str, policy: OutgoingPolicy, max_bytes: int) -> MemoryFile:
    """Download the file at an http or https address.

    Raises InvalidRequest (code `url_refused`, `url_unreachable`) with param `url`, TooLarge, DeadlineExceeded.
    """
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError) as error:
        raise _refused("it is no URL") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise _refused("it must begin with http:// or https:// and name a host")
    if parsed.userinfo:
        raise _refused("it holds a user name or password")
    try:
        async with outgoing_client(policy) as client, client.stream("GET", parsed) as response:
            return await _read(response, max_bytes)
    except httpx2.TimeoutException as error:
        raise DeadlineExceeded("url: the other server took too long", code="url_timeout", param="url") from error
    except httpx2.UnsupportedProtocol as error:
        raise _refused("it leads to something that is not http or https") from error
    except (httpx2.HTTPError, httpx2.StreamError) as error:
        raise InvalidRequest(f"url: cannot be fetched: {error}", code="url_unreachable", param="url") from error


async def _read(response: httpx2.Response, max_bytes: int) -> MemoryFile:
    if response.status_code != 200:
        message = f"url: the other server responded with status {response.status_code}"
        raise InvalidRequest(message, code="url_unreachable", param="url")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise InvalidRequest("url: the other server sends it compressed", code="url_unreachable", param="url")
    length = response.headers.get("content-length", "")
    data = MemoryFile()
    if length.isdecimal() and int(length) > max_bytes:
        raise TooLarge(f"url: the file is larger than the limit of {max_bytes} bytes", param="url")
    async for piece in response.aiter_raw():
        data.write(piece)
        if len(data) > max_bytes:
            raise TooLarge(f"url: the file is larger than the limit of {max_bytes} bytes", param="url")
    return data


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(f"url: not fetched, {why}", code="url_refused", param="url")
