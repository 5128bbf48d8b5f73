"""Segments and their speakers: a segment is cut where its speaker changes; lines of text by speaker. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from endpoint.types import Segment, Transcript, Word
from endpoint.voices import SpeakerTurn

PAUSE_MS = 500  # between segments of one channel: from here on there is another turn


def by_speaker(segment: Segment, speakers: Sequence[str]) -> list[Segment]:
    """The segment cut between words of different speakers; each part has one. Their ids are all that of the segment.

    speakers: of each word; where words were not timed, one for the whole segment. Tokens and their scores are not cut:
    the first part has those of all.
    """
    if segment.words is None or not segment.words:
        return [replace(segment, speaker=speakers[0] if speakers else None)]
    words = [replace(word, speaker=speaker) for word, speaker in zip(segment.words, speakers, strict=True)]
    groups = [tuple(group) for _, group in groupby(words, key=lambda word: word.speaker)]
    if len(groups) == 1:
        return [replace(segment, words=groups[0], speaker=groups[0][0].speaker)]
    return list(_parts(segment, groups))


def _parts(segment: Segment, groups: Sequence[tuple[Word, ...]]) -> Iterable[Segment]:
    start = segment.start_ms
    for k, words in enumerate(groups):
        last = k == len(groups) - 1
        end = max(start, segment.end_ms if last else min(words[-1].end_ms, segment.end_ms))
        part = replace(
            segment,
            start_ms=start,
            end_ms=end,
            text="".join(word.text for word in words),
            words=words,
            speaker=words[0].speaker,
        )
        yield part if k == 0 else replace(part, tokens=(), scores=())
        if not last:
            start = max(end, min(groups[k + 1][0].start_ms, segment.end_ms))


def turns_of(segments: Iterable[Segment]) -> tuple[SpeakerTurn, ...]:
    """The turns of speakers, by start, from segments in order of time: in a turn no pause is PAUSE_MS long."""
    turns, open_ = list[SpeakerTurn](), dict[str, int]()
    for segment in segments:
        if segment.speaker is None or not segment.text.strip():
            continue
        at = open_.get(segment.speaker)
        if at is not None and segment.start_ms - turns[at].end_ms < PAUSE_MS:
            turns[at] = replace(turns[at], end_ms=max(turns[at].end_ms, segment.end_ms))
        else:
            open_[segment.speaker] = len(turns)
            turns.append(SpeakerTurn(segment.start_ms, segment.end_ms, segment.speaker))
    return tuple(turns)


def renamed(transcript: Transcript, names: Mapping[str, str]) -> Transcript:
    """The transcript with other names for some speakers. names: by what they are called now."""
    if transcript.speakers is None or not names:
        return transcript

    def called(word: Word) -> Word:
        return replace(word, speaker=names.get(word.speaker or "", word.speaker))

    segments = tuple(
        replace(
            segment,
            speaker=names.get(segment.speaker or "", segment.speaker),
            words=None if segment.words is None else tuple(map(called, segment.words)),
        )
        for segment in transcript.segments
    )
    turns = tuple(replace(turn, speaker=names.get(turn.speaker, turn.speaker)) for turn in transcript.speakers.turns)
    return replace(
        transcript,
        segments=segments,
        words=None if transcript.words is None else tuple(map(called, transcript.words)),
        speakers=replace(transcript.speakers, turns=turns),
    )


def labelled_text(segments: Iterable[Segment]) -> str:
    """The text with a line for each change of speaker, as OpenAI writes it: `A: Good morning.`"""
    spoken = (segment for segment in segments if segment.text.strip())
    lines = list[str]()
    for speaker, group in groupby(spoken, key=lambda segment: segment.speaker):
        text = "".join(segment.text for segment in group).strip()
        lines.append(text if speaker is None else f"{speaker}: {text}")
    return "\n".join(lines)
