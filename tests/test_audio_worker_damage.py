"""What headers declare and parsers skip: on bytes, without a parser."""

from __future__ import annotations

import mmap
import struct

import numpy as np
import pytest

from endpoint.audio.worker.damage import Skipped, bridge_damage, counts_frames, declared_bytes, state_sizes
from tests.recordings import encode, tone, wav

RATE = 16_000
SOUND = tone(RATE, 2)


def pages(data: bytes) -> mmap.mmap:
    held = mmap.mmap(-1, len(data))
    held[:] = data
    return held


@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "pcm_s24le"), ("avi", "pcm_s16le"), ("w64", "pcm_s16le"), ("caf", "pcm_s16le"), ("asf", "wmav2")],
)
def test_headers_declare_how_long_the_file_is(container: str, codec: str) -> None:
    data = encode(SOUND[None], container, codec, RATE, bit_rate=64_000 if codec == "wmav2" else None)
    for there in (len(data), len(data) // 2):
        declared = declared_bytes(pages(data[:there]))
        assert declared == pytest.approx(len(data), rel=0.01)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFDB + 36])
def test_a_size_that_its_writer_did_not_know_is_none(size: int) -> None:
    data = wav(SOUND[:, None], RATE)
    assert declared_bytes(pages(data[:4] + struct.pack("<I", size) + data[8:])) is None


def test_other_files_declare_nothing() -> None:
    assert declared_bytes(pages(bytes(5_000))) is None
    assert declared_bytes(pages(b"caff" + b"\xff" * 100)) is None


def test_an_mp3_file_counts_its_frames_or_not() -> None:
    data = encode(SOUND[None], "mp3", "libmp3lame", RATE)
    tag = b"ID3\x04\0\0" + bytes((0, 0, 2, 0)) + bytes(256)
    assert counts_frames(pages(data))
    assert counts_frames(pages(tag + data))
    assert not counts_frames(pages(data.replace(b"Xing", b"XXXX").replace(b"Info", b"XXXX")))


def test_sizes_left_open_are_filled_in_and_others_are_not_touched() -> None:
    for container, codec in (("w64", "pcm_s16le"), ("aiff", "pcm_s16be")):
        data = encode(SOUND[None], container, codec, RATE)
        held = pages(data)
        state_sizes(held)
        assert held[:] == data
        held[:] = opened(data)
        state_sizes(held)
        assert held[:] == data


def opened(data: bytes) -> bytes:
    """The same as a recorder writes it to a pipe."""
    copy = bytearray(data)
    if data[:4] == b"FORM":
        at = data.index(b"SSND") + 4
        copy[4:8], copy[at : at + 4] = bytes(4), bytes(4)
    else:
        at = data.index(bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")) + 16
        copy[16:24], copy[at : at + 8] = b"\xff" * 8, b"\xff" * 7 + b"\x7f"
    return bytes(copy)


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


FRAGMENT = box(b"moof", box(b"mfhd", bytes(8))) + box(b"mdat", bytes(100))
FILM = box(b"ftyp", b"isom") + box(b"moov", bytes(20)) + FRAGMENT * 4


def test_damage_between_fragments_becomes_free_space() -> None:
    held = pages(FILM)
    assert not bridge_damage(held)
    assert held[:] == FILM
    begin = len(FILM) - 3 * len(FRAGMENT)
    held[begin : begin + 40] = bytes(40)
    assert bridge_damage(held)
    assert held[begin : begin + 8] == struct.pack(">I", len(FRAGMENT)) + b"free"
    assert held[begin + len(FRAGMENT) :] == FRAGMENT * 2
    assert not bridge_damage(held)  # it is whole now


@pytest.mark.parametrize("data", [FILM[:-50], box(b"ftyp", b"isom") + box(b"mdat", bytes(40))[:-9], bytes(64), b"abc"])
def test_what_ends_early_or_is_no_such_file_stays_as_it_is(data: bytes) -> None:
    held = pages(data)
    assert not bridge_damage(held)
    assert held[:] == data


PACKETS = [bytes([k]) + np.random.default_rng(k).bytes(399) for k in range(20)]


def test_bytes_between_packets_are_found_where_positions_count_output() -> None:
    data = b"".join(PACKETS[:10]) + bytes(4_000) + b"".join(PACKETS[10:])
    skipped = Skipped("aac", pages(data))
    lost = list[int]()
    for k, packet in enumerate(PACKETS):
        lost.append(skipped.before(400 * k, packet))
        assert skipped.within(packet) == 0
    assert lost == [0] * 10 + [4_000] + [0] * 9
    assert skipped.seconds(4_000, 8.0) == pytest.approx(4.0)


def test_bytes_inside_a_packet_are_found_by_its_length() -> None:
    packet = PACKETS[3] + bytes(9_000)
    skipped = Skipped("mp3", pages(b"".join(PACKETS[:3]) + packet))
    for k in range(3):
        assert (skipped.before(400 * k, PACKETS[k]), skipped.within(PACKETS[k])) == (0, 0)
    assert (skipped.before(1_200, packet), skipped.within(packet)) == (0, len(packet))


def test_a_tag_between_joined_files_is_no_loss() -> None:
    tag = b"ID3\x04\0\0" + bytes((0, 0, 70, 20)) + bytes(70 * 128 + 20)
    packet = PACKETS[3] + tag
    skipped = Skipped("mp3", pages(b"".join(PACKETS[:3]) + packet))
    for k in range(3):
        skipped.before(400 * k, PACKETS[k])
        skipped.within(PACKETS[k])
    skipped.before(1_200, packet)
    assert skipped.within(packet) == 400
    assert skipped.seconds(400, 3.0) < 1.1
