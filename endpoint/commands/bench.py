"""`endpoint bench`: send load to a server of OpenAI's audio API and measure it.

Recordings whose words are known are encoded before the clock starts. --concurrency runs so many callers at once, one
run for each number. --rate or --share then sends requests at a fixed rate, whether or not the server keeps up. Latency
counts from the time a request was due.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from endpoint import __version__
from endpoint.bench.client import Client, Outcome
from endpoint.bench.containers import CONTAINERS, decode
from endpoint.bench.figures import Cost, figures_of
from endpoint.bench.live import LiveFigures, live_figures, together
from endpoint.bench.loops import arrivals, closed_loop, open_loop
from endpoint.bench.recordings import LANGUAGES, SEED, WORKLOADS, Recording, make
from endpoint.bench.report import HEADS, Run, as_html, as_json, remarks, row
from endpoint.bench.request import Request, base_url, form, requests
from endpoint.bench.usage import Processes, watched
from endpoint.commands.numbers import positive
from endpoint.errors import InvalidRequest
from endpoint.languages import find_language
from endpoint.local import running_server

DEFAULT_URL = "http://127.0.0.1:8000/v1"
SPOKEN = "spoken"
LIVE_HEADS = ("sessions", "turns", "failed", "first text, s: median / 95 %", "words", "final text", "interim WER %",
              "final WER %")  # fmt: skip


def run(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    args.url = base_url(args.url)
    _make_folders(args)
    recordings = _recordings(args)
    with ExitStack() as stack:
        if args.serve:
            with Console(stderr=True).status("starting the server"):
                server = stack.enter_context(running_server())
            args.url, args.pid = f"{server.base}/v1", server.pid
        if args.live:
            return _live(args, recordings)
        processes = Processes(args.pid) if args.pid else None
        runs, model = asyncio.run(_measure(args, recordings, processes))
    _report(args, runs, model)
    return 1 if any(run.figures.failed for run in runs) else 0


def _live(args: argparse.Namespace, recordings: Sequence[Recording]) -> int:
    """Live sessions at the pace of speech, and a line for each number of them."""
    given = [(recording.samples, recording.text) for recording in recordings]
    code = find_language(args.language) if args.language not in (None, SPOKEN) else None
    asked = {name: value for name, value in (("model", args.model), ("language", code)) if value}
    session = {"audio": {"input": {"transcription": asked}}}
    table = Table(*LIVE_HEADS, show_edge=False)
    failed = 0
    for level in args.live:
        found = live_figures(asyncio.run(together(args.url, given, level, session, args.api_key)))
        failed += found.failed
        table.add_row(*_live_cells(found))
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    return 1 if failed else 0


def _live_cells(found: LiveFigures) -> list[str]:
    lags = [f"{median:.2f} / {late:.2f}" for median, late in (found.first, found.word, found.final)]
    rates = ["" if rate is None else f"{rate:.1f}" for rate in (found.interim_errors, found.final_errors)]
    return [str(found.sessions), str(found.turns), str(found.failed), *lags, *rates]


def _parser() -> argparse.ArgumentParser:
    about = __doc__.split("\n\n")
    parser = argparse.ArgumentParser(prog="endpoint bench", description=f"{about[0].strip()} {about[1].strip()}")
    target = parser.add_argument_group("server")
    where = target.add_mutually_exclusive_group()
    where.add_argument("--url", default=DEFAULT_URL, help=f"base URL, as clients have it; default {DEFAULT_URL}")
    where.add_argument("--serve", action="store_true", help="start `endpoint serve` for it, and stop it")
    target.add_argument("--model", help="name to ask for; unset: the first that the server lists")
    target.add_argument("--api-key", default="none")
    target.add_argument("--pid", type=int, help="the server's local process, to measure its processor time and memory")
    work = parser.add_argument_group("work")
    work.add_argument("--workload", choices=WORKLOADS, default="packed", help="; ".join(_described()))
    work.add_argument(
        "--containers", type=_containers, help=f"of {','.join(CONTAINERS)}; unset: as the workload has it"
    )
    work.add_argument("--file", type=Path, help="send this file instead of a workload")
    work.add_argument(
        "--language",
        help=f"code: send only this language, and name it; `{SPOKEN}`: name that of each recording; unset: name none",
    )
    work.add_argument("--stream", action="store_true", help="ask for a stream, and time the first text")
    work.add_argument("--field", action="append", default=[], type=_field, metavar="NAME=VALUE", help="sent as well")
    load = parser.add_argument_group("load")
    load.add_argument(
        "--concurrency", type=_levels, default="1,16", help="numbers of callers, a run each; default 1,16"
    )
    load.add_argument("--live", type=_levels, help="numbers of live sessions, a run each, instead of requests")
    load.add_argument("--requests", type=positive(int), help="of a run; unset: at least 32 or four for every caller")
    pace = load.add_mutually_exclusive_group()
    pace.add_argument("--rate", type=positive(float), help="requests a second, at random times; instead of callers")
    pace.add_argument("--share", type=_share, help="a run at this share, 0 to 1, of the best rate that callers reached")
    load.add_argument("--seconds", type=positive(float), default=60.0, help="of the runs at a rate; default 60")
    load.add_argument("--warm-up", type=_count, default=4, help="requests before the clock runs; default 4")
    load.add_argument("--timeout", type=positive(float), default=600.0, help="of a request, in seconds; default 600")
    load.add_argument("--seed", type=int, default=SEED, help="of recordings and arrivals")
    output = parser.add_argument_group("report")
    output.add_argument("--json", type=Path, help="write the figures here")
    output.add_argument("--html", type=Path, help="write a page with charts here")
    return parser


def _described() -> list[str]:
    return [
        f"{name}: {workload.seconds[0]:g} to {workload.seconds[1]:g} s"
        + (" in all containers" if len(workload.containers) > 1 else "")
        for name, workload in WORKLOADS.items()
    ]


def _levels(text: str) -> list[int]:
    """ "1,64" as [1, 64]. Raises ValueError, which argparse reports."""
    levels = [int(part) for part in text.split(",")]
    if min(levels) < 1:
        raise ValueError(text)
    return levels


def _count(text: str) -> int:
    if (value := int(text)) < 0:
        raise ValueError(text)
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 2:
        raise ValueError(text)
    return value


def _containers(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not set(names) <= set(CONTAINERS):
        raise ValueError(text)
    return names


def _field(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(text)
    return name, value


def _make_folders(args: argparse.Namespace) -> None:
    """Refuse reports that cannot be written before anything is measured. Raises InvalidRequest."""
    for path in filter(None, (args.json, args.html)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidRequest(f"cannot write to the folder {path.parent}: {error.strerror}") from error
        if path.is_dir():
            raise InvalidRequest(f"cannot write the report: {path} is a folder")


def _recordings(args: argparse.Namespace) -> list[Recording]:
    """The recordings that are sent. Raises InvalidRequest."""
    code = find_language(args.language) if args.language not in (None, SPOKEN) else None
    if args.language not in (None, SPOKEN) and code is None:
        raise InvalidRequest(f"--language {args.language}: Whisper knows no such language")
    if args.file:
        if not args.file.is_file():
            raise InvalidRequest(f"no such file: {args.file}")
        if args.language == SPOKEN:
            raise InvalidRequest(f"--language {SPOKEN}: what is spoken in {args.file} is not known; say its code")
        return [Recording(code or "", None, decode(args.file))]
    if code and code not in LANGUAGES:
        raise InvalidRequest(f"--language {code}: workloads are spoken in {', '.join(LANGUAGES)}; send a --file")
    return make(WORKLOADS[args.workload], [code] if code else LANGUAGES, args.seed)


def _requests(args: argparse.Namespace, recordings: Sequence[Recording], model: str) -> list[Request]:
    fields = {"model": model, "response_format": "json", **({"stream": "true"} if args.stream else {})}
    fields |= dict(args.field)
    if args.file and not args.containers:
        (recording,) = recordings
        given = {**fields, "language": recording.language} if args.language else fields
        return [Request(*form(args.file.read_bytes(), "application/octet-stream", given), recording)]
    containers = args.containers or WORKLOADS[args.workload].containers
    return requests(recordings, containers, fields, say_language=bool(args.language))


async def _measure(
    args: argparse.Namespace, recordings: Sequence[Recording], processes: Processes | None
) -> tuple[list[Run], str]:
    """Every run, and the name of the model."""
    async with Client(args.url, api_key=args.api_key, timeout=args.timeout, stream=args.stream) as client:
        model = args.model or await client.model()
        made = _requests(args, recordings, model)
        await client.check(made[0])
        await closed_loop(client, made, args.warm_up, args.warm_up)
        runs = list[Run]()
        for level in args.concurrency if args.rate is None else ():
            count = args.requests or max(32, 4 * level)
            work = partial(closed_loop, client, made, level, count)
            runs.append(await _run(f"{count} requests, {level} at once", work, processes, concurrency=level))
        rate = args.rate
        if args.share:
            rate = args.share * max(run.figures.requests_per_second for run in runs)
            if not rate:
                raise InvalidRequest("--share: callers reached no rate, for nothing succeeded")
        if rate:
            times = arrivals(rate, args.seconds, args.seed)
            work = partial(open_loop, client, made, times)
            runs.append(await _run(f"{len(times)} requests, {rate:.3g} a second", work, processes, rate=rate))
    return runs, model


async def _run(
    what: str,
    work: Callable[[], Awaitable[list[Outcome]]],
    processes: Processes | None,
    *,
    concurrency: int | None = None,
    rate: float | None = None,
) -> Run:
    print(f"{what} ...", file=sys.stderr, flush=True)
    began = time.process_time()
    async with watched(processes) as usage:
        outcomes = await work()
    spent = time.process_time() - began
    cost = Cost(spent, usage.cpu_seconds, usage.peak_mib) if processes else Cost(spent)
    return Run(figures_of(outcomes, cost, concurrency=concurrency, rate=rate), outcomes)


def _report(args: argparse.Namespace, runs: Sequence[Run], model: str) -> None:
    table = Table(show_edge=False)
    rows = [row(run.figures) for run in runs]
    shown = [k for k in range(len(HEADS)) if any(cells[k] for cells in rows)]
    for k in shown:
        table.add_column(HEADS[k], justify="right")
    for cells in rows:
        table.add_row(*(cells[k] for k in shown))
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    for line in remarks(runs):
        print(line, file=sys.stderr)
    about = {
        "url": args.url,
        "model": model,
        "work": str(args.file or args.workload),
        "containers": ",".join(args.containers or ()) or None,
        "language": args.language,
        "stream": args.stream or None,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
    }
    if args.json:
        args.json.write_text(json.dumps(as_json(runs, about), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if args.html:
        args.html.write_text(as_html(runs, about), encoding="utf-8")
