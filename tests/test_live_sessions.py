"""What the live sessions of a process share."""

from __future__ import annotations

import asyncio

import pytest

from endpoint.errors import ModelNotFound
from endpoint.live.sessions import LiveSessions
from endpoint.models import Models, Names
from tests.api_support import StandIn, app_of


def made(**settings: object) -> LiveSessions:
    return app_of(StandIn(), **settings).state.server.live


async def test_sessions_are_counted_and_waited_for():
    live = made()
    with live.opened():
        assert live.record.open == 1
        draining = asyncio.create_task(live.drain(600))
        await live.ending.wait()
        assert not draining.done()
    await draining
    assert (live.record.open, live.record.counts["sessions"]) == (0, 1)


async def test_draining_has_an_end():
    live = made()
    with live.opened():
        await live.drain(0.01)
    await live.drain(600)  # nobody is there


def test_the_pace_is_that_of_the_engine():
    live = made()
    assert live.pace("") is live.pace("whisper-test")
    assert live.pace("")._most == 32
    assert made(live_passes=3).pace("")._most == 3
    with pytest.raises(ModelNotFound):
        live.pace("gpt-9")


def test_two_models_have_a_pace_each():
    settings = app_of({"a": StandIn(), "b": StandIn()}).state.server.settings
    live = LiveSessions(settings, Models(Names.of(settings), {"a": StandIn(), "b": StandIn()}))
    assert live.pace("a") is not live.pace("b")


def test_each_stream_has_a_voice_of_its_own():
    live = made()
    assert live.voice() is not live.voice()
    live.threads.submit(live.voice).result()
    live.close()
    made().close()  # no thread was used
