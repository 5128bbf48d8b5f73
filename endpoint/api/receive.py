"""A request's file and fields, whatever its route: under a place, a deadline and the limits of size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from fastapi import Request

from endpoint.api.door import Door
from endpoint.api.limits import deadline, while_connected
from endpoint.api.schemas import AudioForm, parse_fields
from endpoint.api.upload import read_body, read_form
from endpoint.errors import InvalidRequest
from endpoint.outgoing import fetch

if TYPE_CHECKING:
    from endpoint.pipeline import Pipeline

F = TypeVar("F", bound=AudioForm)
MIB = 1024 * 1024


@asynccontextmanager
async def received(
    door: Door, request: Request, form: type[F], model: str = ""
) -> AsyncIterator[tuple[Pipeline, bytearray, F]]:
    """The model, the file and the checked fields of a request that holds a place and has a deadline.

    model: named in the path; it comes before the one in the form.
    """
    await door.check_any()
    with door.admission.place():
        async with deadline(door.settings.request_timeout_seconds):
            upload = await read_form(request.receive, request.headers, door.settings.max_upload_mb * MIB)
            fields = parse_fields(form, upload.fields)
            chosen = door.models.find(model or fields.model)
            yield chosen, await _file_or_url(door, request, upload.file, fields.url), fields


async def _file_or_url(door: Door, request: Request, file: bytearray | None, url: str) -> bytearray:
    if file is not None and url:
        raise InvalidRequest("url: give either `file` or `url`", param="url")
    if file is not None:
        return file
    if not url:
        raise InvalidRequest("file: the form has no file under this name", code="missing_file", param="file")
    return await while_connected(request.receive, fetch(url, door.outgoing, door.settings.max_upload_mb * MIB))


@asynccontextmanager
async def received_body(door: Door, request: Request) -> AsyncIterator[bytearray]:
    """The whole body of a request that holds a place and has a deadline."""
    await door.check_any()
    with door.admission.place():
        async with deadline(door.settings.request_timeout_seconds):
            yield await read_body(request.receive, request.headers, door.settings.max_upload_mb * MIB)
