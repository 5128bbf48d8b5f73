"""Callers with OpenAI's own client: short and long recordings, every format, files and streams.

python -m loadtests starts a server for it. Against a running server:
locust -f loadtests/locustfile.py --headless --host http://127.0.0.1:8000 --shape ramp --seconds 300 --callers 64
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Any

from locust import LoadTestShape, User, between, events, task
from openai import OpenAI, OpenAIError

from endpoint.bench.containers import encode
from endpoint.bench.recordings import WORKLOADS, Recording, Workload, make
from endpoint.bench.words import errors
from loadtests.shapes import SHAPES, stage_at
from loadtests.thresholds import HEALTH, Measured, Thresholds, broken

MOST_ERRORS = 0.5  # of the words of a recording; more means another recording's text, or none

Sound = tuple[Recording, bytes]
logging.getLogger("httpx2").setLevel(logging.WARNING)  # it writes a line for every request


def sounds(workload: Workload, container: str) -> list[Sound]:
    return [(recording, encode(recording.samples, container)) for recording in make(workload)]


SHORT = sounds(Workload("short", WORKLOADS["short"].seconds, 16), "wav")
WINDOWS = sounds(Workload("packed", WORKLOADS["packed"].seconds, 8), "mp3")
TALKS = sounds(Workload("talk", (100, 110), 4), "opus")


@events.init_command_line_parser.add_listener
def flags(parser: Any) -> None:
    parser.add_argument("--shape", choices=SHAPES, default="brief", help="how many callers there are, and when")
    parser.add_argument("--seconds", type=float, default=60, help="of the whole run")
    parser.add_argument("--callers", type=int, default=12, help="at most")
    parser.add_argument("--most-failures", type=float, default=Thresholds.failures, help="as a share of all requests")
    parser.add_argument("--most-p95", type=float, default=Thresholds.p95, help="seconds, of each kind of request")
    parser.add_argument("--most-health-p95", type=float, default=Thresholds.health_p95, help="seconds")
    parser.add_argument("--check-words", action="store_true", help="a wrong text is a failure; for the test model")


class Shape(LoadTestShape):
    def tick(self) -> tuple[int, float] | None:
        options = self.runner.environment.parsed_options  # type: ignore[union-attr]
        stages = SHAPES[options.shape](options.seconds, options.callers)
        stage = stage_at(stages, self.get_run_time())
        return None if stage is None else (stage.callers, stage.pace)


class Caller(User):
    wait_time = between(0.05, 0.5)

    def on_start(self) -> None:
        self.client = OpenAI(base_url=f"{self.host}/v1", api_key="none", max_retries=0, timeout=300)
        self.random = random.Random()

    def on_stop(self) -> None:
        self.client.close()

    def ask(self, name: str, work: Callable[[], str | None], recording: Recording | None = None) -> None:
        """Do `work` and count it under `name`. Its text must be close to the reference text."""
        began, failure, text = time.perf_counter(), None, None
        try:
            text = work()
            if recording is not None and self.environment.parsed_options.check_words:
                wrong, words = errors(recording.text or "", text or "")
                if wrong > MOST_ERRORS * words:
                    failure = ValueError(f"{wrong} of {words} words are wrong")
        except OpenAIError as error:
            failure = error
        self.environment.events.request.fire(
            request_type="POST" if recording else "GET",
            name=name,
            response_time=(time.perf_counter() - began) * 1000,
            response_length=len(text or ""),
            exception=failure,
        )

    def transcribe(self, name: str, sound: Sound, **fields: Any) -> None:
        recording, data = sound

        def work() -> str:
            found = self.client.audio.transcriptions.create(model="whisper-1", file=("audio", data), **fields)
            return found if isinstance(found, str) else str(found.text)

        plain = fields.get("response_format") not in ("srt", "vtt")
        self.ask(name, work if plain else lambda: " ".join(_cues(work())), recording)

    @task(8)
    def short(self) -> None:
        self.transcribe("short wav, json", self.random.choice(SHORT))

    @task(3)
    def short_with_language(self) -> None:
        sound = self.random.choice(SHORT)
        self.transcribe("short wav, language, text", sound, language=sound[0].language, response_format="text")

    @task(4)
    def window(self) -> None:
        self.transcribe("window mp3, verbose_json", self.random.choice(WINDOWS), response_format="verbose_json")

    @task(1)
    def words(self) -> None:
        sound, fields = self.random.choice(SHORT), {"timestamp_granularities": ["word", "segment"]}
        self.transcribe("short wav, words", sound, response_format="verbose_json", **fields)

    @task(1)
    def subtitles(self) -> None:
        kind = self.random.choice(("srt", "vtt"))
        self.transcribe("talk opus, subtitles", self.random.choice(TALKS), response_format=kind)

    @task(3)
    def stream(self) -> None:
        recording, data = self.random.choice(WINDOWS)

        def work() -> str:
            text, ended = "", False
            with self.client.audio.transcriptions.create(
                model="whisper-1", file=("audio", data), stream=True
            ) as pieces:
                for event in pieces:
                    text += event.delta if event.type == "transcript.text.delta" else ""
                    ended = ended or event.type == "transcript.text.done"
            if not ended:
                raise OpenAIError("the stream ended without its last event")
            return text

        self.ask("window mp3, stream", work, recording)

    @task(2)
    def health(self) -> None:
        self.ask(HEALTH, lambda: self.client.get(f"{self.host}/health", cast_to=str))


def _cues(subtitles: str) -> list[str]:
    """The lines of SRT or WebVTT that are text."""
    lines = subtitles.splitlines()
    return [line for line in lines if line and "-->" not in line and line != "WEBVTT" and not line.isdecimal()]


@events.quitting.add_listener
def judge(environment: Any, **_: Any) -> None:
    """Print what was not kept, and end with status 1."""
    options = environment.parsed_options
    kinds = [
        Measured(entry.name, entry.num_requests, entry.num_failures, entry.get_response_time_percentile(0.95) / 1000)
        for entry in environment.stats.entries.values()
    ]
    limits = Thresholds(options.most_failures, options.most_p95, options.most_health_p95)
    lines = broken(kinds, limits)
    for line in lines:
        print(f"not kept: {line}")
    environment.process_exit_code = 1 if lines else 0
