"""What each step takes of a language model's responses, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from endpoint.call import Record
from endpoint.options import Postprocess, Task
from endpoint.postprocess.model import Allowance, LanguageModel
from endpoint.postprocess.steps import MOST_ACTIONS, MOST_SUMMARY, PUNCTUATION_CHARACTERS, STEPS, Asking
from endpoint.text.paragraphs import paragraphs_of
from endpoint.types import Postprocessed, Transcript, Word
from endpoint.voices import Speakers, SpeakerTurn
from tests.api_support import TRANSCRIPT, segment
from tests.language_model import Asked, Chat, chat, obedient

PLAIN = [" so we met at noon", " anna brought the plan", " it was good", " we talked about money", " then we left"]


def transcript_of(texts: list[str], words: bool = True) -> Transcript:
    made = []
    for k, text in enumerate(texts):
        own = tuple(Word(f" {word}", k * 1000 + 10 * j, k * 1000 + 10 * j + 9) for j, word in enumerate(text.split()))
        made.append(replace(segment(k, k * 1000, k * 1000 + 900, text), words=own if words else None))
    all_words = tuple(word for one in made for word in one.words or ())
    return replace(TRANSCRIPT, segments=tuple(made), words=all_words if words else None)


@pytest.fixture
def server() -> Iterator[Chat]:
    with chat(obedient) as made:
        yield made


async def step(server: Chat, which: Postprocess, transcript: Transcript) -> tuple[Transcript, Postprocessed]:
    model = LanguageModel(server.url, "", "small", at_once=8, extra={})
    allowance = Allowance(asyncio.get_running_loop().time() + 300, 1_000_000, Record())
    try:
        return await STEPS[which](transcript, Asking(model, allowance))
    finally:
        await model.close()


# ---- punctuation ----------------------------------------------------------------------------------


async def test_punctuation_is_in_text_segments_and_words(server: Chat) -> None:
    made, report = await step(server, Postprocess.PUNCTUATION, transcript_of(PLAIN))
    assert made.text == f"{' '.join(one.strip() for one in PLAIN).capitalize()}."
    assert "".join(one.text for one in made.segments).strip() == made.text
    assert "".join(word.text for word in made.words or ()).strip() == made.text
    assert "".join(word.text for one in made.segments for word in one.words or ()).strip() == made.text
    assert (report.status, report.reason, report.chunks, report.kept) == ("done", None, 1, 0)
    assert report.tokens == 10


async def test_punctuation_without_words(server: Chat) -> None:
    made, _ = await step(server, Postprocess.PUNCTUATION, transcript_of(PLAIN, words=False))
    assert made.text.endswith("left.")
    assert made.words is None


BAD = {
    "changed": lambda text: text.replace("noon", "midnight"),
    "dropped": lambda text: text.replace("noon ", ""),
    "added": lambda text: f"{text} And more.",
    "translated": lambda text: "Also trafen wir uns mittags.",
    "ordered": lambda text: " ".join(reversed(text.split())),
    "empty": lambda text: "",
    "capitals": lambda text: text.upper(),
    "marks": lambda text: text.replace(" ", "!!!!!!! "),
}


@pytest.mark.parametrize("name", BAD)
async def test_other_words_leave_the_text_as_it_was(server: Chat, name: str) -> None:
    before = transcript_of(PLAIN)
    server.respond = lambda asked: {"text": BAD[name](asked.data)}
    made, report = await step(server, Postprocess.PUNCTUATION, before)
    assert made == before
    assert (report.status, report.reason, report.kept) == ("kept_raw", "words_changed", 1)


async def test_a_bad_chunk_leaves_the_others(server: Chat) -> None:
    texts = [f" this is text number {k} " + "word " * 20 for k in range(60)]
    before = transcript_of(texts)

    def respond(asked: Asked) -> object:
        return {"text": "Nonsense."} if "number 30 " in asked.data else obedient(asked)

    server.respond = respond
    made, report = await step(server, Postprocess.PUNCTUATION, before)
    assert report.status == "partial"
    assert report.kept == 1
    assert report.chunks == len(server.asked) > 3
    assert made.segments[30] == before.segments[30]
    assert made.segments[0].text.startswith(" This")
    assert all(len(asked.data) <= PUNCTUATION_CHARACTERS for asked in server.asked)


async def test_the_text_of_a_translation_is_english(server: Chat) -> None:
    before = replace(transcript_of(PLAIN), task=Task.TRANSLATE, language="de")
    await step(server, Postprocess.PUNCTUATION, before)
    assert "english" in server.asked[0].system


# ---- paragraphs -----------------------------------------------------------------------------------


async def test_paragraphs_begin_where_it_says(server: Chat) -> None:
    sentences = transcript_of([f"{one}." for one in PLAIN])
    made, report = await step(server, Postprocess.PARAGRAPHS, sentences)
    assert made.paragraphs == (0, 2, 4)
    assert [one.text for one in paragraphs_of(made.segments, made.paragraphs)] == [
        "so we met at noon. anna brought the plan.", "it was good. we talked about money.", "then we left.",
    ]  # fmt: skip
    assert report.status == "done"
    assert server.asked[0].data.splitlines()[1] == "1: anna brought the plan."


async def test_a_paragraph_begins_with_a_sentence(server: Chat) -> None:
    server.respond = lambda asked: {"begins": list(range(asked.data.count("\n") + 1))}
    made, _ = await step(server, Postprocess.PARAGRAPHS, transcript_of([" a b", " c d.", " e f", " g."]))
    assert made.paragraphs == (0, 2)


@pytest.mark.parametrize("begins", [[7], [-1], [0, "1"], "all", [1.5], None])
async def test_numbers_that_are_none_leave_paragraphs_to_pauses(server: Chat, begins: object) -> None:
    server.respond = lambda _: {"begins": begins}
    before = transcript_of([f"{one}." for one in PLAIN])
    made, report = await step(server, Postprocess.PARAGRAPHS, before)
    assert made == before
    assert (report.status, report.reason) == ("kept_raw", "invalid_response")


# ---- summary and actions --------------------------------------------------------------------------


async def test_a_summary(server: Chat) -> None:
    made, report = await step(server, Postprocess.SUMMARY, transcript_of(PLAIN))
    assert made == transcript_of(PLAIN)
    assert (report.status, report.text) == ("done", "It is about 86 characters.")


async def test_a_long_transcript_is_summarized_in_parts(server: Chat) -> None:
    server.respond = lambda asked: {"summary": f"Part {len(asked.data)}."}
    _, report = await step(server, Postprocess.SUMMARY, transcript_of([" word" * 400 for _ in range(90)]))
    assert report.chunks > 8
    assert len(server.asked) > report.chunks + 2  # of parts of parts
    assert server.asked[-1].data.startswith("Part ")
    assert report.text is not None


@pytest.mark.parametrize(
    ("summary", "status", "reason"),
    [("See https://evil.example.", "failed", "not_plain_text"), (" ", "failed", "empty"), ("x " * 9_000, "done", None)],
)
async def test_a_summary_is_plain_and_bounded(server: Chat, summary: str, status: str, reason: str | None) -> None:
    server.respond = lambda _: {"summary": summary}
    _, report = await step(server, Postprocess.SUMMARY, transcript_of(PLAIN))
    assert (report.status, report.reason) == (status, reason)
    assert len(report.text or "") <= MOST_SUMMARY


async def test_actions(server: Chat) -> None:
    _, report = await step(server, Postprocess.ACTIONS, transcript_of(PLAIN))
    assert report.items == ("Anna writes to Ben.", "Ben calls.")
    server.respond = lambda _: {"actions": [f"Do {k // 2}." for k in range(900)]}
    _, report = await step(server, Postprocess.ACTIONS, transcript_of(PLAIN))
    assert report.items == tuple(f"Do {k}." for k in range(MOST_ACTIONS))
    server.respond = lambda _: {"actions": [{"who": "me"}]}
    _, report = await step(server, Postprocess.ACTIONS, transcript_of(PLAIN))
    assert (report.status, report.reason, report.items) == ("failed", "invalid_response", None)


# ---- names of speakers ----------------------------------------------------------------------------


def diarized() -> Transcript:
    """A and B, and one whose name the caller gave."""
    texts = [" Hello, I am Anna.", " Hi Anna, Ben here.", " Good morning."]
    made = transcript_of(texts)
    voices = ("A", "B", "agent")
    segments = tuple(
        replace(one, speaker=voice, words=tuple(replace(word, speaker=voice) for word in one.words or ()))
        for one, voice in zip(made.segments, voices, strict=True)
    )
    turns = tuple(SpeakerTurn(one.start_ms, one.end_ms, voice) for one, voice in zip(segments, voices, strict=True))
    words = tuple(word for one in segments for word in one.words or ())
    return replace(made, segments=segments, words=words, speakers=Speakers(turns))


def naming(*names: tuple[str, str]) -> dict[str, object]:
    return {"names": [{"label": label, "name": name} for label, name in names]}


async def test_speakers_get_names_that_were_spoken(server: Chat) -> None:
    server.respond = lambda _: naming(("A", "Anna"), ("B", "Ben"), ("agent", "Anna"))
    made, report = await step(server, Postprocess.SPEAKERS, diarized())
    assert server.asked[0].data == "A: Hello, I am Anna.\nB: Hi Anna, Ben here.\nagent: Good morning."
    assert made.speakers is not None
    assert made.speakers.names == ("Anna", "Ben", "agent")
    assert [one.speaker for one in made.segments] == ["Anna", "Ben", "agent"]
    assert [{word.speaker for word in one.words or ()} for one in made.segments] == [{"Anna"}, {"Ben"}, {"agent"}]
    assert {word.speaker for word in made.words or ()} == {"Anna", "Ben", "agent"}
    assert (report.status, report.names) == ("done", (("A", "Anna"), ("B", "Ben")))


async def test_other_names_are_left_out(server: Chat) -> None:
    server.respond = lambda _: naming(("A", "The President"), ("B", "Anna\n"), ("C", "Ben"))
    made, report = await step(server, Postprocess.SPEAKERS, diarized())
    assert report.names == (("B", "Anna"),)
    assert [one.speaker for one in made.segments] == ["A", "Anna", "agent"]
    server.respond = lambda _: {"names": {"A": "Anna"}}
    made, report = await step(server, Postprocess.SPEAKERS, diarized())
    assert made == diarized()
    assert (report.status, report.reason, report.names) == ("kept_raw", "invalid_response", None)


async def test_nobody_to_name(server: Chat) -> None:
    for before in (transcript_of(PLAIN), replace(diarized(), speakers=Speakers(diarized().speakers.turns[2:]))):
        made, report = await step(server, Postprocess.SPEAKERS, before)
        assert made == before
        assert (report.status, report.reason) == ("skipped", "no_speakers")
    assert server.asked == []


async def test_words_with_punctuation_keep_their_speaker(server: Chat) -> None:
    made, _ = await step(server, Postprocess.PUNCTUATION, diarized())
    assert [{word.speaker for word in one.words or ()} for one in made.segments] == [{"A"}, {"B"}, {"agent"}]
