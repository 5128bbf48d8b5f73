"""Uvicorn's HTTP protocol with limits on what it reads of a request before the application does: bytes and seconds.

Uvicorn has none with httptools: a head that never ends would be kept in memory for as long as its client likes.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from endpoint.api.errors import error_body
from endpoint.errors import InvalidRequest

MAX_HEAD_BYTES = 64 * 1024  # of the path and all headers
MAX_HEADERS = 100
SLICE_BYTES = 16 * 1024  # of a head that the parser is given at once
LINGER_SECONDS = 5.0  # a body is still read after its response: a client that is cut off at once may not read that
HEAD_SECONDS = 20.0  # from the connection, or the first byte of the next request, to the end of the head


class _TooMuch(Exception):
    pass


class LimitedProtocol(HttpToolsProtocol):
    """Refuses heads that are too large with 431, and closes connections whose head does not end in time, or that go on
    with a body after its response."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._head_bytes = self._quiet_bytes = 0  # of this head; read since the parser last made something of them
        self._ending: asyncio.TimerHandle | None = None  # closes the connection
        self._in_head = self._in_body = False
        self._too_much = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_in(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A head comes to the parser in slices: of one read it may make something at first, and nothing of the rest."""
        while self._in_head and len(data) > SLICE_BYTES and not self.transport.is_closing():
            self._parse(data[:SLICE_BYTES])
            data = data[SLICE_BYTES:]
            successor: Any = self.transport.get_protocol()
            if successor is not self:  # it has become a web socket
                successor.data_received(data)
                return
        if not self.transport.is_closing():
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        self._quiet_bytes += len(data)
        super().data_received(data)
        if self._quiet_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._too_much = True
            self.send_400_response("")

    # ---- of the parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        if not self._in_head:
            self._expect_head()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS:
            self._refuse()

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body = False, True
        self._end_in(None)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._quiet_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        if not self._in_head:
            self._end_in(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body and self.cycle.response_complete:  # of what was refused: it would be read to its end
            self._end_in(LINGER_SECONDS)

    # ---- limits

    def _count(self, size: int) -> None:
        self._quiet_bytes = 0
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse()

    def _refuse(self) -> None:
        self._too_much = True
        raise _TooMuch  # the parser ends with an error, and uvicorn calls send_400_response

    def _expect_head(self) -> None:
        self._in_head = True
        self._end_in(HEAD_SECONDS)

    def _end_in(self, seconds: float | None) -> None:
        """Close the connection after so many seconds; None: do not."""
        if self._ending is not None:
            self._ending.cancel()
        self._ending = None if seconds is None else self.loop.call_later(seconds, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """In OpenAI's shape, as every error. The connection is closed."""
        status, text = b"400 Bad Request", "This is no HTTP request."
        if self._too_much:
            status = b"431 Request Header Fields Too Large"
            text = f"The head of a request has at most {MAX_HEADERS} headers and {MAX_HEAD_BYTES} bytes."
        body = json.dumps(error_body(InvalidRequest(text, code="invalid_request"))).encode()
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        if self._in_head or not self.cycle.response_started:  # else a client would take it for more of that
            self.transport.write(head % (status, len(body)) + body)
        self.transport.close()
