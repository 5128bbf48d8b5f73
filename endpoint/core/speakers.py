"""Who says what: turns of speakers are found while a recording is transcribed, and its segments get their speakers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from endpoint.audio.decode import AudioDecoder
from endpoint.call import Call, Stage
from endpoint.core.transcriber import Progress
from endpoint.errors import InvalidAudio, InvalidRequest, TooLarge
from endpoint.options import KnownVoice, Options, SpeakerHints
from endpoint.speakers.turns import Diarization, Diarizer, KnownSpeaker, SpeakerOptions, Turn
from endpoint.speakers.words import label_words
from endpoint.text.speakers import by_speaker
from endpoint.types import Audio, Notice, Segment, Transcript
from endpoint.voices import Speakers, SpeakerTurn

REFERENCES = "known_speaker_references[]"
SHORTEST_MS, LONGEST_MS = 2_000, 10_000  # of the recording of a known speaker, as OpenAI has them
NOBODY = "A"  # who speaks where text was recognized and no voice was

Emit = Callable[[Progress], None]


def refused_reference(name: str, why: str) -> InvalidRequest:
    """The error for the recording of a known speaker that cannot be used."""
    return InvalidRequest(f"{REFERENCES}: that of {name!r}{why}", param=REFERENCES)


def check_reference(name: str, audio: Audio) -> None:
    """Raises InvalidRequest for the recording of a known speaker that is too short or too long."""
    if not SHORTEST_MS <= audio.duration_ms <= LONGEST_MS:
        raise refused_reference(name, f" is {audio.duration_ms / 1000:.1f} s long; send 2 to 10 s")


class SpeakerFinder:
    """Finds the turns in the recording of one call."""

    def __init__(self, diarizer: Diarizer | None, decoder: AudioDecoder, options: Options, call: Call) -> None:
        """Raises InvalidRequest where nothing here can find speakers."""
        if diarizer is None:
            raise InvalidRequest(
                "diarize: this server has no models to tell speakers apart. Its operator installs them with "
                "`endpoint models pull speakers`.",
                code="speakers_not_installed",
                param="diarize",
            )
        assert options.speakers is not None
        self._diarizer, self._decoder, self._call = diarizer, decoder, call
        self._hints: SpeakerHints = options.speakers
        self._start = options.start_ms / 1000  # seconds
        self._known = list[KnownSpeaker]()

    async def prepare(self) -> None:
        """Decode the recordings of known speakers. Raises InvalidRequest."""
        for voice in self._hints.known:
            self._known.append(KnownSpeaker(voice.name, await self._reference(voice)))

    async def _reference(self, voice: KnownVoice) -> Audio:
        try:
            audio = await self._decoder.decode(voice.reference, True)
        except (InvalidAudio, TooLarge) as error:
            raise refused_reference(voice.name, f": {error.message}") from error
        check_reference(voice.name, audio)
        return audio

    async def find(self, audio: Audio) -> Diarization:
        """The turns, in seconds of the file. Raises what the diarizer raises."""
        hints = self._hints
        options = SpeakerOptions(hints.number, hints.least, hints.most, tuple(self._known))
        with self._call.record.spending(Stage.SPEAKERS):
            found = await self._diarizer.diarize(audio, options)
        turns = (Turn(turn.start + self._start, turn.end + self._start, turn.speaker) for turn in found.turns)
        return replace(found, turns=tuple(turns))


class Labels:
    """Segments wait until it is known who speaks when. Then they are passed on with their speakers, cut where these
    change.

    options: of the caller, who may not have asked for times of words. emit: gets the progress.
    """

    def __init__(self, options: Options, emit: Emit) -> None:
        self._options, self._emit = options, emit
        self._waiting, self._segments = list[Segment](), list[Segment]()
        self._found: Diarization | None = None
        self._step = Progress(0, 0)
        self._expected = 0  # milliseconds of sound in which speakers are looked for

    def expect(self, duration_ms: int) -> None:
        """Speakers are looked for in so much sound: it counts for the progress as the sound of the windows does."""
        self._expected = duration_ms
        self._pass([])

    def learn(self, found: Diarization) -> None:
        """turns: in seconds of the file."""
        self._found = found
        self._pass(self._labelled(self._waiting))

    def passed(self, step: Progress) -> None:
        """A step of the transcription."""
        self._step = replace(step, segments=())
        if self._found is None:
            self._waiting += step.segments
            self._pass([])
        else:
            self._pass(self._labelled(step.segments))

    def finish(self, transcript: Transcript) -> Transcript:
        """The transcript of the segments that passed, with all turns."""
        assert self._found is not None
        turns = tuple(
            SpeakerTurn(round(turn.start * 1000), round(turn.end * 1000), turn.speaker) for turn in self._found.turns
        )
        words = tuple(word for segment in self._segments for word in segment.words or ())
        return replace(
            transcript,
            segments=tuple(self._segments),
            words=words if self._options.words else None,
            notices=(*transcript.notices, *_notices(self._found, self._segments)),
            speakers=Speakers(turns, self._found.asked),
        )

    def _pass(self, segments: Sequence[Segment]) -> None:
        found = self._expected if self._found is not None else 0
        step = self._step
        self._emit(Progress(step.done + found, step.total + self._expected, tuple(segments)))

    def _labelled(self, segments: Sequence[Segment]) -> list[Segment]:
        assert self._found is not None
        made = list[Segment]()
        for segment in segments:
            timed = segment.words or (segment,)
            labels = [label or NOBODY for label in label_words(timed, self._found.turns)]
            for part in by_speaker(segment, labels):
                kept = part if self._options.words else replace(part, words=None)
                made.append(replace(kept, id=len(self._segments) + len(made)))
        self._segments += made
        return made


def _notices(found: Diarization, segments: Sequence[Segment]) -> list[Notice]:
    if found.asked is not None and found.found < found.asked:
        about = f"{found.asked} speakers were asked for, and {found.found} were found: no more voices differ enough"
        return [Notice("fewer_speakers", about, "num_speakers")]
    if not found.turns and any(segment.text.strip() for segment in segments):
        return [Notice("no_speakers", f"no voice was found for the text, which is given to speaker {NOBODY}")]
    return []
