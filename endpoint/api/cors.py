"""Cross-origin resource sharing: which web pages may call. https://fetch.spec.whatwg.org/#http-cors-protocol"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from endpoint.access.audio_limits import MinuteOfAudio, MonthOfAudio
from endpoint.access.charge import HEADER, REQUESTS
from endpoint.settings.base import split

_LIMITS = tuple(
    f"{HEADER}{shown}-{name}"
    for name in (REQUESTS, MinuteOfAudio.name, MonthOfAudio.name)
    for shown in ("limit", "remaining", "reset")
)
EXPOSED = ("x-request-id", "retry-after", "x-warnings", "location", *_LIMITS)


def add_cors(app: FastAPI, origins: str) -> None:
    """Let pages of these origins call every route and read every response.

    This must be the outermost middleware: a preflight has no key, and pages must be able to read every error.
    """
    app.add_middleware(
        CORSMiddleware,
        allow_origins=split(origins),
        allow_methods=("GET", "HEAD", "POST", "DELETE"),
        allow_headers=("*",),  # those that the preflight names, `authorization` among them
        expose_headers=EXPOSED,
    )
