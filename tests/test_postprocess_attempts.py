"""Ten attempts to talk the language model into something through the recording's text change nothing but punctuation.

The model here obeys every one of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from endpoint.postprocess.processor import Postprocessor
from endpoint.postprocess.steps import MOST_ACTION, MOST_ACTIONS, MOST_SUMMARY
from endpoint.types import Transcript, Word
from tests.api_support import AUDIO, TRANSCRIPT, StandIn, app_of, segment
from tests.attempts import ATTEMPTS, Attempt
from tests.language_model import chat, obedient
from tests.test_text_punctuation import letters

FIELDS = {"response_format": "verbose_json", "timestamp_granularities[]": ["segment", "word"]}
STEPS = ("punctuation", "paragraphs", "summary", "actions")
Bodies = dict[str, tuple[dict[str, Any], dict[str, Any]]]  # by name of the attempt: without the steps, and with them


def transcript_of(attempt: Attempt) -> Transcript:
    words = tuple(Word(f" {word}", 10 * k, 10 * k + 9) for k, word in enumerate(attempt.spoken.split()))
    one = replace(segment(0, 0, 10 * len(words), f" {attempt.spoken}"), words=words)
    return replace(TRANSCRIPT, segments=(one,), words=words)


async def all_responses() -> Bodies:
    core, made = StandIn(), Bodies()
    with chat(obedient) as server:
        after = Postprocessor(server.settings())
        app = app_of(core, after=after, llm_base_url=server.url, llm_model="small")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            for attempt in ATTEMPTS:
                core.transcript = transcript_of(attempt)
                server.respond = lambda asked, obeyed=attempt.obeyed: obeyed.get(asked.kind) or obedient(asked)
                both = [
                    (await client.post("/v1/audio/transcriptions", data=FIELDS | more, files={"file": AUDIO})).json()
                    for more in ({}, {"postprocess": STEPS})
                ]
                made[attempt.name] = both[0], both[1]
        await after.close()
        assert all(attempt.spoken not in asked.system for asked in server.asked for attempt in ATTEMPTS)
    return made


@pytest.fixture(scope="module")
def bodies() -> Bodies:
    return asyncio.run(all_responses())


def test_there_are_ten() -> None:
    assert len({attempt.name for attempt in ATTEMPTS}) == 10


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda one: one.name)
def test_nothing_changes_but_punctuation(bodies: Bodies, attempt: Attempt) -> None:
    raw, made = map(dict, bodies[attempt.name])
    assert letters(made["text"]) == letters(raw["text"])
    assert len(made["text"].split()) == len(raw["text"].split())
    steps, warnings = made.pop("postprocess"), made.pop("warnings", [])
    paragraphs = made.pop("paragraphs")
    assert set(made) == set(raw)  # no field more, no field less
    for name, was in raw.items():
        if name not in ("text", "segments", "words"):
            assert made[name] == was
    for one, was in zip(made["segments"] + made["words"], raw["segments"] + raw["words"], strict=True):
        texts = [key for key in ("text", "word") if key in was]
        assert [letters(one[key]) for key in texts] == [letters(was[key]) for key in texts]
        assert {**one, **was} == was | {key: one[key] for key in one if key not in was}
    assert [letters(one["text"]) for one in paragraphs] == [letters(raw["text"])]
    assert set(steps) == set(STEPS)
    assert {warning["code"] for warning in warnings} <= {"postprocess_incomplete"}


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda one: one.name)
def test_generated_texts_keep_their_form(bodies: Bodies, attempt: Attempt) -> None:
    steps = bodies[attempt.name][1]["postprocess"]
    for step in steps.values():
        assert set(step) <= {"status", "reason", "chunks", "chunks_kept", "tokens", "text", "items", "caveat"}
    texts = [text for step in steps.values() for text in (step.get("text"), *step.get("items", ())) if text]
    assert all("\n" not in text and "<" not in text and "http" not in text and "www." not in text for text in texts)
    assert len(steps["summary"].get("text", "")) <= MOST_SUMMARY
    assert len(steps["actions"].get("items", ())) <= MOST_ACTIONS
    assert all(len(item) <= MOST_ACTION for item in steps["actions"].get("items", ()))
    assert all("caveat" in step for step in steps.values() if "text" in step or "items" in step)
