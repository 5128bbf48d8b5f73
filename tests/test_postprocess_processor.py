"""A transcriber with a language model behind it: whatever that does, there is a transcript."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from endpoint.call import Call, Stage
from endpoint.core.transcriber import Progress, transcribe
from endpoint.observe import metrics
from endpoint.options import Options, Postprocess
from endpoint.postprocess import processor
from endpoint.postprocess.processor import Postprocessor
from endpoint.types import Transcript
from tests.api_support import TRANSCRIPT, StandIn, segment
from tests.language_model import Chat, chat, obedient

ALL = (Postprocess.PUNCTUATION, Postprocess.PARAGRAPHS, Postprocess.SUMMARY, Postprocess.ACTIONS)
SPOKEN = replace(TRANSCRIPT, segments=(segment(0, 0, 900, " so we met"), segment(1, 1_000, 1_900, " anna was there")))


@pytest.fixture
def server() -> Iterator[Chat]:
    with chat(obedient) as made:
        yield made


async def processed(
    server: Chat, *steps: Postprocess, core: StandIn | None = None, call: Call | None = None, **settings: Any
) -> Transcript:
    made = Postprocessor(server.settings(**settings))
    try:
        within = made.after(core or StandIn(SPOKEN))
        return await transcribe(within, b"sound", Options(postprocess=steps), call)
    finally:
        await made.close()


def counted(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(f"stt_postprocess_{name}", labels) or 0.0


async def test_all_steps_in_their_order(server: Chat) -> None:
    call = Call()
    made = await processed(server, *reversed(ALL), call=call)
    assert [one.step for one in made.postprocessed] == list(ALL)
    assert {one.status for one in made.postprocessed} == {"done"}
    assert made.text == "So we met anna was there."
    assert made.paragraphs == (0,)
    assert made.notices == ()
    assert made.usage == SPOKEN.usage
    read = {asked.data.partition(": ")[2] or asked.data for asked in server.asked if asked.kind != "Punctuated"}
    assert read == {"So we met anna was there."}  # the others read what has punctuation
    assert call.record.language_tokens == 10 * len(server.asked)
    assert call.record.waited[Stage.POSTPROCESS] > 0


async def test_the_core_is_not_asked_for_it(server: Chat) -> None:
    core = StandIn(SPOKEN)
    await processed(server, Postprocess.PUNCTUATION, core=core)
    assert core.calls[0][1] == Options()
    assert (await processed(server, core=core)) == SPOKEN
    assert len(server.asked) == 1


async def test_segments_on_the_way_are_as_recognized(server: Chat) -> None:
    made = Postprocessor(server.settings())
    options = Options(postprocess=(Postprocess.PUNCTUATION,), incremental=True)
    steps = [step async for step in made.after(StandIn(SPOKEN)).segments(b"sound", options, Call())]
    await made.close()
    settled = [one for step in steps if isinstance(step, Progress) for one in step.segments]
    assert settled == list(SPOKEN.segments)
    assert steps[-1].text == "So we met anna was there."


@pytest.mark.parametrize(
    ("status", "reason"), [(500, "server_error"), (429, "refused"), ("Sure! So we met.", "invalid_response")]
)
async def test_a_failure_leaves_the_text_and_is_reported(server: Chat, status: object, reason: str) -> None:
    labels = {"step": "punctuation", "status": "kept_raw", "reason": reason}
    before = counted("steps_total", **labels)
    server.respond = lambda _: status
    made = await processed(server, *ALL)
    assert made.segments == SPOKEN.segments
    assert made.paragraphs is None
    assert [(one.status, one.reason) for one in made.postprocessed] == [
        ("kept_raw", reason), ("kept_raw", reason), ("failed", reason), ("failed", reason)
    ]  # fmt: skip
    assert [notice.code for notice in made.notices] == ["postprocess_incomplete"] * 4
    assert reason in made.notices[0].message
    assert counted("steps_total", **labels) == before + 1


async def test_a_server_that_is_slow(server: Chat) -> None:
    server.gate.clear()
    made = await processed(server, *ALL, llm_timeout_seconds=0.3)
    assert {one.reason for one in made.postprocessed} == {"timeout"}
    assert made.segments == SPOKEN.segments


async def test_it_leaves_the_request_time_to_respond(server: Chat) -> None:
    server.gate.clear()
    call = Call(seconds=2.0)
    async with call.deadline():
        made = await processed(server, *ALL, call=call)
    assert {one.reason for one in made.postprocessed} == {"timeout"}


async def test_a_server_that_is_gone() -> None:
    with chat(obedient) as gone:
        pass
    made = await processed(gone, *ALL)
    assert {one.reason for one in made.postprocessed} == {"unreachable"}


async def test_tokens_are_limited_for_all_recordings_of_a_request(server: Chat) -> None:
    call = Call()
    for _ in range(3):
        await processed(server, Postprocess.PUNCTUATION, call=call, llm_max_tokens=400)
    assert call.record.language_tokens == 30
    call.record.language_tokens = 390
    made = await processed(server, *ALL, call=call, llm_max_tokens=400)
    assert {one.reason for one in made.postprocessed} == {"token_limit"}
    assert len(server.asked) == 3


async def test_nothing_to_do_where_nothing_was_spoken(server: Chat) -> None:
    silent = StandIn(replace(TRANSCRIPT, segments=()))
    made = await processed(server, *ALL, core=silent)
    assert {(one.status, one.reason) for one in made.postprocessed} == {("skipped", "no_text")}
    made = await processed(server, Postprocess.SPEAKERS)  # without `diarize`
    assert [(one.status, one.reason) for one in made.postprocessed] == [("skipped", "no_speakers")]
    assert made.notices == ()
    assert server.asked == []


async def test_a_fault_of_ours_leaves_the_text(server: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(processor.STEPS, Postprocess.PUNCTUATION, fail)
    made = await processed(server, *ALL)
    ended = [(one.status, one.reason) for one in made.postprocessed]
    assert ended[:2] == [("failed", "internal_error"), ("done", None)]
    assert made.segments == SPOKEN.segments


async def test_a_caller_that_leaves_ends_the_work(server: Chat) -> None:
    server.gate.clear()
    task = asyncio.ensure_future(processed(server, Postprocess.PUNCTUATION))
    while not server.asked:  # noqa: ASYNC110 - in another thread
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_it_passes_on_the_rest(server: Chat) -> None:
    core, made = StandIn(), Postprocessor(server.settings())
    within = made.after(core)
    await within.start()
    await within.check()
    assert within.info == core.info
    assert (await within.detect(b"sound", Options(), Call()))[0] == {"en": 0.9, "de": 0.1}
    await within.close()
    await made.close()
    assert core.closed
