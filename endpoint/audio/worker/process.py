"""A decoding process: bytes of any container to 16 kHz mono samples and where speech is, under limits.

Started as `python -m endpoint.audio.worker <descriptor> <limits>` by endpoint/audio/decode.py. The descriptor is a
socket, see endpoint/audio/worker/protocol.py. When the parent closes its end, the process exits.
"""

from __future__ import annotations

import io
import json
import math
import os
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from functools import partial

import av
import numpy as np

from endpoint.audio import vad
from endpoint.audio.worker.clock import MISSING, Report
from endpoint.audio.worker.container import check_form, read
from endpoint.audio.worker.heap import trim
from endpoint.audio.worker.level import raised
from endpoint.audio.worker.lines import Lines
from endpoint.audio.worker.ogg import Link, Section, links
from endpoint.audio.worker.pcm import Block
from endpoint.audio.worker.protocol import (
    BYTES_PER_SAMPLE,
    DECODE,
    DECODE_WITH_BEGINNING,
    MESSAGE_BYTES,
    Limits,
    Selection,
)
from endpoint.audio.worker.source import Source
from endpoint.audio.worker.wav import Wave, read_wave
from endpoint.errors import InvalidAudio, RequestError
from endpoint.types import SAMPLE_RATE, SPEECH_FRAME

BEGINNING_FRAMES = 60 * SAMPLE_RATE // SPEECH_FRAME
READ_BYTES = vad.MOST_FRAMES * SPEECH_FRAME * BYTES_PER_SAMPLE  # read back at once

WAVE_FRAMES = 1 << 18  # converted at once
WHOLE = Selection()


@dataclass(frozen=True)
class Decoded:
    """samples: written, of each channel. unreadable: (begin, end) in milliseconds of the file.

    notices: (code, message). gains: what the samples of each channel were multiplied by; of one where they
    are mixed.
    """

    samples: int
    unreadable: list[tuple[int, int]]
    notices: list[tuple[str, str]]
    gains: list[float]


def decode(data: Source, target: int, limits: Limits, selection: Selection = WHOLE) -> Decoded:
    """Decode one audio stream of `data` into the file `target`: int16, mono, 16 kHz, on the file's clock.

    Where channels are kept, one is written behind the other. Of a part of the file, what comes before it is decoded and
    thrown away, and what comes after it is not read. Sound that cannot be decoded becomes silence and is reported; a
    file cut short gives the sound that it has.
    Raises InvalidAudio, TooLarge; MemoryError at the limit of the process.
    """
    report = Report()
    with closing(Lines(target, limits, selection)) as lines:
        for block in _blocks(data, limits, selection.track, report):
            lines.feed(block)
            if lines.complete:
                break
        count, gains = lines.finish()
    gaps = lines.excerpt.times((round(begin * 1000), round(end * 1000)) for begin, end in report.gaps)
    if gaps:
        seconds = sum(end - begin for begin, end in gaps) / 1000
        message = f"{seconds:.1f} s of the file's sound are missing or could not be read"
        report.notices.append(("audio_unreadable", message))
    return Decoded(count, gaps, report.notices, gains)


def _blocks(data: Source, limits: Limits, track: int | None, report: Report) -> Iterator[Block]:
    pages = memoryview(data.pages)
    wave = read_wave(pages)
    if wave is not None and not track:
        check_form(wave.rate, wave.sound.shape[1], limits)
        length, missing = len(wave.sound) / wave.rate, wave.missing / wave.rate
        if missing >= MISSING:
            report.gaps.append((length, min(length + missing, float(limits.max_seconds))))
        return _parts(wave, data)
    chain = links(pages)
    if len(chain) < 2:
        return read(data, limits, track, report, any(link.damaged for link in chain))
    return _chained(pages, chain, limits, track, report)


def _parts(wave: Wave, data: Source) -> Iterator[Block]:
    for begin in range(0, len(wave.sound), WAVE_FRAMES):
        yield Block(wave.rate, wave.sound[begin : begin + WAVE_FRAMES])
        data.forget(begin * wave.sound.strides[0])  # a header before the samples makes it a little less


