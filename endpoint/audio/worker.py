"""What runs in a decoding process: bytes of any container to 16 kHz mono samples and where speech is, under limits.

Started as `python -m endpoint.audio.worker <descriptor> <limits>` by endpoint/audio/decode.py. The descriptor is a
SOCK_SEQPACKET socket. A request is DECODE or DECODE_AND_HEAR with two memory files: the upload, which is used up, and
an empty one that takes the samples and, behind them, the probabilities of speech; the answer is JSON: {"samples": n,
"frames": m}, or the error {"type", "code", "message"}. The parent's end closed means: exit.
"""

from __future__ import annotations

import json
import math
import os
import resource
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard

from endpoint.audio import vad
from endpoint.audio.pcm import Block, converted
from endpoint.audio.source import Source
from endpoint.audio.wav import read_wave
from endpoint.errors import InvalidAudio, RequestError, TooLarge
from endpoint.types import SAMPLE_RATE, SPEECH_FRAME, Samples

DECODE, DECODE_AND_HEAR, TELL_BEGINNING = b"d", b"h", b"b"  # the last: hear, and say when the beginning was heard
BEGINNING_FRAMES = 60 * SAMPLE_RATE // SPEECH_FRAME
MAX_STREAMS = 64
MIN_RATE, MAX_RATE = 4_000, 384_000  # Hz, of the source
MAX_BAD_PACKETS = 1_000  # before the first good one; more is not audio
MAX_SOURCE_BYTES_PER_SECOND = 192_000 * 2 * 4  # 192 kHz stereo float32, as an average over the longest recording
BYTES_PER_SAMPLE = np.dtype(np.int16).itemsize
HEAR_BYTES = vad.MOST_FRAMES * SPEECH_FRAME * BYTES_PER_SAMPLE  # read back at once

# What people record speech in. Everything else FFmpeg knows (playlists, SDP, subtitles, images, raw data, games)
# is refused before its parser runs.
FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dss,eac3,flac,flv,loas,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,"
    "ogg,tta,voc,w64,wav,wv"
)
# Decoders that may run: no video decoder is ever opened, not even to look at the stream.
CODECS = (
    "aac,aac_latm,ac3,eac3,adpcm_g722,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,adpcm_swf,adpcm_yamaha,alac,amrnb,amrwb,"
    "libopencore_amrnb,libopencore_amrwb,ape,dss_sp,flac,g722,g723_1,g726,g726le,g729,gsm,gsm_ms,ilbc,mp1,mp1float,"
    "mp2,mp2float,mp3,mp3float,nellymoser,opus,libopus,pcm_alaw,pcm_bluray,pcm_dvd,pcm_f16le,pcm_f24le,pcm_f32be,"
    "pcm_f32le,pcm_f64be,pcm_f64le,pcm_mulaw,pcm_s16be,pcm_s16be_planar,pcm_s16le,pcm_s16le_planar,pcm_s24be,"
    "pcm_s24le,pcm_s24le_planar,pcm_s32be,pcm_s32le,pcm_s32le_planar,pcm_s64be,pcm_s64le,pcm_s8,pcm_s8_planar,"
    "pcm_u16be,pcm_u16le,pcm_u24be,pcm_u24le,pcm_u32be,pcm_u32le,pcm_u8,qcelp,speex,tta,vorbis,wavpack,wmalossless,"
    "wmapro,wmav1,wmav2,wmavoice"
)
_CONTAINER_OPTIONS = {
    "format_whitelist": FORMATS,
    "codec_whitelist": CODECS,
    "protocol_whitelist": "none",  # bytes come from memory; a file that points elsewhere points at nothing
    "max_streams": str(MAX_STREAMS),
}
# Of those, what FFmpeg reads from the front to the end once it has opened it.
FORWARD = frozenset({"aac", "ac3", "aiff", "amr", "au", "eac3", "flac", "mp3", "mpegts", "ogg", "w64", "wav"})
WAVE_FRAMES = 1 << 18  # converted at once
# FFmpeg's sample types -> numpy's
_DTYPES: dict[str, npt.DTypeLike] = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
# What damaged files raise: FFmpeg's own errors, those of seeking in the upload to where their numbers point, and
# IndexError where a stream turns up in the middle of the file (PyAV 18.1, at the end of demux).
_DAMAGE = (FFmpegError, OSError, ValueError, IndexError)


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


