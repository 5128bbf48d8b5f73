import asyncio
from dataclasses import replace

import pytest

from endpoint.api import schemas
from endpoint.api.routes import PREFIXES
from endpoint.errors import (
    DeadlineExceeded,
    EndpointError,
    EngineFailed,
    InvalidAudio,
    InvalidRequest,
    NotReady,
    Overloaded,
    TooLarge,
)
from endpoint.options import Options, Task
from tests.api_support import AUDIO, TRANSCRIPT, WORDS, StandIn, assert_error, client_of

PATH = "/v1/audio/transcriptions"


async def post(core=None, path=PATH, file=AUDIO, settings=None, **fields):
    files = {"file": ("a.wav", file, "audio/wav")} if file is not None else {"nothing": (None, "")}
    fields = {name.replace("granularities", "granularities[]"): value for name, value in fields.items()}
    async with client_of(core or StandIn(), **(settings or {})) as client:
        return await client.post(path, files=files, data=fields)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(("name", "task"), [("transcriptions", Task.TRANSCRIBE), ("translations", Task.TRANSLATE)])
async def test_only_a_file(prefix, name, task):
    core = StandIn()
    response = await post(core, f"{prefix}/audio/{name}")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json()["text"] == "Hello wörld. Good bye."
    assert core.calls == [(AUDIO, Options(task=task))]


async def test_every_field():
    core = StandIn()
    response = await post(
        core,
        model="whisper-1",
        language="pt-BR",
        prompt="Olá",
        temperature="0.5",
        response_format="verbose_json",
        timestamp_granularities="segment",
        stream="false",
    )
    schemas.VerboseTranscription.model_validate(response.json(), strict=True)
    assert core.calls[0][1] == Options(language="pt", prompt="Olá", temperature=0.5)


async def test_granularities_without_brackets_and_empty_fields():
    async with client_of(StandIn()) as client:
        data = {"timestamp_granularities": ["segment", "segment"], "response_format": "verbose_json", "language": ""}
        response = await client.post(PATH, files={"file": AUDIO}, data=data)
    assert "segments" in response.json()


@pytest.mark.parametrize("asked", [["word"], ["segment"], ["segment", "word"], ["word", "segment", "word"]])
async def test_words_and_segments_are_listed_as_asked(asked):
    core = StandIn(replace(TRANSCRIPT, words=WORDS if "word" in asked else None))
    response = await post(core, response_format="verbose_json", timestamp_granularities=asked)
    schemas.VerboseTranscription.model_validate(response.json(), strict=True)
    assert core.calls[0][1].words == ("word" in asked)
    assert ("segments" in response.json()) == ("segment" in asked)
    assert ("words" in response.json()) == ("word" in asked)
    if "word" in asked:
        assert response.json()["words"][1] == {
            "word": "wörld", "start": 0.5, "end": 1.0, "probability": 1.0,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("form", "media_type"),
    [("text", "text/plain"), ("srt", "text/plain"), ("vtt", "text/vtt"), ("json", "application/json")],
)
async def test_response_format_decides_and_accept_does_not(form, media_type):
    async with client_of(StandIn()) as client:
        response = await client.post(
            PATH, files={"file": AUDIO}, data={"response_format": form}, headers={"accept": "image/png"}
        )
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(media_type)


async def test_verbose_translation():
    response = await post(path="/v1/audio/translations", response_format="verbose_json", language="de", unknown="x")
    schemas.VerboseTranslation.model_validate(response.json(), strict=True)


@pytest.mark.parametrize("model", ["", "whisper-test", "whisper-1", "gpt-4o-transcribe", "gpt-transcribe"])
async def test_model_names(model):
    assert (await post(model=model)).status_code == 200


async def test_unknown_model():
    core = StandIn()
    message = assert_error(await post(core, model="nonsense"), 404, "model_not_found", "model")
    assert "nonsense" in message
    assert "whisper-test" in message
    assert not core.calls


@pytest.mark.parametrize(
    ("field", "value", "part"),
    [
        ("temperature", "1.01", "less than or equal to 1"),
        ("temperature", "-0.1", "greater than or equal to 0"),
        ("temperature", "nan", ""),
        ("temperature", "inf", ""),
        ("temperature", "warm", "number"),
        ("response_format", "xml", "'json'"),
        ("language", "klingon", "no language"),
        ("stream", "perhaps", "boolean"),
        ("timestamp_granularities", "segment", "verbose_json"),
        ("timestamp_granularities", "sentence", "'segment'"),
    ],
)
async def test_wrong_fields_are_named(field, value, part):
    param = field.replace("granularities", "granularities[]")
    core = StandIn()
    message = assert_error(await post(core, **{field: value}), 400, "invalid_value", param)
    assert message.startswith(param)
    assert part in message
    assert not core.calls


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tinydiarize", "true"),
        ("early_stopping", "true"),
    ],
)
async def test_what_is_not_built_is_refused(field, value):
    async with client_of(StandIn()) as client:
        data = {"response_format": "verbose_json", field: value}
        response = await client.post(PATH, files={"file": AUDIO}, data=data)
    assert_error(response, 400, "unsupported", field)


