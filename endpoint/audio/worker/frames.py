"""The frames of one track of an open container, as a player would play them. Runs in a decoding process.

A packet that cannot be decoded is skipped, and a parser that stops at damage is called again. Lost sound is reported to
the clock, or counted.
"""

from __future__ import annotations

from collections.abc import Iterator

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet

from endpoint.audio.worker.clock import Clock, Report
from endpoint.audio.worker.damage import MOST_BYTES, Skipped
from endpoint.audio.worker.source import Source

MAX_BAD_PACKETS = 1_000  # before the first good one; a file with more is not audio
MAX_FAILURES = 1_000  # of the parser, without a packet between them: it looks through 64 KiB each time
FOREIGN_BYTES = 2_000  # between two packets of a file of one track: more than a container's own
# What damaged files raise: FFmpeg's own errors, those of seeking in the upload to where their numbers point, and
# IndexError where a stream turns up in the middle of the file (PyAV 18.1, at the end of demux).
DAMAGE = (FFmpegError, OSError, ValueError, IndexError)


class Undecodable(Exception):
    """Not one packet of the track could be decoded. bad: how many there were."""

    def __init__(self, bad: int) -> None:
        super().__init__(bad)
        self.bad = bad


class Track:
    """One track of an open container. source: the upload, if the container is all of it."""

    def __init__(self, container: InputContainer, stream: AudioStream, source: Source | None, report: Report) -> None:
        self._container, self._stream, self._source, self._report = container, stream, source, report
        self._name = container.format.name
        self._alone = len(container.streams) == 1 and self._name == "matroska,webm"
        self._end: int | None = None  # of the last packet, in bytes of the file

    def frames(self, clock: Clock) -> Iterator[AudioFrame]:
        """Raises Undecodable where there is none; MemoryError."""
        skipped = Skipped(self._name, self._source.pages) if self._source and self._name in MOST_BYTES else None
        bad, good, wrong = 0, False, 0
        for packet in self._packets(clock):
            data = bytes(packet) if skipped else b""
            if skipped and data and packet.pos is not None:
                clock.lose(skipped.seconds(skipped.before(packet.pos, data), clock.position))
            try:
                for frame in packet.decode():
                    assert isinstance(frame, AudioFrame)
                    good = True
                    yield frame
            except DAMAGE as error:
                raise_if_memory(error)
                bad, wrong = bad + 1, wrong + good
                if not good and bad > MAX_BAD_PACKETS:
                    break
            if skipped and data:
                clock.lose(skipped.seconds(skipped.within(data), clock.position))
        if not good:
            raise Undecodable(bad)
        if wrong:
            self._report.notices.append(
                ("audio_unreadable", f"{wrong} packets of sound could not be decoded and are left out")
            )

    def _packets(self, clock: Clock) -> Iterator[Packet[AudioStream]]:
        """The packets. A parser that fails is called again, and goes on behind what it cannot read."""
        failures = 0
        while failures <= MAX_FAILURES:
            try:
                for packet in self._container.demux(self._stream):
                    if not packet.size and packet.dts is not None:
                        continue  # it carries nothing (NUT's last)
                    if packet.size:
                        failures = 0
                        self._look(packet, clock)
                    yield packet
                break
            except DAMAGE as error:
                raise_if_memory(error)
                failures, clock.damaged = failures + 1, True
        if failures:
            about = "the file cannot be read to its end: it is damaged or cut off"
            self._report.notices.append(("audio_unreadable", about))

    def _look(self, packet: Packet[AudioStream], clock: Clock) -> None:
        """Remember where the packet ends; what lies before it may show that the file is damaged."""
        if packet.pos is None or packet.pos < 0:
            return
        at = packet.pos
        if self._alone and self._end is not None and at - self._end > FOREIGN_BYTES:
            clock.damaged = True
        self._end = at + packet.size


def raise_if_memory(error: Exception) -> None:
    if isinstance(error, MemoryError):
        raise error
