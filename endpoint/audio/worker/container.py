"""Bytes of any container to blocks of sound on the file's own clock, with what could not be read. Runs in a decoding
process.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import IO, Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition

from endpoint.audio.worker.clock import Clock, Report
from endpoint.audio.worker.damage import bridge_damage, counts_frames, declared_bytes, state_sizes
from endpoint.audio.worker.formats import CODECS, DECLARE_LENGTH, FORMATS, FORWARD, SENDS_NO_SILENCE, WELL_KNOWN
from endpoint.audio.worker.frames import DAMAGE, Track, Undecodable, raise_if_memory
from endpoint.audio.worker.pcm import Block
from endpoint.audio.worker.protocol import Limits
from endpoint.audio.worker.source import Source
from endpoint.errors import InvalidAudio

MAX_STREAMS = 64
MIN_RATE, MAX_RATE = 4_000, 384_000  # Hz, of the source
MAX_SOURCE_BYTES_PER_SECOND = 192_000 * 2 * 4  # 192 kHz stereo float32, as an average over the longest recording

CONTAINER_OPTIONS = {
    "format_whitelist": ",".join(FORMATS),
    "codec_whitelist": ",".join(sorted(CODECS)),
    "protocol_whitelist": "none",  # bytes come from memory; a file that points elsewhere points at nothing
    "max_streams": str(MAX_STREAMS),
}
# FFmpeg's sample types -> numpy's
_DTYPES: dict[str, npt.DTypeLike] = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
CONVERT = "Convert the file: ffmpeg -i INPUT -ac 1 -ar 16000 output.wav"


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


def read(data: IO[bytes], limits: Limits, track: int | None, report: Report, damaged: bool = False) -> Iterator[Block]:
    """The sound of one audio stream, `track` or the one a player plays; no sound at all gives nothing.

    damaged: it is known that parts are missing. Raises InvalidAudio, TooLarge; MemoryError at the limit of the process.
    """
    source = data if isinstance(data, Source) else None
    if source:
        state_sizes(source.pages)
        damaged = damaged or bridge_damage(source.pages)
    tried, bad = set[int](), 0
    while True:
        data.seek(0)
        with _open(data) as container:
            stream = choose(container, track, tried)
            assert stream is not None
            if source:
                source.forgetful = container.format.name in FORWARD and len(container.streams.audio) == 1
            clock = _clock(container, stream, source, limits, report)
            clock.damaged = damaged
            frames = Track(container, stream, source, report).frames(clock)
            try:
                yield from _blocks(frames, clock, limits)
            except Undecodable as error:  # the next track may be better
                tried.add(stream.index)
                bad += error.bad
                if choose(container, track, tried) is None:
                    break
                continue
            clock.finish(_by_bytes(source, clock))
            if len(container.streams.audio) > 1:
                report.notices.append(("audio_track", _taken(container, stream)))
            return
    if bad:
        raise InvalidAudio("Nothing in the file can be decoded: it is damaged or encrypted. Export it again.")


def _open(data: IO[bytes]) -> InputContainer:
    try:
        # Tags come in any encoding; "replace", or one in Latin-1 would fail the file.
        container = av.open(data, "r", container_options=CONTAINER_OPTIONS, metadata_errors="replace")
    except DAMAGE as error:
        raise_if_memory(error)
        raise InvalidAudio(
            f"The file is not audio in a known format, or its header is damaged. Send {WELL_KNOWN}, or convert it: "
            "ffmpeg -i INPUT -ac 1 -ar 16000 output.wav"
        ) from error
    assert isinstance(container, InputContainer)
    return container


def choose(container: InputContainer, track: int | None, tried: Collection[int] = ()) -> AudioStream | None:
    """The stream that is asked for; else the default one; else the first that can be decoded.

    tried: indices of streams that turned out not to be decodable. None: all of them.
    """
    streams = container.streams.audio
    if not streams:
        raise InvalidAudio("The file has no audio stream. Send one with sound.", code="no_audio_stream")
    if track is not None and track >= len(streams):
        raise InvalidAudio(
            f"The file has no audio track {track}: it has {len(streams)}, counted from 0.", code="no_audio_stream",
            param="audio_track",
        )  # fmt: skip
    by_preference = sorted(streams, key=lambda stream: not stream.disposition & Disposition.default)
    wanted = by_preference if track is None else [streams[track]]
    able = [stream for stream in wanted if _codec(stream) in CODECS]
    if not able:
        raise InvalidAudio(f"The audio codec {_codec(wanted[0])!r} is not supported. {CONVERT}")
    stream = next((stream for stream in able if stream.index not in tried), None)
    if stream is None:
        return None
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    stream.codec_context.thread_count = 1  # the pool has a process for every core
    return stream


def _taken(container: InputContainer, stream: AudioStream) -> str:
    streams = container.streams.audio
    named = " ".join(filter(None, (stream.metadata.get("language"), stream.metadata.get("title"))))
    about = f"audio track {streams.index(stream)} of {len(streams)}{f' ({named})' if named else ''} was taken"
    return f"{about}; `audio_track` chooses another, counted from 0"


def _codec(stream: AudioStream) -> str:
    return str(stream.codec_context.codec.name) if stream.codec_context else "unknown"


def _clock(
    container: InputContainer, stream: AudioStream, source: Source | None, limits: Limits, report: Report
) -> Clock:
    start = None if container.start_time is None else container.start_time / av.time_base
    length = _declared_length(container, stream, source)
    return Clock(report, start, length, limits.max_seconds, _codec(stream) in SENDS_NO_SILENCE)


def _by_bytes(source: Source | None, clock: Clock) -> float:
    """The length that the recording would have with all bytes that its header declares."""
    declared = declared_bytes(source.pages) if source else None
    return clock.position * declared / len(source.pages) if declared and source else 0.0


def _declared_length(container: InputContainer, stream: AudioStream, source: Source | None) -> float | None:
    """Seconds from the container's start to the end of the stream's sound, where a header says so."""
    counted = container.format.name == "mp3" and source is not None and counts_frames(source.pages)
    if container.format.name not in DECLARE_LENGTH and not counted:
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
        gap = clock.before(frame.time, frame.samples / rate)  # not frame.time_base: Fractions take long
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
        waiting.append(sound_of(frame, channels))
        count += frame.samples
        if count >= rate:
            yield Block(rate, np.concatenate(waiting))
            waiting, count = [], 0
    if waiting and shape:
        yield Block(shape[0], np.concatenate(waiting))


def sound_of(frame: AudioFrame, channels: int) -> npt.NDArray[Any]:
    """[n, channels], a copy."""
    kind = np.dtype(_DTYPES[frame.format.packed.name])
    if not frame.format.is_planar:
        return np.frombuffer(memoryview(frame.planes[0]), kind, frame.samples * channels).reshape(-1, channels).copy()
    # Not frame.to_ndarray(): of 8 planes PyAV 18.1 sees 9, and reads through a wild pointer.
    sound = np.empty((frame.samples, channels), kind, order="F")
    for k, plane in enumerate(frame.planes[:channels]):
        sound[:, k] = np.frombuffer(memoryview(plane), kind, frame.samples)
    return sound
