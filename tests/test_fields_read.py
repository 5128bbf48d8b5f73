"""Fields of requests to all routes: names, repeats, warnings, STRICT_FIELDS."""

from __future__ import annotations

import json

import pytest

from tests.api_support import AUDIO, StandIn, assert_error, client_of

PATH = "/v1/audio/transcriptions"
FILES = {"file": ("a.wav", AUDIO)}


async def options_of(**data: object):
    core = StandIn()
    async with client_of(core) as client:
        response = await client.post(PATH, files=FILES, data=data)
    assert response.status_code == 200, response.text
    assert "warnings" not in response.json()
    return core.calls[0][1]


@pytest.mark.parametrize("name", ["timestamp_granularities[0]", "timestampGranularities", "timestamp-granularities[]"])
async def test_near_misses_are_taken_as_meant(name: str) -> None:
    assert (await options_of(**{"response-format": "verbose_json", name: "word"})).words


async def test_numbered_lists() -> None:
    options = await options_of(**{"languages[0]": "fr", "languages[1]": "de", "keywords[0]": "A", "hotwords[]": "B"})
    assert (options.languages, options.hotwords) == (("fr", "de"), "B, A")


@pytest.mark.parametrize("value", ["word,segment", '["word", "segment"]'])
async def test_lists_in_one_value(value: str) -> None:
    assert (await options_of(response_format="verbose_json", timestamp_granularities=value)).words


async def test_the_same_twice_is_no_error_and_different_values_are() -> None:
    assert (await options_of(language=["en", "en"], prompt="x", initial_prompt="x")).prompt == "x"
    async with client_of(StandIn()) as client:
        for data, param in (({"language": ["en", "de"]}, "language"), ({"prompt": "x", "initial_prompt": "y"}, None)):
            response = await client.post(PATH, files=FILES, data=data)
            assert_error(response, 400, "invalid_value", param or "initial_prompt")


async def test_auto_is_detected_whatever_the_default() -> None:
    options = await options_of(language="Auto")
    assert options.spoken_in("de").language is None
    assert (await options_of()).spoken_in("de").language == "de"


@pytest.mark.parametrize("form", ["json", "verbose_json"])
async def test_an_unknown_field_is_named_in_the_body(form: str) -> None:
    async with client_of(StandIn()) as client:
        for more in ({}, {"stream": "true"}):
            data = {"response_format": form, "langauge": "en", **more}
            response = await client.post(PATH, files=FILES, data=data)
            text = response.text.strip().rpartition("data: ")[2]
            (warning,) = json.loads(text)["warnings"]
            assert (warning["code"], warning["param"]) == ("unknown_field", "langauge")
            assert "`language`" in warning["message"]


async def test_an_unknown_field_is_named_in_a_header_and_in_lists_and_older_routes() -> None:
    async with client_of(StandIn()) as client:
        for form in ("text", "srt", "vtt"):
            response = await client.post(PATH, files=FILES, data={"response_format": form, "föö": "1"})
            assert json.loads(response.headers["x-warnings"])[0]["param"] == "föö"
        listed = await client.post(PATH, files=[("files[0]", AUDIO), ("files[1]", AUDIO)], data={"foo": "1"})
        assert len(listed.json()["data"]) == 2
        older = await client.post("/transcribe", files=FILES, data={"foo": "1"})
        for response in (listed, older):
            assert response.json()["warnings"][0]["param"] == "foo"


async def test_a_file_under_another_name_is_named() -> None:
    async with client_of(StandIn()) as client:
        response = await client.post(PATH, files={**FILES, "other": ("b", b"x")})
        assert response.json()["warnings"][0]["param"] == "other"
        assert_error(await client.post(PATH, files={**FILES, "prompt": ("b", b"x")}), 400, "invalid_value", "prompt")


async def test_strict() -> None:
    async with client_of(StandIn(), strict_fields=True) as client:
        assert_error(await client.post(PATH, files=FILES, data={"foo": "1"}), 400, "unknown_field", "foo")
        assert (await client.post(PATH, files=FILES, data={"patience": "1"})).status_code == 200
