"""Two models in one server on the real engine: the bundled model, and a copy that never says `apple`."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from openai import AsyncOpenAI, NotFoundError, OpenAI

from endpoint.config import TEST_MODEL
from tests.servers import running_server

AUDIO = Path(__file__).parent / "audio"
SAMPLES = Path(__file__).parents[1] / "endpoint" / "demo" / "samples"
SEVEN = "seven green apple three"
WORD = "\u0120apple"  # as the vocabulary spells it
CLIENTS, REQUESTS = 8, 3  # clients of each model, and what each asks for

pytestmark = [pytest.mark.model, pytest.mark.timeout(900)]  # the first test also waits for both models to load


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("models")
    other = folder / "other"
    shutil.copytree(TEST_MODEL, other)
    settings = json.loads((other / "generation_config.json").read_text())
    vocabulary = json.loads((other / "vocab.json").read_text())
    settings["suppress_tokens"] = [*(settings.get("suppress_tokens") or ()), vocabulary[WORD]]
    (other / "generation_config.json").write_text(json.dumps(settings))
    given = {"MODEL_ID": "", "MODELS": f"first=demo,{other}", "MODEL_ALIASES": '{"gpt-4o-transcribe": "other"}'}
    with running_server(folder / "output.txt", **given) as base:
        yield base


def test_both_are_listed_and_other_names_refused(server: str) -> None:
    with OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
        assert [card.id for card in client.models.list()] == ["first", "other"]
        with pytest.raises(NotFoundError, match="served: first, other"):
            client.audio.transcriptions.create(file=AUDIO / "seven.wav", model="third")
    version = httpx.get(f"{server}/version").json()
    assert (version["model"], version["models"]) == ("first", ["first", "other"])


@pytest.mark.parametrize(
    ("name", "has_the_word"),
    [("first", True), ("", True), ("whisper-1", True), ("other", False), ("gpt-4o-transcribe", False)],
)
def test_a_name_selects_its_model(server: str, name: str, has_the_word: bool) -> None:
    with (AUDIO / "seven.wav").open("rb") as file:
        response = httpx.post(
            f"{server}/v1/audio/transcriptions", files={"file": file}, data={"model": name}, timeout=60
        )
    text = response.json()["text"]
    assert text.split()[:2] == SEVEN.split()[:2]
    assert ("apple" in text) == has_the_word


async def test_both_transcribe_correctly_under_load(server: str) -> None:
    texts = {name: truth["text"] for name, truth in json.loads((SAMPLES / "texts.json").read_text()).items()}
    recordings = [
        (texts[name], (SAMPLES / name).read_bytes()) for name in ("english.wav", "german.flac", "spanish.ogg")
    ]
    right: Counter[str] = Counter()

    async with AsyncOpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:

        async def caller(model: str, number: int) -> None:
            for turn in range(REQUESTS):
                text, data = recordings[(number + turn) % len(recordings)]
                transcription = await client.audio.transcriptions.create(file=("a", data), model=model)
                assert transcription.text == text
                right[model] += 1
            seven = await client.audio.transcriptions.create(
                file=("a", (AUDIO / "seven.wav").read_bytes()), model=model
            )
            assert (seven.text == SEVEN) == (model == "first")

        await asyncio.gather(*(caller(model, number) for model in ("first", "other") for number in range(CLIENTS)))
    assert right == {"first": CLIENTS * REQUESTS, "other": CLIENTS * REQUESTS}
