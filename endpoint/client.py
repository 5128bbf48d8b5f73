"""A client of this server's jobs: `AsyncClient`, and `Client`, which is the same one on a loop of its own.

with Client("http://localhost:8000/v1") as client:
    job = client.submit("talk.mp3", language="en")
    client.wait(job["id"])
    print(client.result(job["id"], response_format="text"))
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import Any, BinaryIO, Concatenate, Literal, ParamSpec, TypeVar
from urllib.parse import quote

import httpx2

from endpoint.client_values import Job, JobEvent, JobPage, Status
from endpoint.errors import EndpointError, InvalidRequest

P = ParamSpec("P")
T = TypeVar("T")
Source = str | Path | bytes | BinaryIO  # a path, the bytes themselves, or an open file

BASE_URL = "http://localhost:8000/v1"
FINAL = ("succeeded", "failed", "cancelled")
_LAST_EVENTS = tuple(f"job.{status}" for status in FINAL)
SILENCE_SECONDS = 60.0  # longest wait for the next bytes; a server pings every 15 s
POLL_SECONDS = 1.0
LATER = (429, 502, 503, 504)  # statuses after which a request may succeed


class RequestFailed(EndpointError):
    """The server refused a request, or cannot be reached. status: HTTP's; None without a response."""

    def __init__(
        self, message: str, *, status: int | None = None, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message, code=code, param=param)
        self.status = status

    @property
    def temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status is None or self.status in LATER


