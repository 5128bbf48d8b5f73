"""A Transcript while it is made: the server-sent events of OpenAI's `stream`. Pure.

Frames: https://html.spec.whatwg.org/multipage/server-sent-events.html; without an `event:` line, as OpenAI's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from endpoint.options import Task
from endpoint.text.format import Rendering, dumps, spoken_languages, token_scores, token_usage, verbose, warnings
from endpoint.types import Segment, Transcript

PING = b": ping\n\n"  # a comment: keeps proxies from closing an idle connection


def frame(body: dict[str, Any]) -> bytes:
    """One event."""
    return b"data: " + dumps(body) + b"\n\n"


class EventWriter:
    """Turns segments, in order, into events whose joined deltas are exactly the final text.

    rendering: json, text or verbose_json. verbose_json adds times to deltas, and its fields to the last event.
    """

    def __init__(self, rendering: Rendering) -> None:
        self._rendering = rendering
        self._verbose, self._logprobs = rendering.format == "verbose_json", rendering.logprobs
        self._begun, self._spaces = False, ""  # whether text was sent; spaces held back until text follows

    def deltas(self, segments: Sequence[Segment]) -> bytes:
        """The events of settled segments; a segment without text has none."""
        events = b""
        for segment in segments:
            text = self._spaces + segment.text
            text = text if self._begun else text.lstrip()
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
            events += frame(body)
        return events

    def done(self, transcript: Transcript) -> bytes:
        """The last event: the whole text and its usage."""
        body: dict[str, Any] = {"type": "transcript.text.done", "text": transcript.text}
        if self._verbose:
            body |= verbose(transcript, self._rendering)
        if transcript.task is not Task.TRANSLATE:
            body["languages"] = spoken_languages(transcript)
        if self._logprobs:
            body["logprobs"] = token_scores(transcript.segments)
        body |= warnings(transcript.notices)
        return frame({**body, "usage": token_usage(transcript.usage)})  # never seconds: clients read tokens here
