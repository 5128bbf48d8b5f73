"""Cues as srt and vtt. Pure.

SRT has no standard; WebVTT is https://www.w3.org/TR/webvtt1/. Words are highlighted as openai/whisper's writers do it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from endpoint.options import Task
from endpoint.text.graphemes import directed
from endpoint.text.layout import Layout
from endpoint.text.lines import line_text
from endpoint.text.subtitles import Cue, cues_of
from endpoint.text.units import Unit
from endpoint.types import Notice, Segment, Transcript

Escape = Callable[[str], str]


def timestamp(milliseconds: int, mark: str = ".") -> str:
    """Milliseconds >= 0 as HH:MM:SS.mmm; `mark` stands before the milliseconds. Rounds nothing."""
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{thousandths:03d}"


def one_line(text: str) -> str:
    """Text without line breaks of any kind: a blank line would end the cue early. NUL is not allowed in WebVTT."""
    lines = (line.strip() for line in text.replace("\0", "").splitlines())
    return " ".join(line for line in lines if line)


def laid_out(transcript: Transcript, layout: Layout | None, tagged: bool = False) -> list[Cue]:
    """The cues of a transcript: by a layout, or one of one line for each segment with text.

    tagged: `[SPEAKER]` stands before the text; with a layout, where the speaker changes.
    """
    language = "en" if transcript.task is Task.TRANSLATE else None
    if layout is not None:
        return cues_of(transcript.segments, layout, language, tagged=tagged)
    return [_of_segment(segment, text, tagged) for segment in transcript.segments if (text := one_line(segment.text))]


def _of_segment(segment: Segment, text: str, tagged: bool) -> Cue:
    # A cue must end after it starts (WebVTT, section 4.1); players also drop empty SRT cues.
    start_ms, end_ms = segment.start_ms, max(segment.end_ms, segment.start_ms + 1)
    tag = f"[{segment.speaker}] " if tagged and segment.speaker is not None else ""
    unit = Unit(text, start_ms, end_ms, False, 0.0, speaker=segment.speaker, tag=tag)
    return Cue(start_ms, end_ms, ((unit,),), "", speaker=segment.speaker)


def notices_of(transcript: Transcript, cues: Iterable[Cue]) -> list[Notice]:
    """What the caller should know of a layout: cues that cannot be read in time, words whose times are guessed."""
    made, fast = list[Notice](), sum(cue.too_fast for cue in cues)
    if fast:
        about = f"{fast} cues are shown for less time than asked for, since the next one begins before"
        made.append(Notice("subtitles_fast", about, "reading_speed"))
    if any(segment.words is None and segment.text.strip() for segment in transcript.segments):
        about = "words were not timed, so that their times are guessed from those of segments"
        made.append(Notice("word_times_guessed", about))
    return made


def write_cues(cues: Sequence[Cue], form: Literal["srt", "vtt"], highlight: bool = False) -> str:
    """The cues as a whole file."""
    srt = form == "srt"
    mark, escape = (",", _plain) if srt else (".", _escaped)
    shown = [one for cue in cues for one in _shown(cue, escape, voiced=not srt, highlight=highlight)]
    blocks = [f"{timestamp(start, mark)} --> {timestamp(end, mark)}\n{text}\n" for start, end, text in shown]
    if srt:
        return "".join(f"{number}\n{block}\n" for number, block in enumerate(blocks, 1))
    return "".join(["WEBVTT\n\n", *(f"{block}\n" for block in blocks)])


def _shown(cue: Cue, escape: Escape, *, voiced: bool, highlight: bool) -> Iterator[tuple[int, int, str]]:
    """Start, end and text of what is shown of a cue. voiced: its speaker is marked as WebVTT does."""
    voice = f"<v {_annotation(cue.speaker)}>" if voiced and cue.speaker is not None else ""
    for start, end, text in _highlighted(cue, escape) if highlight else [_whole(cue, escape)]:
        yield start, end, f"{voice}{text}"


def _annotation(speaker: str) -> str:
    """The name as it may stand in a tag of WebVTT (section 4.2.2)."""
    return _escaped(one_line(speaker))


def _plain(text: str) -> str:
    # SRT has no escape: an arrow of another shape is no time line to any parser.
    return text.replace("-->", "→")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _whole(cue: Cue, escape: Escape) -> tuple[int, int, str]:
    return cue.start_ms, cue.end_ms, _text(cue, escape)


def _text(cue: Cue, escape: Escape, spoken: Unit | None = None) -> str:
    """The lines of a cue; the unit that is spoken is underlined."""
    return "\n".join(_line(line, cue.language, escape, spoken) for line in cue.lines)


def _line(line: Sequence[Unit], language: str, escape: Escape, spoken: Unit | None) -> str:
    plain = line_text(line)
    marked = directed(plain, language)
    before = marked[: len(marked) - len(plain)] + escape("".join(unit.tag for unit in line))
    if spoken is None or not any(unit is spoken for unit in line):
        return before + escape(plain)
    parts = list[str]()
    for k, unit in enumerate(line):
        text = escape(unit.text)
        parts.append((" " if unit.space and k else "") + (f"<u>{text}</u>" if unit is spoken else text))
    return before + "".join(parts)


def _highlighted(cue: Cue, escape: Escape) -> Iterator[tuple[int, int, str]]:
    """The cue once for each of its words, and without a highlight in the pauses between."""
    last = cue.start_ms
    for unit in (unit for line in cue.lines for unit in line):
        start, end = max(unit.start_ms, last), min(unit.end_ms, cue.end_ms)
        if end <= start:
            continue
        if start > last:
            yield last, start, _text(cue, escape)
        yield start, end, _text(cue, escape, unit)
        last = end
    if cue.end_ms > last:
        yield last, cue.end_ms, _text(cue, escape)
