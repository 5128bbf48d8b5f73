"""The whole way on the real engine: the official client against a live server with the bundled model."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import jiwer
import psutil
import pysubs2
import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError, OpenAI

from endpoint.api.schemas import VerboseTranscription
from tests.talk import make_talk

AUDIO = Path(__file__).parent / "audio"
TRANSCRIPTS = json.loads((AUDIO / "transcripts.json").read_text())
SAMPLES = Path(__file__).parents[1] / "endpoint" / "demo" / "samples"
SPOKEN = json.loads((SAMPLES / "texts.json").read_text())  # file -> its text and language

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]  # the first test also waits for the model to load


@pytest.fixture
def client(model_server: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{model_server}/api/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("name", sorted(TRANSCRIPTS))
def test_every_container_says_the_same(client: OpenAI, name: str) -> None:
    transcription = client.audio.transcriptions.create(file=AUDIO / name, model="whisper-1")
    assert transcription.text.split() == TRANSCRIPTS[name].split()


def test_the_five_formats(client: OpenAI) -> None:
    words = TRANSCRIPTS["seven.wav"]

    def ask(form: str) -> object:
        return client.audio.transcriptions.create(file=AUDIO / "seven.wav", model="", response_format=form)

    assert ask("json").text == words
    assert ask("text").strip() == words
    for form in ("srt", "vtt"):
        body = ask(form)
        cues = pysubs2.SSAFile.from_string(body, format_=form)
        assert " ".join(cue.plaintext for cue in cues) == words
        assert all(0 <= cue.start < cue.end for cue in cues)
    raw = client.audio.transcriptions.with_raw_response.create(
        file=AUDIO / "seven.wav", model="", response_format="verbose_json"
    )
    VerboseTranscription.model_validate_json(raw.text)
    verbose = raw.parse()
    assert (verbose.text, verbose.language) == (words, "english")
    segment = verbose.segments[0]
    assert segment.no_speech_prob < 0.5
    assert -1 < segment.avg_logprob <= 0
    assert 0 <= segment.start < segment.end <= verbose.duration


def test_a_search_streams_its_result(client: OpenAI) -> None:
    asked = {"file": AUDIO / "seven.wav", "model": "", "extra_body": {"beam_size": 5}}
    whole = client.audio.transcriptions.create(**asked)
    events = list(client.audio.transcriptions.create(**asked, stream=True))
    assert events[-1].text == whole.text == TRANSCRIPTS["seven.wav"]
    assert "".join(event.delta for event in events[:-1]) == whole.text


@pytest.mark.parametrize("name", sorted(SPOKEN))
def test_bundled_recordings(client: OpenAI, name: str) -> None:
    truth = SPOKEN[name]
    transcription = client.audio.transcriptions.create(
        file=SAMPLES / name, model="whisper-1", response_format="verbose_json"
    )
    assert transcription.text.split() == truth["text"].split()
    assert (
        transcription.language == {"en": "english", "fr": "french", "de": "german", "es": "spanish"}[truth["language"]]
    )


@pytest.mark.parametrize("name", sorted(SPOKEN))
def test_words_of_the_bundled_recordings(client: OpenAI, name: str) -> None:
    transcription = client.audio.transcriptions.create(
        file=SAMPLES / name, model="whisper-1", response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert transcription.segments is None
    assert [word.word for word in transcription.words] == SPOKEN[name]["text"].split()
    edges = [moment for word in transcription.words for moment in (word.start, word.end)]
    assert edges == sorted(edges)
    assert 0 <= edges[0] < edges[-1] <= transcription.duration
    assert all(0.06 <= word.end - word.start <= 1.2 for word in transcription.words)


def test_words_begin_and_end_with_their_phrases(client: OpenAI) -> None:
    """Four windows, phrases between pauses of known times."""
    talk = make_talk(100, seed=6)
    transcription = client.audio.transcriptions.create(
        file=("talk.wav", talk.wav),
        model="whisper-1",
        language="en",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert [word.word for word in transcription.words] == transcription.text.split()
    late = []
    for start, end in talk.spans:
        near = [word for word in transcription.words if start - 150 < 500 * (word.start + word.end) < end + 150]
        late += [1000 * near[0].start - start, 1000 * near[-1].end - end] if near else [1_000.0]
    errors = sorted(map(abs, late))
    assert errors[len(errors) // 2] <= 60
    assert errors[int(0.95 * len(errors))] <= 200
    for segment in transcription.segments:  # their edges are those of words
        assert min(abs(word.start - segment.start) for word in transcription.words) < 0.01
        assert min(abs(word.end - segment.end) for word in transcription.words) < 0.01


def test_translation_is_english(client: OpenAI) -> None:
    with pytest.warns(DeprecationWarning, match="deprecated"):  # the client's own: OpenAI is giving the route up
        transcription = client.audio.translations.create(file=SAMPLES / "german.flac", model="whisper-1")
    english = "hello friend open window now write letter monday morning bring milk with sugar"
    assert jiwer.wer(english, transcription.text) <= 0.2


def test_silence_says_nothing(client: OpenAI) -> None:
    talk = make_talk(0.5)  # too short for any phrase: quiet noise only
    assert talk.words == []
    transcription = client.audio.transcriptions.create(file=("quiet.wav", talk.wav), model="whisper-1")
    assert transcription.text == ""


def test_prompt_and_temperature_are_taken(client: OpenAI) -> None:
    transcription = client.audio.transcriptions.create(
        file=AUDIO / "seven.wav", model="whisper-1", prompt="red green blue apple", temperature=0.2, language="en"
    )
    assert jiwer.wer(TRANSCRIPTS["seven.wav"], transcription.text) <= 0.5


def test_errors_reach_the_client_as_openai_errors(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.audio.transcriptions.create(file=("a.wav", b"no audio at all"), model="whisper-1")
    assert caught.value.code == "invalid_audio"
    assert caught.value.request_id
    with pytest.raises(NotFoundError) as missing:
        client.audio.transcriptions.create(file=AUDIO / "seven.wav", model="somebody-elses")
    assert missing.value.code == "model_not_found"


def test_ten_minutes_lose_nothing(client: OpenAI) -> None:
    talk = make_talk(600, seed=4)
    transcription = client.audio.transcriptions.create(
        file=("talk.wav", talk.wav), model="whisper-1", response_format="verbose_json", language="en"
    )
    found = jiwer.process_words(" ".join(talk.words), transcription.text)
    assert found.hits / len(talk.words) >= 0.98, f"{found.hits} of {len(talk.words)} words, WER {found.wer:.3f}"
    times = [moment for segment in transcription.segments for moment in (segment.start, segment.end)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= transcription.duration == 600
    assert [segment.id for segment in transcription.segments] == list(range(len(transcription.segments)))


def test_ten_minutes_are_streamed(client: OpenAI) -> None:
    talk = make_talk(600, seed=4)
    began = time.monotonic()
    events, moments = [], []
    for event in client.audio.transcriptions.create(file=("talk.wav", talk.wav), model="whisper-1", stream=True):
        events.append(event)
        moments.append(time.monotonic() - began)
    *deltas, done = events
    assert {delta.type for delta in deltas} == {"transcript.text.delta"}
    assert len(deltas) > 20
    assert "".join(delta.delta for delta in deltas) == done.text
    assert done.type == "transcript.text.done"
    assert done.usage.total_tokens > 0
    assert jiwer.wer(" ".join(talk.words), done.text) < 0.02
    print(f"first delta after {moments[0]:.2f} s of {moments[-1]:.2f} s, {moments[0] / moments[-1]:.0%}")
    assert moments[0] < moments[-1] / 2  # the share itself is measured by `make conformance`


def test_log_probabilities_are_of_the_text(client: OpenAI) -> None:
    transcription = client.audio.transcriptions.create(file=AUDIO / "seven.wav", model="", include=["logprobs"])
    data = b"".join(bytes(map(int, token.bytes)) for token in transcription.logprobs)
    assert data.decode().strip() == transcription.text
    assert all(-2 < token.logprob <= 0 for token in transcription.logprobs)
    assert all(bytes(map(int, token.bytes)).decode() == token.token for token in transcription.logprobs)


async def test_sixty_four_at_once_all_succeed(model_server: str) -> None:
    async with AsyncOpenAI(base_url=f"{model_server}/v1", api_key="none", max_retries=0) as client:
        data = (AUDIO / "seven.wav").read_bytes()

        async def one() -> str:
            return (await client.audio.transcriptions.create(file=("a.wav", data), model="whisper-1")).text

        texts = await asyncio.gather(*(one() for _ in range(64)))
    assert Counter(texts) == {TRANSCRIPTS["seven.wav"]: 64}


async def test_a_client_that_leaves_costs_no_engine_time(model_server: str) -> None:
    """Ten-minute requests given up while the engine is held back: afterwards it works on none of them.

    In processor time of the engine, which is compared with what one short request takes.
    """
    engine = engine_of(model_server)
    seven, talk = (AUDIO / "seven.wav").read_bytes(), make_talk(600, seed=5)
    async with httpx.AsyncClient(base_url=model_server, timeout=600) as client:

        async def ask(sound: bytes) -> str:
            response = await client.post("/v1/audio/transcriptions", files={"file": sound})
            return str(response.json()["text"])

        before = processor_seconds(engine)
        for _ in range(3):
            assert await ask(seven) == TRANSCRIPTS["seven.wav"]
        short = (processor_seconds(engine) - before) / 3
        engine.suspend()
        try:
            left = [asyncio.create_task(ask(talk.wav)) for _ in range(4)]
            await asyncio.wait(left, timeout=10)  # they have reached the engine by then, or have not: both are fine
            for task in left:
                task.cancel()
            await asyncio.wait(left)
        finally:
            engine.resume()
        before = processor_seconds(engine)
        assert await ask(seven) == TRANSCRIPTS["seven.wav"]
        # 4 times 600 s would be some 80 windows.
        assert processor_seconds(engine) - before < 20 * short


def engine_of(server: str) -> psutil.Process:
    """The process of the engine of this run's server, which is found by its port."""
    port = server.rpartition(":")[2]
    (front,) = (child for child in psutil.Process().children() if port in child.cmdline())
    (engine,) = (child for child in front.children(recursive=True) if "EngineCore" in " ".join(child.cmdline()))
    return engine


def processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
