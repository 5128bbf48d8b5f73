"""Reads a request body into memory files, within limits, without writing to a disk.

Starlette's form parser writes files to a temporary folder and reads bodies of any length, so this module uses
python-multipart directly. Format: RFC 7578.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Receive

from endpoint.api.errors import ClientGone
from endpoint.errors import DeadlineExceeded, InvalidRequest, TooLarge
from endpoint.fields.speakers import MOST_URL_BYTES
from endpoint.memfile import MemoryFile

_FILES = re.compile(r"(?:file|audio_file|files)(?:\[\d*\])?")
_ONE = ("file", "audio_file")  # all other names mean a list
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"')
_EXTENDED = re.compile(rb";\s*filename\*\s*=\s*([\w.:-]+)'[^']*'([^\s;\"]*)", re.IGNORECASE)  # RFC 5987
MAX_PARTS = 128  # the form with the most fields has 66, and lists take a part for each item
MAX_HEADERS = 8  # of one part
MAX_HEADER_BYTES = 4096  # of one header; enough for long file names
MAX_FIELD_BYTES = 64 * 1024
MAX_LONG_BYTES = MOST_URL_BYTES  # of a field that is a file as a data URL; all count as the recording does
_LONG = re.compile(r"known_speaker_references(?:\[\d*\])?")
MAX_FORM_BYTES = 256 * 1024  # everything but files: fields, headers, boundaries

AT_ONCE = 1 << 20  # bytes that are collected before a thread writes them
FEW = 256 * 1024  # up to so many bytes are written without a thread, which takes longer to begin

# A client that stops, or sends slowly, would hold a permit for a long time.
STALL_SECONDS = 20.0  # longest silence within a body
MIN_BYTES_PER_SECOND = 4096  # slowest average, once STALL_SECONDS have passed


@dataclass(frozen=True)
class File:
    """A file, and its file name as the client sent it."""

    name: str
    data: MemoryFile


@dataclass(frozen=True)
class Form:
    """fields: (name, value) in the order sent, repeated names included. files: the parts `file` and `files[]`.

    several: whether the client sent a list, even of one file. others: names of the parts that are files but not
    recordings.
    """

    fields: tuple[tuple[str, str], ...]
    files: tuple[File, ...]
    several: bool
    others: tuple[str, ...] = ()


async def read_form(receive: Receive, headers: Mapping[str, str], max_file_bytes: int) -> Form:
    """Read a multipart/form-data body from ASGI's `receive`; `headers` have lower-case names.

    max_file_bytes: of all files together.
    Raises InvalidRequest for a body that is no form, TooLarge (before reading, if Content-Length is too large),
    DeadlineExceeded for a client that is too slow, and ClientGone.
    """
    spill = _Spill()
    parts = _Parts(max_file_bytes, spill)
    parser = MultipartParser(
        _boundary(headers),
        {
            "on_part_begin": parts.begin,
            "on_header_field": parts.header_name,
            "on_header_value": parts.header_value,
            "on_header_end": parts.header_end,
            "on_headers_finished": parts.headers_finished,
            "on_part_data": parts.data,
            "on_part_end": parts.end,
            "on_end": parts.finish,
        },
        max_header_count=MAX_HEADERS,
        max_header_size=MAX_HEADER_BYTES,
    )
    try:
        await _feed(parser.write, receive, headers, max_file_bytes, spill)
    except FormParserError as error:
        raise InvalidRequest(f"The form cannot be parsed: {error}", code="invalid_form") from error
    if not parts.finished:
        raise InvalidRequest("The form ends before its closing boundary.", code="invalid_form")
    return Form(tuple(parts.fields), tuple(parts.files), parts.listed or len(parts.files) > 1, tuple(parts.others))


async def read_body(receive: Receive, headers: Mapping[str, str], max_bytes: int) -> MemoryFile:
    """Read a body that is the file itself. Raises the same errors as `read_form`."""
    body, spill = MemoryFile(), _Spill()
    await _feed(lambda piece: spill.add(body, piece), receive, headers, max_bytes, spill)
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    return body


async def read_headed(receive: Receive, headers: Mapping[str, str], max_head: int, max_bytes: int) -> Headed:
    """Read a body of one line, its head, and a file. Raises the same errors as `read_form`.

    max_head: length of the head in bytes. max_bytes: of the file.
    """
    spill = _Spill()
    headed = Headed(max_head, spill.add)
    await _feed(headed.add, receive, headers, max_head + max_bytes, spill)
    if len(headed.file) > max_bytes:
        raise _too_large(max_bytes)
    if not headed.complete:
        raise InvalidRequest("The body has no head.", code="invalid_form")
    return headed


class Headed:
    """A line, and the bytes after it. complete: the line has ended."""

    def __init__(self, max_head: int, add: Callable[[MemoryFile, bytes | memoryview], None]) -> None:
        self._max, self._add = max_head, add
        self.head, self.file, self.complete = bytearray(), MemoryFile(), False

    def add(self, piece: bytes) -> None:
        if not self.complete:
            line, end, piece = piece.partition(b"\n")
            self.head += line
            self.complete = bool(end)
            if len(self.head) > self._max:
                raise InvalidRequest("The head of the body is too long.", code="invalid_form")
        if piece:
            self._add(self.file, piece)


async def _feed(
    take: Callable[[bytes], Any], receive: Receive, headers: Mapping[str, str], max_file_bytes: int, spill: _Spill
) -> None:
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_file_bytes + MAX_FORM_BYTES:
        raise _too_large(max_file_bytes)
    clock = asyncio.get_running_loop().time
    began, received, more = clock(), 0, True
    limit = asyncio.timeout(STALL_SECONDS)
    try:
        async with limit:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                body, more = message.get("body", b""), message.get("more_body", False)
                received += len(body)
                if received > max_file_bytes + MAX_FORM_BYTES:
                    raise _too_large(max_file_bytes)
                take(body)
                if spill.size >= AT_ONCE or not more:
                    await spill.write()
                limit.reschedule(STALL_SECONDS + min(clock(), began + received / MIN_BYTES_PER_SECOND))
    except TimeoutError as error:
        raise DeadlineExceeded("The upload stopped, or was too slow.", code="upload_timeout") from error


class _Spill:
    """Collects pieces of files and writes them in a thread: the kernel may need long to allocate memory for them."""

    def __init__(self) -> None:
        self._pieces: list[tuple[MemoryFile, bytes | memoryview]] = []
        self.size = 0

    def add(self, file: MemoryFile, piece: bytes | memoryview) -> None:
        self._pieces.append((file, piece))
        self.size += len(piece)

    async def write(self) -> None:
        pieces, size, self._pieces, self.size = self._pieces, self.size, [], 0
        if size <= FEW:
            _write(pieces)
        else:
            await asyncio.to_thread(_write, pieces)


def _write(pieces: Sequence[tuple[MemoryFile, bytes | memoryview]]) -> None:
    for file, piece in pieces:
        file.write(piece)


class _Parts:
    """Collects the parts of a form. The parser calls the methods, with slices of its input."""

    def __init__(self, max_file_bytes: int, spill: _Spill) -> None:
        self._spill = spill
        self.fields: list[tuple[str, str]] = []
        self.files: list[File] = []
        self.others: list[str] = []  # names of files that are not recordings
        self.listed = False  # whether a file was sent under a list's name
        self.finished = False
        self._max_file_bytes = max_file_bytes
        self._count = 0
        self._headers: dict[bytes, bytes] = {}
        self._header = (bytearray(), bytearray())  # name and value being read
        self._name = ""
        self._is_file = self._wanted = False
        self._most = MAX_FIELD_BYTES  # of the field being read
        self._file_bytes = 0  # of all files
        self._content = bytearray()  # of the field being read

    def begin(self) -> None:
        self._count += 1
        if self._count > MAX_PARTS:
            raise InvalidRequest(f"The form has more than {MAX_PARTS} parts.", code="invalid_form")
        self._headers = {}

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def header_end(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        extended = _extended_name(disposition)
        _, options = parse_options_header(disposition)
        if b"name" not in options:
            raise InvalidRequest("A part of the form has no name.", code="invalid_form")
        self._name = _text(options[b"name"], "A part's name")
        self._is_file = extended is not None or any(option.startswith(b"filename") for option in options)
        self._content = bytearray()
        self._most = MAX_LONG_BYTES if _LONG.fullmatch(self._name) else MAX_FIELD_BYTES
        self._wanted = _FILES.fullmatch(self._name) is not None
        if self._wanted:
            if not self._is_file and b"content-type" not in self._headers:
                raise InvalidRequest("`file` is text, not a file; with curl, write -F file=@name.wav.", param="file")
            name = extended or options.get(b"filename", b"").decode(errors="replace")
            self.files.append(File(name, MemoryFile()))
            self.listed |= self._name not in _ONE
        elif self._is_file:
            self.others.append(self._name)

    def data(self, data: bytes, start: int, end: int) -> None:
        piece = memoryview(data)[start:end]
        if self._wanted:
            self._file_bytes += len(piece)
            if self._file_bytes > self._max_file_bytes:
                raise _too_large(self._max_file_bytes)
            self._spill.add(self.files[-1].data, piece)
        elif self._is_file:
            return  # its content is ignored
        elif len(self._content) + len(piece) > self._most:
            raise InvalidRequest(f"`{self._name[:64]}` is longer than {self._most} bytes.", param=self._name[:64])
        else:
            self._content += piece

    def end(self) -> None:
        if not self._wanted and not self._is_file:
            self.fields.append((self._name, _text(self._content, f"`{self._name[:64]}`", self._name[:64])))

    def finish(self) -> None:
        self.finished = True


def _boundary(headers: Mapping[str, str]) -> bytes:
    """The boundary between parts. Raises InvalidRequest for a body that is not a plain multipart form."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise InvalidRequest(
            "A compressed body is not understood; send it without Content-Encoding.", code="invalid_form"
        )
    kind, options = parse_options_header(headers.get("content-type"))
    if kind.lower() != b"multipart/form-data":
        raise InvalidRequest("The body must be multipart/form-data, with the recording as `file`.", code="invalid_form")
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:  # RFC 2046, section 5.1.1
        raise InvalidRequest("Content-Type must have a boundary of 1 to 70 characters.", code="invalid_form")
    return boundary


def _extended_name(disposition: bytes) -> str | None:
    """The name in `filename*`, which takes precedence over `filename`; None if there is none, or it is invalid."""
    found = _EXTENDED.search(_QUOTED.sub(b'""', disposition))
    if found is None:
        return None
    try:
        return unquote_to_bytes(found[2]).decode(found[1].decode("ascii"), errors="replace")
    except (LookupError, UnicodeDecodeError):  # no such character set
        return None


def _text(raw: bytes | bytearray, what: str, param: str | None = None) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{what} is not UTF-8.", param=param) from error


def _too_large(max_file_bytes: int) -> TooLarge:
    return TooLarge(f"What was sent is larger than the limit of {max_file_bytes} bytes.")