def decode(data: Source, target: int, limits: Limits) -> int:
    """Decode the first audio stream of `data` into the file `target`: int16, mono, 16 kHz. Returns the samples written.

    What cannot be decoded is skipped, as a player skips it; a file cut short gives what is there.
    Raises InvalidAudio, TooLarge; MemoryError at the limit of the process.
    """
    wave = read_wave(memoryview(data.pages))
    if wave is None:
        written = _decode_any(data, target, limits)
    else:
        _check_form(wave.rate, wave.sound.shape[1], limits)
        written = _write(converted(_parts(wave, data)), target, limits)
    if not written:
        raise InvalidAudio("The recording holds no sound: its length is zero. Record it again.", code="no_audio")
    return written


def _parts(wave: Block, data: Source) -> Iterator[Block]:
    for begin in range(0, len(wave.sound), WAVE_FRAMES):
        yield Block(wave.rate, wave.sound[begin : begin + WAVE_FRAMES])
        data.forget(begin * wave.sound.strides[0])  # a header before the samples makes it a little less


def _decode_any(data: Source, target: int, limits: Limits) -> int:
    """As decode, of any container; no sound at all is 0."""
    try:
        # Tags come in any encoding; "replace", or one in Latin-1 would fail the file.
        container = av.open(data, "r", container_options=_CONTAINER_OPTIONS, metadata_errors="replace")
    except _DAMAGE as error:
        _raise_if_memory(error)
        raise InvalidAudio(
            "The file is not audio in a known format, or its header is damaged. Send wav, flac, mp3, ogg, m4a, mp4, "
            "webm, amr, aiff, wma, caf, avi, mpegts, or convert it: ffmpeg -i INPUT -ac 1 -ar 16000 output.wav"
        ) from error
    data.forgetful = container.format.name in FORWARD
    with container:
        frames = _frames(container, _audio_stream(container))
        return _write(converted(_blocks(frames, limits)), target, limits)


