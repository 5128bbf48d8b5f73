"""Blocks of sound to the samples of one line, of all channels mixed, or to those of one line for each channel.

Runs in a decoding process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import numpy as np

from endpoint.audio.worker.excerpt import Excerpt
from endpoint.audio.worker.level import Leveller, Part
from endpoint.audio.worker.pcm import Block, Converter
from endpoint.audio.worker.protocol import BYTES_PER_SAMPLE, Limits, Selection
from endpoint.types import SAMPLE_RATE

_COPIED = 4 << 20  # bytes at once


class _Line:
    """One line: its rate is converted, the part asked for is cut out, its level is set."""

    def __init__(self, file: int, selection: Selection) -> None:
        self.file, self.excerpt = file, Excerpt(selection)
        self.leveller, self._converter = Leveller(file), Converter()

    def feed(self, block: Block) -> None:
        self.write(self._converter.feed(block))

    def flush(self) -> None:
        self.write(self._converter.flush())

    def write(self, parts: Iterable[Part | int]) -> None:
        for part in self.excerpt.of(parts):
            if isinstance(part, int):
                self.leveller.silence(part)
            else:
                self.leveller.feed(part)


class Lines:
    """Writes the lines of a recording into `target`, one behind the other."""

    def __init__(self, target: int, limits: Limits, selection: Selection) -> None:
        self._target, self._limits, self._selection = target, limits, selection
        self._end = None if selection.end_ms is None else selection.end_ms * SAMPLE_RATE // 1000
        self._lines = [_Line(target, selection)]  # the others have files of their own until the end

    @property
    def excerpt(self) -> Excerpt:
        """That of the first line: all have the same."""
        return self._lines[0].excerpt

    @property
    def complete(self) -> bool:
        """Nothing that follows belongs to the part that is asked for."""
        return self._end is not None and self.excerpt.position >= self._end

    def feed(self, block: Block) -> None:
        """Raises TooLarge; MemoryError at the limit of the process."""
        blocks = [block]
        if self._selection.channels:
            self._widen(block.sound.shape[1])
            blocks = list(_split(block, len(self._lines)))
        for line, own in zip(self._lines, blocks, strict=True):
            line.feed(own)
        self._check(self._limits.max_seconds + 1)

    def finish(self) -> tuple[int, list[float]]:
        """(samples of each line, gain of each). Raises InvalidAudio where there are none, TooLarge."""
        for line in self._lines:
            line.flush()
        self._check(self._limits.max_seconds)
        count = self._lines[0].leveller.count
        if not count:
            raise self.excerpt.empty()
        gains = [line.leveller.finish() for line in self._lines]
        for line in self._lines[1:]:
            _append(self._target, line.file, count)
        return count, gains

    def close(self) -> None:
        """Give back what the lines but the first are in."""
        for line in self._lines[1:]:
            os.close(line.file)

    def _check(self, seconds: int) -> None:
        if self.excerpt.position > seconds * SAMPLE_RATE:
            raise self._limits.too_long()
        if self.excerpt.position * len(self._lines) > seconds * SAMPLE_RATE:
            raise self._limits.too_many(len(self._lines))

    def _widen(self, channels: int) -> None:
        """Channels that turn up in the middle of a recording were silent before."""
        if len(self._lines) < channels:
            for line in self._lines:
                line.flush()  # or the resampler still held sound from before
        while len(self._lines) < channels:
            line = _Line(os.memfd_create("channel", os.MFD_CLOEXEC), self._selection)
            before = self.excerpt.position
            if before:
                line.write([before])
            self._lines.append(line)


def _split(block: Block, channels: int) -> Iterator[Block]:
    """Each channel by itself; those that the block does not have are silent."""
    rate, sound, silence = block.rate, block.sound, block.silence
    for channel in range(channels):
        if channel < sound.shape[1]:
            yield Block(rate, np.ascontiguousarray(sound[:, channel : channel + 1]), silence)
        else:
            middle = 1 << (8 * sound.dtype.itemsize - 1) if sound.dtype.kind == "u" else 0
            yield Block(rate, np.full((len(sound), 1), middle, sound.dtype), silence)


def _append(target: int, file: int, count: int) -> None:
    """Copy `count` samples behind what `target` holds, and forget them."""
    size, end = count * BYTES_PER_SAMPLE, os.fstat(target).st_size
    for at in range(0, size, _COPIED):
        piece = os.pread(file, min(_COPIED, size - at), at)
        if os.pwrite(target, piece, end + at) != len(piece):
            raise MemoryError("the memory file is full")
    os.truncate(file, 0)
