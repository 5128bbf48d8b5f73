"""A Transcript while it is made: the server-sent events of OpenAI's `stream`. Pure.

Frames: https://html.spec.whatwg.org/multipage/server-sent-events.html; without an `event:` line, as OpenAI's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from endpoint.options import Task
from endpoint.text.format import (
    Rendering,
    diarized_row,
    dumps,
    segment_id,
    speaker_rows,
    spoken_languages,
    token_scores,
    token_usage,
    verbose,
    warnings,
)
from endpoint.text.speakers import labelled_text
from endpoint.types import Segment, Transcript

PING = b": ping\n\n"  # a comment: keeps proxies from closing an idle connection


def frame(body: dict[str, Any]) -> bytes:
    """One event."""
    return b"data: " + dumps(body) + b"\n\n"


class EventWriter:
    """Turns segments, in order, into events whose joined deltas are exactly the final text.

    rendering: json, text, verbose_json or diarized_json. verbose_json adds times to deltas, and its fields to the last
    event. With diarized_json each segment is an event, after its delta.
    """

    def __init__(self, rendering: Rendering) -> None:
        self._rendering = rendering
        self._verbose, self._logprobs = rendering.format == "verbose_json", rendering.logprobs
        self._diarized = rendering.format == "diarized_json"
        self._lines = rendering.format != "verbose_json"  # one for each change of speaker
        self._speaker = ""
        self._begun, self._spaces = False, ""  # whether text was sent; spaces held back until text follows

    def deltas(self, segments: Sequence[Segment]) -> bytes:
        """The events of settled segments; a segment without text has none."""
        events = b""
        for segment in segments:
            own = self._text(segment)
            text = self._spaces + own if self._begun else own.lstrip()
            delta = text.rstrip()
            self._spaces = text[len(delta) :]
            if not delta:
                continue
            self._begun = True
            body: dict[str, Any] = {"type": "transcript.text.delta", "delta": delta}
            if self._logprobs:
                body["logprobs"] = token_scores([segment])
            if self._verbose:
                body |= {"start": segment.start_ms / 1000, "end": segment.end_ms / 1000}
            if self._diarized:
                body["segment_id"] = segment_id(segment)
            events += frame(body)
            if self._diarized:
                events += frame(diarized_row(segment))
        return events

    def _text(self, segment: Segment) -> str:
        """On a line of its own with the name of its speaker, where that changes."""
        speaker = segment.speaker or ""
        if not self._lines or not segment.text.strip() or speaker == self._speaker:
            return segment.text
        self._speaker, self._spaces = speaker, ""
        return f"\n{speaker}: {segment.text.lstrip()}"

    def done(self, transcript: Transcript) -> bytes:
        """The last event: the whole text and its usage."""
        body: dict[str, Any] = {"type": "transcript.text.done", "text": transcript.text}
        if self._lines and transcript.speakers is not None:
            body["text"] = labelled_text(transcript.segments)
        if self._verbose:
            body |= verbose(transcript, self._rendering)
        if self._diarized and transcript.speakers is not None:
            body |= speaker_rows(transcript.speakers)
        if transcript.task is not Task.TRANSLATE:
            body["languages"] = spoken_languages(transcript)
        if self._logprobs:
            body["logprobs"] = token_scores(transcript.segments)
        body |= warnings(transcript.notices)
        return frame({**body, "usage": token_usage(transcript.usage)})  # never seconds: clients read tokens here
