"""Webhooks against a receiver on a socket of its own; the outbox is in memory, and its clock is set by hand."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
import structlog
from standardwebhooks import Webhook, WebhookVerificationError

from endpoint.errors import ConfigError
from endpoint.jobs.job import Delivery
from endpoint.jobs.store import LEASE_SECONDS
from endpoint.jobs.webhook import BACK_OFF, Dispatcher
from endpoint.outgoing import OutgoingPolicy
from tests.jobs_receiver import Clock, Outbox, receiving

HERE = OutgoingPolicy.parse("", "127.0.0.0/8")
OLD = "whsec_" + base64.b64encode(b"an older secret of 32 bytes.....").decode()
NEW = "whsec_" + base64.b64encode(b"a newer secret of 32 bytes......").decode()
BODY = '{"type":"audio.job.succeeded","data":{"metadata":{"für":"日本"}}}'.encode()


def delivery(url: str, name: str = "msg_1", **more: Any) -> Delivery:
    return Delivery(name, "job_1", url, BODY, 0.0, **more)


def dispatcher(outbox: Outbox, *secrets: str, policy: OutgoingPolicy = HERE, **more: Any) -> Dispatcher:
    more = {"poll_seconds": 0.01, "jitter": random.Random(1), "clock": outbox.clock} | more
    return Dispatcher(outbox, policy, secrets, **more)


# ---- what is sent


async def test_two_errors_then_it_arrives_with_the_same_id_and_signed_each_time() -> None:
    async with receiving(500, 500) as receiver:
        outbox = Outbox(clock := Clock(), delivery(receiver.url))
        sender = dispatcher(outbox, NEW)
        for attempt in (1, 2):
            assert await sender.step() == 1
            assert (outbox.only.attempts, outbox.only.failed) == (attempt, "status 500")
            assert await sender.step() == 0  # not due
            assert outbox.only.due - clock.now == pytest.approx(BACK_OFF[attempt - 1], rel=0.2)
            clock.now = outbox.only.due
        assert await sender.step() == 1
        assert (outbox.done, outbox.waiting) == (["msg_1"], {})
        assert len(receiver.requests) == 3
        for line, headers, body in receiver.requests:
            assert line == "POST /hooks?token=abc HTTP/1.1"
            assert (headers["webhook-id"], body) == ("msg_1", BODY)
            assert (headers["content-type"], headers["user-agent"]) == ("application/json", "whisper-endpoint")
            Webhook(NEW).verify(body, headers)
        times = [int(headers["webhook-timestamp"]) for _, headers, _ in receiver.requests]
        assert times[-1] == int(clock.now)
        assert times == sorted(set(times))


async def test_what_was_altered_does_not_verify() -> None:
    async with receiving() as receiver:
        await dispatcher(Outbox(Clock(), delivery(receiver.url)), NEW).step()
    ((_, headers, body),) = receiver.requests
    later = str(int(headers["webhook-timestamp"]) + 1)
    for data, wrong in (
        (body + b" ", headers),
        (body, headers | {"webhook-id": "msg_2"}),
        (body, headers | {"webhook-timestamp": later}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(NEW).verify(data, wrong)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(body, headers)


async def test_two_secrets_sign_both() -> None:
    async with receiving() as receiver:
        await dispatcher(Outbox(Clock(), delivery(receiver.url)), NEW, OLD).step()
    ((_, headers, body),) = receiver.requests
    assert [one[:3] for one in headers["webhook-signature"].split(" ")] == ["v1,", "v1,"]
    for secret in (OLD, NEW):
        Webhook(secret).verify(body, headers)


async def test_without_secrets_nothing_is_signed() -> None:
    async with receiving() as receiver:
        await dispatcher(Outbox(Clock(), delivery(receiver.url))).step()
    ((_, headers, _),) = receiver.requests
    assert {name for name in headers if name.startswith("webhook-")} == {"webhook-id", "webhook-timestamp"}


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", NEW.removeprefix("whsec_"), "whsec_" + "AAAA" * 7, NEW[:-3] + "!" + NEW[-2:], NEW[:-2]],
)
def test_wrong_secrets_are_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ConfigError, match="24 to 64") as caught:
        dispatcher(Outbox(Clock()), secret)
    assert not secret.removeprefix("whsec_") or secret.removeprefix("whsec_") not in caught.value.message


def test_three_secrets_are_too_many() -> None:
    with pytest.raises(ConfigError, match="at most 2"):
        dispatcher(Outbox(Clock()), NEW, OLD, NEW)


async def test_cookies_of_a_receiver_are_not_kept() -> None:
    async with receiving((200, "set-cookie: a=b\r\n")) as receiver:
        outbox = Outbox(Clock(), delivery(receiver.url), delivery(receiver.url, "msg_2"))
        async with running(dispatcher(outbox, at_once=1)):
            await until(lambda: len(outbox.done) == 2)
    assert ["cookie" in headers for _, headers, _ in receiver.requests] == [False, False]


# ---- what comes of it


async def test_a_receiver_that_hangs_is_a_timeout() -> None:
    async with receiving(0) as receiver:
        outbox = Outbox(Clock(), delivery(receiver.url))
        await dispatcher(outbox, timeout_seconds=0.05).step()
    assert outbox.only.failed == "timeout: no response within 0.05 s"


async def test_redirects_are_not_followed() -> None:
    async with receiving() as other, receiving((307, f"location: {other.url}\r\n")) as receiver:
        outbox = Outbox(Clock(), delivery(receiver.url))
        await dispatcher(outbox).step()
        assert (outbox.only.failed, outbox.only.attempts) == ("status 307", 1)
        assert other.requests == []


async def test_410_is_the_end() -> None:
    async with receiving(410) as receiver:
        outbox = Outbox(Clock(), delivery(receiver.url))
        await dispatcher(outbox).step()
    assert [(one.failed, one.attempts) for one in outbox.given_up] == [("status 410", 1)]


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_obeyed(status: int) -> None:
    clock = Clock()
    dated = formatdate(int(clock.now) + 600, usegmt=True)
    for text, seconds in (("90", 90), (dated, 600), ("99999999", 86_400), ("Fri, 01 Jan 2100 00:00:00 GMT", 86_400)):
        async with receiving((status, f"retry-after: {text}\r\n")) as receiver:
            outbox = Outbox(clock, delivery(receiver.url))
            await dispatcher(outbox).step()
        assert outbox.only.due - clock.now == pytest.approx(seconds, abs=1.0), text


@pytest.mark.parametrize("text", ["1", "0", "soon", "-5", "", "Sun, 06 Nov 1994 08:49:37 GMT"])
async def test_retry_after_never_shortens_the_back_off(text: str) -> None:
    async with receiving((503, f"retry-after: {text}\r\n")) as receiver:
        outbox = Outbox(Clock(), delivery(receiver.url))
        await dispatcher(outbox).step()
    assert outbox.only.due - outbox.clock.now == pytest.approx(BACK_OFF[0], rel=0.2)


async def test_attempts_end_after_more_than_a_day() -> None:
    async with receiving(*[500] * 20) as receiver:
        outbox = Outbox(clock := Clock(), delivery(receiver.url))
        began, sender = clock.now, dispatcher(outbox)
        while outbox.waiting:
            await sender.step()
            if outbox.waiting:
                clock.now = outbox.only.due
    assert len(receiver.requests) == len(BACK_OFF) + 1 == outbox.given_up[0].attempts
    assert sum(BACK_OFF) > 86_400
    assert clock.now - began == pytest.approx(sum(BACK_OFF), rel=0.2)


async def test_a_receiver_that_is_not_there_is_tried_again() -> None:
    async with receiving() as receiver:
        url = receiver.url
    outbox = Outbox(Clock(), delivery(url))
    await dispatcher(outbox).step()
    assert (outbox.only.failed or "").startswith("unreachable: ")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_private_addresses_are_given_up(host: str) -> None:
    async with receiving() as receiver:
        outbox = Outbox(Clock(), delivery(receiver.url.replace("127.0.0.1", host)))
        await dispatcher(outbox, policy=OutgoingPolicy(ports=frozenset({receiver.port}))).step()
        assert receiver.requests == []
    (given_up,) = outbox.given_up
    assert (given_up.failed or "").startswith("refused: its address is not a public one")


async def test_a_name_that_leads_inside_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(_: Any, host: str, port: int, **__: Any) -> list[tuple[Any, ...]]:
        return [(2, 1, 6, "", ("10.0.0.1", port))]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", resolve)
    outbox = Outbox(Clock(), delivery("https://example.com/"))
    await dispatcher(outbox, policy=OutgoingPolicy()).step()
    (given_up,) = outbox.given_up
    assert (given_up.failed or "").startswith("refused: its address is not a public one")


async def test_one_that_cannot_be_sent_does_not_stop_the_others() -> None:
    async with receiving() as receiver:
        broken = replace(delivery(receiver.url, "msg_0"), body=b"\xff")
        outbox = Outbox(Clock(), broken, delivery(receiver.url))
        assert await dispatcher(outbox, NEW).step() == 2
    assert outbox.done == ["msg_1"]
    assert (outbox.only.failed or "").startswith("unreachable: 'utf-8'")


# ---- the loop


@asynccontextmanager
async def running(sender: Dispatcher) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(sender.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nothing tells when it is so
            await asyncio.sleep(0.005)


async def test_one_that_was_sent_and_not_marked_is_sent_again_with_the_same_id() -> None:
    async with receiving(0) as receiver:
        outbox = Outbox(clock := Clock(), delivery(receiver.url))
        async with running(dispatcher(outbox, NEW)):
            await receiver.arrived.wait()
        assert (outbox.done, outbox.only.attempts) == ([], 0)
        assert await dispatcher(outbox, NEW).step() == 0  # still leased
        clock.now += LEASE_SECONDS
        assert await dispatcher(outbox, NEW).step() == 1
        assert outbox.done == ["msg_1"]
    assert [headers["webhook-id"] for _, headers, _ in receiver.requests] == ["msg_1", "msg_1"]


async def test_a_store_that_fails_is_waited_for() -> None:
    with structlog.testing.capture_logs() as lines:
        async with receiving() as receiver:
            outbox = Outbox(Clock(), delivery(receiver.url))
            outbox.unavailable = 3
            async with running(dispatcher(outbox)):
                await until(lambda: outbox.done)
    assert [line["event"] for line in lines] == ["webhooks wait for the store", "webhook delivered"]


async def test_one_that_could_not_be_marked_is_sent_again() -> None:
    async with receiving() as receiver:
        outbox = Outbox(clock := Clock(), delivery(receiver.url))
        outbox.unmarked = 1
        async with running(dispatcher(outbox)):
            await until(lambda: not outbox.unmarked)
            clock.now += LEASE_SECONDS
            await until(lambda: outbox.done)
    assert len(receiver.requests) == 2


async def test_one_that_hangs_does_not_hold_up_the_next() -> None:
    async with receiving(0) as slow, receiving() as quick:
        outbox = Outbox(Clock(), delivery(slow.url), *(delivery(quick.url, f"msg_{n}") for n in range(2, 9)))
        async with running(dispatcher(outbox, at_once=2)):
            await until(lambda: len(outbox.done) == 7)
        assert outbox.only.id == "msg_1"


async def test_no_more_are_sent_at_once_than_allowed() -> None:
    async with receiving(*[0] * 9) as receiver:
        outbox = Outbox(Clock(), *(delivery(receiver.url, f"msg_{n}") for n in range(9)))
        async with running(dispatcher(outbox, at_once=3)):
            await until(lambda: len(receiver.requests) == 3)
            await asyncio.sleep(0.05)  # several looks at the store
            assert (len(receiver.requests), len(outbox.leased)) == (3, 3)


async def test_nothing_secret_is_logged() -> None:
    with structlog.testing.capture_logs() as lines:
        async with receiving(500) as receiver:
            outbox = Outbox(clock := Clock(), delivery(receiver.url))
            await dispatcher(outbox, NEW).step()
            clock.now += 10
            await dispatcher(outbox, NEW).step()
    assert [line["event"] for line in lines] == ["webhook not delivered", "webhook delivered"]
    assert not any(word in str(lines) for word in (NEW, "token", "metadata"))
