"""Chained Ogg files: where each link begins, whatever its bytes hold."""

from __future__ import annotations

import io

import numpy as np
import pytest

from endpoint.audio.worker.ogg import Link, Section, links
from tests.recordings import encode, tone


def link(codec: str = "libopus", rate: int = 48_000, seconds: float = 1.0, layout: str = "mono") -> bytes:
    return encode(np.stack([tone(rate, seconds)] * (1 + (layout == "stereo"))), "ogg", codec, rate, layout)


def test_one_file_is_one_link_and_what_is_no_ogg_none() -> None:
    data = link()
    assert links(memoryview(data)) == [Link(0, len(data))]
    assert links(memoryview(b"RIFF")) == []
    assert links(memoryview(b"")) == []


def test_each_link_begins_where_its_file_did() -> None:
    parts = [link(), link("flac", 16_000), link(layout="stereo")]
    found = links(memoryview(b"".join(parts)))
    assert [one.end - one.begin for one in found] == [len(part) for part in parts]
    assert not any(one.damaged for one in found)


def test_damage_between_pages_is_passed_over() -> None:
    first, second = link(), link("flac", 44_100)
    data = bytearray(first + second)
    data[len(first) // 2 : len(first) // 2 + 40] = bytes(40)
    assert links(memoryview(data)) == [Link(0, len(first), True), Link(len(first), len(first) + len(second))]


def test_a_page_left_out_is_damage() -> None:
    data = link("flac", 16_000, 20)
    pages = [at for at in range(len(data)) if data[at : at + 4] == b"OggS"]
    (whole,), (short,) = links(memoryview(data)), links(memoryview(data[: pages[3]] + data[pages[4] :]))
    assert (whole.damaged, short.damaged) == (False, True)


@pytest.mark.parametrize("size", [4, 10, 27, 28, 40])
def test_a_header_cut_off_is_no_harm(size: int) -> None:
    (found,) = links(memoryview(link()[:size]))
    assert (found.begin, found.end) == (0, size)


def test_a_section_is_a_file_of_its_own() -> None:
    section = Section(memoryview(b"0123456789"), (2, 4), (4, 7))
    file = io.BufferedReader(section)
    assert (file.read(3), file.tell(), file.read(), file.read()) == (b"234", 3, b"56", b"")
    assert (file.seek(-2, io.SEEK_END), file.read()) == (3, b"56")
    with pytest.raises(ValueError, match="before"):
        section.seek(-9)
