"""Engine servers as a Transcriber: the same results and errors, and what happens when a server is lost."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

import pytest

from endpoint.admission import Admission, Load, Urgency
from endpoint.call import Call, Priority
from endpoint.caller import Caller
from endpoint.core.transcriber import Progress, collect, transcribe
from endpoint.errors import (
    DeadlineExceeded,
    EndpointError,
    EngineFailed,
    InvalidAudio,
    NotReady,
    Overloaded,
    TooLarge,
)
from endpoint.gateway import pool
from endpoint.gateway.upstream import PIECE_BYTES
from endpoint.memfile import MemoryFile
from endpoint.options import Options, Task
from endpoint.types import Transcript
from tests.api_support import AUDIO, REFUSED, TRANSCRIPT, StandIn, serve
from tests.gateway_support import TOKEN, Gated, fleet_of, port_of, until
from tests.tcp_proxy import TcpProxy, proxy_to

STREAM = Options(incremental=True)


class Kept:
    """A checkpoint in memory."""

    def __init__(self, **found: bytes) -> None:
        self.found = {int(number.strip("w")): data for number, data in found.items()}
        self.saved: dict[int, bytes] = {}

    async def save(self, window: int, data: bytes) -> None:
        self.saved[window] = data


async def test_a_recording_goes_there_and_the_transcript_comes_back() -> None:
    core = Gated()
    data = bytes(range(256)) * (PIECE_BYTES // 100)  # more than two pieces
    with serve(core, engine_token=TOKEN) as base:
        async with fleet_of(base) as fleet:
            call = Call("req_1", Caller("key_1", "ours"), Priority.HIGH, seconds=60.0)
            file = MemoryFile(data)
            options = Options(task=Task.TRANSLATE, prompt="a\nb")
            made = await transcribe(fleet.find(""), file, options, call)
    assert made == replace(TRANSCRIPT, task=Task.TRANSLATE)
    assert core.calls == [(data, options)]
    seen = core.seen[0]
    assert (seen.id, seen.caller, seen.priority, seen.seconds) == ("req_1", call.caller, Priority.HIGH, 60.0)
    assert seen.checkpoint is None
    assert seen.permit is not None
    assert call.record.audio_seconds == TRANSCRIPT.duration_ms / 1000
    assert call.record.milliseconds()["encode+decode"] == 1500
    assert file.closed


async def test_segments_come_as_they_settle() -> None:
    core = Gated(after=False)
    with serve(core, engine_token=TOKEN) as base:
        async with fleet_of(base) as fleet, aclosing(fleet.find("").segments(AUDIO, STREAM, Call())) as steps:
            segments = []
            while len(segments) < len(TRANSCRIPT.segments):
                step = await anext(steps)
                assert isinstance(step, Progress)
                segments += step.segments
            assert tuple(segments) == TRANSCRIPT.segments  # and the server is still at work
            core.after.set()
            assert isinstance(await collect(steps), Transcript)


async def test_languages_are_detected_there() -> None:
    with serve(StandIn(), engine_token=TOKEN) as base:
        async with fleet_of(base) as fleet:
            assert await fleet.find("").detect(AUDIO, Options(), Call()) == ({"en": 0.9, "de": 0.1}, 8_470)


async def test_errors_keep_their_class() -> None:
    core = Gated()
    with serve(core, engine_token=TOKEN) as base:
        async with fleet_of(base) as fleet:
            for error in (InvalidAudio("no", code="no_audio"), TooLarge("long", code="audio_too_long")):
                core.failure = error
                with pytest.raises(type(error)) as raised:
                    await transcribe(fleet.find(""), AUDIO, Options())
                assert (raised.value.code, raised.value.message) == (error.code, error.message)
            core.failure = ZeroDivisionError("unexpected")
            with pytest.raises(EndpointError, match="its log has the details"):
                await transcribe(fleet.find(""), AUDIO, Options())
            with pytest.raises(InvalidAudio, match="empty"):
                await transcribe(fleet.find(""), b"", Options())
    assert len(core.calls) == 3


async def test_a_refusal_of_the_file_is_not_tried_again() -> None:
    first, second = StandIn(), StandIn()
    with serve(first, engine_token=TOKEN) as a, serve(second, engine_token=TOKEN) as b:
        async with fleet_of(a, b) as fleet:
            with pytest.raises(InvalidAudio):
                await transcribe(fleet.find(""), REFUSED, Options())
    assert len(first.calls + second.calls) == 1


async def test_leaving_ends_the_work_there() -> None:
    core = Gated(after=False)
    with serve(core, engine_token=TOKEN) as base:
        async with fleet_of(base) as fleet:
            steps = fleet.find("").segments(AUDIO, STREAM, Call())
            await anext(steps)
            await until(lambda: core.running == 1)
            assert fleet.pool.servers[0].audio_seconds == TRANSCRIPT.duration_ms / 1000
            await steps.aclose()
            await until(lambda: core.cancelled == 1)
            assert fleet.pool.servers[0].audio_seconds == 0


async def test_the_deadline_holds_there_too() -> None:
    core = Gated(before=False)
    with serve(core, engine_token=TOKEN) as base:
        async with fleet_of(base) as fleet:
            with pytest.raises(DeadlineExceeded):
                await transcribe(fleet.find(""), AUDIO, Options(), Call(seconds=0.05))
        await until(lambda: core.cancelled == 1)


async def test_windows_of_a_job_are_kept_by_the_gateway() -> None:
    core = Gated()
    with serve(core, engine_token=TOKEN) as base:
        async with fleet_of(base) as fleet:
            kept = Kept(w0=b"window 0")
            await transcribe(fleet.find(""), AUDIO, Options(), Call(urgency=Urgency.JOB, checkpoint=kept))
    assert core.windows == [1]
    assert kept.saved == {1: b"window 1"}
    assert core.seen[0].background
    assert core.seen[0].permit is None  # as in a server that works off its own jobs


async def test_the_gateways_own_limit_is_not_tried_elsewhere() -> None:
    first, second = Gated(), Gated()
    admission = Admission(9, 9, Load.of(1))
    with serve(first, engine_token=TOKEN) as a, serve(second, engine_token=TOKEN) as b:
        async with fleet_of(a, b) as fleet:
            with admission.permit() as other, admission.permit() as permit:
                other.add(5)
                with pytest.raises(Overloaded):
                    await transcribe(fleet.find(""), AUDIO, Options(), Call(permit=permit))
    assert len(first.calls + second.calls) == 1


# ---- servers that are lost


async def lost_at(core: Gated, other: Gated, options: Options, call: Call, ready) -> Transcript:
    """The transcript of a recording whose first server is cut off as soon as `ready()`."""
    async with AsyncExitStack() as stack:
        base = stack.enter_context(serve(core, engine_token=TOKEN))
        proxy: TcpProxy = await stack.enter_async_context(proxy_to(port_of(base)))
        there = stack.enter_context(serve(other, engine_token=TOKEN))
        fleet = await stack.enter_async_context(fleet_of(f"http://127.0.0.1:{proxy.port}", there))
        fleet.pool.servers[1].audio_seconds = 1e6  # so that the first one gets the work
        work = asyncio.ensure_future(transcribe(fleet.find(""), MemoryFile(AUDIO), options, call))
        await until(ready)
        proxy.reset = True
        proxy.cut()
        try:
            return await work
        finally:
            core.before.set()
            core.after.set()


async def test_work_of_a_lost_server_is_done_by_another_one() -> None:
    core, other, call = Gated(before=False), Gated(), Call()
    made = await lost_at(core, other, Options(), call, lambda: core.running == 1)
    assert made == TRANSCRIPT
    assert len(other.calls) == 1
    assert call.record.audio_seconds == TRANSCRIPT.duration_ms / 1000  # counted once


async def test_also_after_segments_that_nobody_reads() -> None:
    core, other = Gated(after=False), Gated()
    made = await lost_at(core, other, Options(), Call(), lambda: len(core.windows) == 2)
    assert made == TRANSCRIPT


async def test_windows_kept_by_a_lost_server_are_not_decoded_again() -> None:
    core, other, kept = Gated(after=False), Gated(), Kept()
    call = Call(urgency=Urgency.JOB, checkpoint=kept)
    await lost_at(core, other, Options(), call, lambda: len(kept.saved) == 2)
    assert (core.windows, other.windows) == ([0, 1], [])


async def test_a_stream_without_text_yet_goes_on_elsewhere() -> None:
    core, other = Gated(before=False), Gated()
    assert await lost_at(core, other, STREAM, Call(), lambda: core.running == 1) == TRANSCRIPT


async def test_a_stream_with_text_stays_where_it_is() -> None:
    core, other = Gated(after=False), Gated()
    with serve(core, engine_token=TOKEN) as base, serve(other, engine_token=TOKEN) as there:
        async with proxy_to(port_of(base)) as proxy, fleet_of(f"http://127.0.0.1:{proxy.port}", there) as fleet:
            fleet.pool.servers[1].audio_seconds = 1e6
            async with aclosing(fleet.find("").segments(AUDIO, STREAM, Call())) as steps:
                step = await anext(steps)
                while not step.segments:
                    step = await anext(steps)
                proxy.cut()
                with pytest.raises(EngineFailed, match="lost"):
                    await collect(steps)
            core.after.set()
    assert not other.calls


@pytest.mark.parametrize("error", [Overloaded("full"), EngineFailed("its engine is dead"), NotReady("loading")])
async def test_what_a_server_cannot_do_another_one_does(error: EndpointError) -> None:
    core, other = Gated(), Gated()
    core.failure = error
    with serve(core, engine_token=TOKEN) as a, serve(other, engine_token=TOKEN) as b:
        async with fleet_of(a, b) as fleet:
            fleet.pool.servers[1].audio_seconds = 1e6
            assert await transcribe(fleet.find(""), AUDIO, Options()) == TRANSCRIPT
    assert len(core.calls) == len(other.calls) == 1


async def test_where_all_refuse_the_caller_gets_the_refusal() -> None:
    first, second = Gated(), Gated()
    first.failure = second.failure = Overloaded("full", retry_after=7)
    with serve(first, engine_token=TOKEN) as a, serve(second, engine_token=TOKEN) as b:
        async with fleet_of(a, b) as fleet:
            with pytest.raises(Overloaded, match="full") as raised:
                await transcribe(fleet.find(""), AUDIO, Options())
    assert raised.value.retry_after == 7
    assert len(first.calls) == len(second.calls) == 1


async def test_a_recording_that_kills_servers_kills_a_few_only(monkeypatch: pytest.MonkeyPatch) -> None:
    core = Gated()
    core.failure = EngineFailed("died of it")
    with serve(core, engine_token=TOKEN) as base:
        async with fleet_of(base) as fleet:
            with pytest.raises(EngineFailed, match="died of it"):
                await transcribe(fleet.find(""), AUDIO, Options())
    assert len(core.calls) == 3


async def test_a_server_that_falls_silent_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "SILENCE_SECONDS", 1.0)
    core, other = Gated(before=False), Gated()
    with serve(core, engine_token=TOKEN) as base, serve(other, engine_token=TOKEN) as there:
        async with proxy_to(port_of(base)) as proxy, fleet_of(f"http://127.0.0.1:{proxy.port}", there) as fleet:
            fleet.pool.servers[1].audio_seconds = 1e6
            work = asyncio.ensure_future(transcribe(fleet.find(""), AUDIO, Options()))
            await until(lambda: core.running == 1)
            proxy.silent = True
            assert await work == TRANSCRIPT
            core.before.set()
