"""`endpoint jobs submit | list | status | wait | result | cancel | requeue`: jobs of a running server."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from endpoint.client import BASE_URL, Client
from endpoint.client_values import Job
from endpoint.commands.flags import add_fields, sent_fields
from endpoint.config import load_settings
from endpoint.errors import EndpointError, InvalidRequest
from endpoint.fields.layout import LayoutFields
from endpoint.fields.postprocess import PostprocessFields
from endpoint.fields.speakers import SpeakerFields
from endpoint.fields.wording import WordingFields

FORMATS = ("text", "json", "verbose_json", "diarized_json", "srt", "vtt")
STATUSES = ("queued", "running", "succeeded", "failed", "cancelled")


def run(argv: list[str]) -> int:
    given = _parser().parse_args(argv)
    if given.command == "requeue":
        return asyncio.run(_requeue(given.id))
    with Client(given.server, given.api_key) as client:
        does: Callable[[Client, argparse.Namespace], int] = given.does
        return does(client, given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="endpoint jobs", description="Submit, follow and fetch jobs of a server.")
    commands = parser.add_subparsers(dest="command", required=True)
    server = argparse.ArgumentParser(add_help=False)
    server.add_argument("--server", default=BASE_URL, help="base URL of a server, with /v1 (default: %(default)s)")
    server.add_argument("--api-key", help="the server's key")

    def add(name: str, does: Callable[[Client, argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text, parents=[server])
        made.set_defaults(does=does)
        return made

    submit = add("submit", _submit, "submit one job with these recordings, and print its id")
    submit.add_argument("sources", nargs="+", metavar="FILE|URL")
    submit.add_argument("--language", help="code or English name; unset: detect it")
    submit.add_argument("--task", choices=("transcribe", "translate"))
    submit.add_argument("--model", help="a name of /v1/models; unset: the server's default")
    submit.add_argument("--prompt", help="words to expect, or text the recording continues")
    submit.add_argument("--words", action="store_true", help="time every word, so that the result can have them")
    submit.add_argument("--priority", choices=("high", "normal", "low"))
    submit.add_argument("--callback-url", help="address that is posted to when the job has ended")
    submit.add_argument("--metadata", type=_object, help="a JSON object, which the job shows")
    add_fields(submit, WordingFields, SpeakerFields, PostprocessFields)
    submit.add_argument("--idempotency-key", help="your own name of this submission: again, it gives the same job")
    listing = add("list", _list, "list jobs, the newest first")
    listing.add_argument("--status", choices=STATUSES)
    listing.add_argument("--limit", type=int, default=20, help="most jobs (default: 20, at most 100)")
    listing.add_argument("--after", help="id of the last job of the page before")
    add("status", _status, "print a job as JSON").add_argument("id")
    wait = add("wait", _wait, "wait for a job; the exit status is 0 if it succeeded, else 1")
    wait.add_argument("id")
    wait.add_argument("--timeout", type=float, help="longest wait, in seconds")
    result = add("result", _result, "print the result of a job")
    result.add_argument("id")
    result.add_argument("--format", choices=FORMATS, default="text")
    result.add_argument("--words", action="store_true", help="with verbose_json: the words, too")
    add_fields(result, LayoutFields)
    result.add_argument("--file", type=int, help="one recording of several, counted from 0; unset: a list of all")
    result.add_argument("--output", type=Path, help="file to write to; unset: standard output")
    add("cancel", _cancel, "cancel a job").add_argument("id")
    text = "queue a failed job again, in the store that the settings of this machine name"
    commands.add_parser("requeue", help=text, description=text).add_argument("id")
    return parser


def _submit(client: Client, given: argparse.Namespace) -> int:
    urls = [source for source in given.sources if source.startswith(("http://", "https://"))]
    files = [source for source in given.sources if source not in urls]
    names = ("language", "task", "model", "prompt", "priority", "callback_url", "metadata", "idempotency_key")
    fields: dict[str, Any] = {name: value for name in names if (value := getattr(given, name)) is not None}
    fields |= sent_fields(given, WordingFields, SpeakerFields, PostprocessFields)
    if given.words:
        fields["timestamp_granularities"] = ["segment", "word"]
    print(client.submit(files, url=urls, **fields)["id"])
    return 0


def _list(client: Client, given: argparse.Namespace) -> int:
    page = client.list(given.status, after=given.after, limit=given.limit)
    table = Table("id", "status", "done", "seconds", "files", show_edge=False)
    for job in page["data"]:
        progress = job["progress"]
        seconds, files = f"{progress['audio_seconds_total']:.0f}", str(len(job["files"]))
        table.add_row(job["id"], job["status"], f"{progress['fraction']:.0%}", seconds, files)
    console = Console(soft_wrap=True)
    console.print(table if table.row_count else "no jobs", highlight=False)
    if page["has_more"]:
        console.print(f"more: --after {page['last_id']}", highlight=False)
    return 0


def _status(client: Client, given: argparse.Namespace) -> int:
    print(json.dumps(client.get(given.id), ensure_ascii=False, indent=2))
    return 0


def _cancel(client: Client, given: argparse.Namespace) -> int:
    print(client.cancel(given.id)["status"])
    return 0


def _wait(client: Client, given: argparse.Namespace) -> int:
    """The bar is on standard error, the last status on standard output."""
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("waiting", total=None)

        def show(job: Job) -> None:
            queue = job["queue"]
            text = f"queued, {queue['position']} before it" if queue else job["status"]
            total = None if job["status"] == "queued" else 1.0
            bar.update(task, description=text, total=total, completed=job["progress"]["fraction"])

        try:
            job = client.wait(given.id, given.timeout, show)
        except TimeoutError as error:
            raise EndpointError(f"{given.id} is not finished after {given.timeout:g} s") from error
    print(job["status"])
    if job["error"]:
        print(job["error"]["message"], file=sys.stderr)
    return 0 if job["status"] == "succeeded" else 1


def _result(client: Client, given: argparse.Namespace) -> int:
    query: dict[str, Any] = {"timestamp_granularities": ["segment", "word"]} if given.words else {}
    query |= sent_fields(given, LayoutFields)
    result = client.result(given.id, given.format, file=given.file, **query)
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False) + "\n"
    if given.output is None:
        sys.stdout.write(text)
        return 0
    try:
        given.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidRequest(f"cannot write to {given.output}: {error.strerror}") from error
    return 0


async def _requeue(job_id: str) -> int:
    from endpoint.jobs.wiring import open_store

    store = open_store(load_settings())
    await store.open()
    try:
        job = await store.requeue(job_id)
    finally:
        await store.close()
    if job is None:
        raise InvalidRequest(f"there is no job {job_id} that failed")
    print(job.status.value)
    return 0


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"no JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("must be a JSON object")
    return value