def _chained(
    pages: memoryview, chain: list[Link], limits: Limits, track: int | None, report: Report
) -> Iterator[Block]:
    """The links of a chained Ogg file one behind the other; those that cannot be read are reported."""
    position, failures = 0.0, list[InvalidAudio]()
    for link in chain:
        own, start = Report(), position
        try:
            section = io.BufferedReader(Section(pages, (link.begin, link.end)))
            for block in read(section, limits, track, own, link.damaged):
                position += block.silence + len(block.sound) / block.rate
                yield block
        except InvalidAudio as error:
            failures.append(error)
        report.gaps += [(start + first, start + last) for first, last in own.gaps]
        report.notices += own.notices
    if len(failures) == len(chain):
        raise failures[0]
    if failures:
        about = f"{len(failures)} of the {len(chain)} recordings in the file could not be read: {failures[0].message}"
        report.notices.append(("audio_unreadable", about))


def detect_speech(target: int, count: int, begun: Callable[[int], None] | None = None, channels: int = 1) -> int:
    """Append the probability of speech in each frame of the `count` samples in `target`, uint8; returns the frames.

    channels: there are so many, of `count` samples and as many frames each, one behind the other.
    Stretches that are quiet from end to end are amplified first: a far speaker may come after a near one.
    begun: called with BEGINNING_FRAMES once so many are judged, of a recording more than twice as long.
    Runs after decoding, so a recording that is refused costs none of this time. The samples are read, not mapped: the
    parent could not seal a file that is mapped here.
    """
    end = channels * count * BYTES_PER_SAMPLE
    frames, beginning = 0, BEGINNING_FRAMES if begun and count > 2 * BEGINNING_FRAMES * SPEECH_FRAME else 0

    def append(speech: vad.Probabilities) -> None:
        nonlocal frames
        if os.pwrite(target, vad.quantised(speech).tobytes(), end + frames) != len(speech):
            raise MemoryError("the memory file is full")
        frames += len(speech)

    for channel in range(channels):
        activity, first = vad.VoiceActivity(), channel * count * BYTES_PER_SAMPLE
        last = first + count * BYTES_PER_SAMPLE
        for at in range(first, last, READ_BYTES):
            append(activity.feed(raised(np.frombuffer(os.pread(target, min(READ_BYTES, last - at), at), np.int16))))
            if beginning and begun and frames >= beginning:
                begun(beginning)
                beginning = 0
        append(activity.flush())
    return frames // channels


def serve(connection: socket.socket, limits: Limits) -> None:
    """Serve requests until the parent closes the connection."""
    vad.load()
    connection.send(b"ready")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # PyAV prints there, and uploads would fill the log
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 2)
        if not message:
            return
        source, target = descriptors
        _limit_resources(os.fstat(source).st_size, limits)
        try:
            with Source(source) as data:
                kind, selection = message[:1], Selection(**json.loads(message[1:]))
                began = time.perf_counter()
                done = decode(data, target, limits, selection)
                decoded = time.perf_counter()
                begun = partial(_send_beginning, connection, done.samples) if kind == DECODE_WITH_BEGINNING else None
                frames = detect_speech(target, done.samples, begun, len(done.gains)) if kind != DECODE else 0
                seconds = decoded - began, time.perf_counter() - decoded
                report = json.dumps({**asdict(done), "seconds": seconds}).encode()
                write_behind(target, report)  # not in the message, which may hold 64 KiB only
                response: dict[str, object] = {"samples": done.samples, "frames": frames, "report": len(report)}
        except RequestError as error:
            response = {
                "type": type(error).__name__, "code": error.code, "message": error.message, "param": error.param
            }  # fmt: skip
        except Exception as error:  # unforeseen: the parent logs it and ends this process
            response = {"type": "crash", "message": repr(error)}
        finally:
            os.close(target)
        connection.send(json.dumps(response).encode())
        trim()


def write_behind(target: int, data: bytes) -> None:
    if os.pwrite(target, data, os.fstat(target).st_size) != len(data):
        raise MemoryError("the memory file is full")


def _send_beginning(connection: socket.socket, count: int, frames: int) -> None:
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
