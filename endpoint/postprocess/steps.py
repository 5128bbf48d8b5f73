"""The steps: each asks the language model, checks what it gave, and reports what came of it. None raises Failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from endpoint.languages import NAMES
from endpoint.options import Postprocess, Task
from endpoint.postprocess import prompts
from endpoint.postprocess.chunks import chunks_of, text_of
from endpoint.postprocess.model import Allowance, Failed, LanguageModel, tokens_of
from endpoint.postprocess.names import labels_of, taken_names
from endpoint.postprocess.plain import plain_text
from endpoint.postprocess.prompts import (
    NUMBERED,
    SPEAKERS,
    SUMMARIES,
    TRANSCRIPT,
    Actions,
    Names,
    Paragraphs,
    Punctuated,
    Question,
    Summary,
    T,
)
from endpoint.tasks import together
from endpoint.text.paragraphs import sentences_of
from endpoint.text.punctuation import WordsChanged, punctuated
from endpoint.text.speakers import labelled_text, renamed
from endpoint.types import Postprocessed, Segment, Transcript

PUNCTUATION_CHARACTERS = 1_200  # of a chunk: what a changed word costs the others
READING_CHARACTERS = 15_000  # of a chunk that is only read
MOST_SUMMARY, MOST_ACTION = 2_000, 300  # characters
MOST_ACTIONS = 30


@dataclass(frozen=True)
class Asking:
    """The model, for one step on one recording."""

    model: LanguageModel
    allowance: Allowance

    async def __call__(self, question: Question[T]) -> T:
        """As LanguageModel.ask."""
        return await self.model.ask(question, self.allowance)


Step = Callable[[Transcript, Asking], Awaitable[tuple[Transcript, Postprocessed]]]


async def punctuate(transcript: Transcript, ask: Asking) -> tuple[Transcript, Postprocessed]:
    """Punctuation and capital letters, of text, segments and words alike; chunks whose words changed stay."""
    segments, code = list(transcript.segments), _language_code(transcript)
    chunks = list(chunks_of(segments, PUNCTUATION_CHARACTERS))
    task = prompts.punctuation(NAMES[code])

    async def one(chunk: range) -> str | None:
        own = segments[chunk.start : chunk.stop]
        text = text_of(own)
        if not text:
            return None
        try:
            made = await ask(Question(task, TRANSCRIPT, text, Punctuated, 2 * tokens_of(text) + 100))
            segments[chunk.start : chunk.stop] = punctuated(own, made.text, code)
        except Failed as failure:
            return failure.reason
        except WordsChanged:
            return "words_changed"
        return None

    report = _report(Postprocess.PUNCTUATION, await together(map(one, chunks)), ask, "kept_raw")
    return _with_segments(transcript, segments), report


def _with_segments(transcript: Transcript, segments: Sequence[Segment]) -> Transcript:
    words = None
    if transcript.words is not None:
        words = tuple(word for segment in segments for word in segment.words or ())
    return replace(transcript, segments=tuple(segments), words=words)


async def divide(transcript: Transcript, ask: Asking) -> tuple[Transcript, Postprocessed]:
    """Paragraphs. The model gets numbered sentences and gives numbers; a new chunk begins a paragraph in any case."""
    begins, reasons = list[int](), list[str | None]()
    sentences = sentences_of(transcript.segments)
    joined = [_joined(transcript.segments[one.start : one.stop]) for one in sentences]

    async def one(chunk: range) -> tuple[list[int], str | None]:
        numbered = "\n".join(f"{k}: {text_of([joined[j]])}" for k, j in enumerate(chunk))
        try:
            made = await ask(Question(prompts.paragraphs(), NUMBERED, numbered, Paragraphs))
            if not all(0 <= k < len(chunk) for k in made.begins):
                raise Failed("invalid_response")
        except Failed as failure:
            return [], failure.reason
        return [sentences[chunk[k]].start for k in sorted({0, *made.begins})], None

    for found, reason in await together(map(one, chunks_of(joined, READING_CHARACTERS))):
        begins += found
        reasons.append(reason)
    if failed := [reason for reason in reasons if reason]:  # by pauses then, throughout
        return transcript, _report(Postprocess.PARAGRAPHS, failed[:1] * len(reasons), ask, "kept_raw")
    return replace(transcript, paragraphs=tuple(begins)), _report(Postprocess.PARAGRAPHS, reasons, ask, "kept_raw")


def _joined(segments: Sequence[Segment]) -> Segment:
    text = "".join(segment.text for segment in segments)
    return replace(segments[0], text=text, end_ms=segments[-1].end_ms, words=None)


async def name_speakers(transcript: Transcript, ask: Asking) -> tuple[Transcript, Postprocessed]:
    """Names for the labels of speakers, of those that were spoken in the first chunk of the transcript."""
    speakers = () if transcript.speakers is None else transcript.speakers.names
    labels = labels_of(speakers)
    if not labels:
        return transcript, Postprocessed(Postprocess.SPEAKERS, "skipped", "no_speakers")
    first = next(chunks_of(transcript.segments, READING_CHARACTERS))
    try:
        lines = labelled_text(transcript.segments[first.start : first.stop])
        made = await ask(Question(prompts.names(labels), SPEAKERS, lines, Names))
    except Failed as failure:
        return transcript, _report(Postprocess.SPEAKERS, [failure.reason], ask, "kept_raw")
    proposed = [(one.label, one.name) for one in made.names]
    others = [speaker for speaker in speakers if speaker not in labels]
    found = taken_names(proposed, labels, others, [segment.text for segment in transcript.segments])
    report = replace(_report(Postprocess.SPEAKERS, [None], ask, "kept_raw"), names=tuple(found.items()))
    return renamed(transcript, found), report


async def summarize(transcript: Transcript, ask: Asking) -> tuple[Transcript, Postprocessed]:
    """A summary; of a long transcript, one of the summaries of its chunks."""
    language, spoken = NAMES[_language_code(transcript)], transcript.text
    texts = _texts(transcript)

    async def one(text: str, what: str, sentences: int) -> str:
        made = await ask(Question(prompts.summary(language, sentences), what, text, Summary))
        return plain_text(made.summary, MOST_SUMMARY, spoken)

    try:
        found = await together(one(text, TRANSCRIPT, 5) for text in texts)
        while len(found) > 1:
            parts = ["\n".join(found[k : k + 8]) for k in range(0, len(found), 8)]
            found = await together(one(part, SUMMARIES, 8) for part in parts)
    except Failed as failure:
        return transcript, _report(Postprocess.SUMMARY, [failure.reason] * len(texts), ask, "failed")
    return transcript, replace(_report(Postprocess.SUMMARY, [None] * len(texts), ask, "failed"), text=found[0])


async def find_actions(transcript: Transcript, ask: Asking) -> tuple[Transcript, Postprocessed]:
    """Action points, those of all chunks."""
    task = prompts.actions(NAMES[_language_code(transcript)])
    found, texts = list[str](), _texts(transcript)

    async def one(text: str) -> list[str]:
        made = await ask(Question(task, TRANSCRIPT, text, Actions))
        some = [action for action in dict.fromkeys(made.actions) if action.strip()][:MOST_ACTIONS]
        return [plain_text(action, MOST_ACTION, transcript.text) for action in some]

    try:
        for some in await together(map(one, texts)):
            found += some
    except Failed as failure:
        return transcript, _report(Postprocess.ACTIONS, [failure.reason] * len(texts), ask, "failed")
    items = tuple(dict.fromkeys(found))[:MOST_ACTIONS]
    return transcript, replace(_report(Postprocess.ACTIONS, [None] * len(texts), ask, "failed"), items=items)


STEPS: dict[Postprocess, Step] = {
    Postprocess.PUNCTUATION: punctuate,
    Postprocess.PARAGRAPHS: divide,
    Postprocess.SPEAKERS: name_speakers,
    Postprocess.SUMMARY: summarize,
    Postprocess.ACTIONS: find_actions,
}


def _texts(transcript: Transcript) -> list[str]:
    segments = transcript.segments
    return [text_of(segments[one.start : one.stop]) for one in chunks_of(segments, READING_CHARACTERS)]


def _language_code(transcript: Transcript) -> str:
    """Of the text: a translation is English."""
    return "en" if transcript.task is Task.TRANSLATE else transcript.language


def _report(step: Postprocess, reasons: Sequence[str | None], ask: Asking, nothing: Any) -> Postprocessed:
    """reasons: of each chunk, None where it is done. nothing: the status where none is."""
    kept = [reason for reason in reasons if reason]
    status: Any = "done" if not kept else nothing if len(kept) == len(reasons) else "partial"
    return Postprocessed(step, status, kept[0] if kept else None, len(reasons), len(kept), ask.allowance.spent)