def _audio_stream(container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        raise InvalidAudio("The file has no audio stream. Send one with sound.", code="no_audio_stream")
    stream = container.streams.audio[0]
    codec = stream.codec_context.codec.name if stream.codec_context else "unknown"
    if codec not in CODECS.split(","):
        raise InvalidAudio(
            f"The audio codec {codec!r} is not supported. Convert the file: ffmpeg -i INPUT -ac 1 -ar 16000 output.wav"
        )
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    stream.codec_context.thread_count = 1  # the pool has a process for every core
    return stream


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Frames as a player would play them: packets that do not decode are skipped."""
    bad, good = 0, False
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except _DAMAGE as error:  # the rest of the file cannot be read: it was cut short
            _raise_if_memory(error)
            break
        try:
            for frame in packet.decode():
                good = True
                yield frame
        except _DAMAGE as error:
            _raise_if_memory(error)
            bad += 1
            if not good and bad > MAX_BAD_PACKETS:
                break
    if bad and not good:
        raise InvalidAudio("Nothing in the file can be decoded: it is damaged or encrypted. Export it again.")


def _check_form(rate: int, channels: int, limits: Limits) -> None:
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


def _blocks(frames: Iterator[AudioFrame], limits: Limits) -> Iterator[Block]:
    """The frames' sound in blocks of about 1 s, which cost less to convert; a stream may change its format midway."""
    budget = (limits.max_seconds + 1) * MAX_SOURCE_BYTES_PER_SECOND
    shape, waiting, count = None, list[npt.NDArray[Any]](), 0
    for frame in frames:
        rate, channels = frame.sample_rate, frame.layout.nb_channels
        if (rate, channels, frame.format.name) != shape:
            _check_form(rate, channels, limits)
            if waiting and shape:
                yield Block(shape[0], np.concatenate(waiting))
            shape, waiting, count = (rate, channels, frame.format.name), [], 0
        budget -= frame.samples * channels * frame.format.bytes
        if budget < 0:
            raise _too_long(limits)
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


def _write(parts: Iterator[Samples], target: int, limits: Limits) -> int:
    written = 0
    for samples in parts:
        written += len(samples)
        if written > (limits.max_seconds + 1) * SAMPLE_RATE:
            raise _too_long(limits)
        rest = np.ascontiguousarray(samples).data.cast("B")
        while rest:
            rest = rest[os.write(target, rest) :]
    if written > limits.max_seconds * SAMPLE_RATE:
        raise _too_long(limits)
    return written


def hear(target: int, count: int, tell: Callable[[int], None] | None = None) -> int:
    """Append the probability of speech in each frame of the `count` samples in `target`, uint8; returns the frames.

    tell: called with BEGINNING_FRAMES once so many are there, of a recording more than twice as long.
    It comes after decoding, so that a recording that is refused costs none of it. The samples are read, not mapped:
    the parent could not seal a file that is mapped here.
    """
    activity, end = vad.VoiceActivity(), count * BYTES_PER_SAMPLE
    frames, beginning = 0, BEGINNING_FRAMES if tell and count > 2 * BEGINNING_FRAMES * SPEECH_FRAME else 0

    def append(speech: vad.Probabilities) -> None:
        nonlocal frames
        if os.pwrite(target, vad.quantised(speech).tobytes(), end + frames) != len(speech):
            raise MemoryError("the memory file is full")
        frames += len(speech)

    for at in range(0, end, HEAR_BYTES):
        append(activity.feed(np.frombuffer(os.pread(target, min(HEAR_BYTES, end - at), at), np.int16)))
        if beginning and tell and frames >= beginning:
            tell(beginning)
            beginning = 0
    append(activity.flush())
    return frames


def _too_long(limits: Limits) -> TooLarge:
    return TooLarge(
        f"The recording is longer than {limits.max_seconds} s. Split it, or raise MAX_AUDIO_SECONDS on the server.",
        code="audio_too_long",
    )


def _raise_if_memory(error: Exception) -> None:
    if isinstance(error, MemoryError):
        raise error


def serve(connection: socket.socket, limits: Limits) -> None:
    """Answer requests until the parent hangs up."""
    vad.load()
    connection.send(b"ready")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # PyAV prints there, and uploads would fill the log
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, 1, 2)
        if not message:
            return
        source, target = descriptors
        _limit_resources(os.fstat(source).st_size, limits)
        try:
            with Source(source) as data:
                count = decode(data, target, limits)
                tell = partial(_tell, connection, count) if message == TELL_BEGINNING else None
                frames = hear(target, count, tell) if message != DECODE else 0
                answer: dict[str, object] = {"samples": count, "frames": frames}
        except RequestError as error:
            answer = {"type": type(error).__name__, "code": error.code, "message": error.message}
        except Exception as error:  # unforeseen: the parent logs it and ends this process
            answer = {"type": "crash", "message": repr(error)}
        finally:
            os.close(target)
        connection.send(json.dumps(answer).encode())


def _tell(connection: socket.socket, count: int, frames: int) -> None:
    connection.send(json.dumps({"beginning": frames, "of": count}).encode())


def _limit_resources(size: int, limits: Limits) -> None:
    """Memory and processor time for one file of `size` bytes; soft limits, as each file sets its own."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + limits.cpu_seconds))
    _limit(resource.RLIMIT_AS, limits.memory_bytes + size)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold someone's recording
    av.logging.set_level(None)  # FFmpeg prints titles and names out of the file
    with socket.socket(fileno=int(sys.argv[1])) as connection, suppress(ConnectionError):  # the parent has gone
        serve(connection, Limits(**json.loads(sys.argv[2])))


if __name__ == "__main__":
    main()
