"""Fields about who speaks, for forms and the command line. Names are those of OpenAI and WhisperX."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from endpoint.errors import InvalidRequest
from endpoint.options import KnownVoice, SpeakerHints

NAMES, REFERENCES = "known_speaker_names[]", "known_speaker_references[]"
MOST_KNOWN = 4  # as OpenAI has it
MOST_SPEAKERS = 100
MOST_CHARACTERS = 100  # of a name
MOST_REFERENCE_BYTES = 2 << 20  # of a file: 10 s of stereo at 48 kHz
MOST_URL_BYTES = 3 << 20  # of such a file as a data URL
DIARIZED = "diarized_json"

Speaker = Annotated[int, Field(ge=1, le=MOST_SPEAKERS)]


def _plain(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for name in names)


_NAME = {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS}
_URL = {"type": "string", "pattern": "^data:", "description": "A data URL with base64."}
Names = Annotated[
    tuple[str, ...],
    AfterValidator(_plain),
    WithJsonSchema({"type": "array", "items": _NAME, "maxItems": MOST_KNOWN}, mode="validation"),
]
References = Annotated[
    tuple[str, ...],
    WithJsonSchema({"type": "array", "items": _URL, "maxItems": MOST_KNOWN}, mode="validation"),
]


class SpeakerFields(BaseModel):
    """They depend on each other and on the format, so they are checked together, by `speakers`."""

    diarize: bool = Field(
        False,
        description="Find who speaks when. Segments and words get `speaker`; segments are cut where it changes; text "
        "gets a line for each change. response_format=diarized_json and the fields below ask for the same.",
    )
    num_speakers: Speaker | None = Field(
        None, description="How many people speak; absent: it is found. Fewer may be found; `warnings` says so then."
    )
    min_speakers: Speaker | None = Field(None, description="How many people speak at least.")
    max_speakers: Speaker | None = Field(None, description="How many people speak at most.")
    known_speaker_names: Names = Field(
        (), alias=NAMES, description="Names of up to four people who may speak, one each. As OpenAI's."
    )
    known_speaker_references: References = Field(
        (),
        alias=REFERENCES,
        description="A recording of each of them alone, of 2 to 10 s (better 5 or more), as a data URL; in the order "
        "of the names. As OpenAI's.",
    )
    multichannel: bool = Field(
        False,
        description="Transcribe each channel by itself: its segments have `channel_0`, `channel_1` and so on as "
        "speakers, and all are put together by time. What is an echo of another channel is left out. An extension.",
    )

    def speakers(self, diarized: bool = False) -> SpeakerHints | None:
        """What is known of the speakers; None where they are not asked for. Who says how many there are asks for them.

        diarized: the format of the response is about them. Raises InvalidRequest.
        """
        given = self._about_speakers()
        if self.multichannel and (self.diarize or given):
            field = given or "diarize"
            raise InvalidRequest(f"{field}: with multichannel each channel is a speaker; leave it out", param=field)
        if given and "diarize" in self.model_fields_set and not self.diarize:
            raise InvalidRequest(f"{given}: contradicts diarize=false; leave one of them out", param=given)
        if self.multichannel or not (self.diarize or diarized or given):
            return None
        self._check_numbers()
        return SpeakerHints(self.num_speakers, self.min_speakers, self.max_speakers, self._known_voices())

    def _about_speakers(self) -> str:
        """The first field that says something about the speakers."""
        values: dict[str, Any] = {
            "num_speakers": self.num_speakers,
            "min_speakers": self.min_speakers,
            "max_speakers": self.max_speakers,
            NAMES: self.known_speaker_names,
            REFERENCES: self.known_speaker_references,
        }
        return next((name for name, value in values.items() if value), "")

    def _check_numbers(self) -> None:
        least, most = self.min_speakers, self.max_speakers
        if self.num_speakers is not None and (least is not None or most is not None):
            raise InvalidRequest("num_speakers: give either it, or min_speakers and max_speakers", param="num_speakers")
        if least is not None and most is not None and least > most:
            raise InvalidRequest("min_speakers: must not be above max_speakers", param="min_speakers")

    def _known_voices(self) -> tuple[KnownVoice, ...]:
        names, urls = self.known_speaker_names, self.known_speaker_references
        if len(names) != len(urls):
            message = f"{REFERENCES}: must be as many as {NAMES}; {len(names)} names and {len(urls)} references came"
            raise InvalidRequest(message, param=REFERENCES)
        if len(names) > MOST_KNOWN:
            raise InvalidRequest(f"{NAMES}: must be at most {MOST_KNOWN}; {len(names)} came", param=NAMES)
        for name in names:
            if not 1 <= len(name) <= MOST_CHARACTERS or not name.isprintable():
                raise InvalidRequest(
                    f"{NAMES}: each must be 1 to {MOST_CHARACTERS} characters on one line", param=NAMES
                )
        if len(set(names)) < len(names):
            raise InvalidRequest(f"{NAMES}: must differ from each other", param=NAMES)
        return tuple(KnownVoice(name, _decoded(url)) for name, url in zip(names, urls, strict=True))


def _decoded(url: str) -> bytes:
    """The bytes of a data URL (RFC 2397) with base64. Raises InvalidRequest."""
    head, comma, body = url.partition(",")
    if not head.lower().startswith("data:") or not head.lower().endswith(";base64") or not comma:
        raise InvalidRequest(f"{REFERENCES}: each must be a data URL: data:audio/wav;base64,...", param=REFERENCES)
    try:
        data = base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise InvalidRequest(f"{REFERENCES}: the base64 cannot be read: {error}", param=REFERENCES) from error
    if not 0 < len(data) <= MOST_REFERENCE_BYTES:
        message = f"{REFERENCES}: each must be a file of at most {MOST_REFERENCE_BYTES} bytes; {len(data)} came"
        raise InvalidRequest(
            f"{message}. Send 16 kHz mono: ffmpeg -i INPUT -ac 1 -ar 16000 OUTPUT.wav", param=REFERENCES
        )
    return data
