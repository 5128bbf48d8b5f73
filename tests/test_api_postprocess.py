"""`postprocess[]` over HTTP: in every format, of jobs, through a gateway, and where it is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pysubs2
import pytest

from endpoint.api.forms import TranscriptionForm, parse_fields
from endpoint.api.job_forms import JobForm
from endpoint.api.schemas import Transcription, Translation, VerboseTranscription
from endpoint.codec import decode_transcript
from endpoint.commands.flags import checked
from endpoint.commands.transcribe import FIELDS
from endpoint.config import Settings
from endpoint.errors import InvalidRequest
from endpoint.gateway.fleet import Fleet
from endpoint.options import Options, Postprocess
from endpoint.postprocess.processor import Postprocessing, Postprocessor
from endpoint.text.format import CAVEAT
from endpoint.types import Word
from endpoint.wiring import build_models
from tests.api_support import AUDIO, TRANSCRIPT, StandIn, app_of, assert_error, client_of, segment, serve
from tests.gateway_support import TOKEN, Gated, fleet_of
from tests.jobs_memory import MemoryStore, end_next, memory_jobs
from tests.language_model import Chat, chat, obedient
from tests.test_jobs_runner import World, working

ROUTE = "/v1/audio/transcriptions"
WORDS = (Word(" so", 0, 300), Word(" we", 300, 600), Word(" met", 600, 900))
FIRST = replace(segment(0, 0, 900, " so we met"), words=WORDS)
MORE = (Word(" anna", 4_000, 4_400), Word(" was", 4_400, 4_700), Word(" there", 4_700, 4_900))
SECOND = replace(segment(1, 4_000, 4_900, " anna was there"), words=MORE)
SPOKEN = replace(TRANSCRIPT, segments=(FIRST, SECOND), words=(*WORDS, *MORE))
TEXT = "So we met anna was there."


@pytest.fixture
def server() -> Iterator[Chat]:
    with chat(obedient) as made:
        yield made


async def post(server: Chat | None, path: str = ROUTE, core: StandIn | None = None, **fields: object) -> httpx.Response:
    settings = {} if server is None else {"llm_base_url": server.url, "llm_model": "small"}
    after = None if server is None else Postprocessor(server.settings())
    files = [("files[]", AUDIO)] * 2 if fields.pop("twice", False) else {"file": AUDIO}
    app = app_of(core or StandIn(SPOKEN), after=after, **settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        response = await client.post(path, data=fields, files=files)
    if after is not None:
        await after.close()
    return response


async def test_json(server: Chat) -> None:
    response = await post(server, postprocess="punctuation,summary,actions")
    body = response.json()
    Transcription.model_validate(body)
    assert body["text"] == TEXT
    steps = body["postprocess"]
    assert steps["punctuation"] == {"status": "done", "reason": None, "chunks": 1, "chunks_kept": 0, "tokens": 10}
    assert steps["summary"]["text"] == "It is about 25 characters."
    assert steps["actions"]["items"] == ["Anna writes to Ben.", "Ben calls."]
    assert steps["summary"]["caveat"] == steps["actions"]["caveat"] == CAVEAT
    assert "warnings" not in body
    assert body["usage"] == (await post(None)).json()["usage"]


async def test_segments_words_and_text_agree(server: Chat) -> None:
    fields = {"timestamp_granularities[]": ["segment", "word"], "postprocess[]": ["punctuation", "paragraphs"]}
    body = (await post(server, response_format="verbose_json", **fields)).json()
    VerboseTranscription.model_validate(body)
    assert [one["text"] for one in body["segments"]] == [" So we met", " anna was there."]
    assert [word["word"] for word in body["words"]] == TEXT.split()
    assert [word["start"] for word in body["words"]] == [0, 0.3, 0.6, 4.0, 4.4, 4.7]
    assert [one["text"] for one in body["paragraphs"]] == [TEXT]  # one topic, whatever the pause


@pytest.mark.parametrize("form", ["srt", "vtt"])
async def test_subtitles(server: Chat, form: str) -> None:
    response = await post(server, response_format=form, postprocess="punctuation", subtitle_layout="broadcast")
    events = pysubs2.SSAFile.from_string(response.text, form)
    assert " ".join(event.plaintext for event in events).split() == TEXT.split()
    assert "x-warnings" not in response.headers


async def test_paragraphs_of_text(server: Chat) -> None:
    server.respond = lambda asked: {"begins": [1]} if asked.kind == "Paragraphs" else obedient(asked)
    dotted = replace(SPOKEN, segments=(segment(0, 0, 900, " So."), segment(1, 1_000, 1_900, " Then.")))
    response = await post(server, core=StandIn(dotted), response_format="text", postprocess="paragraphs")
    assert response.text == "So.\n\nThen.\n"


async def test_what_was_not_done_is_in_the_response(server: Chat) -> None:
    server.respond = lambda asked: {"text": f"{asked.data} Hurrah."}
    body = (await post(server, postprocess="punctuation")).json()
    assert body["text"] == SPOKEN.text
    assert body["postprocess"]["punctuation"]["status"] == "kept_raw"
    assert body["postprocess"]["punctuation"]["reason"] == "words_changed"
    assert [one["code"] for one in body["warnings"]] == ["postprocess_incomplete"]
    response = await post(server, response_format="text", postprocess="punctuation")
    assert response.text == f"{SPOKEN.text}\n"
    assert json.loads(response.headers["x-warnings"])[0]["param"] == "postprocess[]"


async def test_translations_and_several_files(server: Chat) -> None:
    body = (await post(server, "/v1/audio/translations", postprocess="punctuation")).json()
    Translation.model_validate(body)
    assert (body["text"], body["postprocess"]["punctuation"]["status"]) == (TEXT, "done")
    rows = (await post(server, postprocess="punctuation", twice=True)).json()["data"]
    assert [row["result"]["text"] for row in rows] == [TEXT, TEXT]


async def test_a_server_without_a_language_model_refuses_it() -> None:
    core = StandIn()
    message = assert_error(await post(None, core=core, postprocess="summary"), 400, "unsupported", "postprocess[]")
    assert "LLM_BASE_URL" in message
    assert core.calls == []
    async with client_of(core, jobs=memory_jobs()) as client:
        response = await client.post("/v1/audio/jobs", data={"postprocess": "summary"}, files={"file": AUDIO})
    assert_error(response, 400, "unsupported", "postprocess[]")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"postprocess": "sing"}, "postprocess[]"),
        ({"postprocess": "summary", "response_format": "text"}, "postprocess[]"),
        ({"postprocess": "actions", "response_format": "srt"}, "postprocess[]"),
        ({"postprocess": "paragraphs"}, "postprocess[]"),
        ({"postprocess": "punctuation", "stream": "true"}, "stream"),
    ],
)
async def test_what_cannot_be_written_is_refused(server: Chat, fields: dict[str, str], param: str) -> None:
    core = StandIn()
    assert_error(await post(server, core=core, **fields), 400, "invalid_value", param)
    assert core.calls == []


async def test_routes_of_other_services_do_not_have_it(server: Chat) -> None:
    body = (await post(server, "/inference", postprocess="punctuation")).json()
    assert body["warnings"][0]["param"] == "postprocess"


def test_each_step_once_and_any_format_for_a_job() -> None:
    form = parse_fields(TranscriptionForm, [("postprocess", "punctuation"), ("postprocess[]", "punctuation,summary")])
    assert form.options().postprocess == (Postprocess.PUNCTUATION, Postprocess.SUMMARY)
    job = parse_fields(JobForm, [("postprocess", "summary,paragraphs"), ("response_format", "srt")])
    assert job.options().postprocess == (Postprocess.SUMMARY, Postprocess.PARAGRAPHS)
    assert job.options().words is False


def test_it_is_a_flag() -> None:
    assert any("postprocess" in fields.model_fields for fields in FIELDS)
    assert checked({"postprocess": ["punctuation,summary"]}, "json").postprocess == ("punctuation", "summary")
    with pytest.raises(InvalidRequest, match="--postprocess"):
        checked({"postprocess": ["summary"]}, "srt")


# ---- jobs, gateway, wiring ------------------------------------------------------------------------


async def test_a_job(server: Chat, tmp_path: Path) -> None:
    world, made = World(tmp_path), Postprocessor(server.settings())
    world.transcriber = made.after(StandIn(SPOKEN))
    await world.store.open()
    runner = world.runner()
    options = Options(postprocess=(Postprocess.PUNCTUATION, Postprocess.SUMMARY))
    async with working(runner):
        job = await world.ended(await world.submit(AUDIO, options=options))
        data = await world.store.result(job.id, 0)
    await world.store.close()
    await made.close()
    assert data is not None
    transcript = decode_transcript(data)
    assert transcript.text == TEXT
    assert [one.status for one in transcript.postprocessed] == ["done", "done"]


async def test_the_result_of_a_job() -> None:
    store = MemoryStore()
    async with client_of(StandIn(), jobs=memory_jobs(store=store), llm_base_url="http://x", llm_model="y") as client:
        sent = {"postprocess": "paragraphs"}
        job = (await client.post("/v1/audio/jobs", data=sent, files={"file": AUDIO})).json()["id"]
        await end_next(store, replace(SPOKEN, paragraphs=(0, 1)))
        text = (await client.get(f"/v1/audio/jobs/{job}/result?response_format=text")).text
    assert text == "so we met\n\nanna was there\n"


async def test_a_gateway_does_it_itself(server: Chat) -> None:
    core = Gated()
    made = Postprocessor(server.settings())
    with serve(core, engine_token=TOKEN) as base:
        async with fleet_of(base) as fleet:
            fleet._after = made
            app = app_of(StandIn(), llm_base_url=server.url, llm_model="small")
            app.state.server.models = fleet
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
                body = (await client.post(ROUTE, data={"postprocess": "punctuation"}, files={"file": AUDIO})).json()
    assert body["postprocess"]["punctuation"]["status"] == "done"
    assert core.calls[0][1].postprocess == ()


def test_wiring(server: Chat) -> None:
    assert isinstance(build_models(server.settings()).find(""), Postprocessing)
    assert not isinstance(build_models(Settings(engine="fake")).find(""), Postprocessing)
    fleet = build_models(server.settings(engines="http://a:1", engine_token=TOKEN))
    assert isinstance(fleet, Fleet)
    assert isinstance(fleet._after, Postprocessor)
