"""`endpoint batch SOURCE... --output DIR`: many recordings to Parquet, on Ray: on this machine or on a cluster."""

from __future__ import annotations

import argparse
import os
import signal
import time
from dataclasses import replace
from typing import Any

from rich.console import Console

from endpoint.batch.storage import S3
from endpoint.commands.flags import add_fields, fields_of, options_of, setting_flags
from endpoint.config import load_settings
from endpoint.errors import ConfigError, InvalidRequest
from endpoint.fields.layout import LayoutFields
from endpoint.fields.speakers import SpeakerFields
from endpoint.fields.wording import WordingFields
from endpoint.observe.log import configure_logging
from endpoint.options import Task
from endpoint.text.format import Rendering

LOG_SECONDS = 30.0  # between lines of progress where there is no terminal
FILES: dict[str, Any] = {"txt": "text", "srt": "srt", "vtt": "vtt"}  # by the flag, the response format


def run(argv: list[str]) -> int:
    parser = _parser()
    for name in setting_flags():
        parser.add_argument(name, action="append", dest=name, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    rest = [f"{name}={value}" for name in setting_flags() for value in getattr(args, name) or ()]
    settings = load_settings(rest, prog="endpoint batch")
    configure_logging(settings.log_level, settings.log_format)
    if len(settings.each()) > 1:
        raise ConfigError("MODELS: `endpoint batch` has one model; set MODEL_ID")
    try:
        from endpoint.batch.run import Plan, run_batch
        from endpoint.batch.work import Job, with_known_voices
    except ModuleNotFoundError as error:
        raise ConfigError(f"`endpoint batch` needs the extra `ray` ({error.name} is missing)") from error

    kinds = [FILES[kind] for kind in dict.fromkeys(args.write)]
    cues = next((kind for kind in kinds if kind in ("srt", "vtt")), "json")
    fields = fields_of(args, cues, LayoutFields, WordingFields, SpeakerFields)
    if fields.multichannel:
        raise InvalidRequest("--multichannel: endpoint batch mixes the channels of a recording", param="--multichannel")
    layout = fields.layout()
    renderings = tuple(Rendering(kind, layout=layout if kind != "text" else None) for kind in kinds)
    output = args.output if args.output.startswith(S3) else os.path.abspath(args.output)
    options = replace(options_of(args, fields), vad=settings.vad)
    job = with_known_voices(Job(settings, options, renderings, output, settings.engine == "vllm"))
    plan = Plan(args.sources, job, args.address, args.actors, args.price, settings.price_currency, args.retry_errors)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is done is written, as at Ctrl-C
    console = Console(stderr=True)
    with console.status("looking for recordings") as status:
        shown = time.monotonic()

        def show(tally: Any) -> None:
            nonlocal shown
            status.update(line(tally, settings.price_currency))
            if not console.is_terminal and time.monotonic() - shown > LOG_SECONDS:
                shown = time.monotonic()
                console.print(line(tally, settings.price_currency), highlight=False, soft_wrap=True)

        tally = run_batch(plan, show)
    console.print(line(tally, settings.price_currency), highlight=False)
    console.print(f"{output}: {tally.done - tally.errors - tally.same} transcribed, {tally.skipped + tally.same} were "
                  f"done before, {tally.errors} with an error, {tally.left_out} files left out by their names",
                  highlight=False, markup=False)  # fmt: skip
    return 1 if tally.errors else 0


def line(tally: Any, currency: str) -> str:
    """How far a run is: hours of sound, hours left, cost."""
    parts = [f"{tally.done:,} of {tally.files:,} files", f"{tally.audio_hours:,.2f} h of sound"]
    if tally.seconds > 0 and tally.audio_seconds:
        parts.append(f"{tally.audio_seconds / tally.seconds:,.0f} times real time")
    if tally.done < tally.files and tally.audio_hours_left is not None:
        parts.append(f"about {tally.audio_hours_left:,.2f} h of sound left, {tally.hours_left:,.2f} h to go")
    if tally.cost is not None:
        parts.append(f"{tally.cost:,.2f} {currency}")
    if tally.errors:
        parts.append(f"{tally.errors:,} errors")
    return ", ".join(parts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="endpoint batch", epilog="Settings of the model are flags too: --model, --dtype ... (see serve)."
    )
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE",
        help="file, folder, glob, s3://bucket/prefix, or a manifest (csv, jsonl, parquet) with the column `path`",
    )  # fmt: skip
    parser.add_argument("--output", required=True, help="folder, or s3://bucket/prefix; what is done there is skipped")
    parser.add_argument("--address", help="a Ray cluster to join, `auto` for the one of this node; unset: this machine")
    parser.add_argument("--actors", type=_count, default=0, help="engines; unset: one a GPU, without GPUs one a node")
    parser.add_argument("--write", choices=FILES, action="append", default=[], help="also a file for each recording")
    parser.add_argument("--retry-errors", action="store_true", help="try files again whose error is their own")
    parser.add_argument("--price", type=_price, help="of an engine's hour, in PRICE_CURRENCY: shows what a run costs")
    parser.add_argument("--language", help="code or English name; unset: detect it")
    parser.add_argument("--task", choices=[task.value for task in Task], default=Task.TRANSCRIBE.value)
    parser.add_argument("--prompt", help="words to expect")
    parser.add_argument("--words", action="store_true", help="also time every word")
    add_fields(parser, LayoutFields, WordingFields, SpeakerFields)
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number, 1 or more")
    return int(text)


def _price(text: str) -> float:
    try:
        price = float(text)
    except ValueError:
        price = -1.0
    if not 0 <= price < float("inf"):
        raise InvalidRequest(f"--price {text}: a price is a number, not below 0", param="--price")
    return price
