"""Webhooks: the deliveries of a store are sent, signed as Standard Webhooks asks (`webhook-id`, `-timestamp`,
`-signature`).

Every delivery is sent at least once: one that was sent and could not be marked is sent again, with the same id.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Protocol

import httpx2
import structlog
from standardwebhooks import Webhook

from endpoint.errors import ConfigError, InvalidRequest, StoreUnavailable
from endpoint.jobs.job import Delivery
from endpoint.jobs.store import LEASE_SECONDS
from endpoint.observe.metrics import webhook_sent
from endpoint.outgoing import Address, OutgoingPolicy, outgoing_client

BACK_OFF = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 36_000.0)  # before the 2nd, 3rd ... attempt; 27 h in all
JITTER = 0.2
MOST_RETRY_AFTER = 86_400.0
TIMEOUT_SECONDS = 15.0
MOST_SECRETS = 2
SECRET_BYTES = range(24, 65)  # as Standard Webhooks asks
MOST_AT_ONCE = 10  # connections of one client
MOST_REASON = 300  # characters

log = structlog.get_logger()


class Outbox(Protocol):
    """What is needed of a JobStore."""

    async def take_deliveries(
        self, owner: str, limit: int = 10, seconds: float = LEASE_SECONDS
    ) -> Sequence[Delivery]: ...

    async def delivered(self, delivery: Delivery) -> None: ...

    async def not_delivered(self, delivery: Delivery, failed: str, due: float | None) -> None: ...


@dataclass(frozen=True)
class _Outcome:
    """Of one attempt. failed: None when it arrived. final: no attempt is to follow. wait: seconds the receiver asked.

    status: of the response, if there was one.
    """

    failed: str | None = None
    final: bool = False
    wait: float = 0.0
    status: int | None = None


class Dispatcher:
    """Sends what is due in the outbox of `store`, several deliveries at once.

    policy: where deliveries may go. secrets: `whsec_...`, at most two; each signs, so that a receiver can change from
    one to the other. Without any, deliveries are not signed. owner: leases are taken in this name.
    poll_seconds: between looks at the store. timeout_seconds: for one attempt, from the connection to the status.
    """

    def __init__(
        self,
        store: Outbox,
        policy: OutgoingPolicy,
        secrets: Sequence[str] = (),
        *,
        owner: str = "dispatcher",
        at_once: int = MOST_AT_ONCE,
        poll_seconds: float = 1.0,
        timeout_seconds: float = TIMEOUT_SECONDS,
        jitter: random.Random | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Raises ConfigError where a secret is none."""
        if len(secrets) > MOST_SECRETS:
            raise ConfigError(f"{len(secrets)} webhook secrets are set; at most {MOST_SECRETS} can be in use")
        self._store, self._policy, self._owner = store, policy, owner
        self._signers = [_signer(secret) for secret in secrets]
        self._at_once = min(at_once, MOST_AT_ONCE)
        self._poll_seconds, self._timeout_seconds = poll_seconds, timeout_seconds
        self._lease_seconds = max(LEASE_SECONDS, 2 * timeout_seconds)
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads load, protects nothing
        self._clock = clock

    async def run(self) -> None:
        """Send what becomes due, until cancelled. An unavailable store is asked again after `poll_seconds`."""
        sending: set[asyncio.Task[None]] = set()
        failures = 0
        async with self._client() as client, asyncio.TaskGroup() as group:
            while True:
                try:
                    for delivery in await self._take(self._at_once - len(sending)):
                        task = group.create_task(self._deliver(client, delivery))
                        sending.add(task)
                        task.add_done_callback(sending.discard)
                    failures = 0
                except StoreUnavailable as error:
                    failures += 1
                    if failures == 1:  # not a line every second
                        log.warning("webhooks wait for the store", why=error.message)
                if sending and not failures:
                    await asyncio.wait(sending, timeout=self._poll_seconds, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(self._poll_seconds)

    async def step(self) -> int:
        """Send what is due now, at most `at_once`; how many were taken. Raises StoreUnavailable."""
        taken = await self._take(self._at_once)
        async with self._client() as client, asyncio.TaskGroup() as group:
            for delivery in taken:
                group.create_task(self._deliver(client, delivery))
        return len(taken)

    async def _take(self, limit: int) -> Sequence[Delivery]:
        return await self._store.take_deliveries(self._owner, limit, self._lease_seconds) if limit > 0 else ()

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx2.AsyncClient]:
        """Without redirects, and without a memory for cookies: receivers have nothing to do with each other."""
        async with outgoing_client(self._policy, redirects=0) as client:
            client.cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
            yield client

    async def _deliver(self, client: httpx2.AsyncClient, delivery: Delivery) -> None:
        """One attempt, and what came of it into the store."""
        outcome = await self._attempt(client, delivery)
        what = {"delivery": delivery.id, "job": delivery.job, "attempt": delivery.attempts + 1}
        what |= {"status": outcome.status} if outcome.status is not None else {}
        try:
            if outcome.failed is None:
                await self._store.delivered(delivery)
                webhook_sent("delivered")
                log.info("webhook delivered", **what)
                return
            due = self._next(delivery, outcome)
            await self._store.not_delivered(delivery, outcome.failed, due)
            webhook_sent("given_up" if due is None else "failed")
            log.warning("webhook given up" if due is None else "webhook not delivered", why=outcome.failed, **what)
        except StoreUnavailable as error:  # the lease runs out, and it is sent again
            log.warning("webhook not marked", why=error.message, **what)

    def _next(self, delivery: Delivery, outcome: _Outcome) -> float | None:
        """When to try again; never before the receiver asked for. None: no more."""
        if outcome.final or delivery.attempts >= len(BACK_OFF):
            return None
        back_off = BACK_OFF[delivery.attempts] * self._jitter.uniform(1 - JITTER, 1 + JITTER)
        return self._clock() + max(back_off, outcome.wait)

    async def _attempt(self, client: httpx2.AsyncClient, delivery: Delivery) -> _Outcome:
        """The body of the response is not read: whoever sends without end is not listened to."""
        try:
            validate_callback(delivery.url, self._policy)
            async with (
                asyncio.timeout(self._timeout_seconds),
                client.stream("POST", delivery.url, content=delivery.body, headers=self._headers(delivery)) as response,
            ):
                return self._judge(response)
        except InvalidRequest as error:
            return _Outcome(_short(f"refused: {error.message.partition(', ')[2]}"), final=True)
        except (TimeoutError, httpx2.TimeoutException):
            return _Outcome(f"timeout: no response within {self._timeout_seconds:g} s")
        except Exception as error:  # one delivery that cannot be sent must not end the others
            if not isinstance(error, httpx2.HTTPError | httpx2.StreamError):
                log.exception("webhook cannot be sent", delivery=delivery.id, job=delivery.job)
            return _Outcome(_short(f"unreachable: {error}" if str(error) else f"unreachable: {type(error).__name__}"))

    def _judge(self, response: httpx2.Response) -> _Outcome:
        status = response.status_code
        if 200 <= status < 300:
            return _Outcome(status=status)
        wait = self._retry_after(response.headers.get("retry-after", "")) if status in (429, 503) else 0.0
        return _Outcome(f"status {status}", final=status == 410, wait=wait, status=status)

    def _retry_after(self, text: str) -> float:
        """Seconds, from seconds or a date of HTTP; 0 for anything else."""
        text = text.strip()
        if text.isascii() and text.isdecimal():
            return min(float(text), MOST_RETRY_AFTER)
        try:
            date = parsedate_to_datetime(text)
            date = date if date.tzinfo else date.replace(tzinfo=UTC)
            return max(0.0, min(date.timestamp() - self._clock(), MOST_RETRY_AFTER))
        except (ValueError, TypeError, OverflowError):
            return 0.0

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        now = datetime.fromtimestamp(int(self._clock()), UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        if delivery.traceparent:
            headers["traceparent"] = delivery.traceparent
        if self._signers:
            body = delivery.body.decode()
            headers["webhook-signature"] = " ".join(signer.sign(delivery.id, now, body) for signer in self._signers)
        return headers


def validate_callback(url: str, policy: OutgoingPolicy) -> None:
    """Whether webhooks could ever be sent there, as far as the address itself shows.

    Raises InvalidRequest (code `url_refused`) with param `callback_url`.
    """
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError) as error:
        raise _refused("it is no URL") from error
    host = parsed.raw_host.decode("ascii", "replace").lower().rstrip(".")
    if parsed.scheme not in ("http", "https") or not host:
        raise _refused("it must begin with http:// or https:// and name a host")
    if parsed.userinfo:
        raise _refused("it holds a user name or password")
    if policy.hosts and host not in policy.hosts:
        raise _refused(f"this server sends to {', '.join(sorted(policy.hosts))} only")
    port = parsed.port if parsed.port is not None else 443 if parsed.scheme == "https" else 80
    known = _addresses(host)
    if known and not any(policy.allows(address, port) for address in known):
        raise _refused(f"its address is not a public one, or the port is none of {sorted(policy.ports)}")
    if port not in policy.ports and not (policy.networks and 0 < port < 65_536):
        raise _refused(f"the port is none of {sorted(policy.ports)}")


def _addresses(host: str) -> list[Address]:
    """What a host stands for without a name server: an address in any spelling, or this machine. Else nothing."""
    if host == "localhost" or host.endswith(".localhost"):
        return [ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1")]
    try:
        return [ipaddress.ip_address(host.partition("%")[0])]
    except ValueError:
        pass
    try:
        return [ipaddress.IPv4Address(socket.inet_aton(host))]  # 127.1, 0x7f000001, 2130706433
    except (OSError, ValueError):
        return []


def _signer(secret: str) -> Webhook:
    """Strict, because a secret with a slip in it would sign what no receiver can verify."""
    try:
        if not secret.startswith("whsec_"):
            raise ValueError
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (ValueError, binascii.Error) as error:
        raise ConfigError("a webhook secret is `whsec_` and then 24 to 64 random bytes in base64") from error
    if len(key) not in SECRET_BYTES:
        raise ConfigError(f"a webhook secret has 24 to 64 bytes; this one has {len(key)}")
    return Webhook(key)


def _short(reason: str) -> str:
    return reason[:MOST_REASON]


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(f"callback_url: refused, {why}", code="url_refused", param="callback_url")