@pytest.mark.parametrize(
    ("sent", "beams"),
    [
        ({"beam_size": "5"}, 5),
        ({"beam_size": "-1"}, None),  # whisper.cpp's clients
        ({"num_beams": "4"}, 4),
        ({"use_beam_search": "true", "n": "3"}, 3),
        ({"use_beam_search": "true", "n": "3", "beam_size": "2"}, 2),
        ({"use_beam_search": "true"}, 1),
        ({}, None),
    ],
)
async def test_beams_by_every_name(sent, beams):
    core = StandIn()
    assert (await post(core, patience="1.5", length_penalty="0.5", **sent)).status_code == 200
    sampling = core.calls[0][1].sampling
    assert (sampling.beam_size, sampling.patience, sampling.length_penalty) == (beams, 1.5, 0.5)


@pytest.mark.parametrize(("field", "value"), [("n", "3"), ("n", "0"), ("beam_size", "11"), ("length_penalty", "2")])
async def test_beams_out_of_range(field, value):
    assert_error(await post(**{field: value}), 400, "invalid_value", field)


async def test_unknown_fields_are_accepted():
    async with client_of(StandIn()) as client:
        data = {"beam_size": "1", "best_of": "5", "hotwords[]": ["a", "b"]}
        response = await client.post(PATH, files={"file": AUDIO, "other": b"x" * 100_000}, data=data)
    assert response.status_code == 200


async def test_a_field_given_twice():
    assert_error(await post(model=["whisper-1", "other"]), 400, "invalid_value", "model")


async def test_missing_file():
    assert_error(await post(file=None), 400, "missing_file", "file")


@pytest.mark.parametrize(
    ("failure", "status", "code", "param"),
    [
        (InvalidRequest("no", param="language"), 400, "invalid_value", "language"),
        (InvalidAudio("no"), 400, "invalid_audio", "file"),
        (TooLarge("no", code="audio_too_long"), 413, "audio_too_long", "file"),
        (NotReady("no"), 503, "model_loading", None),
        (Overloaded("no", retry_after=7), 503, "overloaded", None),
        (DeadlineExceeded("no"), 504, "timeout", None),
        (EngineFailed("no"), 500, "engine_failed", None),
        (EndpointError("no"), 500, "internal_error", None),
    ],
)
async def test_failures_of_the_core(failure, status, code, param):
    core = StandIn()
    core.failure = failure
    response = await post(core)
    assert assert_error(response, status, code, param) == "no"
    if isinstance(failure, Overloaded):
        assert response.headers["retry-after"] == "7"


async def test_an_unexpected_failure_is_not_shown():
    core = StandIn()
    core.failure = RuntimeError("secret")
    response = await post(core)
    message = assert_error(response, 500, "internal_error")
    assert "secret" not in message
    assert response.headers["x-request-id"] in message


async def test_a_core_that_is_loading_is_not_asked():
    core = StandIn()
    core.state = NotReady("loading")
    assert_error(await post(core), 503, "model_loading")
    assert not core.calls


async def test_deadline():
    core = StandIn(delay=30)
    assert "0.05 s" in assert_error(await post(core, settings={"request_timeout_seconds": 0.05}), 504, "timeout")
    assert (core.running, core.cancelled) == (0, 1)


async def test_permits_are_released():
    core = StandIn(delay=0.2)
    async with client_of(core, max_concurrent_requests=2) as client:
        responses = await asyncio.gather(*(client.post(PATH, files={"file": AUDIO}) for _ in range(5)))
        refused = [response for response in responses if response.status_code != 200]
        assert len(refused) == 3
        for response in refused:
            assert_error(response, 503, "overloaded")
            assert response.headers["retry-after"].isdecimal()
        core.failure = RuntimeError("boom")
        core.delay = 0
        for _ in range(4):
            assert (await client.post(PATH, files={"file": AUDIO})).status_code == 500
        core.failure = None
        assert (await client.post(PATH, files={"file": AUDIO})).status_code == 200


async def test_languages_keywords_and_multi_reach_the_core():
    core = StandIn()
    async with client_of(core) as client:
        form = {"languages[]": ["de", "French"], "keywords[]": ["Anna", "Bert"], "hotwords": "Carl"}
        assert (await client.post(PATH, files={"file": AUDIO}, data=form)).status_code == 200
        assert (await client.post(PATH, files={"file": AUDIO}, data={"language": "multi"})).status_code == 200
    (_, first), (_, second) = core.calls
    assert (first.languages, first.hotwords, first.language) == (("de", "fr"), "Carl, Anna, Bert", None)
    assert second.multilingual
    assert second.language is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"languages[]": ["xx"]}, "languages[]"),
        ({"language": "en", "languages[]": ["de"]}, "languages[]"),
        ({"keywords[]": ["<b>"]}, "keywords[]"),
    ],
)
async def test_wrong_languages_and_keywords(fields: dict[str, object], param: str):
    async with client_of(StandIn()) as client:
        response = await client.post(PATH, files={"file": AUDIO}, data=fields)
    assert_error(response, 400, "invalid_value", param)
