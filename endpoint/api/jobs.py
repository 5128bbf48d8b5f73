"""Routes of jobs: submit, look at, follow, fetch, cancel, delete. A job outlives the connection that submitted it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel
from starlette.responses import Response

from endpoint.api import examples
from endpoint.api.forms import parse_fields
from endpoint.api.job_forms import (
    IDEMPOTENCY_KEY,
    EventsQuery,
    JobForm,
    ListQuery,
    ResultQuery,
    VerboseQuery,
    idempotency_key,
    parse_query,
    query_docs,
)
from endpoint.api.job_results import result_response
from endpoint.api.job_schemas import EVENT_SCHEMA, AudioJob, DeletedJob, JobList, JobState
from endpoint.api.limits import most_bytes
from endpoint.api.openapi import form_body, in_formats, job_docs
from endpoint.api.receive import admitted
from endpoint.api.schemas import (
    DiarizedTranscription,
    FileResults,
    Transcription,
    Translation,
    VerboseTranscription,
    VerboseTranslation,
)
from endpoint.api.state import ServerState, caller_of
from endpoint.api.stream import EventStream
from endpoint.api.upload import Form, read_form
from endpoint.call import Call, Stage
from endpoint.caller import Scope
from endpoint.errors import InvalidRequest, JobNotFound, NotReady, StoreUnavailable
from endpoint.jobs.job import Event, Job, Status, guess_ms, new_id
from endpoint.jobs.service import Jobs, fingerprint, not_found
from endpoint.jobs.view import dumps, job_object
from endpoint.jobs.webhook import validate_callback
from endpoint.text.format import warnings
from endpoint.types import Notice

Q = TypeVar("Q", bound=BaseModel)

POLL_SECONDS = 0.5  # how often the store is asked for new events
LAST_EVENT_ID = "Last-Event-ID"
_Id = Annotated[str, Path(description="Id of a job.")]
_ANY_RESULT = Transcription | VerboseTranscription | DiarizedTranscription | Translation | VerboseTranslation
_KEY_HEADER = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "description": "At most 255 printable ASCII characters, your own name of this submission: sent again with the same "
    "fields and files, it gives the same job for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
}
_EVENT_HEADER = {
    "name": LAST_EVENT_ID,
    "in": "header",
    "description": "Number of the last event that is known; it comes before `after`.",
    "schema": {"type": "integer", "minimum": 0, "exclusiveMaximum": 2**63},
}
_LOCATION = {"description": "Path of the job.", "schema": {"type": "string"}}


def job_routes(server: ServerState, jobs: Jobs) -> APIRouter:
    """The routes without their prefix."""
    router = APIRouter()
    _add_submission(router, server, jobs)
    _add_views(router, server, jobs)
    _add_result(router, server, jobs)
    _add_ends(router, jobs)
    return router


def result_routes(server: ServerState, jobs: Jobs) -> APIRouter:
    router = APIRouter()
    waiting = {202: {"model": JobState, "description": "There is no result yet."}}
    documents = job_docs(
        _ANY_RESULT | FileResults, (400, 401, 404, 409, 410, 422, 500, 503), query_docs(VerboseQuery),
        **in_formats("The result, in the format asked for."),
    )  # fmt: skip

    @router.get("/results/{job_id}", **{**documents, "responses": documents["responses"] | waiting})
    async def poll(request: Request, job_id: _Id) -> Response:
        """The result of a job as clients of older services ask for it: 202 until there is one."""
        query, notices = _query(server, request, VerboseQuery)
        job = await _found(jobs, request, job_id)
        if not job.status.final:
            return _json({"status": job.status.value}, 202)
        return await result_response(jobs, job, query, notices)

    return router


def requeue_routes(jobs: Jobs) -> APIRouter:
    """The route of operators without its prefix."""
    router = APIRouter()

    @router.post("/audio/jobs/{job_id}/requeue", **job_docs(AudioJob, (400, 401, 404, 503)))
    async def requeue_job(request: Request, job_id: _Id) -> Response:
        """Give a job that failed another chance, from its start. For callers with the scope `admin`."""
        await _found(jobs, request, job_id)
        return _json(await _shown(jobs, await jobs.requeue(job_id)))

    return router


def _add_submission(router: APIRouter, server: ServerState, jobs: Jobs) -> None:
    headers = {"location": _LOCATION}
    documents = job_docs(
        AudioJob, (400, 401, 404, 413, 422, 429, 500, 503, 504), [_KEY_HEADER], 202,
        description="The job is kept: it is worked on whatever becomes of this connection, and of this server.",
    )  # fmt: skip
    documents["responses"][202]["headers"] = documents["responses"][202]["headers"] | headers
    body = form_body(JobForm, examples.JOBS, ("file", "url", "files[]", "urls[]"))
    documents["openapi_extra"]["requestBody"] = body

    @router.post("/audio/jobs", **documents)
    async def submit(request: Request) -> Response:
        """Have recordings transcribed or translated, without waiting for it."""
        if server.draining:
            raise NotReady("The server is stopping.", code="stopping")
        key = idempotency_key(request.headers.get(IDEMPOTENCY_KEY))
        await jobs.store.ping()  # before a body is read for nothing
        async with admitted(server, request, audio=False) as (call, charge):
            with call.record.waiting(Stage.RECEIVE):
                upload = await read_form(request.receive, request.headers, most_bytes(server, call.caller))
            fields = parse_fields(JobForm, upload.fields, server.settings.strict_fields, upload.others)
            _check_sources(upload, fields)
            fields.check_vocabulary(server.settings.vocabularies)
            fields.check_postprocess(bool(server.settings.llm_base_url))
            if fields.callback_url:
                validate_callback(fields.callback_url, jobs.policy)
            await charge.begin(server.models.names.find(fields.model))
            await charge.take(sum(guess_ms(len(file.data)) for file in upload.files))
            job = await _new_job(server, upload, fields, call, key)
            job = replace(job, reserved=charge.reserved)
            kept = await jobs.submit(job, upload.files, fields.sources, key)
            if kept.id == job.id:
                charge.hand_over()
        location = f"{request.url.path}/{kept.id}"
        return _json(await _shown(jobs, kept, fields.notices), 202, {"location": location})


def _check_sources(upload: Form, fields: JobForm) -> None:
    """Raises InvalidRequest."""
    if upload.files and fields.sources:
        raise InvalidRequest("url: give either files or addresses", param="url")
    if not upload.files and not fields.sources:
        raise InvalidRequest("file: the form has no file under this name", code="missing_file", param="file")


async def _new_job(server: ServerState, upload: Form, fields: JobForm, call: Call, key: str | None) -> Job:
    """The job of a form, without its files. Raises ModelNotFound."""
    now = time.time()
    call.record.model = server.models.names.find(fields.model)
    return Job(
        id=new_id(now=now),
        files=(),
        options=fields.options(server.settings.vad),
        model=server.model(call.caller, fields.model),
        caller=call.caller.id,
        priority=fields.level,
        created_at=now,
        metadata=fields.metadata,
        callback_url=fields.callback_url or None,
        traceparent=call.traceparent,
        sampling=call.caller.sampling,
        fingerprint=await fingerprint(upload.fields, upload.files) if key else "",
    )


def _add_views(router: APIRouter, server: ServerState, jobs: Jobs) -> None:
    @router.get("/audio/jobs", **job_docs(JobList, (400, 401, 503), query_docs(ListQuery)))
    async def list_jobs(request: Request) -> Response:
        """The caller's own jobs, a page at a time; with the scope `admin` those of all."""
        query, _ = _query(server, request, ListQuery)
        caller = caller_of(request)
        owner = None if Scope.ADMIN in caller.scopes else caller.id
        status = None if query.status is None else Status(query.status)
        found = await jobs.store.list(owner, status, query.after, query.limit + 1, query.order)
        page = [job_object(job) for job in found[: query.limit]]
        ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
        return _json({"object": "list", "data": page, **ends, "has_more": len(found) > query.limit})

    @router.get("/audio/jobs/{job_id}", **job_docs(AudioJob, (401, 404, 503)))
    async def retrieve_job(request: Request, job_id: _Id) -> Response:
        """A job: whether it is finished, how far it is, what it is to do."""
        return _json(await _shown(jobs, await _found(jobs, request, job_id)))

    documents = job_docs(
        None, (400, 401, 404, 503), [*query_docs(EventsQuery), _EVENT_HEADER],
        description="The events, to the last one that the job has.",
        content={"text/event-stream": {"schema": EVENT_SCHEMA}},
    )  # fmt: skip
    none = {204: {"description": "The job is finished, and has no more events: do not connect again."}}
    documents["responses"] |= none

    @router.get("/audio/jobs/{job_id}/events", response_class=Response, **documents)
    async def follow_job(request: Request, job_id: _Id) -> Response:
        """What happens to a job, as server-sent events: from its submission on, or after the last event known."""
        sent = request.headers.get(LAST_EVENT_ID)
        given = request.query_params.multi_items() if not sent else [("after", sent)]
        query, _ = parse_query(EventsQuery, given, server.settings.strict_fields)
        job = await _found(jobs, request, job_id)
        if job.status.final and not await jobs.store.events(job_id, query.after, 1):
            return Response(status_code=204)
        return EventStream(_events(server, jobs, job_id, query.after), AsyncExitStack())


