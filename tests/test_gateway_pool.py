"""Which engine server gets the work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from endpoint.errors import NotReady
from endpoint.gateway import pool
from endpoint.gateway.pool import EngineLost, Pool
from endpoint.gateway.wire import Info
from endpoint.types import EngineInfo

MODEL = EngineInfo("small", "fake", "1", "none", "none")


def made(*served: tuple[str, ...]) -> Pool:
    """A pool that looks at nothing: each server is ready and serves these models."""
    whole = Pool([f"http://{number}" for number in range(len(served))], "token", lambda: None)
    for server, names in zip(whole.servers, served, strict=True):
        server.ready, server.info = True, Info(dict.fromkeys(names, MODEL), names[0])
    return whole


async def test_the_least_audio_in_flight_gets_the_next_recording() -> None:
    servers = made(("small",), ("small",))
    with await servers.share("small", 60, ()) as long, await servers.share("small", 5, ()) as short:
        assert short.server is not long.server
        with await servers.share("small", 5, ()) as next_one:
            assert next_one.server is short.server
        long.correct(1)  # its length became known
        with await servers.share("small", 5, ()) as next_one:
            assert next_one.server is long.server
    assert [server.audio_seconds for server in servers.servers] == [0, 0]


async def test_idle_servers_take_turns() -> None:
    servers, got = made(("small",), ("small",), ("small",)), []
    for _ in range(6):
        with await servers.share("small", 1, ()) as share:
            got.append(share.server.base)
    assert got == ["http://0", "http://1", "http://2"] * 2


async def test_only_those_that_serve_the_model_and_are_ready() -> None:
    servers = made(("small",), ("small", "large"), ("large",))
    servers.lost(servers.servers[1], "it was killed")
    with await servers.share("large", 1, ()) as share:
        assert share.server is servers.servers[2]
    with pytest.raises(NotReady, match="small"):
        await servers.share("small", 1, {servers.servers[0]})  # which refused it


async def test_work_waits_for_a_server_that_restarts() -> None:
    servers = made(("small",))
    server = servers.servers[0]
    servers.lost(server, "it restarts")
    waiting = asyncio.ensure_future(servers.share("small", 1, ()))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert server.info is not None
    servers.found(server, server.info)
    with await waiting as share:
        assert share.server is server


async def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0.05)
    servers = made(("small",))
    servers.lost(servers.servers[0], "it was killed")
    with pytest.raises(NotReady):
        await servers.share("small", 1, ())


async def test_requests_are_let_in_while_the_last_server_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    servers = made(("small",))
    server = servers.servers[0]
    assert server.info is not None
    servers.found(server, server.info)
    servers.lost(server, "it restarts")
    servers.check("small")
    with pytest.raises(NotReady):
        servers.check("large")
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0.0)
    await asyncio.sleep(0.01)
    with pytest.raises(NotReady):
        servers.check("small")


async def test_whoever_serves_other_models_than_before_is_noticed() -> None:
    noticed = list[str]()
    servers = Pool(["http://a"], "token", lambda: noticed.append("changed"))
    for names in (("small",), ("small",), ("large",)):
        servers.found(servers.servers[0], Info(dict.fromkeys(names, MODEL), names[0]))
    assert len(noticed) == 2


async def test_a_server_that_takes_no_more_of_a_recording_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "SILENCE_SECONDS", 0.2)
    writers = list[asyncio.StreamWriter]()
    full = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)  # it reads nothing
    port = full.sockets[0].getsockname()[1]
    servers = Pool([f"http://127.0.0.1:{port}"], "token", lambda: None)
    await servers.start()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 16)

    try:
        async with aclosing(servers.lines(servers.servers[0], "/", {}, 1 << 40, endless())) as lines:
            with pytest.raises(EngineLost, match="nothing came"):
                await anext(lines)
    finally:
        await servers.close()
        full.close()
        for writer in writers:
            writer.transport.abort()
