"""`endpoint transcribe FILE...`: files to text, with a local model or a server."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from endpoint.call import Call
from endpoint.commands.flags import add_fields, fields_of, form_fields, options_of, sent_fields, setting_flags
from endpoint.config import load_settings
from endpoint.errors import EndpointError, InvalidRequest
from endpoint.fields.layout import LayoutFields
from endpoint.fields.postprocess import PostprocessFields
from endpoint.fields.speakers import SpeakerFields
from endpoint.fields.wording import WordingFields
from endpoint.observe.log import configure_logging
from endpoint.options import Postprocess, Task
from endpoint.text.format import Rendering, render_noting
from endpoint.types import Notice, Transcript
from endpoint.wiring import build_pipeline, build_postprocessor

SUFFIXES = {
    "json": ".json", "verbose_json": ".json", "diarized_json": ".json", "text": ".txt", "srt": ".srt", "vtt": ".vtt",
}  # fmt: skip
FIELDS = (LayoutFields, SpeakerFields, WordingFields, PostprocessFields)
Step = Callable[[int, int], None]


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="endpoint transcribe", epilog="Settings of the model are flags too: --model, --dtype ... (see serve)."
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--format", choices=SUFFIXES, default="text")
    parser.add_argument("--language", help="code or English name; unset: detect it")
    parser.add_argument("--task", choices=[task.value for task in Task], default=Task.TRANSCRIBE.value)
    parser.add_argument("--prompt", help="words to expect, or text the recording continues")
    add_fields(parser, *FIELDS)
    parser.add_argument("--output", type=Path, help="folder for one file per recording; unset: standard output")
    parser.add_argument("--server", help="base URL of a server, such as http://localhost:8000/v1; unset: a local model")
    parser.add_argument("--api-key", default="none", help="the server's key")
    for name in setting_flags():  # declared, or a value after one would be taken for a file
        parser.add_argument(name, action="append", dest=name, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    rest = [f"{name}={value}" for name in setting_flags() for value in getattr(args, name) or ()]
    if args.server and rest:
        parser.error(f"{rest[0].partition('=')[0]} is for a local model, not for --server")
    _check(args)
    return asyncio.run(_remote(args) if args.server else _local(args, rest))


def _check(args: argparse.Namespace) -> None:
    """Refuse files that cannot be read or written before the model is loaded. Raises InvalidRequest."""
    if missing := [str(path) for path in args.files if not path.is_file()]:
        raise InvalidRequest(f"no such file: {', '.join(missing)}")
    if args.output is None:
        return
    stems = Counter(path.stem for path in args.files)
    if twice := [stem for stem, count in stems.items() if count > 1]:
        raise InvalidRequest(f"several recordings would be written to {args.output / twice[0]}{SUFFIXES[args.format]}")
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidRequest(f"cannot write to the folder {args.output}: {error.strerror}") from error


async def _local(args: argparse.Namespace, rest: list[str]) -> int:
    settings = load_settings(rest, prog="endpoint transcribe")
    configure_logging("warning" if settings.log_level == "info" else settings.log_level, settings.log_format)
    fields = fields_of(args, args.format, *FIELDS)
    options = replace(options_of(args, fields), vad=settings.vad)
    fields.check_postprocess(bool(settings.llm_base_url))
    paragraphs = fields.paragraphs or Postprocess.PARAGRAPHS in fields.postprocess
    rendering = Rendering(args.format, paragraphs=paragraphs, layout=fields.layout())
    pipeline, processor = build_pipeline(settings), build_postprocessor(settings)
    transcriber = pipeline if processor is None else processor.after(pipeline)
    with _progress() as bar:
        loading = bar.add_task(f"loading {pipeline.info.model}", total=None)
        try:
            await pipeline.start()
            bar.remove_task(loading)

            async def one(path: Path, step: Step) -> bytes:
                data = await asyncio.to_thread(path.read_bytes)
                async with aclosing(transcriber.segments(data, options, Call())) as steps:
                    async for last in steps:
                        if isinstance(last, Transcript):
                            return _noting(bar, path, render_noting(last, rendering))
                        step(last.done, last.total)
                raise AssertionError("no transcript came")

            return await _each(args, bar, one)
        finally:
            if processor is not None:
                await processor.close()
            await pipeline.close()


def _noting(bar: Progress, path: Path, written: tuple[bytes, str, tuple[Notice, ...]]) -> bytes:
    """The text; what is to be known of it goes to standard error."""
    body, _, notices = written
    for notice in notices:
        bar.console.print(f"{path}: {notice.message}", style="yellow", highlight=False, markup=False)
    return body


async def _remote(args: argparse.Namespace) -> int:
    from openai import AsyncOpenAI, OpenAIError

    options = options_of(args, fields_of(args, args.format, *FIELDS))
    fields = {"model": "", "response_format": args.format, "prompt": options.prompt, "language": options.language}
    if options.task is Task.TRANSLATE:
        del fields["language"]
    more = form_fields(sent_fields(args, *FIELDS))
    given: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    async with AsyncOpenAI(base_url=args.server, api_key=args.api_key) as client:
        audio = client.audio
        create: Any = audio.translations.create if options.task is Task.TRANSLATE else audio.transcriptions.create

        async def one(path: Path, step: Step) -> bytes:
            try:
                response = await create(file=path, extra_body=more, **given)
            except OpenAIError as error:
                raise EndpointError(f"{args.server}: {error}") from error
            return (response if isinstance(response, str) else str(response.model_dump_json())).encode()

        with _progress() as bar:
            return await _each(args, bar, one)


async def _each(args: argparse.Namespace, bar: Progress, one: Callable[[Path, Step], Awaitable[bytes]]) -> int:
    """Transcribe every file; the exit status is 1 if any failed."""
    failed = 0
    for path in args.files:
        task = bar.add_task(path.name, total=None)

        def step(done: int, total: int, task: TaskID = task) -> None:
            bar.update(task, completed=done, total=total)

        try:
            body = await one(path, step)
        except EndpointError as error:
            failed += 1
            bar.console.print(f"{path}: {error.message}", style="red", highlight=False, markup=False)
            continue
        step(1, 1)
        if args.output:
            (args.output / f"{path.stem}{SUFFIXES[args.format]}").write_bytes(body)
        else:
            sys.stdout.buffer.write(body if body.endswith(b"\n") else body + b"\n")
            sys.stdout.buffer.flush()
    return 1 if failed else 0


def _progress() -> Progress:
    """On standard error, so that standard output holds text only."""
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()
    return Progress(*columns, console=Console(stderr=True), transient=True)
