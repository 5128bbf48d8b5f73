"""Requests, encoded before the clock starts."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from endpoint.bench.containers import encode
from endpoint.bench.recordings import Recording
from endpoint.errors import InvalidRequest

TYPES = {"wav": "audio/wav", "flac": "audio/flac", "mp3": "audio/mpeg", "opus": "audio/ogg", "m4a": "audio/mp4"}


@dataclass(frozen=True)
class Request:
    """A body with its content type, and the recording in it."""

    body: bytes
    content_type: str
    recording: Recording


def base_url(text: str) -> str:
    """A server's address as clients have it: http://127.0.0.1:8000/v1. Raises InvalidRequest with the reason."""
    try:
        parts = urlsplit(text)
        port = parts.port  # raises for a port that is none
    except ValueError as error:
        raise InvalidRequest(f"--url {text}: {error}; write http://HOST:PORT/v1") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise InvalidRequest(f"--url {text}: that is no web address; write http://HOST:PORT/v1")
    if parts.query or parts.fragment:
        raise InvalidRequest(f"--url {text}: the address ends with the path, as in http://HOST:PORT/v1")
    return text.rstrip("/")


def form(file: bytes, content_type: str, fields: Mapping[str, str]) -> tuple[bytes, str]:
    """(multipart/form-data body, its content type) of a file and fields; RFC 7578."""
    mark = secrets.token_hex(16)
    head = "".join(
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head += f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="audio"\r\n'
    head += f"Content-Type: {content_type}\r\n\r\n"
    return b"".join((head.encode(), file, f"\r\n--{mark}--\r\n".encode())), f"multipart/form-data; boundary={mark}"


def requests(
    recordings: Sequence[Recording], containers: Sequence[str], fields: Mapping[str, str], *, say_language: bool
) -> list[Request]:
    """One for every recording, in the containers in turn. say_language: with the language of the recording."""
    made = []
    for number, recording in enumerate(recordings):
        container = containers[number % len(containers)]
        given = {**fields, "language": recording.language} if say_language else fields
        made.append(Request(*form(encode(recording.samples, container), TYPES[container], given), recording))
    return made