def _add_result(router: APIRouter, server: ServerState, jobs: Jobs) -> None:
    documents = job_docs(
        _ANY_RESULT | FileResults, (400, 401, 404, 409, 410, 422, 500, 503), query_docs(ResultQuery),
        **in_formats("The result, in the format asked for."),
    )  # fmt: skip

    @router.get("/audio/jobs/{job_id}/result", **documents)
    async def retrieve_result(request: Request, job_id: _Id) -> Response:
        """The transcript, as /audio/transcriptions writes it; where the job failed, its error with its status."""
        query, notices = _query(server, request, ResultQuery)
        return await result_response(jobs, await _found(jobs, request, job_id), query, notices)


def _add_ends(router: APIRouter, jobs: Jobs) -> None:
    @router.post("/audio/jobs/{job_id}/cancel", **job_docs(AudioJob, (401, 404, 503)))
    async def cancel_job(request: Request, job_id: _Id) -> Response:
        """Stop a job, wherever it is; one that is final stays as it is."""
        await _found(jobs, request, job_id)
        return _json(await _shown(jobs, await jobs.cancel(job_id)))

    @router.delete("/audio/jobs/{job_id}", **job_docs(DeletedJob, (401, 503)))
    async def delete_job(request: Request, job_id: _Id) -> DeletedJob:
        """Stop a job, and forget it with its recordings, events and results."""
        with suppress(JobNotFound):  # gone already, or another's
            await _found(jobs, request, job_id)
            await jobs.delete(job_id)
        return DeletedJob(id=job_id)


