import asyncio

import pytest

from endpoint.tasks import together


async def test_results_come_in_order():
    async def late(value: int) -> int:
        await asyncio.sleep((3 - value) * 0.001)
        return value

    assert await together(late(k) for k in range(3)) == [0, 1, 2]


async def test_the_first_failure_cancels_the_rest_and_is_raised_as_it_is():
    cancelled = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def fails() -> None:
        raise KeyError("this one")

    with pytest.raises(KeyError, match="this one"):
        await together([waits(), fails()])
    assert cancelled.is_set()
