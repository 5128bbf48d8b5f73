"""What one request may take: a place, a time, and nothing once its client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, MutableSequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from starlette.types import Receive

from endpoint.api.errors import ClientGone
from endpoint.errors import DeadlineExceeded, Overloaded

T = TypeVar("T")


class Admission:
    """Places for requests being worked on, taken before a body is read; nobody queues for one."""

    def __init__(self, places: int, taken: MutableSequence[int], number: int) -> None:
        """taken: how many each API process has taken, shared by all of them. number: this one's, which alone it writes.

        Two that look at the same moment can both take the last place.
        """
        self._places, self._taken, self._number = places, taken, number

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place. Raises Overloaded when there is none."""
        if sum(self._taken) >= self._places:
            raise Overloaded(f"All {self._places} places are taken; try again in a few seconds.")
        self._taken[self._number] += 1
        try:
            yield
        finally:
            self._taken[self._number] -= 1


@asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[None]:
    """Cancel what runs inside after `seconds`. Raises DeadlineExceeded then."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise DeadlineExceeded(f"The request took longer than {seconds:g} s.") from error


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled and awaited if the client leaves or the caller is cancelled.

    receive: ASGI's, after the whole body was read. Raises ClientGone.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