async def _events(server: ServerState, jobs: Jobs, job_id: str, after: int) -> AsyncGenerator[bytes, None]:
    """Events until the job is final, gone, or this server stops: then its client connects to another."""
    yield b""
    over = False
    while not server.draining:
        rows = await jobs.store.events(job_id, after)
        if rows:
            after = rows[-1].number
            yield b"".join(map(_frame, rows))
        elif over:
            return
        if not rows or rows[-1].type in _LAST_EVENTS:
            job = await jobs.store.get(job_id)
            over = job is None or job.status.final  # what came in between is read once more
            if not over:
                await asyncio.sleep(POLL_SECONDS)


_LAST_EVENTS = frozenset(f"job.{status.value}" for status in Status if status.final)


def _frame(event: Event) -> bytes:
    return f"id: {event.number}\nevent: {event.type}\ndata: ".encode() + event.data + b"\n\n"


async def _found(jobs: Jobs, request: Request, job_id: str) -> Job:
    """Raises JobNotFound, also where the job is another's: nobody learns of it."""
    job, caller = await jobs.store.get(job_id), caller_of(request)
    if job is None or (job.caller != caller.id and Scope.ADMIN not in caller.scopes):
        raise not_found(job_id)
    return job


async def _shown(jobs: Jobs, job: Job, notices: tuple[Notice, ...] = ()) -> dict[str, Any]:
    """The job object. A store that is gone meanwhile leaves out the position in the queue."""
    position = None
    if job.status is Status.QUEUED:
        with suppress(StoreUnavailable):
            position = await jobs.store.position(job.id)
    return job_object(job, position) | warnings(notices)


def _query(server: ServerState, request: Request, query: type[Q]) -> tuple[Q, tuple[Notice, ...]]:
    return parse_query(query, request.query_params.multi_items(), server.settings.strict_fields)


def _json(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(dumps(body), status, headers, "application/json")
