"""make gpu: windows/s of large-v3 and large-v3-turbo with random weights: python -m benchmarks.gpu [--small] [--list]

    --seconds 570             time for everything; what is most important comes first (--list says in what order)
    --only large-v3-turbo     these models
    --lines 'http*fp8,stock'   these runs, by parts of their names; * is anything
    --folder build/gpu        report.json and a log for each run go here, and models without weights
    --small                   a tiny model and few windows, on any machine: proves that all this runs, and nothing else

Needs an NVIDIA GPU, and downloads nothing: shapes are the published ones, weights random, the vocabulary filler. Real
weights first: whisper-base on the human recordings shipped here, greedy and with a beam of 5. Our engine alone, through
HTTP with wav and with mp3, voice activity on, and beside it vLLM's AsyncLLM on stock Whisper and vLLM's own server;
bf16 and fp8 key-value cache; numbers decoded and encoded at once. A request is a window (25 to 29.9 s of speech), a
window 114 output tokens, whatever random weights say: benchmarks/gpu/steady.py says how. vLLM's server is asked for at
most 114 tokens; that random weights do not end before is likely, and not enforced.

Each run is a process with a time limit; one that fails is a line with its reason, and the rest goes on. What is
measured is written at once, so that a run of this program that is killed leaves what it had.

On a machine that has only some packages: Python 3.11 to 3.13, torch with CUDA, and vLLM 0.26 (torch 2.11) or 0.32
(torch 2.13) with what they need, transformers, tokenizers, safetensors, numba, onnxruntime, psutil, rich and msgspec
among it. Beside those, carry what only this endpoint needs: av, soxr, httpx2 with httpcore2 and truststore, structlog,
fastapi-offline. fastapi (0.136) with uvicorn, httptools, pydantic-settings and python-multipart comes with vLLM, which
asks for fastapi[standard]. No espeak-ng and no ffmpeg: the recordings are part of the package.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from benchmarks.gpu import report
from benchmarks.gpu.lines import FULL, SMALL, Run, Size, picked, runs

LEAST_SECONDS = 45  # less is left: nothing more is begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--only", default="", help="models, separated by commas")
    parser.add_argument("--lines", default="", help="patterns of runs' names, separated by commas")
    parser.add_argument("--folder", type=Path, default=Path("build/gpu"))
    parser.add_argument("--list", action="store_true", help="say what would be measured, in order")
    args = parser.parse_args()
    console, size = Console(width=170, soft_wrap=True), SMALL if args.small else FULL
    try:
        todo = picked(runs(size), *([part for part in text.split(",") if part] for text in (args.only, args.lines)))
    except ValueError as error:
        parser.error(str(error))
    if args.list:
        for run in todo:
            console.print(run.name)
        return 0
    about = report.about(small=args.small)
    if about["card"] is None and not args.small:
        console.print(f"{report.NO_FIGURE}. This needs an NVIDIA GPU; --small shows on any machine that it runs.")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and the run that is going on ends
    args.folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + args.seconds
    found = report.Report(args.folder / "report.json", about)
    for run in todo:
        left = min(size.limit, end - time.monotonic())
        if left < LEAST_SECONDS:
            found.add(run, [], "no time was left")
            continue
        console.print(f"{run.name} ...")
        measure(run, size, left, args.folder, found)
    found.show(console)
    return 0


def measure(run: Run, size: Size, limit: float, folder: Path, found: report.Report) -> None:
    """One run in a process of its own, ended with all it started after `limit` seconds; its rows as they come."""
    rows, log = folder / f"{run.name}.jsonl", folder / f"{run.name}.log"
    rows.unlink(missing_ok=True)
    began = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "benchmarks.gpu.measure",
        run.name,
        "small" if size is SMALL else "full",
        str(folder),
    ]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            while process.poll() is None and time.monotonic() - began < limit:
                time.sleep(0.5)
                found.add(run, report.read(rows), "")
            reason = "" if process.poll() == 0 else report.why(log, process.poll(), limit)
        finally:
            end_group(process)
    found.add(run, report.read(rows), reason, time.monotonic() - began)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """The process and all that it started: a session of its own."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, kind)
        except ProcessLookupError:  # nobody is left
            break
        end = time.monotonic() + 5
        while time.monotonic() < end and group_lives(process):
            time.sleep(0.1)
    process.wait()


def group_lives(process: subprocess.Popen[bytes]) -> bool:
    process.poll()  # else it stays, a zombie
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
