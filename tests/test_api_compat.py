"""The routes of older services: a client only has to change the host."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from endpoint.api.compat_schemas import HuggingFaceResponse
from endpoint.options import Task
from endpoint.types import Notice, Word
from tests.api_support import AUDIO, TRANSCRIPT, WORDS, StandIn, assert_error, client_of

FILES = {"file": ("talk.wav", AUDIO, "audio/wav")}


@pytest.fixture
def core():
    return StandIn()


@pytest.mark.parametrize("path", ["/transcribe", "/transcribe/whisper-1", "/transcribe-whisper-1"])
async def test_transcribe_returns_text_and_segments(core, path):
    async with client_of(core) as client:
        response = await client.post(path, files=FILES, data={"language": "English", "initial_prompt": "hi"})
    assert response.status_code == 200, response.text
    body = response.json()
    assert set(body) == {"text", "language", "duration", "segments"}
    assert (body["text"], body["language"], body["duration"]) == (TRANSCRIPT.text, "en", 8.47)
    assert body["segments"][0] == {"id": 0, "start": 0.0, "end": 3.32, "text": "Hello wörld.", "words": None}
    ((data, options),) = core.calls
    assert (data, options.language, options.prompt, options.task) == (AUDIO, "en", "hi", Task.TRANSCRIBE)


async def test_words_stand_in_the_segment_whose_text_they_are():
    """Times do not decide it: a word of length 0 is within no segment."""
    first, second = TRANSCRIPT.segments
    late = (Word(" Good", 3_000, 3_300), Word(" bye.", 8_470, 8_470))
    segments = (replace(first, words=WORDS), replace(second, words=late))
    core = StandIn(replace(TRANSCRIPT, segments=segments, words=(*WORDS, *late)))
    async with client_of(core) as client:
        body = (await client.post("/transcribe", files=FILES, data={"word_timestamps": "true"})).json()
    assert core.calls[0][1].words
    first, second = body["segments"]
    assert [word["word"] for word in first["words"]] == ["Hello", "wörld"]
    assert [word["word"] for word in second["words"]] == ["Good", "bye."]


async def test_wrong_fields_are_named(core):
    async with client_of(core) as client:
        for data, param in (
            ({"task": "sing"}, "task"),
            ({"language": "klingon"}, "language"),
        ):
            assert_error(await client.post("/transcribe", files=FILES, data=data), 400, "invalid_value", param)
        assert_error(await client.post("/transcribe/other", files=FILES), 404, "model_not_found", "model")
        assert_error(await client.post("/transcribe-other", files=FILES), 404, "model_not_found", "model")
        assert_error(await client.post("/transcribe"), 400, "invalid_form")
    assert core.calls == []


async def test_translation_by_task(core):
    async with client_of(core) as client:
        await client.post("/transcribe", files=FILES, data={"task": "translate"})
    assert core.calls[0][1].task is Task.TRANSLATE


async def test_detect_language(core):
    async with client_of(core) as client:
        response = await client.post("/detect-language", files=FILES)
    assert response.json() == {"detected_language": "english", "language_code": "en", "confidence": 0.9}


@pytest.mark.parametrize("kind", ["audio/flac", "audio/x-wav; rate=16000", "application/octet-stream", ""])
async def test_raw_audio_is_taken_at_the_root(core, kind):
    async with client_of(core) as client:
        response = await client.post("/", content=AUDIO, headers={"content-type": kind} if kind else {})
    assert response.json() == {"text": TRANSCRIPT.text, "language": "en"}
    assert core.calls[0][0] == AUDIO


async def test_inputs_and_parameters_are_taken_at_the_root(core):
    given = {
        "inputs": base64.b64encode(AUDIO).decode(),
        "parameters": {"return_timestamps": True, "generate_kwargs": {"language": "de"}},
    }
    async with client_of(core) as client:
        response = await client.post("/", json=given)
        assert [chunk["timestamp"] for chunk in response.json()["chunks"]] == [[0.0, 3.32], [3.32, 8.47]]
        assert core.calls[0][1].language == "de"
        assert_error(await client.post("/", json={"inputs": 3}), 400, "invalid_value", "inputs")
        assert_error(await client.post("/", json=[1]), 400, "invalid_value", "inputs")
        odd = (await client.post("/", json={**given, "parameters": {"speed": 2, "chunk_length_s": 30}})).json()
        assert [(row["code"], row["param"]) for row in odd["warnings"]] == [("unknown_field", "speed")]
        wrong = {**given, "parameters": {"num_beam_groups": 5}}
        assert_error(await client.post("/", json=wrong), 400, "unsupported", "num_beam_groups")
        not_json = await client.post("/", content=b"{", headers={"content-type": "application/json"})
        assert_error(not_json, 400, "invalid_value")
        assert_error(await client.post("/", files=FILES), 400, "invalid_value")


async def test_a_warning_about_no_field_has_param_too():
    core = StandIn(replace(TRANSCRIPT, notices=(Notice("text_cut", "the text is cut off"),)))
    async with client_of(core) as client:
        body = (await client.post("/", content=AUDIO)).json()
    assert body["warnings"] == [{"code": "text_cut", "message": "the text is cut off", "param": None}]
    HuggingFaceResponse.model_validate(body)


async def test_the_root_keeps_the_limits_of_size(core):
    async with client_of(core, max_upload_mb=1) as client:
        response = await client.post("/", content=bytes(2**20 + 1), headers={"content-type": "audio/wav"})
    assert_error(response, 413, "file_too_large", "file")
    assert core.calls == []


async def test_without_the_page_a_browser_sees_links_and_a_program_json(core):
    async with client_of(core, served_model_name="<b>", page=False) as client:
        page = await client.get("/", headers={"accept": "text/html,*/*"})
        assert "&lt;b&gt;" in page.text
        assert page.headers["content-type"].startswith("text/html")
        assert (await client.get("/")).json()["docs"] == "/docs"
