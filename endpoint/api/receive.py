"""A request's files and fields, whatever its route: under a place, a deadline and the limits of size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from fastapi import Request

from endpoint.api.door import Door
from endpoint.api.forms import AudioForm, parse_fields
from endpoint.api.limits import deadline, while_connected
from endpoint.api.upload import File, Form, read_body, read_form
from endpoint.errors import InvalidRequest
from endpoint.memfile import MemoryFile
from endpoint.outgoing import fetch

if TYPE_CHECKING:
    from endpoint.pipeline import Pipeline

F = TypeVar("F", bound=AudioForm)
MIB = 1024 * 1024


@dataclass(frozen=True)
class Received(Generic[F]):
    """files: one or more. several: whether the answer is to be a list. pipeline: of the model asked for."""

    fields: F
    files: tuple[File, ...]
    several: bool
    pipeline: Pipeline

    @property
    def file(self) -> MemoryFile:
        """The one file. Raises InvalidRequest if there are several."""
        if self.several:
            raise InvalidRequest("file: this route takes one file", param="file")
        return self.files[0].data


@asynccontextmanager
async def received(
    door: Door, request: Request, form: type[F], model: str = "", *, query: bool = False
) -> AsyncIterator[Received[F]]:
    """The files and the checked fields of a request that holds a place and has a deadline.

    model: named in the path; it comes before the one in the form. query: whether fields stand in the address too.
    """
    await door.check_any()
    with door.admission.place():
        async with deadline(door.settings.request_timeout_seconds):
            upload = await read_form(request.receive, request.headers, door.settings.max_upload_mb * MIB)
            given = [*(request.query_params.multi_items() if query else ()), *upload.fields]
            fields = parse_fields(form, given, door.settings.strict_fields, upload.others)
            pipeline = door.models.find(model or fields.model)
            await pipeline.check()
            files = await _files_or_url(door, request, upload, fields.url)
            yield Received(fields, files, upload.several, pipeline)


async def _files_or_url(door: Door, request: Request, upload: Form, url: str) -> tuple[File, ...]:
    if upload.files and url:
        raise InvalidRequest("url: give either `file` or `url`", param="url")
    if upload.files:
        return upload.files
    if not url:
        raise InvalidRequest("file: the form has no file under this name", code="missing_file", param="file")
    fetched = fetch(url, door.outgoing, door.settings.max_upload_mb * MIB)
    return (File(url, await while_connected(request.receive, fetched)),)


@asynccontextmanager
async def received_body(door: Door, request: Request) -> AsyncIterator[MemoryFile]:
    """The whole body of a request that holds a place and has a deadline."""
    await door.check_any()
    with door.admission.place():
        async with deadline(door.settings.request_timeout_seconds):
            yield await read_body(request.receive, request.headers, door.settings.max_upload_mb * MIB)
