"""Which web pages may call: cross-origin resource sharing, https://fetch.spec.whatwg.org/#http-cors-protocol."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from endpoint.config import split

EXPOSED = ("x-request-id", "retry-after", "x-warnings")


def add_cors(app: FastAPI, origins: str) -> None:
    """Let pages of these origins call every route and read every reply.

    It must be the outermost middleware: a preflight brings no key, and errors of all others have to be readable.
    """
    app.add_middleware(
        CORSMiddleware,
        allow_origins=split(origins),
        allow_methods=("GET", "HEAD", "POST"),
        allow_headers=("*",),  # those that the preflight names, `authorization` among them
        expose_headers=EXPOSED,
    )
