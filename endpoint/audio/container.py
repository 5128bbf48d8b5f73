"""Bytes of any container to blocks of sound on the file's own clock, with what could not be read. Runs in a decoding
process.

A player counts from the start of the container, which is that of its earliest track. So sound that begins later has
silence before it, and a place of the file whose sound is missing keeps its length.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import IO, Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard, Disposition

from endpoint.audio.formats import CODECS, DECLARE_LENGTH, FORMATS, FORWARD, SENDS_NO_SILENCE, WELL_KNOWN
from endpoint.audio.pcm import Block
from endpoint.audio.source import Source
from endpoint.errors import InvalidAudio, TooLarge

MAX_STREAMS = 64
MIN_RATE, MAX_RATE = 4_000, 384_000  # Hz, of the source
MAX_BAD_PACKETS = 1_000  # before the first good one; more is not audio
MAX_SOURCE_BYTES_PER_SECOND = 192_000 * 2 * 4  # 192 kHz stereo float32, as an average over the longest recording
JITTER = 0.2  # seconds that timestamps may be off: containers round them, and recorders' clocks drift
MISSING = 0.5  # seconds of a gap, or at the end, from which sound is missing
LONGEST_GAP = 3_600  # seconds; a greater jump of timestamps is no gap

_CONTAINER_OPTIONS = {
    "format_whitelist": ",".join(FORMATS),
    "codec_whitelist": ",".join(sorted(CODECS)),
    "protocol_whitelist": "none",  # bytes come from memory; a file that points elsewhere points at nothing
    "max_streams": str(MAX_STREAMS),
}
# FFmpeg's sample types -> numpy's
_DTYPES: dict[str, npt.DTypeLike] = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
# What damaged files raise: FFmpeg's own errors, those of seeking in the upload to where their numbers point, and
# IndexError where a stream turns up in the middle of the file (PyAV 18.1, at the end of demux).
DAMAGE = (FFmpegError, OSError, ValueError, IndexError)
CONVERT = "Convert the file: ffmpeg -i INPUT -ac 1 -ar 16000 output.wav"


@dataclass(frozen=True)
class Limits:
    """What one file may take.

    max_seconds: longest recording; max_channels: of the source; cpu_seconds: processor time;
    memory_bytes: address space beside the upload, of which the interpreter and FFmpeg take 0.25 GiB.
    """

    max_seconds: int
    max_channels: int
    cpu_seconds: float
    memory_bytes: int = 2 << 30

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def too_long(self) -> TooLarge:
        return TooLarge(
            f"The recording is longer than {self.max_seconds} s. Split it, or raise MAX_AUDIO_SECONDS on the server.",
            code="audio_too_long",
        )


@dataclass
class Report:
    """What became of a file, filled while it is read. gaps: (begin, end) in seconds that could not be read.

    notices: (code, message).
    """

    gaps: list[tuple[float, float]] = field(default_factory=list)
    notices: list[tuple[str, str]] = field(default_factory=list)


def check_form(rate: int, channels: int, limits: Limits) -> None:
    if channels > limits.max_channels:
        raise InvalidAudio(
            f"The recording has {channels} channels; at most {limits.max_channels} are taken (MAX_CHANNELS). "
            "Mix it down: ffmpeg -i INPUT -ac 1 -ar 16000 output.wav"
        )
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InvalidAudio(
            f"The recording's sample rate is {rate} Hz; {MIN_RATE} to {MAX_RATE} are taken. "
            "Resample it: ffmpeg -i INPUT -ac 1 -ar 16000 output.wav"
        )


def read(data: IO[bytes], limits: Limits, track: int | None, report: Report) -> Iterator[Block]:
    """The sound of one audio stream, `track` or the one a player plays; no sound at all gives nothing.

    Raises InvalidAudio, TooLarge; MemoryError at the limit of the process.
    """
    try:
        # Tags come in any encoding; "replace", or one in Latin-1 would fail the file.
        container = av.open(data, "r", container_options=_CONTAINER_OPTIONS, metadata_errors="replace")
    except DAMAGE as error:
        raise_if_memory(error)
        raise InvalidAudio(
            f"The file is not audio in a known format, or its header is damaged. Send {WELL_KNOWN}, or convert it: "
            "ffmpeg -i INPUT -ac 1 -ar 16000 output.wav"
        ) from error
    if isinstance(data, Source):
        data.forgetful = container.format.name in FORWARD
    with container:
        assert isinstance(container, InputContainer)
        stream = choose(container, track, report)
        clock = Clock(container, stream, limits, report)
        yield from _blocks(_frames(container, stream, report), clock, limits)
        clock.finish()


def choose(container: InputContainer, track: int | None, report: Report) -> AudioStream:
    """The stream that is asked for; else the default one; else the first that can be decoded."""
    streams = container.streams.audio
    if not streams:
        raise InvalidAudio("The file has no audio stream. Send one with sound.", code="no_audio_stream")
    if track is not None and track >= len(streams):
        raise InvalidAudio(
            f"The file has no audio track {track}: it has {len(streams)}, counted from 0.", code="no_audio_stream",
            param="audio_track",
        )  # fmt: skip
    by_preference = sorted(streams, key=lambda stream: not stream.disposition & Disposition.default)
    able = [stream for stream in by_preference if _codec(stream) in CODECS] if track is None else [streams[track]]
    if not able or _codec(able[0]) not in CODECS:
        raise InvalidAudio(f"The audio codec {_codec((able or streams)[0])!r} is not supported. {CONVERT}")
    stream = able[0]
    if len(streams) > 1:
        named = " ".join(filter(None, (stream.metadata.get("language"), stream.metadata.get("title"))))
        about = f"audio track {streams.index(stream)} of {len(streams)}{f' ({named})' if named else ''} was taken"
        report.notices.append(("audio_track", f"{about}; `audio_track` chooses another, counted from 0"))
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    stream.codec_context.thread_count = 1  # the pool has a process for every core
    return stream


def _codec(stream: AudioStream) -> str:
    return str(stream.codec_context.codec.name) if stream.codec_context else "unknown"


def _frames(container: InputContainer, stream: AudioStream, report: Report) -> Iterator[AudioFrame]:
    """Frames as a player would play them: packets that do not decode are skipped, and counted."""
    bad, good, wrong = 0, False, 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except DAMAGE as error:  # the rest of the file cannot be read: it was cut short
            raise_if_memory(error)
            report.notices.append(("audio_unreadable", "the file cannot be read to its end: it is damaged or cut off"))
            break
        try:
            for frame in packet.decode():
                good = True
                yield frame
        except DAMAGE as error:
            raise_if_memory(error)
            bad, wrong = bad + 1, wrong + good
            if not good and bad > MAX_BAD_PACKETS:
                break
    if bad and not good:
        raise InvalidAudio("Nothing in the file can be decoded: it is damaged or encrypted. Export it again.")
    if wrong:
        report.notices.append(("audio_unreadable", f"{wrong} packets of sound could not be decoded and are left out"))


class Clock:
    """Where sound belongs in the file: frames in, seconds of silence before each out; notes what is missing."""

    def __init__(self, container: InputContainer, stream: AudioStream, limits: Limits, report: Report) -> None:
        self._report, self._limits = report, limits
        self._start = None if container.start_time is None else container.start_time / av.time_base
        self._length = _declared_length(container, stream)
        self._complete = _codec(stream) not in SENDS_NO_SILENCE
        self.position = 0.0  # seconds of the file that were given so far
        self._shift: float | None = None  # what timestamps are off by since the last jump

    def before(self, frame: AudioFrame) -> float:
        """Seconds of silence that belong before this frame."""
        gap, first = 0.0, self._shift is None
        if frame.pts is not None and frame.time_base is not None:
            time = float(frame.pts * frame.time_base)
            start = time if self._start is None else self._start
            shift = self._shift if self._shift is not None else -start
            off = time + shift - self.position
            longest = min(LONGEST_GAP, self._limits.max_seconds)
            if JITTER <= off <= longest and (self._length is None or self.position + off <= self._length + 1):
                gap, self._shift = off, shift
                if not first and off >= MISSING and self._complete:
                    self._report.gaps.append((self.position, self.position + off))
            else:  # small: it is as it should be; back or far off: the clock was set anew
                self._shift = shift if abs(off) < JITTER else self.position - time
        self.position += gap + frame.samples / frame.sample_rate
        return gap

    def finish(self) -> None:
        """The end: what the header declares and was not there is missing."""
        if self._length is not None and self._length - self.position >= MISSING:
            self._report.gaps.append((self.position, min(self._length, float(self._limits.max_seconds))))


def _declared_length(container: InputContainer, stream: AudioStream) -> float | None:
    """Seconds from the container's start to the end of the stream's sound, where a header says so."""
    if container.format.name not in DECLARE_LENGTH:
        return None
    start = (container.start_time or 0) / av.time_base
    tag = stream.metadata.get("DURATION", "")
    if tag.count(":") == 2:
        hours, minutes, seconds = tag.split(":")
        try:
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - float(start)
        except ValueError:
            return None
    if stream.duration is not None and stream.time_base is not None:
        begin = float((stream.start_time or 0) * stream.time_base)
        return begin - float(start) + float(stream.duration * stream.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return float(container.duration / av.time_base)
    return None


def _blocks(frames: Iterator[AudioFrame], clock: Clock, limits: Limits) -> Iterator[Block]:
    """The frames' sound in blocks of about 1 s, which cost less to convert; a stream may change its format midway."""
    budget = (limits.max_seconds + 1) * MAX_SOURCE_BYTES_PER_SECOND
    shape, waiting, count = None, list[npt.NDArray[Any]](), 0
    for frame in frames:
        rate, channels = frame.sample_rate, frame.layout.nb_channels
        gap = clock.before(frame)
        if gap or (rate, channels, frame.format.name) != shape:
            check_form(rate, channels, limits)
            if waiting and shape:
                yield Block(shape[0], np.concatenate(waiting))
            shape, waiting, count = (rate, channels, frame.format.name), [], 0
        if gap:
            yield Block(rate, np.zeros((0, channels), np.int16), silence=gap)
        budget -= frame.samples * channels * frame.format.bytes
        if budget < 0:
            raise limits.too_long()
        waiting.append(_sound(frame, channels))
        count += frame.samples
        if count >= rate:
            yield Block(rate, np.concatenate(waiting))
            waiting, count = [], 0
    if waiting and shape:
        yield Block(shape[0], np.concatenate(waiting))


def _sound(frame: AudioFrame, channels: int) -> npt.NDArray[Any]:
    """[n, channels], a copy."""
    kind = np.dtype(_DTYPES[frame.format.packed.name])
    if not frame.format.is_planar:
        return np.frombuffer(memoryview(frame.planes[0]), kind, frame.samples * channels).reshape(-1, channels).copy()
    # Not frame.to_ndarray(): of 8 planes PyAV 18.1 sees 9, and reads through a wild pointer.
    sound = np.empty((frame.samples, channels), kind, order="F")
    for k, plane in enumerate(frame.planes[:channels]):
        sound[:, k] = np.frombuffer(memoryview(plane), kind, frame.samples)
    return sound


def raise_if_memory(error: Exception) -> None:
    if isinstance(error, MemoryError):
        raise error
