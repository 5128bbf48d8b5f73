"""diarized_json as OpenAI's published description has it; see contract.py."""

from __future__ import annotations

import math
from itertools import groupby, pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tests.conformance.contract import Count, DurationUsage, Seconds, Stretch, Warned, Wire


class DiarizedSegment(Wire):
    type: Literal["transcript.text.segment"]
    id: Annotated[str, Field(min_length=1)]
    start: Seconds
    end: Seconds
    text: str
    speaker: Annotated[str, Field(min_length=1)]


class SpeakerTurns(Wire):
    speaker: Annotated[str, Field(min_length=1)]
    turns: Annotated[list[Stretch], Field(min_length=1)]


class Diarized(Warned):
    """`speakers`, `speakers_found` and `speakers_asked` are extensions."""

    task: Literal["transcribe"]
    duration: Seconds
    text: str
    segments: list[DiarizedSegment]
    usage: DurationUsage
    speakers: list[SpeakerTurns]
    speakers_found: Count
    speakers_asked: Count | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Diarized:
        assert len({segment.id for segment in self.segments}) == len(self.segments)
        for before, after in pairwise(self.segments):
            assert before.start <= before.end <= after.start + 0.02
        lines = [line.partition(": ") for line in self.text.split("\n") if line]
        assert [speaker for speaker, _, _ in lines] == [name for name, _ in groupby(s.speaker for s in self.segments)]
        assert "".join("".join(text for _, _, text in lines).split()) == "".join(
            "".join(segment.text for segment in self.segments).split()
        )
        assert self.usage.seconds == math.ceil(self.duration)
        assert self.speakers_found == len(self.speakers)
        return self
