"""Bodies as a server parses them, and addresses as people mistype them."""

from __future__ import annotations

import pytest

from endpoint.api.upload import read_form
from endpoint.bench.request import base_url, form, requests
from endpoint.errors import InvalidRequest
from tests.bench_support import recording


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/v1", "https://h.example/api/v1", "http://[::1]:80"])
def test_addresses_are_kept(url: str) -> None:
    assert base_url(url) == base_url(f"{url}/") == url


@pytest.mark.parametrize(
    "url",
    ["", "foo", "localhost:8000/v1", "127.0.0.1:8000", "ftp://h/v1", "http://", "http:///v1", "http://h:99999/v1",
     "http://h:x/v1", "http://h:0/v1", "http://h/v1?a=b", "http://h/v1#a", "http://[::1/v1"],
)  # fmt: skip
def test_addresses_that_are_none_are_named(url: str) -> None:
    with pytest.raises(InvalidRequest, match="http://HOST:PORT/v1") as refused:
        base_url(url)
    assert f"--url {url}" in refused.value.message


async def parsed(body: bytes, content_type: str) -> tuple[dict[str, str], bytes]:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    found = await read_form(receive, {"content-type": content_type}, 10_000_000)  # type: ignore[arg-type]
    return dict(found.fields), found.files[0].data.read()


async def test_a_form_holds_the_file_and_the_fields() -> None:
    file = b"\r\n--bytes\0" * 100
    fields, found = await parsed(*form(file, "audio/wav", {"model": "wörld", "stream": "true"}))
    assert (fields, found) == ({"model": "wörld", "stream": "true"}, file)


async def test_containers_come_in_turn_and_the_language_is_each_recordings() -> None:
    sounds = [recording(0.1, language=code) for code in ("en", "fr", "de")]
    made = requests(sounds, ("wav", "flac"), {"model": "m"}, say_language=True)
    found = [await parsed(request.body, request.content_type) for request in made]
    assert [fields for fields, _ in found] == [{"model": "m", "language": code} for code in ("en", "fr", "de")]
    assert [file[:4] for _, file in found] == [b"RIFF", b"fLaC", b"RIFF"]
    assert [request.recording for request in made] == sounds
    silent = requests(sounds, ("wav",), {"model": "m"}, say_language=False)
    assert [(await parsed(request.body, request.content_type))[0] for request in silent] == [{"model": "m"}] * 3
