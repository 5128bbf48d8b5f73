"""The page for people, at `/`: its document with a nonce of its own, its files, and who is asking.

The files are plain ES modules, style sheets and vendored scripts in `endpoint/page/`; nothing is built. Browsers keep
them and ask whether they have changed, by a hash of their bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import secrets
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from endpoint import __version__
from endpoint.api.openapi import error_responses
from endpoint.api.schemas import ResponseModel
from endpoint.api.state import ServerState, caller_of
from endpoint.caller import Scope as KeyScope
from endpoint.languages import NAMES

FOLDER = Path(__file__).parents[1] / "page"
_DOCUMENT = "index.html"
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain"}
# Scripts that carry the nonce may load others; nothing else runs, and nothing is fetched from another host.
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'nonce-{nonce}'; connect-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
}


@dataclass(frozen=True)
class _File:
    """tag: the hash of `data`. small: `data` by gzip."""

    media_type: str
    tag: str
    data: bytes
    small: bytes

    @classmethod
    def of(cls, path: Path) -> _File:
        data = path.read_bytes()
        media_type = f"{_MEDIA_TYPES[path.suffix]}; charset=utf-8"
        return cls(media_type, hashlib.sha256(data).hexdigest()[:32], data, gzip.compress(data, mtime=0))


@cache
def _files() -> dict[str, _File]:
    """Every file by its path below `/page/`."""
    found = (path for path in FOLDER.rglob("*") if path.suffix in _MEDIA_TYPES)
    return {path.relative_to(FOLDER).as_posix(): _File.of(path) for path in found}


@cache
def _document() -> str:
    return (FOLDER / _DOCUMENT).read_text(encoding="utf-8")


class PageFiles:
    """ASGI application: the files of the page."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        response = _file_response(name, scope["method"], Headers(scope=scope))
        await response(scope, receive, send)


def _file_response(name: str, method: str, headers: Headers) -> Response:
    file = _files().get(name)
    if file is None or method not in ("GET", "HEAD"):
        return Response(status_code=404 if file is None else 405, headers=_HEADERS)
    small = "gzip" in headers.get("accept-encoding", "")
    tag = f'"{file.tag}{"-gzip" if small else ""}"'
    sent = {**_HEADERS, "etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if tag in (known.strip() for known in headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=sent)
    if small:
        sent["content-encoding"] = "gzip"
    return Response(file.small if small else file.data, headers=sent, media_type=file.media_type)


def page_response(server: ServerState) -> Response:
    """The document. Its scripts and styles carry a nonce that is made for this response."""
    nonce = secrets.token_urlsafe(18)
    body = _document().replace("{nonce}", nonce).replace("{server}", escape(json.dumps(_about(server))))
    policy = {"content-security-policy": _POLICY.replace("{nonce}", nonce), "cache-control": "no-store"}
    return HTMLResponse(body, headers={**_HEADERS, **policy})


def _about(server: ServerState) -> dict[str, object]:
    """What the page has to know of the server before somebody signs in."""
    settings = server.settings
    return {
        "version": __version__,
        "keys": server.keys is not None,
        "managesKeys": server.keys is not None and bool(settings.keys_url),
        "clientSecrets": server.keys is None or server.keys.kept,
        "jobs": server.jobs is not None,
        "usage": server.meter is not None,
        "metrics": settings.metrics and settings.metrics_port is None,
        "maxUploadMb": settings.max_upload_mb,
        "maxAudioSeconds": settings.max_audio_seconds,
        "speakers": server.models.finds_speakers,
        "vocabularies": sorted(settings.vocabularies),
        "languages": NAMES,
    }


class CallerObject(ResponseModel):
    """Who sends the request."""

    object: Literal["caller"] = Field("caller", description="Always this word.")
    id: str = Field(description="Id of the key; `anonymous` where no keys are asked for.")
    name: str = Field(description="Of the key, for people.")
    scopes: list[KeyScope] = Field(description="What may be done with the key.")


def caller_routes() -> APIRouter:
    """The route without its prefix."""
    router = APIRouter(tags=["server"])

    @router.get("/caller", responses=error_responses(401))
    async def caller(request: Request) -> CallerObject:
        """The caller of this request, by its key, and its scopes. An extension."""
        found = caller_of(request)
        return CallerObject(id=found.id, name=found.name, scopes=sorted(found.scopes))

    return router
