"""Two API processes before two engines, the real ones with the bundled model: words, balance, and how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import jiwer
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.supervised import Several, supervised
from tests.talk import make_talk
from tests.test_supervisor import lines

SAMPLES = Path(__file__).parents[1] / "endpoint" / "demo" / "samples"
AT_ONCE = 32

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Several]:
    output = tmp_path_factory.mktemp("several") / "output.txt"
    settings = {"MODEL_ID": "demo", "API_PROCESSES": "2", "CPU_KV_CACHE_GIB": "1", "MAX_NUM_SEQS": "32"}
    with supervised(output, "-m", "tests.supervised", **settings) as server:
        server.wait()
        yield server


def seconds_of(server: Several) -> list[float]:
    """Of the processor, for each engine."""
    times = [engine.cpu_times() for engine in server.engines]
    return [time.user + time.system for time in times]


async def test_many_at_once_are_served_by_both_processes(server: Several) -> None:
    texts = {name: truth["text"] for name, truth in json.loads((SAMPLES / "texts.json").read_text()).items()}
    names = ["english.wav", "german.flac"]
    before = seconds_of(server)

    async def ask(number: int) -> None:
        name = names[number % 2]
        # A client each, so that each has a connection of its own.
        async with AsyncOpenAI(base_url=f"{server.base}/v1", api_key="none", max_retries=0) as client:
            transcription = await client.audio.transcriptions.create(
                file=SAMPLES / name,
                model="whisper-1",
                response_format="verbose_json",
                timestamp_granularities=["word"],
            )
        assert transcription.text == texts[name]
        assert transcription.words is not None
        assert [word.word for word in transcription.words] == texts[name].split()
        assert all(
            one.start < one.end <= two.start
            for one, two in zip(transcription.words, transcription.words[1:], strict=False)
        )
        assert 6 < transcription.words[-1].end <= transcription.duration

    await asyncio.gather(*(ask(number) for number in range(AT_ONCE)))
    served = Counter(line["process"] for line in lines(server, "request") if line["status"] == 200)
    assert set(served) == {"api-0", "api-1"}
    worked = [after - first for first, after in zip(before, seconds_of(server), strict=True)]
    assert min(worked) > max(worked) / 4


def test_one_long_recording_keeps_both_engines_busy(server: Several) -> None:
    talk = make_talk(240, seed=6)
    before = seconds_of(server)
    with OpenAI(base_url=f"{server.base}/v1", api_key="none", max_retries=0) as client:
        transcription = client.audio.transcriptions.create(
            file=("talk.wav", talk.wav),
            model="whisper-1",
            language="en",
            response_format="verbose_json",
            timestamp_granularities=["word"],
        )
    worked = [after - first for first, after in zip(before, seconds_of(server), strict=True)]
    assert min(worked) > max(worked) / 4
    assert jiwer.process_words(" ".join(talk.words), transcription.text).hits >= 0.98 * len(talk.words)
    assert transcription.words is not None
    late = []
    for start, end in talk.spans:
        near = [word for word in transcription.words if start - 150 < 500 * (word.start + word.end) < end + 150]
        late += [1000 * near[0].start - start, 1000 * near[-1].end - end] if near else [1_000.0]
    errors = sorted(map(abs, late))
    assert errors[len(errors) // 2] <= 60
    assert errors[int(0.95 * len(errors))] <= 200


def test_requests_of_the_other_engine_succeed_when_one_dies(server: Several) -> None:
    """The last test: it ends the server. Each engine has half of the requests; those of one must fail."""
    everybody, victim = server.processes(), server.engines[0]
    sound = (SAMPLES / "english.wav").read_bytes()

    async def ask() -> int:
        async with httpx.AsyncClient(timeout=600) as client:
            form = {"response_format": "verbose_json", "timestamp_granularities[]": "word"}
            try:
                response = await client.post(
                    f"{server.base}/v1/audio/transcriptions", files={"file": ("a", sound)}, data=form
                )
            except httpx.ConnectError:  # on a slow machine the server may be ending by now
                return 503
            return response.status_code

    async def all_of_them() -> list[int]:
        asked = [asyncio.create_task(ask()) for _ in range(24)]
        before = seconds_of(server)[0]
        for _ in range(600):
            await asyncio.sleep(0.05)
            if seconds_of(server)[0] > before + 0.3:
                break  # it is at work
        victim.kill()
        return await asyncio.gather(*asked)

    statuses = Counter(asyncio.run(all_of_them()))
    assert set(statuses) <= {200, 500, 503}, statuses
    assert statuses[200] >= 4, statuses
    assert statuses[500] >= 1, statuses
    assert server.ends(everybody) == 128 + signal.SIGKILL
    (line,) = lines(server, "a process ended, so the server ends")
    assert line["pid"] == victim.pid
