"""The result of a job, in the format asked for now: of one file, or of all in a list."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from starlette.responses import JSONResponse, Response

from endpoint.api.job_forms import ResultQuery
from endpoint.api.openapi import JOB_CODES
from endpoint.api.respond import noticed, warning_header, written
from endpoint.codec import decode_transcript
from endpoint.errors import JobNotFinished, JobNotFound, ResultExpired
from endpoint.jobs.job import Failure, Job, Status
from endpoint.jobs.service import Jobs
from endpoint.jobs.view import dumps
from endpoint.text.format import Rendering, warnings
from endpoint.types import Notice, Transcript

# A job is not tried again because its caller asks again: what would be 503 is not among these.
_STATUS = {code: status for status, codes in JOB_CODES.items() if status != 503 for code in codes}


async def result_response(jobs: Jobs, job: Job, query: ResultQuery, notices: Sequence[Notice]) -> Response:
    """notices: what was ignored of the request.

    Raises JobNotFinished, ResultExpired, InvalidRequest where the result cannot be written in this way.
    """
    if job.status is Status.FAILED:
        return failed(job.error or Failure("The job failed.", "internal_error", "server_error"))
    _check(job)
    rendering = query.rendering(job.options)
    if query.file is None and len(job.files) > 1:
        return await _all(jobs, job, query, rendering, notices)
    index = query.file or 0
    if index >= len(job.files):
        raise JobNotFound(
            f"The job has {len(job.files)} files; there is none with index {index}.",
            code="file_not_found",
            param="file",
        )
    if (error := job.files[index].error) is not None:
        return failed(error)
    transcript = noticed(await _transcript(jobs, job, index, query), notices)
    body, media_type, notices = await written(transcript, rendering)
    return Response(body, media_type=media_type, headers=warning_header(media_type, notices))


def failed(failure: Failure) -> Response:
    return JSONResponse({"error": asdict(failure)}, failure_status(failure))


def failure_status(failure: Failure) -> int:
    """The HTTP status of an error that a job ended with: that of its code, else by whose fault it is."""
    return _STATUS.get(failure.code, 500 if failure.type == "server_error" else 422)


def _check(job: Job) -> None:
    if not job.status.final:
        raise JobNotFinished(f"The job is {job.status.value}; ask for its result when it has succeeded.")
    if job.status is Status.CANCELLED:
        raise JobNotFinished("The job was cancelled, and has no result.", code="job_cancelled")
    if job.expires_at is not None and job.expires_at <= time.time():
        raise _expired()


async def _transcript(jobs: Jobs, job: Job, index: int, query: ResultQuery) -> Transcript:
    data = await jobs.store.result(job.id, index)
    if data is None:
        raise _expired()
    return query.shown(decode_transcript(data))


async def _all(jobs: Jobs, job: Job, query: ResultQuery, rendering: Rendering, notices: Sequence[Notice]) -> Response:
    """The list that several files have on /audio/transcriptions."""
    rows = list[dict[str, Any]]()
    for index, file in enumerate(job.files):
        row: dict[str, Any] = {"index": index, "filename": file.name}
        if file.error is not None:
            rows.append({**row, "status": failure_status(file.error), "error": asdict(file.error)})
            continue
        transcript = await _transcript(jobs, job, index, query)
        body, media_type, found = await written(transcript, rendering)
        if media_type == "application/json":
            rows.append({**row, "status": 200, "result": json.loads(body)})
        else:
            rows.append({**row, "status": 200, "result": body.decode(), **warnings(found)})
    return Response(dumps({"object": "list", "data": rows, **warnings(notices)}), media_type="application/json")


def _expired() -> ResultExpired:
    return ResultExpired("The result of this job is no longer kept.")
