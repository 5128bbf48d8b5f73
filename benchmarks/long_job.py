"""A long recording of human speech as a job, beside the same as a request: python -m benchmarks.long_job [--hours 3]

On a server with whisper-base. Prints how evenly the progress rises from the moment the job runs to its end, whether the
text is the same, and the most memory over the idle server, each with PASS or FAIL; and where the progress was at every
tenth of the time. Exit status 1 if a line fails.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np

from benchmarks.human.clips import PROMPTS, prompts, shipped
from benchmarks.human.laid import load
from endpoint.bench.containers import encode
from endpoint.bench.usage import Processes
from endpoint.client import Client
from endpoint.client_values import Job
from endpoint.config import load_settings
from endpoint.local import running_server
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE, Samples
from endpoint.weights.packages import fetch_base

CACHE = Path("build/human")
MOST_MIB, UNEVEN = 600, 0.15  # over the idle server; how far from a straight line the progress may be
PAUSE_SECONDS = 0.6
LONGEST_SECONDS = 6 * 3600


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=3.0)
    hours = parser.parse_args().hours
    data = encode(recording(hours), "mp3")
    print(f"{hours:g} hours of human speech, {len(data) / 2**20:.0f} MiB of mp3", flush=True)
    model = str(fetch_base(load_settings().model_folder))
    with running_server(MODEL_ID=model, REQUEST_TIMEOUT_SECONDS=str(LONGEST_SECONDS)) as server:
        processes = Processes(server.pid)
        idle = processes.memory_mib()
        with watched(processes) as most:
            began = time.monotonic()
            text, progress = as_job(f"{server.base}/v1", data)
            seconds = time.monotonic() - began
        print(f"as a job: {seconds:.0f} s, {hours * 3600 / seconds:.0f} times real time", flush=True)
        direct = as_request(f"{server.base}/v1", data)
    print("progress at every tenth of the time: " + " ".join(f"{at:.2f}" for at in tenths(progress)))
    far, steps = unevenness(progress), [fraction for _, fraction in progress]
    falls = sum(after < before for before, after in itertools.pairwise(steps))
    lines = [
        ("progress, furthest from a straight line", f"{far:.3f}", f"at most {UNEVEN}", far <= UNEVEN),
        ("progress falls, times", f"{falls}", "0", not falls),
        ("text is that of the request", "yes" if text == direct else "no", "yes", text == direct),
        (
            "memory over the idle server, MiB",
            f"{max(most) - idle:.0f}",
            f"at most {MOST_MIB}",
            max(most) - idle <= MOST_MIB,
        ),
    ]
    for what, measured, wanted, met in lines:
        print(f"{'PASS' if met else 'FAIL'}  {what}: {measured} ({wanted})")
    return 0 if all(met for *_, met in lines) else 1


def recording(hours: float) -> Samples:
    """int16 [n]: clips of LJ Speech and prompts in five languages, over and over, with pauses."""
    clips = [*shipped(), *(clip for name in PROMPTS for clip in prompts(name, CACHE / "prompts", 40))]
    sounds = [(load(clip.path) * (PCM_FULL_SCALE - 1)).astype(np.int16) for clip in clips if clip.language == "en"]
    parts, count, wanted = list[Samples](), 0, int(hours * 3600 * SAMPLE_RATE)
    pause = np.zeros(int(PAUSE_SECONDS * SAMPLE_RATE), np.int16)
    for sound in itertools.cycle(sounds):
        if count >= wanted:
            return np.concatenate(parts)[:wanted]
        parts += [sound, pause]
        count += len(sound) + len(pause)
    raise AssertionError("there are no clips")


def as_job(base: str, data: bytes) -> tuple[str, list[tuple[float, float]]]:
    """The text, and (time, fraction) since the job runs, to its end."""
    progress = list[tuple[float, float]]()

    def look(seen: Job) -> None:
        if seen["status"] != "queued":
            progress.append((time.monotonic(), seen["progress"]["fraction"]))

    with Client(base) as client:
        job = client.submit(data, language="en")
        done = client.wait(job["id"], on_progress=look)
        if done["status"] != "succeeded":
            raise RuntimeError(f"the job is {done['status']}: {done['error']}")
        return str(client.result(job["id"])["text"]), progress


def as_request(base: str, data: bytes) -> str:
    response = httpx2.post(
        f"{base}/audio/transcriptions",
        files={"file": ("long.mp3", data)},
        data={"language": "en"},
        timeout=LONGEST_SECONDS,
    )
    response.raise_for_status()
    return str(response.json()["text"])


def unevenness(progress: list[tuple[float, float]]) -> float:
    """The most that the fraction is off a straight line from 0 at the first moment to 1 at the last."""
    (first, _), (last, _) = progress[0], progress[-1]
    return max(abs(fraction - (moment - first) / (last - first)) for moment, fraction in progress)


def tenths(progress: list[tuple[float, float]]) -> list[float]:
    (first, _), (last, _) = progress[0], progress[-1]
    moments = [first + (last - first) * k / 10 for k in range(11)]
    return [max(fraction for moment, fraction in progress if moment <= limit) for limit in moments]


@contextmanager
def watched(processes: Processes) -> Iterator[list[float]]:
    """MiB of the processes, looked at every few seconds."""
    most, done = [processes.memory_mib()], threading.Event()

    def look() -> None:
        while not done.wait(5):
            most.append(processes.memory_mib())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