class AsyncClient:
    """Every method raises RequestFailed. `async with`, or `close`, gives its connections back."""

    def __init__(self, base_url: str = BASE_URL, api_key: str | None = None) -> None:
        """base_url: with /v1. api_key: the server's, if it has one. Raises InvalidRequest for what is no address."""
        if not base_url.startswith(("http://", "https://")):
            raise InvalidRequest(f"{base_url} must begin with http:// or https://", param="base_url")
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx2.AsyncClient(
            base_url=base_url, headers=headers, timeout=httpx2.Timeout(SILENCE_SECONDS, connect=10)
        )

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def submit(
        self,
        /,
        file: Source | Sequence[Source] = (),
        *,
        url: str | Sequence[str] = (),
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Job:
        """A new job for one recording or several.

        fields: as the form has them, such as language="en", metadata={"order": 7}, timestamp_granularities=["word"].
        idempotency_key: sent again with the same request, it gives the same job.
        """
        files, urls = _listed(file), _listed(url)
        named = {"url": urls[0]} if len(urls) == 1 else {"urls": urls}
        headers = {"idempotency-key": idempotency_key} if idempotency_key else {}
        with ExitStack() as held:
            name = "file" if len(files) == 1 else "files[]"
            parts: list[tuple[str, Any]] = [(name, _part(source, held)) for source in files]
            parts += _fields(named | fields)
            job: Job = (await self._send("POST", "/audio/jobs", files=parts, headers=headers)).json()
        return job

    async def get(self, job_id: str) -> Job:
        job: Job = (await self._send("GET", _path(job_id))).json()
        return job

    async def list(
        self,
        status: Status | None = None,
        *,
        after: str | None = None,
        limit: int = 20,
        order: Literal["asc", "desc"] = "desc",
    ) -> JobPage:
        """after: `last_id` of the page before."""
        query = {"status": status, "after": after, "limit": limit, "order": order}
        page: JobPage = (await self._send("GET", "/audio/jobs", params=_query(query))).json()
        return page

    async def wait(
        self,
        job_id: str,
        timeout: float | None = None,  # noqa: ASYNC109 - callers without a loop have no other way
        on_progress: Callable[[Job], None] | None = None,
    ) -> Job:
        """The job once it is final, whatever became of it; a server that is restarted meanwhile is waited for.

        timeout: in seconds. on_progress: called with the job each time it was asked for. Raises TimeoutError.
        """
        async with asyncio.timeout(timeout):
            job = await self.get(job_id)
            while True:
                if on_progress is not None:
                    on_progress(job)
                if job["status"] in FINAL:
                    return job
                await asyncio.sleep(POLL_SECONDS)
                try:
                    job = await self.get(job_id)
                except RequestFailed as error:
                    if not error.temporary:
                        raise

    async def result(
        self, /, job_id: str, response_format: str = "json", *, file: int | None = None, **query: Any
    ) -> Any:
        """The transcript: an object for json and verbose_json, else text.

        file: one of several, counted from 0; None: a list of all. query: such as timestamp_granularities=["word"].
        A failed job raises its error.
        """
        parameters = _query({"response_format": response_format, "file": file, **query})
        response = await self._send("GET", _path(job_id, "/result"), params=parameters)
        kind = response.headers.get("content-type", "").partition(";")[0]
        return response.json() if kind == "application/json" else response.text

    async def cancel(self, job_id: str) -> Job:
        """What became of it: one that was final stays as it was."""
        job: Job = (await self._send("POST", _path(job_id, "/cancel"))).json()
        return job

    async def delete(self, job_id: str) -> None:
        """Forget it, with its recordings and results; again does nothing."""
        await self._send("DELETE", _path(job_id))

    async def events(self, job_id: str, after: int = 0) -> AsyncGenerator[JobEvent, None]:
        """What happens to the job, to its last event. A connection that breaks is made again where it was.

        after: number of the last event that is known.
        """
        while True:
            try:
                async with self._http.stream(
                    "GET", _path(job_id, "/events"), headers={"last-event-id": str(after)}
                ) as response:
                    await _check(response)
                    if response.status_code == httpx2.codes.NO_CONTENT:
                        return
                    async for frame in httpx2.EventSource(response):
                        if frame.event == "message":  # an error of the server, which has no type
                            break
                        after = int(frame.id)
                        yield JobEvent(after, frame.event, json.loads(frame.data))
                        if frame.event in _LAST_EVENTS:
                            return
            except httpx2.TransportError:
                pass
            except RequestFailed as error:
                if not error.temporary:
                    raise
            await asyncio.sleep(POLL_SECONDS)

    async def _send(self, method: str, path: str, **more: Any) -> httpx2.Response:
        try:
            response = await self._http.request(method, path, **more)
        except httpx2.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise RequestFailed(f"{self._http.base_url}: {reason}") from error
        await _check(response)
        return response


def _blocking(
    method: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Client, P], T]:
    """The same for Client, which waits for it."""

    @wraps(method)
    def blocking(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(method(self._client, *args, **kwargs))

    return blocking


class Client:
    """An AsyncClient for code without an event loop, or beside one. `with`, or `close`, ends its thread."""

    def __init__(self, base_url: str = BASE_URL, api_key: str | None = None) -> None:
        """As AsyncClient's."""
        self._client = AsyncClient(base_url, api_key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoint client", daemon=True)
        self._thread.start()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Again does nothing."""
        if not self._loop.is_closed():
            self._run(self._client.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    submit = _blocking(AsyncClient.submit)
    get = _blocking(AsyncClient.get)
    list = _blocking(AsyncClient.list)
    wait = _blocking(AsyncClient.wait)  # on_progress is called in the thread of the client
    result = _blocking(AsyncClient.result)
    cancel = _blocking(AsyncClient.cancel)
    delete = _blocking(AsyncClient.delete)

    def events(self, job_id: str, after: int = 0) -> Iterator[JobEvent]:
        coming = self._client.events(job_id, after)
        try:
            while (event := self._run(_next(coming))) is not None:
                yield event
        finally:
            self._run(coming.aclose())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("the client is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()  # where the caller is interrupted


def verify_webhook(body: bytes | str, headers: Mapping[str, str], secret: str) -> dict[str, Any]:
    """The event of a webhook that comes from a server with this secret, and lately.

    Raises standardwebhooks.WebhookVerificationError for any other.
    """
    from standardwebhooks import Webhook

    event: dict[str, Any] = Webhook(secret).verify(body, dict(headers))
    return event


async def _next(events: AsyncGenerator[JobEvent, None]) -> JobEvent | None:
    return await anext(events, None)


async def _check(response: httpx2.Response) -> None:
    """Raises RequestFailed with what the server's error body has."""
    if response.is_success:
        return
    await response.aread()
    try:
        error = response.json()["error"]
        message, code, param = error["message"], error["code"], error["param"]
    except (ValueError, LookupError, TypeError):
        message, code, param = f"{response.url}: status {response.status_code}", None, None
    raise RequestFailed(message, status=response.status_code, code=code, param=param)


def _path(job_id: str, below: str = "") -> str:
    return f"/audio/jobs/{quote(job_id, safe='')}{below}"


def _listed(given: Any) -> list[Any]:
    """One or several, as a list."""
    return list(given) if isinstance(given, list | tuple) else [given]


def _part(source: Source, held: ExitStack) -> tuple[str, Any]:
    """Name and content of a file. held: closes what is opened here."""
    if isinstance(source, bytes):
        return "audio", source
    if isinstance(source, str | Path):
        try:
            return Path(source).name, held.enter_context(open(source, "rb"))
        except OSError as error:
            raise RequestFailed(f"{source}: {error.strerror}", param="file") from error
    return Path(str(getattr(source, "name", "audio"))).name, source


def _fields(fields: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Text parts of a form: lists repeat their name, objects are JSON, None is absent."""
    rows = list[tuple[str, Any]]()
    for name, value in fields.items():
        several = isinstance(value, list | tuple)
        for item in value if several else [value]:
            if item is not None:
                text = json.dumps(item) if isinstance(item, bool | dict) else str(item)
                rows.append((f"{name.removesuffix('[]')}[]" if several else name, (None, text)))
    return rows


def _query(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, part[1]) for name, part in _fields(given)]
