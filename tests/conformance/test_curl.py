"""Plain curl, in the forms that users write by hand."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.clients import AUDIO
from tests.conformance.conftest import KEY
from tests.conformance.contract import FORMATS, MEDIA_TYPES, FileResults, check_error, check_events, check_response
from tests.conformance.test_fields import VAD
from tests.conformance.test_formats import SAMPLES, SEVEN
from tests.conformance.test_streams import STREAMED, events_of

pytestmark = pytest.mark.timeout(600)

TRANSCRIPTIONS, TRANSLATIONS = "/v1/audio/transcriptions", "/v1/audio/translations"
FILE = ("-F", f"file=@{AUDIO / 'seven.wav'}")


@dataclass(frozen=True)
class CurlResponse:
    status: int
    headers: dict[str, str]
    body: str

    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


def curl(url: str, *arguments: str, stdin: bytes = b"") -> CurlResponse:
    command = ["curl", "--silent", "--show-error", "--max-time", "60", "--dump-header", "/dev/stderr", url, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr.decode()
    head = [block for block in done.stderr.decode().replace("\r\n", "\n").split("\n\n") if block.strip()][-1]
    first, *lines = head.strip().split("\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return CurlResponse(int(first.split()[1]), headers, done.stdout.decode())


@pytest.mark.parametrize("form", [None, *FORMATS])
def test_formats(real: str, form: str | None) -> None:
    """-F response_format=..."""
    response = curl(real + TRANSCRIPTIONS, *FILE, *(("-F", f"response_format={form}") if form else ()))
    assert response.status == 200
    assert response.headers["content-type"] == MEDIA_TYPES[form or "json"]
    body = response.json() if form in (None, "json", "verbose_json") else response.body
    assert check_response(form or "json", body) == SEVEN


@pytest.mark.parametrize("form", FORMATS)
def test_translations(real: str, form: str) -> None:
    """Translations, in every format"""
    file = ("-F", f"file=@{SAMPLES / 'german.flac'}")
    response = curl(real + TRANSLATIONS, *file, "-F", "model=whisper-1", "-F", f"response_format={form}")
    assert response.headers["content-type"] == MEDIA_TYPES[form]
    recognized = check_response(form, response.json() if "json" in form else response.body, task="translate")
    assert recognized.startswith("hello friend")


@pytest.mark.parametrize(
    ("fields", "granularities"),
    [
        (["timestamp_granularities[]=word"], ["word"]),
        (["timestamp_granularities[]=segment"], ["segment"]),
        (["timestamp_granularities[]=word", "timestamp_granularities[]=segment"], ["word", "segment"]),
        (["timestamp_granularities=word"], ["word"]),
    ],
    ids=str,
)
def test_granularities(real: str, fields: list[str], granularities: list[str]) -> None:
    """-F timestamp_granularities[]=word, once, twice and without brackets"""
    forms = [part for field in ["response_format=verbose_json", *fields] for part in ("-F", field)]
    response = curl(real + TRANSCRIPTIONS, *FILE, *forms)
    assert check_response("verbose_json", response.json(), granularities=granularities) == SEVEN


@pytest.mark.parametrize(
    "arguments",
    [
        ("-F", "chunking_strategy=auto"),
        ("-F", f"chunking_strategy={json.dumps(VAD)}"),
        ("-F", f"chunking_strategy={json.dumps(VAD)};type=application/json"),
        ("--form-string", f"chunking_strategy={json.dumps(VAD)}"),
        ("-F", "chunking_strategy[type]=server_vad", "-F", "chunking_strategy[threshold]=0.4"),
    ],
    ids=str,
)
def test_chunking_strategy(real: str, arguments: tuple[str, ...]) -> None:
    """-F chunking_strategy=auto, as JSON, as JSON with a type, and in brackets"""
    assert check_response("json", curl(real + TRANSCRIPTIONS, *FILE, *arguments).json()) == SEVEN


@pytest.mark.parametrize(
    "arguments",
    [
        ("-F", f"file=@{AUDIO / 'seven.wav'};type=audio/wav"),
        ("-F", f"file=@{AUDIO / 'seven.wav'};filename=a b.mp3"),
        ("-F", f'file=@"{AUDIO / "seven.wav"}"'),
        ("-F", "file=@-"),
        ("--form", f"file=@{AUDIO / 'seven.wav'}", "--form", "model=whisper-1"),
    ],
    ids=["type", "filename", "quoted", "stdin", "long"],
)
def test_files(real: str, arguments: tuple[str, ...]) -> None:
    """-F file=@..., with a type, another name, in quotes, and from standard input"""
    response = curl(real + TRANSCRIPTIONS, *arguments, stdin=(AUDIO / "seven.wav").read_bytes())
    assert check_response("json", response.json()) == SEVEN


@pytest.mark.parametrize(
    "arguments",
    [
        ("-X", "POST"),
        ("-H", "Content-Type: multipart/form-data"),  # as OpenAI's documentation writes it
        ("-H", "Authorization: Bearer none"),
        ("-H", "Transfer-Encoding: chunked"),
        ("-H", "Expect: 100-continue"),
        ("-H", "Accept: text/html"),
        ("--http1.0",),
        ("--compressed",),
        ("-F", "language=en", "-F", "prompt=", "-F", "temperature=0", "-F", "stream=false"),
    ],
    ids=str,
)
def test_ways(real: str, arguments: tuple[str, ...]) -> None:
    """Headers, HTTP/1.0, chunked bodies, empty fields"""
    assert check_response("json", curl(real + TRANSCRIPTIONS, *FILE, *arguments).json()) == SEVEN


@pytest.mark.parametrize("path", [TRANSCRIPTIONS, TRANSLATIONS])
@pytest.mark.parametrize("form", STREAMED)
def test_stream(real: str, path: str, form: str) -> None:
    """-N -F stream=true"""
    response = curl(real + path, *FILE, "-N", "-F", "stream=true", "-F", f"response_format={form}")
    assert response.headers["content-type"] == MEDIA_TYPES["stream"]
    done = check_events(events_of(response.body), verbose=form == "verbose_json")
    assert path == TRANSLATIONS or done.text == SEVEN


@pytest.mark.parametrize("name", ["files[]", "file"])
@pytest.mark.parametrize("form", FORMATS)
def test_several_files(real: str, form: str, name: str) -> None:
    """Several files in one request, as files[] or file repeated: a list of what each alone would give"""
    wrong = AUDIO / "transcripts.json"
    files = [part for path in (AUDIO / "seven.wav", wrong, AUDIO / "seven.mp3") for part in ("-F", f"{name}=@{path}")]
    response = curl(real + TRANSCRIPTIONS, *files, "-F", f"response_format={form}")
    assert response.status == 200
    results = FileResults.model_validate(response.json()).data
    assert [(result.index, result.filename) for result in results] == [
        (0, "seven.wav"),
        (1, "transcripts.json"),
        (2, "seven.mp3"),
    ]
    for result in (results[0], results[2]):
        assert result.status == 200
        assert check_response(form, result.result) == SEVEN
    assert results[1].status == 400
    check_error({"error": results[1].error}, "invalid_audio", "file")


def test_include(real: str) -> None:
    """-F include[]=logprobs"""
    tokens = curl(real + TRANSCRIPTIONS, *FILE, "-F", "include[]=logprobs").json()["logprobs"]
    assert b"".join(bytes(token["bytes"]) for token in tokens).decode().strip() == SEVEN


@pytest.mark.parametrize(
    ("arguments", "status", "code", "param"),
    [
        ((), 400, "missing_file", "file"),
        (("-F", f"file=<{AUDIO / 'transcripts.json'}"), 400, "invalid_value", "file"),
        (("-F", "file=@/dev/null"), 400, "empty_file", "file"),
        ((*FILE, "-F", "response_format=yaml"), 400, "invalid_value", "response_format"),
        ((*FILE, "-F", "model=nonsense"), 404, "model_not_found", "model"),
        (("--data-binary", f"@{AUDIO / 'seven.wav'}"), 400, "invalid_form", None),
        (("-d", '{"file": "x"}', "-H", "Content-Type: application/json"), 400, "invalid_form", None),
        (("-X", "DELETE"), 405, "method_not_allowed", None),
        (("-X", "OPTIONS"), 405, "method_not_allowed", None),
    ],
    ids=str,
)
def test_errors(real: str, arguments: tuple[str, ...], status: int, code: str, param: str | None) -> None:
    """Errors: a missing or wrong file, wrong fields, no form, another method"""
    arguments = arguments or ("-F", "model=whisper-1")
    response = curl(real + TRANSCRIPTIONS, *arguments)
    assert response.status == status
    check_error(response.json(), code, param)
    assert ("allow" in response.headers) == (status == 405)


def test_no_key(keyed: str) -> None:
    """No key where there is one: 401, and the pages of health and documentation"""
    response = curl(keyed + TRANSCRIPTIONS, *FILE)
    assert response.status == 401
    assert response.headers["www-authenticate"] == "Bearer"
    check_error(response.json(), "invalid_api_key", None)
    assert curl(keyed + TRANSCRIPTIONS, *FILE, "-H", f"Authorization: Bearer {KEY}").status == 200
    assert [curl(keyed + page).status for page in ("/health", "/docs", "/openapi.json")] == [200] * 3


def test_large(fake: str, tmp_path: Path) -> None:
    """A file that is too large: 413, before it is sent where curl waits for that"""
    large = tmp_path / "large.wav"
    large.write_bytes(bytes(5_000_000))
    response = curl(fake + TRANSCRIPTIONS, "-F", f"file=@{large}")
    assert response.status == 413
    check_error(response.json(), "file_too_large", "file")


def test_fail_with_body(real: str) -> None:
    """--fail-with-body ends with 22 and shows the error"""
    command = ["curl", "-s", "--fail-with-body", real + TRANSCRIPTIONS, *FILE, "-F", "model=nonsense"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 22
    check_error(json.loads(done.stdout), "model_not_found", "model")
